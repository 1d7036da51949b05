"""The commands: what they print for machines, how they end, what they say when used wrongly."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cli import run
from support.host import Host

NAME = "notes"
FILES = {
    "app.py": """
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("GREETING", "hello").encode()]
""",
    "requirements.txt": "",
    "Procfile": "web: gunicorn app:app\nticker: python -u tick.py\n",
    "tick.py": "import time\nprint('tick')\ntime.sleep(100000)\n",
}
COMMANDS = [
    "deploy",
    "detect",
    "apps",
    "status",
    "logs",
    "releases",
    "rollback",
    "restart",
    "image",
    "move",
    "stop",
    "start",
    "destroy",
    "run",
    "env",
    "config",
    "domains",
    "doctor",
    "version",
    "serve",
    "daemon",
    "completion",
]


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("source") / NAME
    folder.mkdir()
    for path, text in FILES.items():
        (folder / path).write_text(text)
    host.deploy(folder)
    yield folder
    host.destroy(NAME)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(tmp_path: Path, command: str) -> None:
    outcome = run(tmp_path, command, "--help")
    assert outcome.code == 0
    assert "xample" in outcome.out and f"serai {command}" in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["apps"],
        ["status", NAME],
        ["releases", NAME],
        ["env", "list", NAME],
        ["config", "show", NAME],
        ["domains", "list", NAME],
        ["doctor"],
        ["version"],
    ],
    ids=" ".join,
)
def test_answers_are_json_for_machines(host: Host, arguments: list[str]) -> None:
    assert host.do(*arguments, "--json").json is not None


def test_deploy_streams_json_events(host: Host, deployed: Path) -> None:
    events = host.deploy(deployed, "--json").events
    steps = [event["step"] for event in events if event["event"] == "step" and event["state"] == "done"]
    assert [step for step in steps if step in ("detect", "build", "release", "launch", "switch")] == [
        "detect",
        "build",
        "release",
        "launch",
        "switch",
    ]
    assert events[-1]["event"] == "done"


def test_wrong_use_ends_with_2_and_says_what_is_right(host: Host) -> None:
    for arguments in (["frobnicate"], ["status"], ["deploy", "--frobnicate"], ["destroy", NAME]):
        outcome = host.attempt(*arguments)
        assert outcome.code == 2, str(outcome)
        assert outcome.err.strip()


def test_a_failure_ends_with_1_in_three_lines(host: Host) -> None:
    outcome = host.attempt("status", "no-such-app")
    assert outcome.code == 1
    assert not outcome.out
    lines = outcome.err.strip().splitlines()
    assert 2 <= len(lines) <= 3, outcome.err
    assert "no-such-app" in outcome.err and "serai apps" in outcome.err


def test_without_a_daemon_the_advice_is_to_start_one(tmp_path: Path) -> None:
    outcome = run(tmp_path / "nowhere", "apps")
    assert outcome.code == 1
    assert "serai daemon" in outcome.err


def test_the_root_may_stand_before_or_after_the_command(host: Host, tmp_path: Path) -> None:
    for arguments in (["--root", str(host.root), "apps"], ["apps", "--root", str(host.root)]):
        assert NAME in run(tmp_path, *arguments).out


def test_no_colours_without_a_terminal(host: Host) -> None:
    for arguments in (["apps"], ["status", NAME], ["releases", NAME], ["doctor"]):
        assert "\033" not in host.do(*arguments).text


def test_env_makes_a_new_release_and_lists_names_only(host: Host) -> None:
    before = len(host.do("releases", NAME, "--json").json["releases"])
    host.do("env", "set", NAME, "GREETING=bonjour-1815")
    assert host.browser(NAME).get("/").text == "bonjour-1815"
    listed = host.do("env", "list", NAME)
    assert "GREETING" in listed.out and "bonjour-1815" not in listed.out
    assert len(host.do("releases", NAME, "--json").json["releases"]) == before + 1
    host.do("rollback", NAME, "--yes")
    assert host.browser(NAME).get("/").text == "hello", "a rollback restores the configuration too"


def test_domains_are_routed(host: Host) -> None:
    host.do("domains", "add", NAME, "notes.example.org")
    browser = host.browser(NAME)
    browser.host = "notes.example.org"
    assert browser.get("/").status == 200
    host.do("domains", "remove", NAME, "notes.example.org")
    assert browser.get("/").status == 404


def test_stop_and_start_keep_the_release(host: Host) -> None:
    host.do("stop", NAME)
    assert host.status(NAME)["state"] == "stopped"
    assert host.browser(NAME).get("/").status == 503
    host.do("start", NAME)
    assert host.browser(NAME).get("/").status == 200


def test_run_passes_input_output_and_exit_code(host: Host) -> None:
    script = "import sys; print(sys.stdin.read().upper()); print('aside', file=sys.stderr); sys.exit(7)"
    outcome = host.attempt("run", NAME, "python", "-c", script, stdin="hello")
    assert (outcome.code, outcome.out, outcome.err) == (7, "HELLO\n", "aside\n")


def test_logs_are_kept_per_process(host: Host) -> None:
    assert "tick" in host.do("logs", NAME, "--process", "ticker").out
    assert "tick" not in host.do("logs", NAME, "--process", "web").out


def test_detect_explains_and_keeps_nothing(host: Host, deployed: Path) -> None:
    outcome = host.do("detect", str(deployed), "--yes")
    assert "app:app" in outcome.out and "Procfile" in outcome.out and "WSGI" in outcome.out
    assert host.apps() == {NAME}


def test_what_is_left_out_is_said(host: Host, write: Callable[..., Path]) -> None:
    files = FILES | {".env": "SECRET=1", "notes.sqlite3": "", ".git/config": "", "node_modules/x.js": ""}
    folder = write(NAME, files)
    asked = host.attempt("deploy", str(folder))
    assert asked.code == 2 and "--yes" in asked.err and ".env" in asked.text
    outcome = host.deploy(folder)
    assert ".git" in outcome.text


def test_config_show_says_where_each_value_comes_from(host: Host) -> None:
    shown = host.do("config", "show", NAME).out
    assert re.search(r"allocation\.memory .*default", shown), shown


def test_doctor_tells_what_this_host_can_do(host: Host) -> None:
    facts = host.do("doctor", "--json").json
    assert "memory" in json.dumps(facts)


def test_an_unknown_host_gets_a_friendly_404(host: Host) -> None:
    browser = host.browser("nobody")
    answer = browser.get("/", Accept="text/html")
    assert answer.status == 404
    assert "<html" in answer.text and str(host.root) not in answer.text
