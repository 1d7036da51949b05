"""Instances that take turns: an app wrote beside its code, outside what is known to be data, so its successor must see
that, and starts when it has stopped. The edge holds the requests meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path

from support.host import Host

# The folder that it writes to is part of the release and no data folder yet.
WRITER = """
import os
from pathlib import Path
from wsgiref.simple_server import make_server

NOTES = Path("notes")


def app(environ, start_response):
    if environ["PATH_INFO"] == "/write":
        (NOTES / "today").write_text("kept")
    start_response("200 OK", [("Content-Type", "text/plain")])
    written = (NOTES / "today").read_text() if (NOTES / "today").exists() else "nothing"
    return [f"VERSION {written}".encode()]
"""
OWN_SERVER = WRITER + '\nmake_server(os.environ["HOST"], int(os.environ["PORT"]), app).serve_forever()\n'
BROKEN = 'raise RuntimeError("the new release is broken")\n'


def project(version: str, *, source: str = WRITER, procfile: str = "web: gunicorn app:app\n") -> dict[str, str]:
    return {
        "app.py": source.replace("VERSION", version),
        "Procfile": procfile,
        "requirements.txt": "",
        "notes/README": "what the app notes",
    }


class Visitor:
    """Asks again and again, each time over a new connection."""

    def __init__(self, host: Host, name: str) -> None:
        self.browser = host.browser(name)
        self.answers: list[tuple[int, str]] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.done.is_set():
            answer = self.browser.get("/")
            self.answers.append((answer.status, answer.text))

    def __enter__(self) -> "Visitor":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def test_a_broken_release_gives_its_turn_back(host: Host, write: Callable[..., Path], hosted) -> None:
    name = hosted(write("turns", project("one")))
    assert host.browser(name).get("/write").text == "one kept"
    bad = write("bad", project("two", source=BROKEN, procfile="web: python app.py\n"))
    with Visitor(host, name) as visitor:
        outcome = host.try_deploy(bad, "--json", name=name)
    assert outcome.code == 1, str(outcome)
    event = outcome.events[-1]
    assert event["step"] == "launch" and "the new release is broken" in event["output"], str(outcome)
    assert event["still_serving"] == "r1 had to stop for it, was started again and serves", str(outcome)
    assert set(visitor.answers) == {(200, "one kept")}, "held requests are answered by the old release"
    assert host.status(name)["release"] == 1
    good = host.deploy(write("good", project("three")), name=name)
    assert host.browser(name).get("/").text == "three kept", str(good)


def test_an_own_server_that_makes_room_is_no_event(host: Host, write: Callable[..., Path], hosted) -> None:
    own = {"source": OWN_SERVER, "procfile": "web: python app.py\n"}
    name = hosted(write("own-turns", project("one", **own)))
    assert host.browser(name).get("/write").text == "one kept"
    with Visitor(host, name) as visitor:
        outcome = host.deploy(write("next", project("two", **own)), name=name)
    assert "written beside the code" in outcome.out, str(outcome)
    assert {status for status, _ in visitor.answers} == {200}
    assert host.browser(name).get("/").text == "two kept"
    assert host.status(name)["events"] == []
