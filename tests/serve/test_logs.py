"""The access log and the server's own messages."""

import json
import signal
from collections.abc import Callable

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.wait import until


def test_the_access_log_is_opened_anew_on_usr1(folder: Folder, serve: Callable[..., Server]) -> None:
    log, old = folder.path / "access.log", folder.path / "access.log.1"
    server = serve("wsgi_app:app", "--workers", "2", "--access-log", str(log)).ready()
    server.get("/before")
    until(lambda: "/before" in log.read_text(), "the request is logged")
    log.rename(old)
    server.signal(signal.SIGUSR1)
    until(log.exists, "the log is opened anew")

    def both_workers_write_there() -> bool:
        server.get("/after")
        return log.read_text().count("/after") >= 10

    until(both_workers_write_there, "requests are logged in the new file")
    assert "/before" not in log.read_text()


def test_the_access_log_can_go_to_standard_output_as_json(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--access-log").ready()
    server.get("/logged")
    assert server.process.stdout
    line = json.loads(server.process.stdout.readline())
    assert "/logged" in line.values()


def test_messages_are_lines_with_time_level_and_event(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert not server.plain_lines
    assert [e["event"] for e in server.events] == [
        "serve.starting",
        "worker.ready",
        "serve.ready",
        "serve.draining",
        "worker.exited",
    ]
    assert all(set(e) >= {"time", "level", "event", "message"} for e in server.events)


def test_the_apps_own_logging_is_left_alone(folder: Folder, serve: Callable[..., Server]) -> None:
    app = """
        import logging
        def app(environ, start_response):
            start_response("200 OK", [])
            return [repr(logging.getLogger().handlers).encode()]
    """
    folder.write("logs.py", app)
    assert serve("logs:app").ready().get()[1] == "[]"
