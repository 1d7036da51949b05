"""h2spec, the conformance suite for HTTP/2 and HPACK: all of its sections, the strict ones too.

It tests RFC 7540. Where RFC 9113 or the server's other protocol has it otherwise, the case stands in JUDGED."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.places import REPOSITORY

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


def program() -> Path:
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


def outcome(port: int, report: Path, *options: str) -> tuple[int, set[str]]:
    """How many cases were run, and the titles of those that failed."""
    command = [program(), "--host", "127.0.0.1", "--port", str(port), "--junit-report", report, "--strict", *options]
    subprocess.run(command, capture_output=True, timeout=300, check=False)
    text = NOT_IN_XML.sub("?", report.read_text(errors="replace"))
    cases = list(ElementTree.fromstring(text).iter("testcase"))
    bad = [case for case in cases if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))]
    return len(cases), {f"{case.get('package')}: {case.get('classname')}" for case in bad}
