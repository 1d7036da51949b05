"""The benchmark's own modules, as scripts/bench has them on its path. No peer is installed and none is started here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
