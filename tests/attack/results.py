"""What became of the probes: run in groups, as one process costs less than a hundred, when a test first asks."""

import ctypes
from collections.abc import Iterable
from typing import Any

from attack.record import OPEN
from attack.scene import Scene, catalogue

KIND = "shared"
PROBES = catalogue()


def is_open(name: str, kind: str = KIND) -> bool:
    return name in OPEN[kind] or (PROBES[name].walls == ("scope",) and landlock_abi() < 6)


def landlock_abi() -> int:
    """0 where the kernel has no Landlock, or has it switched off."""
    create_ruleset, ask_for_version = 444, 1
    return max(ctypes.CDLL(None).syscall(create_ruleset, None, 0, ask_for_version), 0)


def second_walls(name: str) -> tuple[str, ...]:
    """The walls of a probe that has more than one, each of which is to hold by itself."""
    walls = tuple(wall for wall in PROBES[name].walls if wall != "scope" or landlock_abi() >= 6)
    return walls if len(walls) > 1 else ()


def without(name: str, wall: str) -> tuple[str, ...]:
    """What is away when this wall is to hold alone."""
    return tuple(layer for layer in PROBES[name].control if layer != wall)


class Results:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._attempts: dict[str, Any] = {}
        self._controls: dict[tuple[str, ...], dict[str, Any]] = {}

    def attempt(self, name: str) -> dict[str, str]:
        if name not in self._attempts:
            together = [name] if PROBES[name].family == "bombs" else _of_family(PROBES[name].family)
            self._attempts |= self._scene.attempt(together)
        return dict(self._attempts[name])

    def control(self, name: str, without: Iterable[str] | None = None) -> dict[str, str]:
        """With these layers away; with all of the probe's, if none are given."""
        layers = tuple(PROBES[name].control if without is None else without)
        if layers not in self._controls:
            self._controls[layers] = self._scene.control(_ever_without(layers), layers)
        return dict(self._controls[layers][name])


def _ever_without(layers: tuple[str, ...]) -> list[str]:
    """The probes that are asked about with these layers away."""

    def is_asked(name: str) -> bool:
        partly = [without(name, wall) for wall in second_walls(name)]
        return not is_open(name) and layers in [PROBES[name].control, *partly]

    return [name for name in PROBES if is_asked(name)]


def _of_family(family: str) -> Iterable[str]:
    return [name for name, probe in PROBES.items() if probe.family == family]
