"""The live processes of each role have exactly the rights that posture.txt records: no more, and no fewer."""

from pathlib import Path

import pytest
from attack.posture import posture
from attack.scene import Scene

pytestmark = [pytest.mark.root]
RECORD = Path(__file__).with_name("posture.txt")


def test_every_role_has_the_rights_on_record_and_no_others(scene: Scene) -> None:
    assert posture(scene) == RECORD.read_text(), "to accept a change, edit tests/attack/posture.txt"
