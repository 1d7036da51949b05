"""The table of docs/isolation.md, from the probes and the record that they are held to. Run it to write it anew."""

import re
from collections import Counter
from pathlib import Path

from attack.record import OPEN, WALLS
from attack.results import KIND, PROBES

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "isolation.md"
BEGIN, END = "<!-- attack table: begin -->", "<!-- attack table: end -->"


def table() -> str:
    open_ones = OPEN[KIND]
    rows = []
    for family in dict.fromkeys(probe.family for probe in PROBES.values()):
        probes = [probe for probe in PROBES.values() if probe.family == family]
        closed = [probe for probe in probes if probe.name not in open_ones]
        walls = Counter(" + ".join(WALLS[wall] for wall in probe.walls) for probe in closed)
        stopped_by = ", ".join(f"{wall} ({count})" for wall, count in walls.most_common())
        rows.append(f"| {family} | {len(probes)} | {len(probes) - len(closed)} | {stopped_by or '–'} |")
    total = f"| **all** | **{len(PROBES)}** | **{len(open_ones)}** | |"
    names = "\n".join(f"- {name}" for name in PROBES if name in open_ones)
    head = "| class | probes | open | stopped by (how many; “+”: either wall alone would do) |\n|---|---|---|---|"
    return "\n".join([BEGIN, "", head, *rows, total, "", "Open, each by its name:", "", names, "", END])


def main() -> None:
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table(), text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
