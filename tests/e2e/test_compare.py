"""One app measured in several kinds of environment: figures that can be, answers that were verified, nothing left."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import EXECUTABLE, environment
from support.host import Host
from support.places import EXAMPLES
from support.wait import until

pytestmark = [pytest.mark.root]

NAME = "flask-site"
QUICK = ["--rounds", "6", "--seconds", "0.3", "--starts", "2"]
PAGE = """
import os
import pathlib

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/write":
        with pathlib.Path(__file__).with_name("visits").open("a") as visits:
            visits.write("x")
    if path == "/broken":
        print("the database has gone fishing")
    body = os.urandom(8).hex().encode() if path == "/random" else b"hello"
    start_response("500 Oh" if path == "/broken" else "200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def page(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "app.py").write_text(PAGE)
    (folder / "requirements.txt").write_text("")
    host.deploy(folder, name="page")
    yield "page"
    host.destroy("page")


@pytest.fixture(autouse=True)
def freezer_possible() -> None:
    if not Path("/sys/fs/cgroup/freezer").exists() and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("this host has no freezer")


def kinds(host: Host) -> list[str]:
    """Two that this host can do without making an image first."""
    facts = host.do("doctor", "--json").json["facts"]
    cpus = next(fact for fact in facts if fact["environment"] == "dedicated" and fact["what"] == "exclusive CPUs")
    return ["shared", "dedicated"] if cpus["good"] else ["shared"]


def trials(host: Host) -> list[str]:
    """What there is of trials: instances, folders, users."""
    names = [path.name for folder in ("instances", "apps") for path in (host.root / folder).iterdir()]
    names.append((host.root / "identities.json").read_text())
    return [name for name in names if "trial_" in name]


def check_cell(cell: dict[str, Any]) -> None:
    assert 0 < cell["p50_ms"]["low"] <= cell["p50_ms"]["estimate"] <= cell["p50_ms"]["high"] < 5000
    assert cell["p50_ms"]["estimate"] <= cell["p99_ms"]["estimate"]
    assert 10 < cell["cpu_us_per_request"]["estimate"] < 100_000
    start = cell["start"]
    for one in start["all"]:
        assert one["total_ms"] == pytest.approx(sum(stage["ms"] for stage in one["stages"]))
        assert 20 < one["total_ms"] < 60_000
    assert {"limits", "view", "processes", "import", "answer"} <= {stage["stage"] for stage in start["stages"]}
    assert 5 << 20 < cell["memory"]["anonymous_bytes"] <= cell["memory"]["proportional_bytes"] < 500 << 20
    standing = {wall["wall"] for wall in cell["isolation"]["walls"] if wall["stands"]}
    assert {"own user", "no capabilities", "system call filter", "own files", "limits"} <= standing
    assert ("own CPUs" in standing) == (cell["environment"] == "dedicated")


def test_measures_the_example_in_each_kind_and_leaves_nothing(host: Host, hosted: Callable[..., str]) -> None:
    name = hosted(EXAMPLES / NAME)
    before = host.status(name)
    wanted = kinds(host)
    report = host.do("compare", name, "--kinds", ",".join(wanted), *QUICK, "--seed", "7", "--json").json
    assert [cell["environment"] for cell in report["environments"]] == wanted
    for cell in report["environments"]:
        check_cell(cell)
        assert len(cell["rounds"]) == 6 and len(cell["start"]["all"]) == 2
    assert report["verified"]["by"] in ("body", "length", "status") and report["verified"]["status"] == 200
    answers = sum(one["answers"] for cell in report["environments"] for one in cell["rounds"])
    assert report["verified"]["answers"] == answers + sum(one["answers"] for one in report["noise_rounds"])
    assert answers > 6 * len(wanted)
    assert report["plan"]["seed"] == 7 and report["plan"]["rate"] > 0
    assert report["noise"]["cpu_us_per_request"]["floor"] >= 0
    assert not trials(host)
    assert host.status(name)["instance"] == before["instance"], "the live app was not touched"


def test_an_app_that_answers_500_is_refused_with_the_reason(host: Host, page: str) -> None:
    refused = host.attempt("compare", page, "--kinds", "shared", *QUICK, "--path", "/broken")
    assert refused.code == 1, str(refused)
    assert "answered with 500" in refused.err and "gone fishing" in refused.err, refused.err
    assert not trials(host)


def test_answers_that_change_are_verified_as_far_as_they_are_alike(host: Host, page: str) -> None:
    refused = host.attempt("compare", page, "--kinds", "shared", *QUICK, "--path", "/random", "--verify", "body")
    assert refused.code == 1 and "not answered with the same body" in refused.err, str(refused)
    assert "--verify length" in refused.err, refused.err


def test_what_the_measured_app_writes_does_not_reach_the_live_one(host: Host, page: str) -> None:
    data = host.root / "apps" / page / "data"
    database = data / "kept.sqlite3"
    make = "import sqlite3; sqlite3.connect('/app/kept.sqlite3').execute('create table t (x)')"
    host.do("run", page, "python", "-c", make)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert database in before
    shown = host.do("compare", page, "--kinds", "shared", *QUICK, "--path", "/write", "--rate", "50")
    for words in ("noise floor", "status 200, 5 bytes, all the same", "GET /write 50 times per second", "own kernel"):
        assert words in shown.out, shown.out
    assert "copy of" in shown.err
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def begin(host: Host, name: str) -> subprocess.Popen[str]:
    """A comparison that goes on for minutes, once its first instance runs."""
    command = [EXECUTABLE, "compare", name, "--kinds", "shared", "--rounds", "100", "--rate", "20"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(host.root))
    until(lambda: any("trial_" in path.name for path in (host.root / "instances").iterdir()), "a trial begins")
    return process


@pytest.mark.parametrize("after", [0.0, 3.0], ids=["while it starts", "under load"])
def test_ctrl_c_leaves_nothing(host: Host, page: str, after: float) -> None:
    process = begin(host, page)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and "nothing of the comparison is left" in error, error
    assert not trials(host)


def test_a_client_that_is_killed_leaves_nothing(host: Host, page: str) -> None:
    process = begin(host, page)
    time.sleep(1)
    process.kill()
    process.communicate()
    until(lambda: not trials(host), "the trial is gone")


@pytest.mark.alerts
def test_what_a_killed_daemon_leaves_the_next_one_removes(host: Host, page: str) -> None:
    process = begin(host, page)
    time.sleep(3)
    host.kill_daemon()
    assert process.wait(timeout=60) == 1
    process.communicate()
    assert trials(host)
    host.start()
    until(lambda: not trials(host), "the trial is gone")
    assert host.browser(page).get("/").status == 200


def test_two_at_a_time_are_refused_and_the_app_stays(host: Host, page: str) -> None:
    process = begin(host, page)
    try:
        second = host.attempt("compare", page, *QUICK)
        assert second.code == 1 and "another comparison" in second.err, str(second)
        destroyed = host.attempt("destroy", page, "--yes")
        assert destroyed.code == 1 and "comparison" in destroyed.err, str(destroyed)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kinds", "cellar"], "no kind of environment"),
        (["--rounds", "3"], "too few"),
        (["--path", "index"], "is no path"),
        (["--verify", "luck"], "body, length or status"),
    ],
)
def test_wrong_use_is_said_before_anything_begins(host: Host, options: list[str], words: str) -> None:
    refused = host.attempt("compare", "nobody", *options)
    assert refused.code == 2 and words in refused.err, str(refused)


def test_an_app_that_is_not_there_is_said(host: Host) -> None:
    assert "there is no app nobody" in host.attempt("compare", "nobody").err
