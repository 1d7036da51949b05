"""What is written down for an app's owner and for the host's: limits that bit, output of builds and release phases,
the edge's access log."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.host import Host
from support.places import SITES
from support.wait import until

LARGEST_LOG = 64 << 20  # as src/daemon/edge_log.cc rotates


@pytest.mark.root
@pytest.mark.alerts
def test_limits_that_bit_are_shown_when_the_instance_is_gone(host: Host, hosted) -> None:
    name = hosted(SITES / "probe", "hog", SECRET="none")
    browser = host.browser(name)
    assert browser.get("/forks?a0=2000").json["result"] < 1000
    assert browser.get("/memory?a0=2048").json["result"] == -9
    hits = {limit["limit"]: limit["hits"] for limit in host.do("limits", name, "--json").json["limits"]}
    assert hits["processes"] > 0 and hits["memory"] > 0 and hits["out of memory"] > 0
    before = host.instances()
    host.do("restart", name)
    assert host.instances() != before
    events = [event["text"] for event in host.status(name)["events"]]
    for found in ("a new process or thread was refused", "memory was at its limit"):
        assert any(event.startswith(found) and before[0] in event for event in events), events
    assert "memory was at its limit" in host.do("status", name).out


def test_what_builds_and_release_phases_print_is_kept(host: Host, write: Callable[..., Path], hosted) -> None:
    files = {
        "app.py": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ready']\n",
        "requirements.txt": "iniconfig==2.0.0\n",
        "Procfile": "web: gunicorn app:app\nrelease: python migrate.py $PASSWORD\n",
        "migrate.py": "import sys\nprint('migrating with', sys.argv[1])\nprint('a warning', file=sys.stderr)\n",
    }
    name = hosted(write("recorded", files), PASSWORD="open-sesame-1815")
    build = host.do("logs", name, "--process", "build").out
    assert "install: exit status 0" in build and "iniconfig" in build, build
    release = host.do("logs", name, "--process", "release").out
    assert "migrating with (secret)" in release and "a warning" in release, release
    assert "open-sesame-1815" not in build + release
    files["migrate.py"] = "raise SystemExit('no such column: price')\n"
    assert host.try_deploy(write("recorded-2", files), name=name).code == 1
    release = host.do("logs", name, "--process", "release", "-n", "3").out
    assert "no such column: price" in release and "exit status 1" in release, "the failed one is kept too"


@pytest.fixture
def json_host() -> Iterator[Host]:
    """A Serai of its own, whose edge writes JSON."""
    host = Host()
    try:
        host.start("--access-log-format", "json")
        yield host
    finally:
        left = host.stop()
        host.remove()
    assert not left, str(left)


def test_the_format_of_the_access_log_passes_through_the_daemon_and_the_log_rotates(json_host: Host) -> None:
    log = json_host.root / "edge" / "access.log"
    browser = json_host.browser("nobody")

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    assert browser.get("/first").status == 404
    line = until(lines, "the request is logged")[-1]
    assert (line["target"], line["status"]) == ("/first", 404), line
    os.truncate(log, LARGEST_LOG)
    older = log.with_name("access.log.1")
    until(older.exists, "the large log is put aside")
    assert older.stat().st_size == LARGEST_LOG
    until(log.exists, "a new log is begun")
    assert browser.get("/second").status == 404
    until(lambda: any(line["target"] == "/second" for line in lines()), "it is written to")
