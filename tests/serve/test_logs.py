"""The access log and the server's own messages."""

import json
import signal
from collections.abc import Callable

from tests.serve.conftest import Folder
from tests.serve.server import Server, run
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


def test_lines_of_the_access_log_look_as_asked_for(folder: Folder, serve: Callable[..., Server]) -> None:
    log = folder.path / "access.log"
    pattern = '%(h)s "%(r)s" %(s)s %(b)s %({x-request-id}i)s %({traceparent}i)s'
    server = serve("wsgi_app:app", "--access-log", str(log), "--access-log-format", pattern).ready()
    connection = server.connect()
    connection.request("GET", "/a?b", headers={"X-Request-Id": "r 1"})
    size = len(connection.getresponse().read())
    connection.close()
    until(log.read_text, "the request is logged")
    assert log.read_text() == f'127.0.0.1 "GET /a?b HTTP/1.1" 200 {size} r 1 -\n'


def test_json_lines_have_the_trace(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--access-log").ready()
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    for header in (f"00-{trace}-{span}-01", "garbage"):
        connection = server.connect()
        connection.request("GET", "/", headers={"traceparent": header})
        connection.getresponse().read()
        connection.close()
    assert server.process.stdout
    first, second = (json.loads(server.process.stdout.readline()) for _ in range(2))
    assert (first["trace_id"], first["span_id"]) == (trace, span)
    assert "trace_id" not in second


def test_an_unknown_atom_is_a_mistake(folder: Folder) -> None:
    ended = run(folder.path, "wsgi_app:app", "--access-log-format", "%(h)s %(x)s")
    assert ended.returncode == 2
    assert "'%(x)s' is no atom of the access log" in ended.stderr
