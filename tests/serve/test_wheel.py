"""The wheel and the source distribution: installed into an empty environment, the console script serves an app."""

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


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Of an empty virtual environment."""
    if not UV.exists():
        pytest.skip("uv is not installed beside this Python: make setup")
    venv.create(tmp_path / "venv", with_pip=False)
    return tmp_path / "venv/bin/python"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_wheels_console_script_serves(
    tmp_path: Path, folder: Folder, serve: Callable[..., Server], python: Path
) -> None:
    build = [UV, "build", "--wheel", "--quiet", "--python", sys.executable, "--out-dir", tmp_path / "dist", REPOSITORY]
    subprocess.run(build, check=True, timeout=1200)
    (wheel,) = (tmp_path / "dist").glob("serai-*.whl")
    subprocess.run([UV, "pip", "install", "--quiet", "--offline", "--python", python, wheel], check=True, timeout=120)
    serves(python, serve)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_source_distribution_builds_and_serves(
    tmp_path: Path, folder: Folder, serve: Callable[..., Server], python: Path
) -> None:
    subprocess.run([REPOSITORY / "scripts/sdist", tmp_path / "dist"], check=True, timeout=120)
    (archive,) = (tmp_path / "dist").glob("serai-*.tar.gz")
    install = [UV, "pip", "install", "--quiet", "--no-cache", "--python", python, archive]
    subprocess.run(install, check=True, timeout=1200)
    serves(python, serve)
    (engine,) = (tmp_path / "venv/lib").glob("python*/site-packages/serai/_engine.*.so")
    needed = subprocess.run(["readelf", "-d", engine], capture_output=True, text=True, check=True).stdout
    assert "libssl.so" in needed
    assert not any(f"lib{name}.so" in needed for name in ("nghttp2", "z", "fmt"))


def serves(python: Path, serve: Callable[..., Server]) -> None:
    script = python.parent / "serai"
    shown = subprocess.run(
        [script, "serve", "--version"], capture_output=True, text=True, check=True, env={}, timeout=60
    )
    assert shown.stdout.startswith("serai ")
    launcher = ["-c", f"import os, sys; os.execv({str(script)!r}, [{str(script)!r}, 'serve', *sys.argv[4:]])"]
    server = serve("wsgi_app:app", "--workers", "2", launcher=launcher, env={"PYTHONPATH": ""}).ready()
    assert server.get()[0] == 200
    assert os.path.samefile(f"/proc/{server.process.pid}/exe", python)
