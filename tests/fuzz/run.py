#!/usr/bin/env python3
"""run.py SECONDS [TARGET…]: runs every built fuzz target (or those named) for that long, starting from its seeds.

Inputs found on the way are kept in build/fuzz/corpus/TARGET and used again; what crashes a target is written to
build/fuzz/finds, and the exit code is then 1.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from targets import ROOT, Target, read_targets, sanitizer_environment

BUILD = ROOT / "build" / "fuzz"


def run(target: Target, seconds: int) -> tuple[Target, bool, str]:
    found = BUILD / "corpus" / target.name
    finds = BUILD / "finds"
    for folder in (found, finds):
        folder.mkdir(parents=True, exist_ok=True)
    argv = [str(target.program), str(found), str(target.seeds), f"-max_total_time={seconds}", "-timeout=10"]
    argv += ["-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1", f"-artifact_prefix={finds}/{target.name}-"]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=sanitizer_environment())
    return target, done.returncode == 0, done.stderr


def executions(output: str) -> str:
    for line in output.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return line.split()[-1]
    return "?"


def main() -> int:
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    seconds = int(sys.argv[1])
    targets = read_targets(BUILD, sys.argv[2:])
    missing = [target.name for target in targets if not Path(target.program).exists()]
    if missing:
        print(f"fuzz: not built: {', '.join(missing)}; run `cmake --build --preset fuzz`", file=sys.stderr)
        return 2
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for target, good, output in pool.map(lambda target: run(target, seconds), targets):
            print(f"{target.name:24} {executions(output):>12} inputs  {'ok' if good else 'FAILED'}", flush=True)
            if not good:
                failed = True
                print("\n".join(output.splitlines()[-60:]), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
