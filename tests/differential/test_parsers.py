"""Our HTTP/1 parser beside llhttp, httptools and h11, over known requests and their mutations.

Wherever one of them reads something else than we do, the class of the disagreement must have been judged by the RFC
(judgements.py). `make differential` tries a million mutations; MUTATIONS and SEED change that.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pytest
from differential.comparison import disagreement, needs_more
from differential.judgements import JUDGED
from differential.mutations import CORPUS, mutations
from differential.parsers import PEERS, Ours

QUICK = 20_000
MUTATIONS = int(os.environ.get("MUTATIONS", 1_000_000))
SEED = int(os.environ.get("SEED", 1))

MORE = b"\r\n\r\nG"
"""An end for lines that are cut: some parsers judge by the byte, others by the line."""


@dataclass
class Findings:
    inputs: int = 0
    accepted: int = 0  # by us, at least one message
    agreements: Counter[str] = field(default_factory=Counter)  # by peer
    disagreements: Counter[tuple[str, str]] = field(default_factory=Counter)  # class and peer
    examples: dict[tuple[str, str], bytes] = field(default_factory=dict)  # the shortest

    def add(self, data: bytes, kind: str, peer: str) -> None:
        self.disagreements[kind, peer] += 1
        if len(data) < len(self.examples.get((kind, peer), b"." * 100_000)):
            self.examples[kind, peer] = data

    def unjudged(self) -> list[str]:
        return [
            f"{peer}, {count} times: {kind}: {self.examples[kind, peer]!r}"
            for (kind, peer), count in self.disagreements.items()
            if kind not in JUDGED or peer not in JUDGED[kind].peers
        ]

    def table(self) -> str:
        lines = [f"{self.inputs} inputs, {self.accepted} with a request that we take"]
        lines += [f"agrees on {count / self.inputs:.2%}: {peer}" for peer, count in self.agreements.items()]
        for kind, judgement in JUDGED.items():
            counts = {peer: self.disagreements[kind, peer] for peer in PEERS if self.disagreements[kind, peer]}
            said = ", ".join(f"{peer} {count}" for peer, count in counts.items()) or "not met"
            lines.append(f"{kind}: {said}; {judgement.verdict} ({judgement.section}: {judgement.why})")
        return "\n".join(lines)


def compare(count: int, seed: int) -> Findings:
    findings = Findings()
    inputs = filter(None, mutations(count, seed))
    with Ours() as ours:
        while batch := list(islice(inputs, 1000)):
            for data, verdict in zip(batch, ours.verdicts(batch), strict=True):
                findings.inputs += 1
                findings.accepted += "\nover\n" in verdict
                for kind, peer in disagreements(ours, data, verdict):
                    findings.add(data, kind, peer)
    for peer in PEERS:
        findings.agreements[peer] = findings.inputs - sum(
            n for (_, p), n in findings.disagreements.items() if p == peer
        )
    return findings


def disagreements(ours: Ours, data: bytes, verdict: str) -> Iterator[tuple[str, str]]:
    """Class and peer of each."""
    for peer, parse in PEERS.items():
        theirs = parse(data)
        kind = disagreement(verdict, theirs)
        if needs_more(kind, verdict, theirs):
            kind = disagreement(ours.verdicts([data + MORE])[0], parse(data + MORE))
        if kind:
            yield kind, peer


def check(findings: Findings) -> None:
    print("\n" + findings.table())
    assert not findings.unjudged(), "\n" + "\n".join(findings.unjudged())
    assert findings.accepted > findings.inputs / 5
    assert min(findings.agreements.values()) > findings.inputs / 2


def test_every_disagreement_is_judged() -> None:
    check(compare(QUICK, seed=1))


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_every_disagreement_over_many_mutations_is_judged() -> None:
    findings = compare(MUTATIONS, SEED)
    check(findings)


def test_every_seed_has_a_verdict() -> None:
    assert all(verdict.endswith("\n") for verdict in verdicts(CORPUS))


def verdicts(inputs: Sequence[bytes]) -> list[str]:
    with Ours() as ours:
        return ours.verdicts(inputs)
