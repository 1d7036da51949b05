"""Start-up in each kind of environment, stage by stage, beside `python -c "import app"` of the same code.

    make bench-environments [ARGS="--starts 20 --apps flask-site"]

The starts are those of `serai compare`: of each example and kind so many cold ones (what the kernel had cached of the
files that they read is let go) and as many warm ones, the kinds in random order. Half of the plain imports come before
them, half after, as warm and as cold, by the same interpreter with the same packages.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common

sys.path.insert(0, str(common.REPOSITORY / "tests"))
from support.host import Host

EXAMPLES = common.REPOSITORY / "examples"
TEMPERATURES = {"cold": True, "warm": False}
OWN_STAGES = ("import", "answer")  # the rest is the environment's making


@dataclass(frozen=True)
class Row:
    """Times in milliseconds."""

    name: str
    total: list[float]
    stages: dict[str, list[float]]

    def cells(self) -> list[str]:
        made = sum(statistics.median(times) for name, times in self.stages.items() if name not in OWN_STAGES)
        own = [statistics.median(self.stages[name]) if name in self.stages else 0 for name in OWN_STAGES]
        parts = [f"{value:.0f}" for value in (made, *own)] if self.stages else ["", "", ""]
        whole = [f"{statistics.median(self.total):.0f}", f"{p99(self.total):.0f}"]
        return [self.name, str(len(self.total)), *whole, *parts]


def p99(values: list[float]) -> float:
    """Of fewer than a hundred the largest."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def forget_cached(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError), path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class PlainImport:
    """What the engine does first, without an environment and without the engine."""

    def __init__(self, host: Host, app: str, code: Path) -> None:
        self.venv = next((host.root / "builds").glob(f"{app}-*/venv"))
        self.code = code
        module, _, attribute = str(host.status(app)["web"]).rpartition("·")[2].strip().partition(":")
        self.program = f"import {module}" + (f"; {module}.{attribute}" if attribute.endswith("()") else "")
        python = self.venv / "bin" / "python"
        find = "import sysconfig; print(sysconfig.get_path('stdlib'))"
        found = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
        self.library = Path(found.stdout.strip())

    def times(self, count: int, *, cold: bool) -> list[float]:
        return [self._time(cold=cold) for _ in range(count)]

    def _time(self, *, cold: bool) -> float:
        if cold:
            for folder in (self.venv, self.code, self.library):
                forget_cached(folder)
        begun = time.perf_counter()
        environment = {"PATH": "/usr/bin:/bin", "SECRET_KEY": "of the benchmark"}
        command = [self.venv / "bin" / "python", "-c", self.program]
        subprocess.run(command, cwd=self.code, env=environment, check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - begun) * 1000


@contextlib.contextmanager
def copy_of(app: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="serai-bench-") as name:
        yield Path(shutil.copytree(EXAMPLES / app, Path(name) / app))


def row_of(cell: dict[str, Any], *, cold: bool) -> Row:
    starts = [start for start in cell["start"]["all"] if start["cold"] == cold]
    stages: dict[str, list[float]] = {}
    for start in starts:
        for stage in start["stages"]:
            stages.setdefault(stage["stage"], []).append(stage["ms"])
    name = cell["environment"] + (" (emulated)" if cell["emulated"] else "")
    return Row(name, [start["total_ms"] for start in starts], stages)


def measure(host: Host, app: str, starts: int, kinds: str) -> None:
    host.deploy(EXAMPLES / app, "--yes", name=app)
    with copy_of(app) as code:
        plain = PlainImport(host, app, code)
        plain.times(1, cold=False)  # writes its bytecode
        imports = {name: plain.times(starts // 2, cold=cold) for name, cold in TEMPERATURES.items()}
        options = ["--starts", str(2 * starts), "--cold-starts", str(starts), "--rounds", "0"]
        chosen = ["--kinds", kinds] if kinds else []
        report = host.do("compare", app, *options, *chosen, "--json", timeout=3600).json
        for name, cold in TEMPERATURES.items():
            imports[name] += plain.times(starts - starts // 2, cold=cold)
    host.destroy(app)
    for name, cold in TEMPERATURES.items():
        rows = [Row(f'python -c "{plain.program}"', imports[name], {})]
        show(f"{app}, {name}", rows + [row_of(cell, cold=cold) for cell in report["environments"]])
    for excluded in report["excluded"]:
        print(f"  left out: {excluded['environment']}: {excluded['reason']}")


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}\n")
    print("| what | starts | median ms | p99 ms | environment | import | first answer | beside import |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    base = statistics.median(rows[0].total)
    for row in rows:
        beside = "" if row is rows[0] else f"1.2 × import + {statistics.median(row.total) - 1.2 * base:.0f} ms"
        print(f"| {' | '.join([*row.cells(), beside])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20, help="cold ones, and as many warm ones")
    parser.add_argument("--apps", nargs="+", default=["flask-site", "django-site", "fastapi-service"])
    parser.add_argument("--kinds", default="", help="shared,container (default: all that this host can do)")
    options = parser.parse_args()
    with Host() as host:
        for app in options.apps:
            measure(host, app, options.starts, options.kinds)


if __name__ == "__main__":
    main()
