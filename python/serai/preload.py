"""Did the import leave anything behind that does not survive a fork?

Threads do not exist in a forked child, and a socket or an epoll descriptor shared with it is used by two processes at
once. If an import left any, each worker imports for itself.
"""

import os
import socket
import threading

_SHARED_KERNEL_OBJECTS = ("eventpoll", "io_uring", "inotify", "timerfd", "signalfd")
_SQLITE_MAGIC = b"SQLite format 3\0"


Descriptors = dict[int, str]
"""What each open descriptor leads to, as /proc/self/fd says it."""


def descriptors() -> Descriptors:
    """Those of this process."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # the listing's own, closed by now
    return found


def leftovers(before: Descriptors) -> list[str]:
    """What stands against a fork, in words: threads, and descriptors opened since `before` that cannot be shared."""
    opened = [(fd, link) for fd, link in sorted(descriptors().items()) if before.get(fd) != link]
    return _threads() + [described for fd, link in opened if (described := _unshareable(fd, link))]


def _threads() -> list[str]:
    known = [f"thread {t.name!r}" for t in threading.enumerate() if t is not threading.main_thread()]
    foreign = len(os.listdir("/proc/self/task")) - 1 - len(known)
    if foreign > 0:
        known.append(f"{foreign} thread{'s' if foreign > 1 else ''} of a native library{_task_names()}")
    return known


def _task_names() -> str:
    names = set()
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            with open(f"/proc/self/task/{task}/comm", encoding="utf-8", errors="replace") as file:
                names.add(file.read().strip())
    return f" ({', '.join(sorted(names))})" if names else ""


def _unshareable(fd: int, link: str) -> str | None:
    if link.startswith("socket:"):
        return _socket(fd)
    if link.startswith("anon_inode:") and any(kind in link for kind in _SHARED_KERNEL_OBJECTS):
        return f"descriptor {fd}, {link.removeprefix('anon_inode:').strip('[]')}"
    return f"open SQLite database {link}" if os.path.isfile(link) and _is_sqlite(fd) else None


def _is_sqlite(fd: int) -> bool:
    """Its locks belong to one process, and closing it in a child drops the parent's."""
    try:
        return os.pread(fd, len(_SQLITE_MAGIC), 0) == _SQLITE_MAGIC
    except OSError:
        return False  # open for writing only


def _socket(fd: int) -> str:
    with socket.socket(fileno=os.dup(fd)) as copy:
        for verb, ask in (("connected to", copy.getpeername), ("bound to", copy.getsockname)):
            try:
                address = ask()
            except OSError:
                continue
            if address and address != ("0.0.0.0", 0):
                return f"socket {verb} {_shown(address)}"
        return f"socket {fd}"


def _shown(address: object) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else repr(address)
