"""Each file of tests has a private Serai; after each test and at the end of the file nothing may be left behind."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cli import EXECUTABLE
from support.host import Host
from support.places import SITES
from support.wait import until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if EXECUTABLE.exists():
        return
    skip = pytest.mark.skip(reason=f"{EXECUTABLE} is missing: run `make build`")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A private Serai. Leaving the block asserts that nothing is left of it."""
    with Host() as host:
        yield host


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no process, mount, control group, user or folder that no running app needs, and no error in the
    log that nobody expected."""
    if "host" not in request.fixturenames:
        yield
        return
    host: Host = request.getfixturevalue("host")
    offset = host.log.stat().st_size
    yield
    with contextlib.suppress(AssertionError):
        until(lambda: not host.left_behind(), "old instances drain", seconds=20)
    left = host.left_behind()
    assert not left, str(left)
    if not request.node.get_closest_marker("alerts"):
        assert not host.alerts(offset), "the log has errors:\n" + "\n".join(host.alerts(offset))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an app's folder: `write("name", {"app.py": "…"})`."""

    def write_folder(name: str, files: dict[str, str]) -> Path:
        folder = tmp_path / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    return write_folder


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of the sites, to be changed."""
    return lambda name: Path(shutil.copytree(SITES / name, tmp_path / name))


@pytest.fixture
def hosted(host: Host) -> Iterator[Callable[..., str]]:
    """Deploys folders whose apps are destroyed when the test ends; gives the app's name."""
    names: list[str] = []

    def deploy(folder: Path, name: str = "", *options: str, **env: str) -> str:
        name = name or folder.name.replace("_", "-")
        names.append(name)
        host.deploy(folder, *options, name=name, **env)
        return name

    yield deploy
    for name in set(names) & host.apps():
        host.destroy(name)
