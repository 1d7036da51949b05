"""Conformance of WebSocket, as the Autobahn test suite sees it: every case, those of compression and of size too."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.places import REPOSITORY

pytestmark = pytest.mark.slow

SUITE = "autobahntestsuite==25.10.1"
"""It is written in Python 2."""
CASES = 517
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}

APP = """
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
"""


@pytest.fixture(scope="module")
def wstest() -> list[str | Path]:
    """The suite's command; installed once, beside the other builds."""
    installed = sorted(Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))
    python = str(installed[-1]) if installed else shutil.which("python2.7")  # pyenv's own command may point nowhere
    if not python:
        pytest.skip("the Autobahn test suite runs under CPython 2.7, and there is none")
    folder = REPOSITORY / "build" / "autobahn"
    if not folder.exists():
        install = [python, "-m", "pip", "install", "--quiet", "--target", folder, SUITE]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"the Autobahn test suite could not be installed: {done.stderr.strip().splitlines()[-1]}")
    # As a site folder: it holds namespace packages.
    start = f"import site; site.addsitedir({str(folder)!r}); from autobahntestsuite.wstest import run; run()"
    return [python, "-c", start]


@pytest.mark.timeout(3600)
def test_all_of_autobahn_passes(folder: Folder, serve: Callable[..., Server], wstest: list[str | Path]) -> None:
    folder.write("autobahn_app.py", APP)
    server = serve("autobahn_app:app", "--ws-max-size", "64MiB").ready()
    reports = Path(os.environ.get("AUTOBAHN_REPORTS") or folder.path / "reports")
    agent = {"agent": "serai", "url": f"ws://127.0.0.1:{server.port}", "options": {"version": 18}}
    spec = {"outdir": str(reports), "servers": [agent], "cases": ["*"], "exclude-cases": [], "exclude-agent-cases": {}}
    folder.write("spec.json", json.dumps(spec))
    command = [*wstest, "-m", "fuzzingclient", "-s", folder.path / "spec.json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=folder.path)
    verdicts = json.loads((reports / "index.json").read_text())["serai"]
    bad = {name: case for name, case in verdicts.items() if not {case["behavior"], case["behaviorClose"]} <= GOOD}
    assert bad == {}
    assert len(verdicts) >= CASES
