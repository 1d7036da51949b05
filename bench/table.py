"""The benchmark table: CPU per request of `serai serve` beside every other Python application server.

    scripts/bench table [--rows PATTERN …] [--rounds N] [--seconds N] [--peers NAME …] [--again] [--screen | --quick]

One worker each, server on CPU 0, load on CPU 1. Every server that can do a row is verified and screened once; then ours
and the three cheapest peers take turns for nine rounds, and for more while a ratio is undecided. What was measured is
kept in build/bench/results, so a run that was stopped goes on; --again measures anew. What all that says is written to
build/bench/table.txt, .json and .html.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import contenders
import cpu
import ratios
import report
import rows
from contenders import OURS, Contender
from records import Entry, Record, Store
from rows import Row
from turns import Bench, Failed

FOLDER = contenders.REPOSITORY / "build" / "bench"
FINALISTS = 3
MORE_ROUNDS = 2  # so many times the asked rounds at most, while a ratio is undecided


@dataclass
class Plan:
    """How thoroughly."""

    rounds: int
    seconds: float
    peers: list[str]  # only these; empty: all
    finalists: int = FINALISTS
    more: int = MORE_ROUNDS


class Measurement:
    """Fills one row's record, saving after each turn."""

    def __init__(self, bench: Bench, store: Store, plan: Plan, row: Row) -> None:
        self._bench = bench
        self._store = store
        self._plan = plan
        self._row = row
        self._record = store.open(row)
        listed = [c for c in contenders.contenders() if c.name == OURS or not plan.peers or c.name in plan.peers]
        self._contenders = {contender.name: contender for contender in listed}

    def run(self) -> Record:
        if self._record.complete:
            return self._record
        say(f"{self._row.name}: {self._row.title}")
        for contender in self._contenders.values():
            if not self._record.find(contender.name):
                self._screen(contender)
        ours = self._record.find(OURS)
        if self._plan.rounds and ours and ours.screened:
            self._compete(ours)
        self._record.complete = True
        self._store.save(self._record)
        return self._record

    def _screen(self, contender: Contender) -> None:
        entry = Entry(contender.name, contender.version(), contender.threads_for(self._row))
        entry.reason = contender.lacks(self._row) or ("" if entry.version else "could not be installed")
        if not entry.reason:
            try:
                entry.screened = self._bench.turn(contender, self._row).dump()
                entry.note = self._bench.misconduct(contender, self._row.interface)
            except Failed as failure:
                entry.reason = str(failure)
        self._record.entries.append(entry)
        self._store.save(self._record)
        say(f"  {entry.name:<18}" + (f"{entry.screened['server']:9.2f} µs" if entry.screened else entry.reason))

    def _compete(self, ours: Entry) -> None:
        finalists = [ours, *self._best_peers()]
        while len(ours.rounds) < self._plan.rounds or (self._is_undecided(finalists) and self._may_go_on(ours)):
            self._round(finalists, number=len(ours.rounds))
            self._store.save(self._record)

    def _best_peers(self) -> list[Entry]:
        peers = [entry for entry in self._record.entries if entry.screened and entry.name != OURS]
        peers.sort(key=lambda entry: entry.screened["server"] if entry.screened else 0)
        return peers[: self._plan.finalists]

    def _is_undecided(self, finalists: list[Entry]) -> bool:
        ours, *peers = finalists
        return any(ratios.paired(ours.costs(), peer.costs()).verdict == "undecided" for peer in peers)

    def _may_go_on(self, ours: Entry) -> bool:
        return len(ours.rounds) < self._plan.rounds * self._plan.more

    def _round(self, finalists: list[Entry], number: int) -> None:
        """Whole or not at all. Who begins changes from round to round."""
        first = number % len(finalists)
        samples = {}
        for entry in finalists[first:] + finalists[:first]:
            samples[entry.name] = self._try_twice(entry)
        if self._row.has_limit:
            self._record.limits.append(self._bench.limit(self._row))
        for entry in finalists:
            entry.rounds.append(samples[entry.name])
        told = "  ".join(f"{entry.name} {samples[entry.name]['server']:.2f}" for entry in finalists)
        say(f"  round {number + 1}: {told}")

    def _try_twice(self, entry: Entry) -> dict[str, float]:
        """It was right when it was screened; twice wrong in a row is an end."""
        try:
            return self._bench.turn(self._contenders[entry.name], self._row).dump()
        except Failed as failure:
            say(f"  {entry.name} failed, once more: {failure}")
            return self._bench.turn(self._contenders[entry.name], self._row).dump()


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S "), text, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", nargs="*", default=[], metavar="PATTERN", help="asgi-hello, 'wsgi-*', '*@256'; default: all"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3, help="of load per turn")
    parser.add_argument("--peers", nargs="*", default=[], metavar="NAME", help="only these beside ours")
    parser.add_argument("--again", action="store_true", help="forget what these rows gave before")
    parser.add_argument("--screen", action="store_true", help="one turn for each server, no rounds")
    parser.add_argument(
        "--quick", action="store_true", help="main rows, likely best peers, short turns: under five minutes"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


QUICK_PEERS = ["peregrine", "freastal"]


def plan_of(given: argparse.Namespace) -> Plan:
    if given.quick:
        return Plan(rounds=2, seconds=1, peers=given.peers or QUICK_PEERS, finalists=2, more=1)
    return Plan(0 if given.screen else given.rounds, given.seconds, given.peers)


def main() -> int:
    given = parse()
    for tool, package in {"wrk": "wrk", "h2load": "nghttp2-client", "curl": "curl", "openssl": "openssl"}.items():
        cpu.need(tool, package)
    plan = plan_of(given)
    folder = given.folder.resolve()
    if given.quick or given.screen:
        folder /= "quick" if given.quick else "screen"
    settings = {"rounds": plan.rounds, "seconds": plan.seconds, "ours": contenders.our_version(), "peers": plan.peers}
    store = Store(folder / "results", settings)
    bench = Bench(folder, plan.seconds)
    for row in rows.chosen(given.rows or (rows.QUICK if given.quick else [])):
        if given.again or given.quick:
            store.forget(row)
        try:
            Measurement(bench, store, plan, row).run()
        except Failed as failure:
            say(f"  {row.name} is left out: {failure}")
        report.write(folder, store)
    print((folder / "table.txt").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
