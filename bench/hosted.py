"""The whole hosted path, front door and app server, on one CPU: Serai beside nginx + uvicorn and nginx + gunicorn.

    scripts/bench hosted [--rounds N] [--seconds N] [--only WORKLOAD …]

Each is set up as people run it: nginx with one worker, an access log and kept-alive connections to a Unix socket;
uvicorn with uvloop and httptools; gunicorn with one gthread worker of 8 threads; Serai as deployed by `serai deploy`.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import common

sys.path.insert(0, str(common.REPOSITORY / "tests"))
from support.host import Host

OURS = "serai"
NGINX_CONF = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream app {{ server unix:{folder}/app.sock; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def app_server(workload: common.Workload, socket: Path) -> list[str | Path]:
    """uvicorn or gunicorn on a Unix socket, as their documentation advises behind nginx."""
    if workload.interface == "asgi":
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return [common.PEERS / "uvicorn", "app:app", "--uds", socket, *options]
    options = ["--worker-class", "gthread", "--threads", "8", "--keep-alive", "60", "--no-control-socket"]
    return [common.PEERS / "gunicorn", "app:app", "--bind", f"unix:{socket}", *options, "--log-level", "warning"]


@contextlib.contextmanager
def behind_nginx(workload: common.Workload) -> Iterator[common.Contender]:
    port = common.free_port()
    with tempfile.TemporaryDirectory(prefix="serai-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = folder / "nginx.conf"
        config.write_text(NGINX_CONF.format(folder=folder, port=port))
        with (
            common.Program(*app_server(workload, folder / "app.sock"), cwd=workload.folder) as server,
            common.Program("nginx", "-c", config) as nginx,
        ):
            peer = "uvicorn" if workload.interface == "asgi" else "gunicorn"
            yield common.Contender(f"nginx + {peer}", port, lambda: [*nginx.process_ids(), *server.process_ids()])


@contextlib.contextmanager
def hosted(host: Host, workload: common.Workload) -> Iterator[common.Contender]:
    app = workload.name.replace("_", "-")
    host.deploy(workload.folder, name=app)
    daemon = host.daemon.pid if host.daemon else 0

    def serving() -> list[int]:
        return [process.pid for process in host.processes() if process.pid != daemon]

    common.pin(serving())
    yield common.Contender(OURS, host.port, serving, f"{app}.localhost")
    host.destroy(app)


def run(host: Host, workload: common.Workload, rounds: int, seconds: int) -> None:
    with behind_nginx(workload) as peer, hosted(host, workload) as ours:
        contenders = [ours, peer]
        common.interleave(contenders, workload, rounds, seconds)
        common.print_table(workload, contenders, OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load per round")
    parser.add_argument("--only", nargs="+", choices=[workload.name for workload in common.WORKLOADS])
    given = parser.parse_args()
    common.print_machine()
    with Host() as host:
        for workload in common.WORKLOADS:
            if not given.only or workload.name in given.only:
                run(host, workload, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
