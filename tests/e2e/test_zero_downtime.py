"""No request fails while releases change under load, whatever happens to the control plane."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.host import Host
from support.load import Load, Report, capacity
from support.processes import Process
from support.wait import until

SITES = ["asgi_load", "wsgi_load"]
SHARE_OF_CAPACITY = 0.55


@pytest.fixture(params=SITES)
def loaded(request: pytest.FixtureRequest, host: Host, site, hosted) -> "Loaded":
    folder = site(request.param)
    return Loaded(host, folder, hosted(folder))


class Loaded:
    """A site with as much load as half a worker can bear."""

    def __init__(self, host: Host, folder: Path, name: str) -> None:
        self.host = host
        self.folder = folder
        self.name = name
        self.version = 1
        self.rate = SHARE_OF_CAPACITY * capacity(host.port, f"{name}.localhost")

    def load(self) -> Load:
        return Load(self.host.port, f"{self.name}.localhost", rate=self.rate)

    def deploy(self) -> None:
        self.version += 1
        (self.folder / "VERSION").write_text(str(self.version))
        self.host.deploy(self.folder, name=self.name)
        assert self.shown() == str(self.version)

    def restart(self) -> None:
        self.host.do("restart", self.name)

    def rollback(self) -> None:
        """To the release before; from there back to the newest one."""
        before, newest = self.shown(), str(self.version)
        release = [] if before == newest else [self.newest_release()]
        self.host.do("rollback", self.name, *release, "--yes")
        assert self.shown() != before

    def newest_release(self) -> str:
        releases = self.host.do("releases", self.name, "--json").json["releases"]
        return f"r{max(release['release'] for release in releases)}"

    def shown(self) -> str:
        return self.host.browser(self.name).get("/").text.removeprefix("release ")


def check(report: Report, rate: float) -> None:
    report.check()
    assert report.counts["digest"] and report.counts["stream"], str(report)
    assert report.rate > rate * 0.7, f"the clients asked {report.rate:.0f} instead of {rate:.0f} times per second"


def change(loaded: Loaded, deploys: int, restarts: int, rollbacks: int) -> None:
    with loaded.load() as load:
        for action, times in ((loaded.deploy, deploys), (loaded.restart, restarts), (loaded.rollback, rollbacks)):
            for _ in range(times):
                action()
    check(load.report, loaded.rate)
    assert len(load.report.versions) >= 2


def test_deploys_restarts_and_rollbacks_fail_no_request(loaded: Loaded) -> None:
    change(loaded, deploys=3, restarts=2, rollbacks=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_deploys_twenty_restarts_and_ten_rollbacks_fail_no_request(loaded: Loaded) -> None:
    change(loaded, deploys=50, restarts=20, rollbacks=10)


def test_a_killed_daemon_fails_no_request_and_its_successor_adopts_everything(loaded: Loaded) -> None:
    host = loaded.host
    before = {process.pid for process in host.processes() if process.pid != host.daemon.pid}
    with loaded.load() as load:
        host.kill_daemon()
        time.sleep(0.5)  # the load goes on without a control plane
        host.start()
        assert host.status(loaded.name)["state"] == "running"
        assert before <= {process.pid for process in host.processes()}, "something was started anew"
        loaded.deploy()
    check(load.report, loaded.rate)


def test_an_upgraded_daemon_fails_no_request(loaded: Loaded) -> None:
    host = loaded.host
    with loaded.load() as load:
        host.stop_daemon()
        host.start()
        loaded.restart()
    check(load.report, loaded.rate)


def test_no_log_line_is_lost_while_the_daemon_is_dead(host: Host, write: Callable[..., Path], hosted) -> None:
    source = {"app.py": COUNTING_APP, "requirements.txt": ""}
    name = hosted(write("counting", source))
    visitor = host.browser(name)
    host.kill_daemon()
    numbers = [visitor.get("/").text for _ in range(20)]
    host.start()
    numbers += [visitor.get("/").text for _ in range(5)]
    logged = until(
        lambda: (lines := host.do("logs", name, "-n", "1000").out).count("counted") >= len(numbers) and lines,
        "all lines are in the log",
    )
    assert [number for number in numbers if f"counted {number}\n" not in logged] == []


COUNTING_APP = """
import itertools

numbers = itertools.count()


def app(environ, start_response):
    number = next(numbers)
    print("counted", number, flush=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(number).encode()]
"""


@pytest.mark.alerts
def test_a_killed_worker_loses_only_what_it_had_in_hand(loaded: Loaded) -> None:
    host = loaded.host
    with loaded.load() as load:
        worker = newest_worker(host)
        time.sleep(0.3)
        os.kill(worker.pid, signal.SIGKILL)
        until(lambda: newest_worker(host).pid != worker.pid, "a new worker was forked")
        time.sleep(0.5)  # the load goes on with the new worker
    in_hand = 8 + 1 + 2  # one request per client of the load
    assert load.report.failed <= in_hand, "\n".join(load.report.failures)
    assert load.report.total > in_hand


@pytest.mark.alerts
def test_a_killed_edge_is_restarted_with_its_sockets(loaded: Loaded) -> None:
    host = loaded.host
    edge = host.edge()
    os.kill(edge.pid, signal.SIGKILL)
    # The listening socket was kept, so the very next connection waits for the new edge instead of being refused.
    assert loaded.shown() == str(loaded.version)
    assert host.edge().pid != edge.pid


def newest_worker(host: Host) -> Process:
    """The last forked process of the app's web server."""
    found = [process for process in host.processes() if "serai" in process.command and "-m" in process.command]
    assert found, [str(process) for process in host.processes()]
    return max(found, key=lambda process: process.pid)


@pytest.fixture(autouse=True)
def daemon_runs(host: Host) -> Iterator[None]:
    """A test that failed between two daemons must not fail the next ones."""
    yield
    if host.daemon is None or host.daemon.poll() is not None:
        host.start()
