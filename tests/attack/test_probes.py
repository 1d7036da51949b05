"""Each probe inside of a running instance, beside another tenant; and each one's control, with its walls away."""

import os
import resource
from pathlib import Path

import pytest
from attack.record import OPEN
from attack.results import KIND, PROBES, Results, is_open, second_walls, without
from attack.scene import Scene
from attack.table import DOCUMENT, table

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probes name system calls by x86-64's numbers"),
]
CLOSED = [name for name in PROBES if not is_open(name)]
# Answers of a kernel that was built without what the probe is after, which no wall needs to hold then.
NOT_IN_THIS_KERNEL = (
    "Function not implemented",
    "Address family not supported",
    "Protocol not supported",
    "No such file or directory: '/proc/kcore'",
    "No such file or directory: '/proc/sysrq-trigger'",
)


@pytest.mark.parametrize("name", PROBES)
def test_probe(name: str, results: Results) -> None:
    result = results.attempt(name)
    assert result["outcome"] != "failed", result["detail"]
    if is_open(name):
        assert result["outcome"] == "gained", (
            f"now it is stopped ({result['detail']}): take it off the list of open ones"
        )
    else:
        assert result["outcome"] == "stopped", f"the attacker has {result['detail']}"


@pytest.mark.parametrize("name", CLOSED)
def test_control(name: str, results: Results) -> None:
    result = results.control(name)
    if any(word in result["detail"] for word in NOT_IN_THIS_KERNEL):
        pytest.skip(result["detail"])
    if name == "opens files without end" and resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 66_000:
        pytest.skip("nobody here may open so many")
    if "into a terminal" in name and Path("/proc/sys/dev/tty/legacy_tiocsti").read_text().strip() == "0":
        pytest.skip("this kernel lets nobody type into a terminal")
    assert result["outcome"] == "gained", f"without its walls it is stopped too: {result['detail']}"


@pytest.mark.parametrize(("name", "wall"), [(name, wall) for name in CLOSED for wall in second_walls(name)])
def test_the_wall_holds_alone(name: str, wall: str, results: Results) -> None:
    result = results.control(name, without(name, wall))
    assert result["outcome"] == "stopped", f"behind {wall} alone the attacker has {result['detail']}"


def test_with_every_layer_in_place_the_controls_process_is_stopped_too(scene: Scene) -> None:
    held = [name for name in CLOSED if PROBES[name].family not in ("bombs", "descriptors")]
    results = scene.control(held, ())
    gained = {name: result["detail"] for name, result in results.items() if result["outcome"] != "stopped"}
    assert not gained


def test_every_open_probe_exists() -> None:
    assert OPEN[KIND] <= set(PROBES)


def test_the_document_shows_this_table() -> None:
    assert table() in DOCUMENT.read_text(), "write it anew: build/venv/bin/python -m tests.attack.table"
