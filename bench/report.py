"""Tells what records hold: as text, as JSON and as one HTML page."""

import html
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ratios
import rows
from contenders import OURS
from records import Entry, Record, Store
from rows import Row


@dataclass
class Line:
    """A server on a row."""

    name: str
    version: str
    threads: str
    reason: str = ""
    note: str = ""
    rounds: int = 0
    cost: float = 0  # median, µs of CPU per answer
    low: float = 0  # cheapest round
    high: float = 0
    machine: float = 0  # of all CPUs, the client's work and everybody else's included
    client: float = 0
    rate: float = 0  # answers per second
    p99_ms: float = 0
    of_limit: float | None = None
    ratio: ratios.Ratio | None = None  # ours by this one's

    @property
    def is_unfit(self) -> bool:
        """The row asks for what it does not have: there is nothing more to tell."""
        return self.reason.startswith("has no ")

    @property
    def verdict(self) -> str:
        return self.ratio.verdict if self.ratio else ""


@dataclass
class Part:
    """A row with its lines, cheapest first, those without figures last."""

    row: Row
    record: Record
    limit: float | None
    app: float | None
    lines: list[Line]

    @property
    def ours(self) -> Line | None:
        return next((line for line in self.lines if line.name == OURS), None)

    @property
    def goal(self) -> str:
        ours = self.ours
        if not self.row.goal or not ours or not ours.of_limit:
            return ""
        return f"goal {self.row.goal:.2f} × limit: {'met' if ours.of_limit <= self.row.goal else 'missed'}"


def part_of(row: Row, record: Record) -> Part:
    limit = app = None
    if record.limits:
        app = statistics.median(each["app"] for each in record.limits)
        limit = app + statistics.median(each["bare"] for each in record.limits)
    lines = [line_of(entry, record, limit) for entry in record.entries]
    lines.sort(key=lambda line: (bool(line.reason), line.rounds == 0, line.cost))
    return Part(row, record, limit, app, lines)


def line_of(entry: Entry, record: Record, limit: float | None) -> Line:
    samples = entry.rounds or ([entry.screened] if entry.screened else [])
    line = Line(entry.name, entry.version, entry.threads, entry.reason, entry.note, len(entry.rounds))
    if not samples:
        return line

    def median(name: str) -> float:
        return statistics.median(sample[name] for sample in samples)

    costs = [sample["server"] for sample in samples]
    line.cost, line.low, line.high = median("server"), min(costs), max(costs)
    line.machine, line.client, line.p99_ms = median("machine"), median("client"), median("p99_ms")
    line.rate = statistics.median(sample["answers"] / sample["seconds"] for sample in samples)
    line.of_limit = line.cost / limit if limit else None
    ours = record.find(OURS)
    if ours and entry is not ours and entry.rounds:
        line.ratio = ratios.paired(ours.costs(), entry.costs())
    return line


# -- text -------------------------------------------------------------------------------------------------------------


def text(parts: Sequence[Part]) -> str:
    return "\n".join([heading(parts), *(text_part(part) for part in parts)]) + "\n"


def heading(parts: Sequence[Part]) -> str:
    machine = parts[0].record.machine
    return (
        f"µs of CPU per answer, kernel time included, over the whole process tree: median [lowest–highest round].\n"
        f"ratio: ours by theirs, in paired rounds, median and 95 % bounds. machine: work of all CPUs meanwhile.\n"
        f"One worker each, on one CPU; load on the other. {machine['cpu']}, {machine['system']}, {machine['python']}.\n"
        f"Repeat: {machine['command']}\n"
    )


def text_part(part: Part) -> str:
    row = part.row
    title = f"{row.name}: {row.title}, {row.connections} connections"
    if part.limit:
        title += f" · app {part.app:.1f}, limit {part.limit:.1f}" + (f" · {part.goal}" if part.goal else "")
    told = [f"  {text_line(line)}" for line in part.lines if not line.is_unfit]
    unfit = ", ".join(f"{line.name} ({line.reason})" for line in part.lines if line.is_unfit)
    return "\n".join([title, *told, *([f"  not for: {unfit}"] if unfit else []), ""])


def text_line(line: Line) -> str:
    name = f"{line.name} {line.version}"
    if line.reason:
        return f"{name:<32} – {line.reason}"
    spread = f"[{line.low:.1f}–{line.high:.1f}]" if line.rounds else "screened once"
    limit = f"{line.of_limit:5.2f} × limit" if line.of_limit else " " * 13
    return (
        f"{name:<32}{line.cost:9.2f} {spread:<17}{limit}  machine {line.machine:9.1f}  p99 {line.p99_ms:7.2f} ms"
        f"  threads {line.threads:<8}{ratio_text(line)}"
        f"{f'  ({line.note})' if line.note else ''}"
    ).rstrip()


