"""The driver of `make demo`: a private Serai that hosts the example apps.

Starts a daemon with a root folder of its own and loopback addresses only, deploys the examples, asks each of their
pages and says what to try next. On a terminal it stays until Ctrl-C; otherwise it stops everything and exits with 0
only if all was well. Needs nothing but the standard library.
"""

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXECUTABLE = Path(os.environ.get("SERAI", REPOSITORY / "build" / "release" / "serai"))
EXAMPLES = REPOSITORY / "examples"
PORTS = range(8080, 8180)


@dataclass(frozen=True)
class Page:
    """An address of an app and the text that must be in its answer."""

    path: str
    says: str


APPS = {
    "django-site": [
        Page("/", "Pictures"),
        Page("/login/", "csrfmiddlewaretoken"),
        Page("/admin/login/", "Django admin"),
    ],
    "fastapi-service": [Page("/", "Temperature log"), Page("/docs", "swagger"), Page("/export.csv", "id,sensor")],
    "flask-site": [Page("/", "Guestbook"), Page("/sign", "csrf_token"), Page("/static/style.css", "font-family")],
}


class Failed(Exception):
    """The demo cannot go on; the message is for the user."""


class Demo:
    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port
        self.log = root.with_name(root.name + ".log")
        self.password = secrets.token_urlsafe(9)
        self.stopped_cleanly = True
        self._daemon: subprocess.Popen[bytes] | None = None

    # -- the daemon ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A daemon for the length of the block; whatever happens, nothing runs afterwards."""
        try:
            self._start()
            yield
        finally:
            self._stop()

    def _start(self) -> None:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        command = [EXECUTABLE, "daemon", "--root", self.root, "--listen", f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the daemon did not start; it said:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        return subprocess.run(self._command("apps"), capture_output=True, check=False).returncode == 0

    def _stop(self) -> None:
        if self._daemon is None:
            return
        if self._daemon.poll() is None:
            subprocess.run(self._command("daemon", "stop", "--all"), capture_output=True, check=False, timeout=60)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._daemon.wait(timeout=30)
            wait_until(lambda: not self._left_running())
        self._kill_rest()
        shutil.rmtree(self.root, ignore_errors=True)

    def _kill_rest(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.kill()
            self._daemon.wait()
        for pid in self._left_running():
            self.stopped_cleanly = False
            print(f"demo: process {pid} did not stop and is killed", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _left_running(self) -> list[int]:
        """Processes whose command line names our root folder: edge and supervisors (which take the rest with them)."""
        return [pid for pid in process_ids() if str(self.root) in command_line(pid) and pid != os.getpid()]

    def _command(self, *arguments: str) -> list[str | Path]:
        return [EXECUTABLE, "--root", self.root, *arguments]

    # -- the apps -----------------------------------------------------------------------------------------------------

    def deploy(self, app: str) -> None:
        print(f"\n$ serai deploy examples/{app}", flush=True)
        self._run("deploy", str(EXAMPLES / app), "--name", app, "--yes")

    def create_user(self) -> None:
        print("\n$ serai run django-site python manage.py createsuperuser", flush=True)
        create = ["python", "manage.py", "createsuperuser", "--noinput", "--username=demo", "--email=demo@example.org"]
        self._run("run", "django-site", "env", f"DJANGO_SUPERUSER_PASSWORD={self.password}", *create)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(self._command(*arguments), stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise Failed(f"`serai {' '.join(arguments[:2])}` failed (exit code {done.returncode})")

    def check_pages(self) -> None:
        print("\nAsking each app:")
        wrong = [line for app, pages in APPS.items() for page in pages if (line := self._check(app, page))]
        if wrong:
            raise Failed("\n".join(wrong))

    def _check(self, app: str, page: Page) -> str:
        """Asks one page and prints what came; says what is wrong, or nothing."""
        begun = time.monotonic()
        status, body = self._get(app, page.path)
        milliseconds = (time.monotonic() - begun) * 1000
        good = status == 200 and page.says in body
        print(f"  {'ok' if good else 'WRONG':6}{status}  {self.url(app)}{page.path}  {milliseconds:.0f} ms", flush=True)
        return "" if good else f"{self.url(app)}{page.path} answered {status} without {page.says!r}"

    def _get(self, app: str, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"{app}.localhost:{self.port}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def compare(self) -> None:
        """A short one, for its looks; it needs root, and a host that can pause processes."""
        if os.geteuid() != 0:
            return
        kinds = "shared,dedicated" if (os.cpu_count() or 1) > 1 else "shared"
        options = ["--kinds", kinds, "--rounds", "6", "--seconds", "1", "--starts", "3", "--rate", "100"]
        print(f"\n$ serai compare flask-site {' '.join(options)}", flush=True)
        done = subprocess.run(self._command("compare", "flask-site", *options), stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print("demo: this host cannot compare; the rest goes on", flush=True)

    def url(self, app: str) -> str:
        return f"http://{app}.localhost:{self.port}"

    def explain(self) -> None:
        reading = """'{"sensor": "attic", "celsius": 21.5}'"""
        print(f"""
Serai hosts three apps:
  {self.url("django-site")}/        log in at /admin/ as demo, password {self.password}
  {self.url("fastapi-service")}/    interactive documentation at /docs
  {self.url("flask-site")}/         sign the guestbook at /sign

Try next, in another terminal:
  export SERAI_ROOT={self.root} PATH={EXECUTABLE.parent}:$PATH
  serai status django-site
  serai logs django-site -f
  serai detect examples/flask-site
  curl -d {reading} -H 'Content-Type: application/json' {self.url("fastapi-service")}/readings
  curl -N {self.url("fastapi-service")}/feed
  serai deploy examples/flask-site && serai releases flask-site && serai rollback flask-site
""")


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_line(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def free_port() -> int:
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise Failed(f"no port from {PORTS[0]} to {PORTS[-1]} is free on 127.0.0.1; stop one of the programs that use them")


def root_folder() -> Path:
    """build/demo/root; elsewhere when other users, such as the edge's, may not pass through the folders above it."""
    root = REPOSITORY / "build" / "demo" / "root"
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in REPOSITORY.parents):
        return root
    folder = Path(tempfile.mkdtemp(prefix="serai-demo-"))
    folder.chmod(0o755)
    return folder / "root"


def wait_for_the_user() -> None:
    print("Press Ctrl-C to stop.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            signal.pause()


def run(demo: Demo) -> None:
    print(f"Starting a private Serai: root {demo.root}, port {demo.port}", flush=True)
    with demo.running():
        for app in APPS:
            demo.deploy(app)
        demo.create_user()
        demo.check_pages()
        demo.compare()
        demo.explain()
        if sys.stdin.isatty() and sys.stdout.isatty():
            wait_for_the_user()
        print("Stopping.", flush=True)
    if not demo.stopped_cleanly:
        raise Failed("not everything stopped when it was asked to")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        if not EXECUTABLE.exists():
            raise Failed(f"{EXECUTABLE} is missing: run `make build` first")
        run(Demo(root_folder(), free_port()))
    except Failed as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    print("All was well.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
