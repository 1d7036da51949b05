"""An app's own network: services of the host that it names, names that it looks up, and what it must not reach."""

import contextlib
import re
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.greeting import greeting
from support.host import Host
from support.places import SITES

pytestmark = [pytest.mark.root]
NAME_SERVER = "127.0.0.53"


def site(folder: Path, settings: str) -> Path:
    made = Path(shutil.copytree(SITES / "probe", folder))
    (made / "serai.toml").write_text(f"[environment]\n{settings}\n")
    return made


def reached(host: Host, name: str, port: int) -> str:
    return str(host.browser(name).get(f"/connect?a0={port}").json)


@pytest.mark.parametrize("kind", ["shared", "container"])
def test_a_service_of_the_host_is_reached_once_it_is_named(host: Host, hosted, tmp_path: Path, kind: str) -> None:
    with greeting() as port, greeting() as other:
        folder = site(tmp_path / "services", f'services = ["localhost:{port}"]\nkind = "{kind}"')
        name = hosted(folder, name=f"services-{kind}")
        assert "hello" in reached(host, name, port)
        assert "refused" in reached(host, name, other)
        ran = host.do("run", name, "--", "python", "-c", f"import app; print(app.connect({port}))")
        assert "hello" in ran.out
        assert re.fullmatch(r"its own, 198\.1[89]\.\d+\.\d+", host.status(name)["network"])


def test_a_deploy_says_what_of_the_host_an_app_reaches(host: Host, hosted, tmp_path: Path) -> None:
    with greeting() as port:
        folder = site(tmp_path / "on-host", 'network = "host"')
        name = hosted(folder, name="on-the-host")
        assert "hello" in reached(host, name, port)
    assert host.status(name)["network"] == "the host's"
    detected = host.do("detect", str(folder)).out
    assert "the host's, with all that listens on it" in detected, detected


@contextlib.contextmanager
def name_server() -> Iterator[None]:
    """Answers every question for an address with 192.0.2.77, on loopback alone, as systemd-resolved does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((NAME_SERVER, 53))
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                question, client = server.recvfrom(1000)
                if done.is_set():
                    return
                end = question.index(b"\0", 12) + 5
                is_address = question[end - 4 : end - 2] == b"\0\1"
                head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_address), 0, 0)
                record = b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 60, 4, 192, 0, 2, 77)
                server.sendto(head + question[12:end] + (record if is_address else b""), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"?", (NAME_SERVER, 53))
            thread.join()


def test_names_are_looked_up_where_the_hosts_name_server_is_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    folder = Path(shutil.copytree(SITES / "probe", tmp_path / "probe"))
    host = Host()
    host.within = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"']
    host.within.append(str(tmp_path / "resolv.conf"))
    with name_server(), host:
        host.deploy(folder, name="names")
        question = "import socket; print(socket.gethostbyname('shop.example.test'))"
        answer = host.do("run", "names", "--", "python", "-c", question)
        assert answer.out.strip() == "192.0.2.77", str(answer)
        host.destroy("names")
