"""Conformance to HTTP/2 and HPACK, as h2spec sees it: all of its sections, the strict ones too.

h2spec tests RFC 7540. Where RFC 9113 or the server's other protocol has it otherwise, the case stands in JUDGED."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.authority import Authority
from tests.support.places import REPOSITORY

pytestmark = pytest.mark.slow

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
CASES = 145
NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")  # h2spec writes a frame's bytes as they are

JUDGED = {
    "plain": {
        # What does not begin with the preface is HTTP/1.1 on a plain socket, and answered with 400. RFC 9113 section
        # 3.4: an invalid preface says that the peer does not speak HTTP/2; nothing is owed to it in HTTP/2.
        "http2/3.5: Sends invalid connection preface",
    },
    "tls": set(),
}

APP = """
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"hello h2spec " * 100})

    def wsgi(environ, start_response):
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello h2spec " * 100]
"""


@pytest.fixture(scope="module")
def h2spec() -> Path:
    """Built once; kept beside the other builds."""
    folder = REPOSITORY / "build" / "h2spec"
    program = folder / "h2spec"
    if program.exists():
        return program
    go = shutil.which("go")
    if not go:
        pytest.skip("h2spec is written in Go, and there is no `go` to build it with")
    environment = {**os.environ, "GOBIN": str(folder)}
    done = subprocess.run([go, "install", MODULE], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"h2spec could not be built: {done.stderr.strip().splitlines()[-1]}")
    return program


def outcome(h2spec: Path, port: int, report: Path, *options: str) -> tuple[int, set[str]]:
    """How many cases were run, and the titles of those that failed."""
    command = [h2spec, "--host", "127.0.0.1", "--port", str(port), "--junit-report", report, "--strict", *options]
    subprocess.run(command, capture_output=True, timeout=300, check=False)
    text = NOT_IN_XML.sub("?", report.read_text(errors="replace"))
    cases = list(ElementTree.fromstring(text).iter("testcase"))
    bad = [case for case in cases if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))]
    return len(cases), {f"{case.get('package')}: {case.get('classname')}" for case in bad}


@pytest.mark.parametrize("app", ["app", "wsgi"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_all_of_h2spec_passes(
    folder: Folder, serve: Callable[..., Server], h2spec: Path, app: str, transport: str
) -> None:
    folder.write("spec_app.py", APP)
    certificate = Authority(folder.path / "authority").issue("localhost") if transport == "tls" else []
    server = serve(f"spec_app:{app}", *certificate).ready()
    options = ["--tls", "--insecure"] if transport == "tls" else []
    count, failed = outcome(h2spec, server.port, folder.path / "report.xml", *options)
    assert count >= CASES
    assert failed == JUDGED[transport]
