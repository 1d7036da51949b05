"""What a hostile tenant tries. A probe is a function that returns evidence when it got what it wanted, and raises
`OSError` or `Stopped`, or returns nothing, when it was stopped.

    @probe("signals", "pid", "privileges")
    def signals_the_victim(facts): ...

names the class and the walls before it, as layers of tests/tools/confine.cc: the control takes all of them away, and
the probe must succeed then. A wall that cannot be taken away like that is named by `walls=`, and the layers are what is
taken away instead.

Standard library only: this runs inside of instances of every kind.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

PROBES: dict[str, "Probe"] = {}


class Stopped(Exception):
    """The attempt went through, but brought nothing."""


class Facts:
    """What the attacker is taken to know: paths, pids and ports, as seen on the host."""

    def __init__(self, facts, **more):
        self.__dict__.update(facts, **more)


@dataclass(frozen=True)
class Probe:
    name: str
    family: str
    walls: tuple[str, ...]
    control: tuple[str, ...]
    attempt: Callable[[Facts], object] = field(compare=False)


def probe(family, *layers, walls=None):
    def register(function):
        name = function.__name__.replace("_", " ")
        assert name not in PROBES, name
        PROBES[name] = Probe(name, family, walls or layers, layers, function)
        return function

    return register


for module in (
    "files", "processes", "machine", "sockets", "rights", "bombs",
):  # fmt: skip
    importlib.import_module(f"{__name__}.{module}")
