"""What Linux offers to keep a family of processes together, and to say how one of them ended."""

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

PARENT_DIED = signal.SIGRTMAX - 2
"""What a worker gets when its zygote is gone. A real-time signal, since apps use the named ones."""

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def on_parent_death(signum: int) -> None:
    """The kernel sends this signal to the calling process when its parent ends; 0: none.

    The caller must check afterwards that the parent is still there.
    """
    _prctl(_PR_SET_PDEATHSIG, signum)


def become_subreaper() -> None:
    """Grandchildren whose parent dies become our children: the workers of a zygote that was killed."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What ps and top show (15 bytes)."""
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as file:
            file.write(name)
    except OSError:
        pass  # a /proc that is read-only: only a name


def describe_exit(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal_name(os.WTERMSIG(status))}"
    return f"exited with code {os.waitstatus_to_exitcode(status)}"


def signal_name(number: int) -> str:
    """Such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def reap_all() -> dict[int, int]:
    """Wait status by pid of all children that ended."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def send_signal_to(pidfd: int, signum: int) -> None:
    """To any process, without mistaking another one for it."""
    try:
        signal.pidfd_send_signal(pidfd, signum)
    except ProcessLookupError:
        pass  # it ended a moment ago


def send_signal(pid: int, signum: int) -> None:
    """To a child that has not been reaped, so the pid is still its own."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass  # it ended a moment ago


def leave(code: int) -> NoReturn:
    """Ends a forked process as the interpreter would, but without running what its parent has on the stack."""
    import atexit
    import threading

    try:
        threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does: joins the app's threads
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def leave_if_forked(pid: int, reason: BaseException) -> None:
    """Ends the calling process unless it is `pid`: then the app has forked it, and left by sys.exit() or the like."""
    if os.getpid() != pid:
        leave_forked(reason)


def leave_forked(reason: BaseException | None) -> NoReturn:
    """Ends a process that the app has forked and that comes back to us: with `reason`, or because it returned.

    On its stack is the server of its parent, with whom it shares sockets and event queues, and whose threads it lacks:
    closing it here would make the parent deaf, or wait for ever.
    """
    code = 1
    if reason is None:
        print("serai: a child that the application forked returned into the server; it ends here", file=sys.stderr)
    elif not isinstance(reason, SystemExit):
        sys.excepthook(type(reason), reason, reason.__traceback__)
    elif reason.code is None or isinstance(reason.code, int):
        code = reason.code or 0
    else:
        print(reason.code, file=sys.stderr)
    leave(code & 0xFF)
