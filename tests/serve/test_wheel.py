"""The wheel: built from the sources, installed into an empty environment, its console script serving an app."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.places import REPOSITORY

UV = Path(sys.executable).parent / "uv"


@pytest.mark.slow
def test_the_wheels_console_script_serves(tmp_path: Path, folder: Folder, serve: Callable[..., Server]) -> None:
    if not UV.exists():
        pytest.skip("uv is not installed beside this Python: make setup")
    build = [UV, "build", "--wheel", "--quiet", "--python", sys.executable, "--out-dir", tmp_path / "dist", REPOSITORY]
    subprocess.run(build, check=True, timeout=1200)
    (wheel,) = (tmp_path / "dist").glob("serai-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--offline", "--python", python, wheel], check=True, timeout=120)
    script = tmp_path / "venv/bin/serai"
    shown = subprocess.run(
        [script, "serve", "--version"], capture_output=True, text=True, check=True, env={}, timeout=60
    )
    assert shown.stdout.startswith("serai ")
    launcher = ["-c", f"import os, sys; os.execv({str(script)!r}, [{str(script)!r}, 'serve', *sys.argv[4:]])"]
    server = serve("wsgi_app:app", "--workers", "2", launcher=launcher, env={"PYTHONPATH": ""}).ready()
    assert server.get()[0] == 200
    assert os.path.samefile(f"/proc/{server.process.pid}/exe", python)
