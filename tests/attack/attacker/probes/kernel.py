"""System calls as they are, with arguments that no library would pass."""

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

NUMBERS = {
    "getpid": 39, "socket": 41, "clone": 56, "ptrace": 101, "syslog": 103, "iopl": 172, "chroot": 161, "acct": 163,
    "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169, "sethostname": 170,
    "init_module": 175, "tgkill": 234, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
    "mknod": 133, "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "bpf": 321,
    "userfaultfd": 323, "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "fsopen": 430,
    "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "mount_setattr": 442, "prctl": 157, "capset": 126,
    "ioctl": 16, "mq_open": 240,
}  # fmt: skip


def call(name, *arguments):
    """The system call's result; a refusal is an OSError. Texts and buffers may be arguments."""
    values = [ctypes.c_char_p(value) if isinstance(value, bytes) else value for value in arguments]
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in values]
    result = _libc.syscall(ctypes.c_long(NUMBERS[name]), *values)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def reached(name, *arguments, answer):
    """Evidence that the kernel took the call up: a success, or the errors of its own that it answers with then."""
    try:
        return f"{name} gave {call(name, *arguments)}"
    except OSError as error:
        if error.errno not in answer:
            raise
        return f"{name} gave {errno.errorcode[error.errno]}"


def sigqueue(pid, number):
    if _libc.sigqueue(pid, number, None) != 0:
        raise OSError(ctypes.get_errno(), "sigqueue")
    return True
