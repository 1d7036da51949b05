"""The edge as a process: signals, handed-over sockets, memory, what it leaves behind."""

import http.client
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from support.wait import until

from .door import Control, Edge
from .small_app import SmallApp


def get(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def resident_bytes(pid: int) -> int:
    return int((Path("/proc") / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_sigterm_answers_what_was_asked_and_exits_with_0(edge: Edge, tmp_path: Path) -> None:
    edge.route(tmp_path / "late.sock")
    answers: list[tuple[int, bytes]] = []
    port = edge.port
    asking = threading.Thread(target=lambda: answers.append(get(port)))
    asking.start()
    until(lambda: edge.counters()["held"] == 1, "the request waits")
    edge.process.send_signal(signal.SIGTERM)
    app = SmallApp(tmp_path / "late.sock", "late")
    asking.join()
    assert answers == [(200, b"late")]
    assert edge.process.wait(timeout=10) == 0
    assert not (tmp_path / "control.sock").exists()
    app.end()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_the_access_log_is_reopened_on_a_signal(edge: Edge, tmp_path: Path, number: int) -> None:
    log = tmp_path / "access.log"
    assert get(edge.port, "/before")[0] == 404
    log.rename(tmp_path / "rotated.log")
    edge.process.send_signal(number)
    until(log.exists, "the log is there again")
    assert get(edge.port, "/after")[0] == 404
    assert edge.end() == 0
    assert "/before" in (tmp_path / "rotated.log").read_text()
    assert "/after" in log.read_text()


def test_a_killed_edge_knows_its_routes_again(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    edge.start()
    app = SmallApp(tmp_path / "app.sock", "kept")
    edge.route(app.path)
    until((tmp_path / "routes.json").exists, "the routes are saved")
    assert edge.end(signal.SIGKILL) == -signal.SIGKILL
    with edge:
        assert get(edge.port) == (200, b"kept")
    app.end()


def test_sockets_are_handed_over_and_outlive_edges(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    for name in ("first", "second"):
        with Edge(tmp_path, listen=False) as edge:
            answer = edge.control.ask({"type": "listen", "id": name}, [listener.fileno()])
            assert answer == {"type": "listening", "addresses": [f"127.0.0.1:{port}"], "id": name}
            assert get(port)[0] == 404
    listener.close()


def test_a_draining_edge_leaves_its_place_to_a_successor(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with Edge(tmp_path, listen=False) as old:
        old.control.ask({"type": "listen"}, [listener.fileno()])
        old.route(tmp_path / "late.sock")
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(get(port)))
        asking.start()
        until(lambda: old.counters()["held"] == 1, "the request waits")
        assert old.control.ask({"type": "drain", "timeout": 30})["type"] == "draining"
        with Edge(tmp_path, listen=False) as new:
            new.control.ask({"type": "listen"}, [listener.fileno()])
            app = SmallApp(tmp_path / "late.sock", "late")
            assert get(port) == (200, b"late")
            asking.join()
            assert answers == [(200, b"late")]
            assert old.process.wait(timeout=10) == 0
    app.end()
    listener.close()


def test_a_peer_of_another_version_is_refused(edge: Edge) -> None:
    edge.control.send({"type": "hello", "version": 1, "role": "again"})  # a second hello is no message it knows
    assert edge.control.receive()[0]["type"] == "error"
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stranger.connect(str(edge.folder / "control.sock"))
    text = b'{"type":"hello","version":2,"role":"daemon"}'
    stranger.sendall(len(text).to_bytes(4, "little") + text)
    with stranger.makefile("rb") as stream:
        assert b"version 2" in stream.read()
    Control(edge.folder / "control.sock").close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_other_users_may_not_give_orders(edge: Edge) -> None:
    (edge.folder / "control.sock").chmod(0o666)
    for folder in (edge.folder, *edge.folder.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            Control(edge.folder / "control.sock")
        except Exception:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: " + b"x" * 20_000 + b"\r\n\r\n", id="large head"),
    ],
)
def test_a_connection_that_waits_costs_at_most_8_kib(edge: Edge, tmp_path: Path, sent: bytes) -> None:
    count = 2000
    app = SmallApp(tmp_path / "app.sock", "app")
    edge.route(app.path)
    port = edge.port
    get(port)
    before = resident_bytes(edge.process.pid)
    clients = []
    for _ in range(count):
        clients.append(socket.create_connection(("127.0.0.1", port)))
        if sent:
            clients[-1].sendall(sent)
        if sent.endswith(b"\r\n\r\n"):
            assert clients[-1].recv(1000).startswith(b"HTTP/1.1 200")
    until(lambda: edge.control.ask({"type": "counters"})["connections"] >= count, "all are accepted")
    each = (resident_bytes(edge.process.pid) - before) / count
    for client in clients:
        client.close()
    assert each < 8192, f"{each:.0f} bytes per connection"
    edge.route(tmp_path / "none.sock")
    app.end()
