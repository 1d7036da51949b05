"""One app in two kinds of environment at once, each with its part of the requests."""

import json
import os
import signal
import time

import pytest
from support.host import Host
from support.load import Load, capacity
from support.wait import until

pytestmark = [pytest.mark.root]


@pytest.fixture
def other(host: Host) -> str:
    """A kind besides shared that this host can do without long preparations."""
    facts = host.do("doctor", "--json").json["facts"]
    cpus = next(fact for fact in facts if fact["environment"] == "dedicated" and fact["what"] == "exclusive CPUs")
    if not cpus["good"]:
        pytest.skip(f"{cpus['found']}: {cpus['advice']}")
    return "dedicated"


def requests_of(host: Host, name: str, count: int) -> None:
    browser = host.browser(name)
    for _ in range(count):
        assert browser.get("/").status == 200


@pytest.mark.parametrize("folder", ["wsgi_load", "asgi_load"])
def test_each_place_gets_its_share_and_no_request_fails(host: Host, site, hosted, other: str, folder: str) -> None:
    name = hosted(site(folder))
    rate = 0.4 * capacity(host.port, f"{name}.localhost")
    with Load(host.port, f"{name}.localhost", rate=rate) as load:
        split = host.do("split", name, f"{other}=10", "shared=90")
        assert "gets 10 % of the requests" in split.text, split.text
        time.sleep(1)
        host.do("split", name, f"{other}=60")
        time.sleep(1)
        host.do("split", name, "shared=100")
    load.report.check()
    assert host.status(name)["split"] == {}


def test_the_shares_are_exact_and_shown(host: Host, site, hosted, other: str) -> None:
    name = hosted(site("wsgi_load"))
    host.do("split", name, f"{other}=25")
    requests_of(host, name, 40)
    status = host.status(name)
    assert status["environment"] == "shared"
    split = status["split"]
    assert (split["environment"], split["percent"], split["requests"], split["server_errors"]) == (other, 25, 10, 0)
    assert f"25 % in {other}  running, 10 requests" in host.do("status", name).text


@pytest.mark.alerts
def test_a_split_outlives_the_daemon_and_its_instances(host: Host, site, hosted, other: str) -> None:
    name = hosted(site("wsgi_load"))
    host.do("split", name, f"{other}=50")
    second = host.status(name)["split"]["instance"]
    host.kill_daemon()
    host.start()
    assert host.status(name)["split"]["instance"] == second
    requests_of(host, name, 4)
    record = json.loads((host.root / "instances" / second / "record.json").read_text())
    os.kill(record["supervisor"], signal.SIGKILL)
    until(lambda: host.status(name)["split"].get("instance") not in (None, second), "the second place is started again")
    requests_of(host, name, 4)


def test_what_changes_the_release_ends_the_split(host: Host, site, hosted, other: str) -> None:
    folder = site("wsgi_load")
    name = hosted(folder)
    host.do("split", name, f"{other}=50")
    host.deploy(folder, name=name)
    assert host.status(name)["split"] == {}
    requests_of(host, name, 4)
    assert len(host.instances()) == 1


def test_shares_that_make_no_sense_are_refused(host: Host, site, hosted, other: str) -> None:
    name = hosted(site("wsgi_load"))
    for shares, says in (
        ([f"{other}=50", "shared=60"], "110 % together"),
        ([f"{other}=a"], "is no share"),
        (["shared=100"], "are not split"),
        (["somewhere=10"], "choose among"),
    ):
        refused = host.attempt("split", name, *shares)
        assert refused.code in (1, 2) and says in refused.text, str(refused)
    assert host.status(name)["split"] == {}
