"""An app in a virtual machine: deployed, used through the edge, moved, its QEMU killed, destroyed.

Without KVM guests are emulated: a start takes some ten seconds. The kernel comes from Debian's package sources and is
kept per machine, like the base of all images.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import prepared
from support.greeting import greeting
from support.host import Host
from support.places import EXAMPLES
from support.processes import Process
from support.wait import until
from support.web import Browser

pytestmark = [pytest.mark.root]

NAME = "flask-site"


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with greeting() as port:
        yield port


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host, service: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    prepared.give_base(host.root)
    prepared.give_machines(host.root)
    facts = host.do("doctor", "--json").json["facts"]
    machines = next(fact for fact in facts if fact["what"] == "virtual machines")
    if not machines["good"]:
        pytest.skip(f"{machines['found']}: {machines['advice']}")
    folder = Path(shutil.copytree(EXAMPLES / NAME, tmp_path_factory.mktemp("sites") / NAME))
    (folder / "serai.toml").write_text(f'[environment]\nkind = "vm"\nservices = ["localhost:{service}"]\n')
    outcome = host.try_deploy(folder)
    without_packages = ("install the base's packages", "get a kernel for virtual machines")
    if outcome.code != 0 and any(words in str(outcome) for words in without_packages):
        pytest.skip(f"Debian's packages cannot be had here: {outcome.err}")
    assert outcome.code == 0, f"{outcome}\n{host.tail()}"
    prepared.keep_base(host.root)
    prepared.keep_machines(host.root)
    yield outcome.out
    if NAME in host.apps():
        host.destroy(NAME)


@pytest.fixture
def visitor(host: Host) -> Browser:
    return host.browser(NAME)


def sign(browser: Browser, message: str) -> None:
    token = browser.get("/sign").hidden("csrf_token")
    browser.post("/sign", {"csrf_token": token, "name": "Grace", "message": message})


def emulators(host: Host) -> list[Process]:
    return [process for process in host.processes() if "qemu-system" in process.command[0]]


def log(host: Host) -> str:
    return host.do("logs", NAME, "--lines", "200").out


def test_visitors_see_no_difference(deployed: str, host: Host, visitor: Browser) -> None:
    assert "Linux" in deployed and "disks" in deployed
    status = host.status(NAME)
    assert (status["environment"], status["state"]) == ("vm", "running")
    sign(visitor, "Hello <b>there</b>")
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in visitor.get("/").text
    assert visitor.get("/static/style.css").status == 200
    assert "virtual machine (" in log(host) and "kernel" in log(host), "the stages of its start are in the log"


def test_the_kernel_and_the_system_are_its_own_and_qemu_has_no_rights(host: Host) -> None:
    (emulator,) = emulators(host)
    status = Path(f"/proc/{emulator.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
    assert int(status.split("Uid:\t")[1].split()[0]) > 1000
    look = "import os, sys; print(os.uname().release, os.getuid() > 1000, sys.stdin.read())"
    said = host.do("run", NAME, "python", "-c", look, stdin="hello").out.split()
    assert said[0] != os.uname().release and said[1:] == ["True", "hello"]


def test_a_named_service_of_the_host_is_at_the_guests_localhost(host: Host, service: int) -> None:
    ask = (
        "import socket, sys\n"
        "for address in ('127.0.0.1', '::1', 'localhost'):\n"
        f"    with socket.create_connection((address, {service})) as server:\n"
        "        server.sendall(b'?')\n"
        "        print(server.recv(9))\n"
        "try:\n"
        f"    socket.create_connection(('127.0.0.1', {service} ^ 1))\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    said = host.do("run", NAME, "python", "-c", ask).out
    assert said.count("b'hello'") == 3 and "refused" in said, said


def test_a_program_that_takes_all_memory_is_killed(host: Host) -> None:
    hog = "taken = []\nwhile True: taken.append(bytearray(10_000_000))"
    assert host.attempt("run", NAME, "python", "-c", hog, timeout=90).code == 128 + signal.SIGKILL


def test_a_killed_emulator_is_explained_and_started_again_and_the_data_stays(host: Host, visitor: Browser) -> None:
    sign(visitor, "I was here before")
    (emulator,) = emulators(host)
    os.kill(emulator.pid, signal.SIGKILL)
    until(lambda: "I was here before" in visitor.get("/").text, "the app answers again", seconds=60)
    assert "the virtual machine ended: QEMU ended with signal 9 (SIGKILL)" in log(host)
    assert emulators(host)[0].pid != emulator.pid


def test_data_goes_along_to_another_kind_and_back(host: Host, visitor: Browser) -> None:
    sign(visitor, "I travel")
    for kind in ("shared", "vm"):
        host.do("move", NAME, "--to", kind)
        assert host.status(NAME)["environment"] == kind
        assert "I travel" in visitor.get("/").text


def test_nothing_is_left_of_it(host: Host) -> None:
    disks = set((host.root / "vm" / "disks").iterdir())
    host.destroy(NAME)
    assert not emulators(host)
    assert len(set((host.root / "vm" / "disks").iterdir())) < len(disks), "the app's own disks are gone"
    assert not host.left_behind()
