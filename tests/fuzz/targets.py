"""The fuzz targets of a build folder, as its CMake wrote them down."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"


@dataclass(frozen=True)
class Target:
    name: str
    program: Path
    seeds: Path
    covers: list[str]  # sources, relative to the repository


def read_targets(build: Path, wanted: list[str]) -> list[Target]:
    """All targets, or those wanted by name. Raises SystemExit when there is nothing to run or a name is unknown."""
    listed = build / "fuzz_targets.txt"
    if not listed.exists():
        raise SystemExit(f"fuzz: {listed} is not there; configure with `cmake --preset fuzz`")
    targets = []
    for line in listed.read_text().splitlines():
        name, *covers = line.split()
        targets.append(Target(name, build / "fuzz" / f"{name}_fuzz", CORPUS / name, covers))
    names = [target.name for target in targets]
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise SystemExit(f"fuzz: no target {', '.join(unknown)}; there are {', '.join(names)}")
    return [target for target in targets if not wanted or target.name in wanted]


def sanitizer_environment() -> dict[str, str]:
    return {**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1"}
