"""kill -9 of the daemon at each step of a deploy: the next daemon finishes it or takes it back cleanly."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.host import Host
from support.wait import until

NAME = "ledger"
STEPS = ["detect", "python", "build", "import", "release", "phase", "launch", "switch", "drain"]
PLACES = [place for step in STEPS for place in (step, f"{step}:after")]
IN_EVERY_RUN = {"build", "release:after", "phase:after", "launch", "launch:after", "switch", "switch:after", "drain"}
SOURCE = {
    "Procfile": "release: python migrate.py\nweb: gunicorn app:app\n",
    "requirements.txt": "",
    "migrate.py": """
import sqlite3

db = sqlite3.connect("ledger.db")
db.execute("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY)")
db.execute("CREATE TABLE IF NOT EXISTS phase (version TEXT)")
db.execute("INSERT INTO phase VALUES (?)", (open("VERSION").read(),))
db.commit()
""",
    "app.py": """
import sqlite3

VERSION = open("VERSION").read()


def app(environ, start_response):
    db = sqlite3.connect("ledger.db", timeout=20)
    if environ["REQUEST_METHOD"] == "POST":
        with db:
            db.execute("INSERT INTO entry DEFAULT VALUES")
    count = db.execute("SELECT count(*) FROM entry").fetchone()[0]
    check = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{VERSION} {count} {check}".encode()]
""",
}


def source(folder: Path, version: int) -> Path:
    folder.mkdir(exist_ok=True)
    for path, text in SOURCE.items():
        (folder / path).write_text(text)
    (folder / "VERSION").write_text(str(version))
    return folder


@pytest.fixture(autouse=True)
def deployed(host: Host, tmp_path: Path) -> Iterator[None]:
    host.deploy(source(tmp_path / NAME, 1))
    host.browser(NAME).request("POST", "/")
    yield
    if host.daemon is None or host.daemon.poll() is not None:
        host.start()
    host.destroy(NAME)


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=[] if place in IN_EVERY_RUN else [pytest.mark.slow]) for place in PLACES]
)
def test_a_daemon_that_dies_during_a_deploy_leaves_a_whole_app(host: Host, tmp_path: Path, place: str) -> None:
    host.stop_daemon()
    host.start("--crash-at", place)
    outcome = host.try_deploy(source(tmp_path / NAME, 2))
    assert host.daemon is not None
    if host.daemon.poll() is None and outcome.code == 0:
        pytest.skip(f"a deploy of this app has no {place}")
    until(lambda: host.daemon.poll() is not None, "the daemon died")
    assert host.daemon.returncode == -signal.SIGKILL
    assert answer(host)[1:] == ("1", "ok"), "the app has to go on without a daemon"

    host.start()
    [finished] = until(lambda: settled(host), "the interrupted deploy is settled")
    version, count, integrity = answer(host)
    assert version == ("2" if finished else "1"), f"the status says {finished}, the app answers release {version}"
    assert (count, integrity) == ("1", "ok")
    if place.startswith(("detect", "python", "build", "import")):
        assert not finished
    if place in ("switch:after", "drain", "drain:after"):
        assert finished

    host.deploy(source(tmp_path / NAME, 3))
    assert answer(host) == ("3", "1", "ok")


def answer(host: Host) -> tuple[str, str, str]:
    version, count, integrity = host.browser(NAME).get("/").text.split()
    return version, count, integrity


def settled(host: Host) -> list[bool]:
    """[whether it was finished], or nothing while it is still going on."""
    last = host.status(NAME).get("last_deploy", {})
    return [] if last.get("state", "running") == "running" else [last["state"] == "succeeded"]
