"""What stops the probes does not stop ordinary programs."""

import re

import pytest
from attack.scene import HERE, Scene

pytestmark = [pytest.mark.root]


def test_what_honest_programs_do_works(scene: Scene) -> None:
    outcome = scene.host.attempt("run", "attacker", "--", "python", "-B", "/app/honest.py")
    assert outcome.code == 0, str(outcome)
    works = (HERE / "attacker" / "honest.py").read_text().partition("for work in (")[2].partition(")")[0]
    assert outcome.out.split()[1::2] == re.findall(r"\w+", works)
