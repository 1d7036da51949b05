"""Why a worker ended, in words and as the control channel has it."""

import dataclasses
import os
import signal
from typing import Any

from serai import processes
from serai.memory import OutOfMemoryCounter


@dataclasses.dataclass(frozen=True)
class Cause:
    """`kind` is exit, signal, out_of_memory, hung, unhealthy or unknown."""

    kind: str
    sentence: str
    code: int | None = None
    """Exit code, or number of the signal."""
    stack: str = ""
    """What faulthandler wrote: of the thread that crashed, or of all threads that hang; empty where it could not."""

    def as_message(self) -> dict[str, Any]:
        """The `cause` of `worker_exited`."""
        message: dict[str, Any] = {"kind": self.kind, "sentence": self.sentence, "stack": self.stack}
        if self.code is not None:
            message["signal" if self.kind in ("signal", "hung", "out_of_memory") else "code"] = self.code
        return message


def of_exit(status: int | None, stack: str, condemned: tuple[str, str] | None, memory: OutOfMemoryCounter) -> Cause:
    """From the wait status. `condemned`: kind and sentence where the master itself killed the worker."""
    if status is None:
        return Cause(*(condemned or ("unknown", "ended together with its zygote")))
    code = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    if condemned:
        return Cause(*condemned, code, stack)
    if not os.WIFSIGNALED(status):
        return Cause("exit", processes.describe_exit(status), code, stack)
    if code == signal.SIGKILL:
        return _of_sigkill(memory)
    return Cause("signal", processes.describe_exit(status), code, stack)


def _of_sigkill(memory: OutOfMemoryCounter) -> Cause:
    if memory.new_kills():
        limit = memory.limit()
        within = f" (limit {limit})" if limit else ""
        return Cause("out_of_memory", f"killed by the kernel: out of memory{within}", signal.SIGKILL)
    hint = "killed by SIGKILL: sent by somebody, or by the kernel for want of memory on the machine (see dmesg)"
    return Cause("signal", hint, signal.SIGKILL)
