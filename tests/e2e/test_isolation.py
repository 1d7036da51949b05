"""Two apps of two users: what one of them tries against the other, and what limits do. First tests; the full attack
suite comes later."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import processes
from support.host import Host
from support.places import SITES
from support.web import Browser

pytestmark = [pytest.mark.root]

ATTACKER = "attacker"
VICTIM = "victim"
SECRET = "the-victims-secret-1815"


@pytest.fixture(scope="module", autouse=True)
def both(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    for name in (ATTACKER, VICTIM):
        folder = Path(shutil.copytree(SITES / "probe", tmp_path_factory.mktemp("sites") / name))
        host.deploy(folder, SECRET=SECRET if name == VICTIM else "none")
    host.browser(VICTIM).get("/write?path=/app/diary")
    yield
    for name in (ATTACKER, VICTIM):
        host.destroy(name)


class Attempts:
    """What an app can do, asked over HTTP."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def __call__(self, attempt: str, *arguments: object) -> Any:
        query = "&".join(f"a{number}={argument}" for number, argument in enumerate(arguments))
        answer = self.browser.get(f"/{attempt}?{query}")
        assert answer.status == 200, str(answer)
        return answer.json

    def result(self, attempt: str, *arguments: object) -> Any:
        answer = self(attempt, *arguments)
        assert "result" in answer, answer
        return answer["result"]


@pytest.fixture
def attacker(host: Host) -> Attempts:
    return Attempts(host.browser(ATTACKER))


@pytest.fixture
def victim(host: Host) -> Attempts:
    return Attempts(host.browser(VICTIM))


def victims_processes(host: Host, victim: Attempts) -> list[processes.Process]:
    uid = victim.result("identity")["uid"]
    return [process for process in host.processes() if process.uid == uid]


def test_each_app_has_a_user_of_its_own(attacker: Attempts, victim: Attempts) -> None:
    ours, theirs = attacker.result("identity"), victim.result("identity")
    assert ours["uid"] != theirs["uid"] and ours["gid"] != theirs["gid"]
    assert 0 not in (ours["uid"], theirs["uid"])
    assert ours["groups"] in ([], [ours["gid"]])


def test_an_app_has_no_capabilities_and_gains_no_privileges(attacker: Attempts) -> None:
    status = dict(line.split(":\t", 1) for line in attacker.result("identity")["status"].splitlines() if ":\t" in line)
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "CapPrm": 0,
        "CapEff": 0,
        "CapBnd": 0,
        "CapAmb": 0,
    }
    assert status["NoNewPrivs"] == "1"


def test_neither_the_others_files_nor_the_root_are_in_view(host: Host, attacker: Attempts) -> None:
    for path in (host.root, host.root / "state.db", host.root / "apps" / VICTIM / "data"):
        assert attacker("read", path).get("error") in ("FileNotFoundError", "PermissionError"), path
        assert "error" in attacker("listing", path), path


def test_the_others_files_cannot_be_opened_through_proc(host: Host, attacker: Attempts, victim: Attempts) -> None:
    for process in victims_processes(host, victim):
        assert "error" in attacker("read", f"/proc/{process.pid}/root/app/diary")


def test_the_others_environment_is_out_of_reach(host: Host, attacker: Attempts, victim: Attempts) -> None:
    assert victim.result("environment")["SECRET"] == SECRET
    assert attacker.result("environment")["SECRET"] == "none"
    for process in victims_processes(host, victim):
        assert SECRET not in str(attacker("read", f"/proc/{process.pid}/environ"))
    for pid in attacker.result("processes"):
        assert SECRET not in str(attacker("read", f"/proc/{pid}/environ"))


def test_secrets_are_in_no_command_line_and_no_readable_file(host: Host) -> None:
    assert not [process for process in processes.everyone() if SECRET in " ".join(process.command)]
    holders = [path for path in host.root.rglob("*") if path.is_file() and holds(path, SECRET)]
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders), holders


def holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False


