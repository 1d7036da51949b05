#!/usr/bin/env python3
"""coverage.py [TARGET…]: how much of each parser its seeds reach, in branches; exit code 1 below 90 %.

Builds the targets with clang's source coverage in build/fuzz-coverage and runs each once over its corpus.
"""

import json
import os
import subprocess
import sys

from targets import ROOT, Target, read_targets

BUILD = ROOT / "build" / "fuzz-coverage"
WANTED = 90.0


def build(names: list[str]) -> None:
    configure = ["cmake", "--preset", "fuzz", "-B", str(BUILD), "-DSERAI_FUZZ_COVERAGE=ON", "-DCMAKE_BUILD_TYPE=Debug"]
    subprocess.run(configure, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = [f"{name}_fuzz" for name in names] or ["fuzzers"]
    subprocess.run(["cmake", "--build", str(BUILD), "--target", *targets], check=True, stdout=subprocess.DEVNULL)


def measure(target: Target) -> dict[str, tuple[int, int]]:
    """Branches reached and branches there are, by source."""
    raw, merged = BUILD / f"{target.name}.profraw", BUILD / f"{target.name}.profdata"
    argv = [str(target.program), "-runs=0", "-verbosity=0", str(target.seeds)]
    run = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LLVM_PROFILE_FILE": str(raw)})
    if run.returncode != 0:
        raise SystemExit(f"fuzz: {target.name} fails on its own seeds:\n{run.stderr[-4000:]}")
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", str(raw), "-o", str(merged)], check=True)
    sources = [str(ROOT / source) for source in target.covers]
    export = ["llvm-cov-19", "export", "-summary-only", f"-instr-profile={merged}", str(target.program), *sources]
    report = json.loads(subprocess.run(export, check=True, capture_output=True).stdout)
    counted = {}
    for file in report["data"][0]["files"]:
        branches = file["summary"]["branches"]
        counted[os.path.relpath(file["filename"], ROOT)] = (branches["covered"], branches["count"])
    return counted


def percent(covered: int, count: int) -> float:
    return 100.0 * covered / count if count else 100.0


def report(target: Target) -> bool:
    counted = measure(target)
    absent = [source for source in target.covers if source not in counted]
    covered, count = (sum(pair[i] for pair in counted.values()) for i in (0, 1))
    good = not absent and percent(covered, count) >= WANTED
    verdict = "" if good else "TOO LOW"
    print(f"{target.name:24} {percent(covered, count):6.1f} %  {covered} of {count} branches  {verdict}", flush=True)
    for source, pair in sorted(counted.items()):
        print(f"    {percent(*pair):6.1f} %  {source}")
    for source in absent:
        print(f"    not in the program: {source}")
    return good


def main() -> int:
    names = sys.argv[1:]
    build(names)
    results = [report(target) for target in read_targets(BUILD, names)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
