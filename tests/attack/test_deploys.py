"""What is deployed with hostile names, links, archives and output."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attack.deploys import APP, HOSTILE, INNOCENT, LINES, SOURCE, Intruder, log_marks
from attack.scene import Scene

pytestmark = [pytest.mark.root]
BY_DEPLOY = [name for name, hostile in HOSTILE.items() if hostile.family != "log"]
BY_OUTPUT = [name for name, hostile in HOSTILE.items() if hostile.family == "log"]


@pytest.fixture
def intruder(scene: Scene, tmp_path: Path) -> Iterator[Intruder]:
    yield Intruder(scene, tmp_path)
    if APP in scene.host.apps():
        scene.host.destroy(APP)


@pytest.fixture(scope="module")
def talkative(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intruder]:
    intruder = Intruder(scene, tmp_path_factory.mktemp("talkative"))
    outcome = intruder.deploy({"app.py": LINES + SOURCE})
    assert outcome.code == 0, str(outcome)
    yield intruder
    scene.host.destroy(APP)


@pytest.mark.parametrize("name", BY_DEPLOY)
def test_hostile_deploy(name: str, intruder: Intruder) -> None:
    gained = HOSTILE[name].attempt(intruder)
    assert not gained, f"the intruder has {gained}"


def test_control_of_names(intruder: Intruder) -> None:
    assert intruder.accepts(INNOCENT)
    assert intruder.get("/s/page") == "a page"


def test_control_of_archives(intruder: Intruder) -> None:
    assert intruder.upload(lambda archive: None).get("event") == "done"


@pytest.mark.parametrize("name", BY_OUTPUT)
def test_hostile_output(name: str, talkative: Intruder) -> None:
    gained = HOSTILE[name].attempt(talkative)
    assert not gained, f"the intruder has {gained}"


def test_control_of_output(talkative: Intruder) -> None:
    assert len(log_marks(talkative)) == 5
