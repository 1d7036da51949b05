"""Every CPython that has an engine beside the executable serves both kinds of app, reloads, and survives a crash."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.serve.server import BROKEN, ENGINE, Load, Server

PLACES = ("/usr/bin", "/usr/local/bin")


def interpreters() -> list[Path]:
    """Those that `make engines` built for."""
    found = []
    for minor in range(10, 16):
        name = f"python3.{minor}"
        homes = (Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin")
        places = [folder / name for folder in (*map(Path, PLACES), *homes) if (folder / name).exists()]
        if places and (ENGINE.parent / f"cpython-3{minor}" / "serai").is_dir():
            found.append(places[0])
    return found


@pytest.fixture(params=interpreters(), ids=lambda path: path.name)
def python(request: pytest.FixtureRequest) -> Path:
    current = f"python3.{sys.version_info.minor}"
    if request.param.name != current and not request.config.getoption("--every-python"):
        pytest.skip("only with --every-python")
    return Path(request.param)


def test_a_free_threaded_cpython_hears_that_the_engine_needs_the_gil(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from serai import start
    from serai.failure import Failure

    monkeypatch.setattr(start.sysconfig, "get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else None)
    start._check_gil()
    assert "the GIL is on all the same" in capfd.readouterr().err
    monkeypatch.setattr(start, "sys", SimpleNamespace(flags=SimpleNamespace(gil=0)))
    with pytest.raises(Failure, match="keeps it off"):
        start._check_gil()


@pytest.mark.parametrize("app", ["wsgi_app:app", "asgi_app:app"])
def test_it_serves_reloads_and_recovers(serve: Callable[..., Server], python: Path, app: str) -> None:
    engine = ENGINE.parent / python.name.replace("python3.", "cpython-3")
    server = serve(app, "--workers", "2", python=python, env={"PYTHONPATH": str(engine)}).ready()
    with Load(server) as load:
        server.signal(signal.SIGHUP)
        server.wait_for("serve.reloaded")
        load.goes_on()
    assert not load.failures
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for("worker.ready", 5)
    try:
        server.get()
    except BROKEN:
        pass  # it was the killed one's
    assert server.get()[0] == 200