def test_the_others_processes_cannot_be_signalled(host: Host, attacker: Attempts, victim: Attempts) -> None:
    theirs = victims_processes(host, victim)
    ours = set(attacker.result("processes"))
    assert theirs
    for process in theirs:
        if str(process.pid) not in ours:
            assert attacker("kill", process.pid).get("error") in ("ProcessLookupError", "PermissionError")
    assert {process.pid for process in theirs} == {process.pid for process in victims_processes(host, victim)}


def test_an_app_sees_only_its_own_processes(host: Host, attacker: Attempts) -> None:
    assert len(attacker.result("processes")) < 20
    assert attacker("kill", host.edge().pid).get("error") in ("ProcessLookupError", "PermissionError")


def test_the_daemons_sockets_are_out_of_reach(host: Host, attacker: Attempts) -> None:
    for path in (host.root / "api.sock", host.root / "edge" / "control.sock"):
        assert "error" in attacker("connect_unix", path)


def test_the_system_is_read_only(attacker: Attempts) -> None:
    for path in ("/usr/probe", "/etc/probe", "/venv/probe", "/probe", "/serai/probe"):
        assert attacker("write", path).get("error") in ("OSError", "PermissionError", "FileNotFoundError"), path


def test_the_release_cannot_be_changed_for_good(host: Host, attacker: Attempts) -> None:
    before = attacker.result("read", "/app/Procfile")
    attacker("write", "/app/Procfile")
    host.do("restart", ATTACKER)
    assert attacker.result("read", "/app/Procfile") == before


def test_tmp_is_private_and_goes_with_the_instance(host: Host, attacker: Attempts, victim: Attempts) -> None:
    assert attacker.result("write", "/tmp/note") == "written"
    assert "error" in victim("read", "/tmp/note")
    host.do("restart", ATTACKER)
    assert "error" in attacker("read", "/tmp/note")


def test_a_fork_bomb_stays_inside_its_limit(attacker: Attempts, victim: Attempts) -> None:
    assert attacker.result("forks", 2000) < 1000
    assert victim.result("forks", 10) == 10


@pytest.mark.alerts
def test_a_memory_hog_stays_inside_its_limit(host: Host, attacker: Attempts, victim: Attempts) -> None:
    assert attacker.result("memory", 2048) == -9
    assert victim.result("memory", 50) == 0
    assert attacker.browser.get("/").status == 200


def test_a_cpu_hog_stays_inside_its_limit(attacker: Attempts) -> None:
    seconds = 2
    cpus = os.cpu_count() or 1
    if cpus < 2:
        pytest.skip("needs two CPUs to tell")
    assert attacker.result("spin", seconds) < seconds * 1.3, "an app has one CPU by default"


def test_a_port_of_an_own_server_is_closed_to_others(host: Host, attacker: Attempts, write, hosted) -> None:
    files = {"Procfile": "web: python -m http.server $PORT --bind $HOST\n", "requirements.txt": "", "secret": SECRET}
    name = hosted(write("own-server", files))
    assert host.browser(name).get("/secret").text == SECRET
    ports = host.ports()
    assert ports and host.address(name) != "127.0.0.1"
    for port in ports:
        for address in ("127.0.0.1", host.address(name)):
            assert "error" in attacker("connect", port, address), f"the attacker reached port {port} of {address}"


def test_on_the_hosts_network_the_port_is_closed_too(host: Host, write, hosted, tmp_path: Path) -> None:
    on_host = {"serai.toml": '[environment]\nnetwork = "host"\n'}
    files = {"Procfile": "web: python -m http.server $PORT --bind $HOST\n", "requirements.txt": "", "secret": SECRET}
    name = hosted(write("own-server-on-host", {**files, **on_host}))
    folder = Path(shutil.copytree(SITES / "probe", tmp_path / "probe"))
    (folder / "serai.toml").write_text(on_host["serai.toml"])
    neighbour = Attempts(host.browser(hosted(folder, name="neighbour-on-host")))
    assert host.browser(name).get("/secret").text == SECRET
    assert host.status(name)["network"] == "the host's" and host.address(name) == "127.0.0.1"
    ports = host.ports()
    assert ports
    for port in ports:
        assert "error" in neighbour("connect", port), f"the neighbour reached port {port}"
