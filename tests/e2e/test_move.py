"""One app in two kinds of environment: moved under load, with CPUs of its own, on a host that has only so many."""

import secrets
import time
from pathlib import Path

import pytest
from support.host import Host
from support.load import Load, capacity
from support.wait import until

pytestmark = [pytest.mark.root]

SHARE_OF_CAPACITY = 0.5
WRITE = "import pathlib, sys; pathlib.Path('/app/diary').write_text(sys.stdin.read())"
DIGEST = "import hashlib, pathlib; print(hashlib.sha256(pathlib.Path('/app/diary').read_bytes()).hexdigest())"


@pytest.fixture(autouse=True)
def dedicated_possible(host: Host) -> None:
    facts = host.do("doctor", "--json").json["facts"]
    cpus = next(fact for fact in facts if fact["environment"] == "dedicated" and fact["what"] == "exclusive CPUs")
    if not cpus["good"]:
        pytest.skip(f"{cpus['found']}: {cpus['advice']}")


def cpus_of_app(host: Host, name: str) -> set[str]:
    return cpus_of(host, host.status(name)["instance"])


def cpus_of(host: Host, instance: str) -> set[str]:
    """Where the processes of the instance may run, as the kernel says."""
    found = set()
    for group in Path("/sys/fs/cgroup").glob(f"**/{host.identity.name}/{instance}/cgroup.procs"):
        for pid in group.read_text().split():
            status = Path(f"/proc/{pid}/status").read_text()
            found.add(status.split("Cpus_allowed_list:\t")[1].split("\n")[0])
    assert found, f"no process of {instance}"
    return found


def give_away(folder: Path, cpus: int) -> None:
    (folder / "serai.toml").write_text(f"[allocation]\ncpu = {cpus}\n")


def most_cpus(host: Host, folder: Path) -> int:
    """As many as one app can have here: what the refusal of too many says."""
    give_away(folder, 8000)
    refused = host.try_deploy(folder, "--environment", "dedicated", name="greedy")
    assert refused.code == 1 and "of its own: this host has" in refused.text, str(refused)
    words = refused.text.split("this host has ")[1].split()
    return int(words[0]) - int(words[0]) // int(words[3])


@pytest.mark.parametrize("folder", ["wsgi_load", "asgi_load"])
def test_moves_under_load_fail_no_request_and_keep_the_data(host: Host, site, hosted, folder: str) -> None:
    name = hosted(site(folder))
    host.do("run", name, "python", "-c", WRITE, stdin=secrets.token_hex(50_000))
    digest = host.do("run", name, "python", "-c", DIGEST).out
    rate = SHARE_OF_CAPACITY * capacity(host.port, f"{name}.localhost")
    with Load(host.port, f"{name}.localhost", rate=rate) as load:
        for kind in ("dedicated", "shared"):
            moved = host.do("move", name, "--to", kind)
            assert f"r1 in {kind}" in moved.text, moved.text
            status = host.status(name)
            assert (status["environment"], status["release"], status["state"]) == (kind, 1, "running")
            assert bool(status["own_cpus"]) == (kind == "dedicated")
            if kind == "dedicated":
                assert cpus_of_app(host, name) == {status["own_cpus"]}
            assert host.do("run", name, "python", "-c", DIGEST).out == digest
            time.sleep(0.5)  # some of the load in each place
    load.report.check()
    assert load.report.counts["digest"] and load.report.counts["stream"]


def test_the_kind_stays_until_serai_toml_says_otherwise(host: Host, site, hosted) -> None:
    folder = site("wsgi_load")
    name = hosted(folder, "", "--environment", "dedicated")
    host.deploy(folder, name=name)
    assert host.status(name)["environment"] == "dedicated"
    (folder / "serai.toml").write_text('[environment]\nkind = "shared"\n')
    assert "serai.toml says shared" in host.deploy(folder, name=name).text
    assert host.status(name)["environment"] == "shared"


def test_a_host_without_free_cpus_refuses_and_leaves_everything_as_it_was(host: Host, site, hosted) -> None:
    greedy, modest = site("wsgi_load"), site("asgi_load")
    give_away(greedy, most_cpus(host, greedy))
    first = hosted(greedy, "greedy", "--environment", "dedicated")
    second = hosted(modest)
    own = host.status(first)["own_cpus"]
    assert cpus_of_app(host, first) == {own}
    elsewhere = cpus_of_app(host, second)
    assert own not in elsewhere
    instance = host.status(second)["instance"]
    refused = host.attempt("move", second, "--to", "dedicated")
    assert refused.code == 1 and f"{first} has" in refused.text and "serai move" in refused.text, str(refused)
    assert host.status(second)["instance"] == instance
    assert host.browser(second).get("/").status == 200
    third = host.try_deploy(modest, "--environment", "dedicated", name="third")
    assert third.code == 1 and f"{first} has" in third.text, str(third)
    assert "third" not in host.apps()
    host.do("move", first, "--to", "shared")
    assert cpus_of_app(host, second) != elsewhere, "the CPUs are everybody's again"


def test_kinds_that_are_not_there_are_refused(host: Host, site) -> None:
    refused = host.try_deploy(site("wsgi_load"), "--environment", "frobnicated", name="nowhere")
    assert refused.code == 2 and "choose among" in refused.text, str(refused)
    assert "nowhere" not in host.apps()


def test_cpus_stay_with_their_app_when_the_daemon_is_killed(host: Host, site, hosted) -> None:
    folder, other = site("wsgi_load"), site("asgi_load")
    name = hosted(folder, "", "--environment", "dedicated")
    own = host.status(name)["own_cpus"]
    instance = host.status(name)["instance"]
    host.kill_daemon()
    assert cpus_of(host, instance) == {own}
    host.start()
    status = host.status(name)
    assert (status["instance"], status["own_cpus"], status["environment"]) == (instance, own, "dedicated")
    second = hosted(other)
    assert own not in cpus_of_app(host, second)
    host.do("restart", name)
    assert cpus_of_app(host, name) == {own}


def test_a_dedicated_app_is_dedicated_again_when_everything_starts_anew(host: Host, site, hosted) -> None:
    name = hosted(site("wsgi_load"), "", "--environment", "dedicated")
    own = host.status(name)["own_cpus"]
    host.do("daemon", "stop", "--all")
    assert host.daemon is not None
    host.daemon.wait(timeout=60)
    host.start()
    until(lambda: host.status(name)["state"] == "running", "the app is started again")
    status = host.status(name)
    assert (status["environment"], status["own_cpus"]) == ("dedicated", own)
    assert cpus_of_app(host, name) == {own}
    assert host.browser(name).get("/").status == 200
