"""The front door alone: Serai's edge beside nginx, as a proxy and as a file server. CPU time of the front door only.

    scripts/bench edge [--rounds N] [--seconds N] [--serai EXECUTABLE]

Both have one process that works, an access log, and kept-alive connections over a Unix socket to the same small app (an
nginx of its own that answers a constant), which shares the other CPU with the load. Files are 50 KiB, sent by sendfile.
Each row is measured plain and over TLS 1.3, on connections that are kept.
"""

import argparse
import contextlib
import dataclasses
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import common

OURS = "serai edge"
FILE_BYTES = 50 * 1024
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
APP = """
    server {{
        listen unix:{socket};
        location / {{ default_type text/plain; return 200 "Hello, World!"; }}
    }}
"""
FRONT = """
    upstream app {{ server unix:{socket}; keepalive 64; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{secure_port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location /static/ {{ root {root}; }}
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Request-ID $request_id;
        }}
    }}
"""
WORKLOADS = [
    common.Workload("proxied", "any", b"Hello, World!", "/"),
    common.Workload("file of 50 KiB", "any", b"x" * FILE_BYTES, "/static/file.bin"),
]


def nginx(folder: Path, servers: str, log: str) -> common.Program:
    folder.mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, log=log, servers=servers))
    return common.Program("nginx", "-c", folder / "nginx.conf", "-e", folder / "error.log")


@contextlib.contextmanager
def app(folder: Path) -> Iterator[Path]:
    """What both pass requests on to, on the load's CPU."""
    socket = folder / "app.sock"
    with nginx(folder / "app", APP.format(socket=socket), "off") as program:
        wait_for(socket)
        socket.chmod(0o777)
        common.pin(program.process_ids(), common.LOAD_CPU)
        yield socket


def wait_for(socket: Path) -> None:
    while not socket.is_socket():
        time.sleep(0.01)


def make_certificate(folder: Path) -> None:
    certificate, key = folder / "front.crt", folder / "front.key"
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    subprocess.run(["openssl", "req", *made, *files], check=True, capture_output=True)


def plain_and_secure(name: str, program: common.Program, port: int, secure_port: int) -> list[common.Contender]:
    return [
        common.Contender(name, port, program.process_ids),
        common.Contender(name, secure_port, program.process_ids, scheme="https"),
    ]


@contextlib.contextmanager
def nginx_front(folder: Path, socket: Path) -> Iterator[list[common.Contender]]:
    port, secure_port = common.free_port(), common.free_port()
    own = folder / "front"
    certificate, key = folder / "front.crt", folder / "front.key"
    servers = FRONT.format(
        socket=socket, port=port, secure_port=secure_port, root=folder / "root", certificate=certificate, key=key
    )
    with nginx(own, servers, f"{own}/access.log") as program:
        yield plain_and_secure("nginx", program, port, secure_port)


@contextlib.contextmanager
def serai_front(executable: Path, folder: Path, socket: Path) -> Iterator[list[common.Contender]]:
    port, secure_port = common.free_port(), common.free_port()
    own = folder / "edge"
    own.mkdir()
    route = {
        "app": "bench",
        "hosts": ["*"],
        "state": "up",
        "upstream": {"unix": str(socket)},
        "static": [{"prefix": "/static", "folder": str(folder / "root" / "static")}],
    }
    (own / "routes.json").write_text(json.dumps({"type": "routes", "generation": 1, "apps": [route]}))
    command = [executable, "edge", "--folder", own, "--listen", f"127.0.0.1:{port}"]
    command += ["--listen-tls", f"127.0.0.1:{secure_port}"]
    command += ["--certificate", folder / "front.crt", "--key", folder / "front.key"]
    with common.Program(*command) as program:
        yield plain_and_secure(OURS, program, port, secure_port)


def run(executable: Path, rounds: int, seconds: int) -> None:
    common.print_machine()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "root" / "static").mkdir(parents=True)
        (folder / "root" / "static" / "file.bin").write_bytes(b"x" * FILE_BYTES)
        socket = stack.enter_context(app(folder))
        make_certificate(folder)
        ours = stack.enter_context(serai_front(executable, folder, socket))
        theirs = stack.enter_context(nginx_front(folder, socket))
        for workload in WORKLOADS:
            for suffix, fronts in zip(("", ", TLS 1.3"), zip(ours, theirs, strict=True), strict=True):
                for front in fronts:
                    front.costs.clear()
                    front.rates.clear()
                common.interleave(fronts, workload, rounds, seconds)
                common.print_table(dataclasses.replace(workload, name=workload.name + suffix), fronts, OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load per turn")
    parser.add_argument("--serai", type=Path, default=common.RELEASE / "serai", help="the executable")
    arguments = parser.parse_args()
    run(arguments.serai, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
