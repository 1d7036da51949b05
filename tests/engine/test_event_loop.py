"""The engine's event loop keeps asyncio's promises: our own cases, and those of CPython's test suite."""

import subprocess
from pathlib import Path

import pytest
from engine.harness import HERE, environment


def run(python: str, script: Path, seconds: float) -> None:
    done = subprocess.run(
        [python, script], env=environment(python), capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_does_what_apps_rely_on(python: str) -> None:
    run(python, HERE / "apps" / "event_loop_cases.py", seconds=120)


@pytest.mark.slow
def test_it_passes_the_tests_of_asyncio(python: str) -> None:
    probe = subprocess.run([python, "-c", "import test.test_asyncio"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this CPython comes without its tests")
    run(python, HERE / "asyncio_suite.py", seconds=1800)
