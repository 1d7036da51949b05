"""Latency at a rate that does not depend on the answers: p50, p99 and p99.9 at 50 % and 80 % of each server's capacity.

    scripts/bench latency [--rows PATTERN …] [--peers NAME …] [--rounds N] [--seconds N]

First every connection asks as fast as it is answered: that is the capacity. Then requests come at a share of it at
random times (Poisson, the same seed for every server), and each latency runs from the moment the request was due, so
that waiting behind others is in it (src/compare/load.h). Servers take turns; shown is the median of the rounds. Results
in which the generator itself was late by a tenth of what it measured are marked, since they say too much.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import contenders
import cpu
import rows
from contenders import OURS, Contender
from rows import Row
from turns import Bench, Failed

FOLDER = contenders.REPOSITORY / "build" / "bench"
GENERATOR = contenders.REPOSITORY / "build" / "release" / "serai-load"
ROWS = ["asgi-hello", "starlette", "fastapi", "wsgi-hello", "flask", "django"]
PEERS = ["peregrine", "freastal", "granian", "uvicorn", "gunicorn"]
SHARES = (0.5, 0.8)
CONNECTIONS = 64
WARM_UP_SECONDS = 0.5


@dataclass
class Point:
    """One server at one share of its capacity, in milliseconds; a value per round."""

    share: float
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    p999: list[float] = field(default_factory=list)
    late: bool = False

    def add(self, told: dict) -> None:  # type: ignore[type-arg]
        latency = told["latency_ms"]
        self.p50.append(latency["p50"])
        self.p99.append(latency["p99"])
        self.p999.append(latency["p999"])
        self.late |= told["lateness_ms"]["p50"] > latency["p50"] / 10

    def told(self) -> str:
        values = " / ".join(f"{statistics.median(values):.2f}" for values in (self.p50, self.p99, self.p999))
        return values + (" (late)" if self.late else "")


@dataclass
class Found:
    """A server on a row."""

    server: str
    version: str
    capacity: list[float] = field(default_factory=list)  # answers per second
    points: list[Point] = field(default_factory=lambda: [Point(share) for share in SHARES])
    reason: str = ""  # why there is nothing


def load(row: Row, port: int, seconds: float, rate: float = 0) -> dict:  # type: ignore[type-arg]
    command = [GENERATOR, f"127.0.0.1:{port}", "--path", row.path, "--method", row.method]
    command += ["--connections", CONNECTIONS, "--duration", seconds, "--warm-up", WARM_UP_SECONDS, "--rate", rate]
    done = subprocess.run(
        ["taskset", "-c", cpu.LOAD_CPU, *map(str, command)], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise Failed(f"under load: {done.stderr.strip() or json.loads(done.stdout)['failures']}")
    return dict(json.loads(done.stdout))


def turn(bench: Bench, contender: Contender, row: Row, found: Found) -> None:
    with bench.serving(contender, row) as (_, port):
        capacity = load(row, port, bench.seconds)["rate"]
        results = [load(row, port, bench.seconds, capacity * share) for share in SHARES]
    found.capacity.append(capacity)
    for point, told in zip(found.points, results, strict=True):
        point.add(told)


def measure(bench: Bench, row: Row, chosen: list[Contender], rounds: int) -> list[Found]:
    found = [Found(c.name, c.version(), reason=c.lacks(row) or ("" if c.version() else "is not there")) for c in chosen]
    for number in range(rounds):
        for contender, entry in zip(chosen, found, strict=True):
            if entry.reason:
                continue
            try:
                turn(bench, contender, row, entry)
            except (Failed, OSError, subprocess.TimeoutExpired) as failure:
                entry.reason = f"round {number + 1}: {failure}"
    return found


def table(row: Row, found: list[Found]) -> str:
    lines = [f"{row.name}: {row.title}; p50 / p99 / p99.9 in ms, {CONNECTIONS} connections"]
    for entry in found:
        name = f"  {entry.server} {entry.version}".ljust(26)
        if entry.reason:
            lines.append(f"{name}{entry.reason}")
            continue
        cells = "   ".join(f"{point.share:.0%}: {point.told()}" for point in entry.points)
        lines.append(f"{name}{statistics.median(entry.capacity):8.0f}/s   {cells}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=ROWS, metavar="PATTERN")
    parser.add_argument("--peers", nargs="*", default=PEERS, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, given.seconds)
    chosen = [c for c in contenders.contenders() if c.name in (OURS, *given.peers)]
    results = {}
    for row in rows.chosen(given.rows):
        found = measure(bench, row, chosen, given.rounds)
        results[row.name] = [asdict(entry) for entry in found]
        print(table(row, found), flush=True)
    (folder / "latency.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
