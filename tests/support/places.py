"""Where things are in the repository."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
EXAMPLES = REPOSITORY / "examples"
PYPI_APPS = REPOSITORY / "tests" / "apps"
SITES = REPOSITORY / "tests" / "e2e" / "sites"
