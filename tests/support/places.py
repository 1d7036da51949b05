"""Where things are in the repository."""

import os
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
EXAMPLES = REPOSITORY / "examples"
PYPI_APPS = REPOSITORY / "tests" / "apps"
SITES = REPOSITORY / "tests" / "e2e" / "sites"

_MEMORY = Path("/dev/shm")
_NEEDED = 4 << 30  # bytes, for the largest file of tests


def scratch_folder() -> Path:
    """Where private Serais lie: in memory where there is enough of it.

    Their virtual environments have tens of thousands of files, which some disks take a minute to delete.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return Path(tempfile.gettempdir())
    room = os.statvfs(_MEMORY)
    fits = room.f_bavail * room.f_frsize > _NEEDED and _available_memory() > 2 * _NEEDED
    return _MEMORY if fits and not room.f_flag & os.ST_NOEXEC else Path(tempfile.gettempdir())


def _available_memory() -> int:
    fields = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next((int(field[1]) * 1024 for field in fields if field[0] == "MemAvailable:"), 0)
