"""The scene is set once for all probes, and results are kept: the tests only look at them."""

import tempfile
from collections.abc import Iterator

import pytest
from attack.results import Results
from attack.scene import CONFINE, Scene, services, set_uid_program
from support.cli import EXECUTABLE
from support.host import Host


@pytest.fixture(scope="package")
def scene() -> Iterator[Scene]:
    if not EXECUTABLE.exists() or not CONFINE.exists():
        pytest.skip(f"{EXECUTABLE} or {CONFINE} is missing: run `make build`")
    # On a disk: what is written in memory counts as an app's own, and fills another limit than the disk's.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", tempfile.gettempdir())
        host = Host()
    with host:
        scene = Scene(host)
        with set_uid_program(scene), services(scene):
            yield scene
        for name in scene.folders:
            host.destroy(name)


@pytest.fixture(scope="package")
def results(scene: Scene) -> Results:
    return Results(scene)