def ratio_text(line: Line) -> str:
    ratio = line.ratio
    if not ratio:
        return ""
    bounds = f" [{ratio.low:.3f}–{ratio.high:.3f}]" if ratio.low is not None else ""
    return f"  ratio {ratio.median:.3f}{bounds} of {ratio.rounds}: {ratio.verdict}"


# -- JSON -------------------------------------------------------------------------------------------------------------


def data(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {
            "row": part.row.name,
            "title": part.row.title,
            "connections": part.row.connections,
            "machine": part.record.machine,
            "app_us": part.app,
            "limit_us": part.limit,
            "goal": part.row.goal,
            "servers": [data_line(line) for line in part.lines],
            "raw": {"entries": [vars(entry) for entry in part.record.entries], "limits": part.record.limits},
        }
        for part in parts
    ]


def data_line(line: Line) -> dict[str, Any]:
    ratio = {**vars(line.ratio), "verdict": line.verdict} if line.ratio else None
    return {**vars(line), "ratio": ratio}


# -- HTML -------------------------------------------------------------------------------------------------------------

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Serai: CPU per request</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h2 {{ font-size: 1.05rem; margin: 2rem 0 .3rem; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
td, th {{ padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e4; font-weight: normal; }}
td:first-child, th:first-child, .reason {{ text-align: left; }}
th {{ color: #666; }} .ours {{ font-weight: 600; }} .reason, small {{ color: #777; }}
.ahead {{ color: #17703a; }} .behind {{ color: #a8231d; }}
.bar {{ background: #b9c4d0; display: inline-block; height: .6rem; }} .ours .bar {{ background: #2b6cb0; }}
</style>
<h1>CPU per request</h1>
<p>{heading}</p>
{parts}
</html>
"""
COLUMNS = (
    "<tr><th>server<th><th>µs<th>spread<th>of the limit<th>machine<th>requests/s<th>p99 ms<th>threads<th>ratio</tr>"
)


def page(parts: Sequence[Part]) -> str:
    return PAGE.format(heading=html.escape(heading(parts)).replace("\n", "<br>"), parts="".join(map(page_part, parts)))


def page_part(part: Part) -> str:
    row = part.row
    dearest = max((line.cost for line in part.lines), default=0) or 1
    limit = f"app alone {part.app:.1f} µs, limit {part.limit:.1f} µs. {part.goal}" if part.limit else ""
    lines = "".join(page_line(line, dearest) for line in part.lines)
    repeat = f"make bench ROWS='{row.name}'"
    return (
        f"<h2 id={html.escape(row.name)!r}>{html.escape(row.title)}</h2>"
        f"<small>{row.connections} connections. {html.escape(limit)} <code>{html.escape(repeat)}</code></small>"
        f"<table>{COLUMNS}{lines}</table>\n"
    )


def page_line(line: Line, dearest: float) -> str:
    name = f"{html.escape(line.name)} <small>{html.escape(line.version)}</small>"
    kind = "ours" if line.name == OURS else "peer"
    if line.reason:
        return f"<tr class={kind}><td>{name}<td class=reason colspan=9>{html.escape(line.reason)}</tr>"
    bar = f"<span class=bar style='width:{line.cost / dearest * 8:.2f}rem'></span>"
    spread = f"{line.low:.1f}–{line.high:.1f}" if line.rounds else "screened"
    limit = f"{line.of_limit:.2f}" if line.of_limit else ""
    cells = [bar, f"{line.cost:.2f}", spread, limit, f"{line.machine:.1f}", f"{line.rate:.0f}", f"{line.p99_ms:.2f}"]
    cells.append(html.escape(line.threads))
    if line.note:
        name += f" <small>({html.escape(line.note)})</small>"
    ratio = html.escape(ratio_text(line).replace("ratio", "").strip())
    return (
        f"<tr class={kind}><td>{name}{''.join(f'<td>{cell}' for cell in cells)}<td class={line.verdict!r}>{ratio}</tr>"
    )


# -- files ------------------------------------------------------------------------------------------------------------


def write(folder: Path, store: Store) -> None:
    """table.txt, table.json and table.html, of every row that has a record."""
    parts = [part_of(row, record) for row, record in store.all(rows.ROWS)]
    if not parts:
        return
    (folder / "table.txt").write_text(text(parts))
    (folder / "table.json").write_text(json.dumps(data(parts), indent=1, ensure_ascii=False) + "\n")
    (folder / "table.html").write_text(page(parts))
