"""The table of docs/isolation.md, from the probes and the record that they are held to. Run it to write it anew."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attack.deploys import HOSTILE
from attack.record import OPEN, WALLS
from attack.results import KIND, PROBES

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "isolation.md"
BEGIN, END = "<!-- attack table: begin -->", "<!-- attack table: end -->"
HEAD = "| class | attempts | open | stopped by (how many; “+”: each wall is shown to hold alone) |\n|---|---|---|---|"


@dataclass(frozen=True)
class Attempt:
    name: str
    family: str
    walls: str

    @property
    def is_open(self) -> bool:
        return self.name in OPEN[KIND]


def attempts() -> Iterator[Attempt]:
    for probe in PROBES.values():
        yield Attempt(probe.name, probe.family, " + ".join(WALLS[wall] for wall in probe.walls))
    for hostile in HOSTILE.values():
        yield Attempt(hostile.name, hostile.family, hostile.wall)


def table() -> str:
    everything = list(attempts())
    families = dict.fromkeys(attempt.family for attempt in everything)
    rows = [row(family, [attempt for attempt in everything if attempt.family == family]) for family in families]
    still_open = [attempt for attempt in everything if attempt.is_open]
    total = f"| **all** | **{len(everything)}** | **{len(still_open)}** | |"
    names = "\n".join(f"- {attempt.family}: {attempt.name}" for attempt in still_open)
    return "\n".join([BEGIN, "", HEAD, *rows, total, "", "Open, each by its name:", "", names, "", END])


def row(family: str, members: list[Attempt]) -> str:
    walls = Counter(attempt.walls for attempt in members if not attempt.is_open)
    stopped_by = ", ".join(f"{wall} ({count})" for wall, count in walls.most_common())
    return f"| {family} | {len(members)} | {sum(a.is_open for a in members)} | {stopped_by or '–'} |"


def main() -> None:
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table(), text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
