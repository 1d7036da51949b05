"""Which files a change of code can be seen in, and whether one has changed (--reload)."""

import fnmatch
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence

Seen = dict[str, tuple[int, int, int]]
"""Time, size and inode by path."""

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def imported_files() -> list[str]:
    """Of the modules that this process has imported, without those of the installation and our own."""
    installed = tuple(
        os.path.join(os.path.abspath(folder), "")
        for folder in {os.path.dirname(__file__), *(sysconfig.get_path(name) for name in _INSTALLED)}
    )
    named = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    found = {os.path.abspath(path) for path in named if isinstance(path, str)}
    return sorted(path for path in found if not path.startswith(installed))


_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")


class Watch:
    """Looks at files below folders, and at some more. Polls: it works on every file system, and costs a stat each."""

    def __init__(self, folders: Sequence[str], patterns: Sequence[str]) -> None:
        self._folders = folders
        self._patterns = patterns
        self._more: set[str] = set()
        self._seen = self._look()

    def add(self, files: Iterable[str], since: float) -> None:
        """These too. One that was written after `since` (seconds of the epoch) has changed."""
        for path in set(files) - self._more:
            self._more.add(path)
            found = _stat(path)
            if found and path not in self._seen and found[path][0] <= since * 1e9:
                self._seen |= found

    def changed(self) -> list[str]:
        """What has been written, made or removed since the last call."""
        now = self._look()
        before, self._seen = self._seen, now
        return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))

    def _look(self) -> Seen:
        seen: Seen = {}
        for folder in self._folders:
            for path in self._below(folder):
                seen |= _stat(path)
        for path in self._more:
            seen |= _stat(path)
        return seen

    def _below(self, folder: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            return  # a virtual environment
        for entry in entries:
            if entry.is_dir():
                if not entry.name.startswith(".") and entry.name not in _SKIPPED and not entry.is_symlink():
                    yield from self._below(entry.path)
            elif any(fnmatch.fnmatch(entry.name, pattern) for pattern in self._patterns):
                yield os.path.abspath(entry.path)


def _stat(path: str) -> Seen:
    try:
        found = os.stat(path)
    except OSError:
        return {}
    return {path: (found.st_mtime_ns, found.st_size, found.st_ino)}
