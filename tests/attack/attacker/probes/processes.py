"""Other tenants' processes: seeing, reading, signalling and tracing them; their environment; keyrings."""

import ctypes
import fcntl
import os
import socket
from pathlib import Path

from . import Stopped, probe
from .files import holds_the_secret, opened
from .kernel import call, reached, sigqueue

EFAULT, EINVAL, ESRCH, ENOKEY, ENOSYS = 14, 22, 3, 126, 38


@probe("processes", "view")
def sees_the_victims_process(facts):
    return b"victim" in Path(f"/proc/{facts.victim_pid}/cmdline").read_bytes()


@probe("processes", "view", "privileges")
def lists_the_victims_descriptors(facts):
    return os.listdir(f"/proc/{facts.victim_pid}/fd")


@probe("processes", "view", "privileges")
def reads_the_victims_addresses(facts):
    return "python" in Path(f"/proc/{facts.victim_pid}/maps").read_text()


@probe("processes", "view")
def sees_the_daemon(facts):
    return b"daemon" in Path(f"/proc/{facts.daemon_pid}/cmdline").read_bytes()


@probe("processes", "pid")
def finds_the_victim_by_a_descriptor(facts):
    return call("pidfd_open", facts.victim_pid, 0)


@probe("processes", "pid")
def finds_the_victims_session(facts):
    return os.getsid(facts.victim_pid)


@probe("processes", "pid")
def finds_the_victims_scheduling(facts):
    return os.sched_getaffinity(facts.victim_pid)


@probe("processes", "pid")
def finds_processes_of_the_victims_user(facts):
    os.getpriority(os.PRIO_USER, facts.victim_uid)
    return True


@probe("environment", "view", "privileges")
def reads_the_victims_environment(facts):
    return holds_the_secret(f"/proc/{facts.victim_pid}/environ", facts)


@probe("environment", "view", "privileges")
def searches_every_environment(facts):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            return holds_the_secret(f"/proc/{pid}/environ", facts)
        except (OSError, Stopped):
            continue
    raise Stopped("in none of those that it can read")


@probe("environment", "view", "privileges")
def reads_the_daemons_environment(facts):
    return Path(f"/proc/{facts.daemon_pid}/environ").read_bytes()


@probe("environment", "view", "privileges")
def reads_the_edges_environment(facts):
    return opened(f"/proc/{facts.edge_pid}/environ", os.O_RDONLY)


@probe("environment", "view", "privileges")
def reads_its_supervisors_environment(facts):
    return opened(f"/proc/{facts.supervisor_pid}/environ", os.O_RDONLY)


@probe("signals", "pid", "privileges", "scope")
def signals_the_victim(facts):
    os.kill(facts.victim_pid, 0)
    return True


@probe("signals", "pid", "privileges", "scope")
def signals_the_victims_group(facts):
    os.killpg(facts.victim_group, 0)
    return True


@probe("signals", "pid", "privileges", "scope")
def signals_a_thread_of_the_victim(facts):
    return reached("tgkill", facts.victim_pid, facts.victim_pid, 0, answer=())


@probe("signals", "pid", "privileges", "scope")
def queues_a_signal_for_the_victim(facts):
    return sigqueue(facts.victim_pid, 0)


@probe("signals", "pid", "privileges", "scope")
def signals_the_victim_by_a_descriptor(facts):
    return reached("pidfd_send_signal", call("pidfd_open", facts.victim_pid, 0), 0, 0, 0, answer=())


@probe("signals", "pid", "privileges", "scope")
def signals_the_daemon(facts):
    os.kill(facts.daemon_pid, 0)
    return True


@probe("signals", "pid", "privileges", "scope")
def signals_its_supervisor(facts):
    os.kill(facts.supervisor_pid, 0)
    return True


@probe("signals", "pid")
def has_the_kernel_signal_the_victim(facts):
    ours, theirs = socket.socketpair()
    fcntl.fcntl(ours, fcntl.F_SETOWN, facts.victim_pid)
    theirs.close()
    return fcntl.fcntl(ours, fcntl.F_GETOWN) == facts.victim_pid


@probe("signals", "pid", "privileges")
def changes_the_victims_priority(facts):
    os.setpriority(os.PRIO_PROCESS, facts.victim_pid, os.getpriority(os.PRIO_PROCESS, facts.victim_pid))
    return True


@probe("signals", "pid", "privileges")
def moves_the_victim_to_a_processor(facts):
    os.sched_setaffinity(facts.victim_pid, os.sched_getaffinity(facts.victim_pid))
    return True


SEIZE = 0x4206


@probe("ptrace", "pid", "privileges", "scope")
def attaches_to_the_victim(facts):
    return reached("ptrace", SEIZE, facts.victim_pid, 0, 0, answer=())


@probe("ptrace", "privileges", "scope", walls=("privileges",))
def attaches_to_its_own_init(facts):
    return reached("ptrace", SEIZE, 1, 0, 0, answer=())


@probe("ptrace", "privileges", "scope", walls=("privileges",))
def opens_its_own_inits_memory(facts):
    return opened("/proc/1/mem", os.O_RDWR)


@probe("ptrace", "privileges")
def lists_its_own_inits_descriptors(facts):
    return os.listdir("/proc/1/fd")


@probe("ptrace", "view", "privileges", "scope")
def opens_the_victims_memory(facts):
    return opened(f"/proc/{facts.victim_pid}/mem", os.O_RDWR)


class Vector(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def access_memory(name, pid):
    """Asks for an address that nobody has: EFAULT comes from beyond the check of who may."""
    buffer = ctypes.create_string_buffer(8)
    ours = Vector(ctypes.addressof(buffer), 8)
    theirs = Vector(8, 8)
    return reached(name, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0, answer={EFAULT})


@probe("ptrace", "pid", "privileges", "scope")
def reads_the_victims_memory(facts):
    return access_memory("process_vm_readv", facts.victim_pid)


@probe("ptrace", "pid", "privileges", "scope")
def writes_the_victims_memory(facts):
    return access_memory("process_vm_writev", facts.victim_pid)


@probe("ptrace", "pid", "filter", "privileges", "scope")
def takes_a_descriptor_of_the_victim(facts):
    return call("pidfd_getfd", call("pidfd_open", facts.victim_pid, 0), 0, 0)


@probe("ptrace", "pid", "filter", "privileges", "scope")
def compares_itself_with_the_victim(facts):
    return reached("kcmp", os.getpid(), facts.victim_pid, 1, 0, 0, answer=())


PROCESS_KEYRING, USER_KEYRING, SESSION_KEYRING = -2, -4, -3


@probe("keyrings", "filter")
def adds_a_key(facts):
    return call("add_key", b"user", b"serai-probe", b"x", 1, PROCESS_KEYRING)


@probe("keyrings", "filter")
def asks_for_a_key(facts):
    return reached("request_key", b"user", b"serai-nobody-has-it", 0, 0, answer={ENOKEY})


@probe("keyrings", "filter")
def joins_a_session_keyring(facts):
    return call("keyctl", 1, 0)


@probe("keyrings", "filter")
def opens_its_users_keyring(facts):
    return call("keyctl", 0, USER_KEYRING, 1)


@probe("keyrings", "filter")
def describes_the_session_keyring(facts):
    call("keyctl", 1, 0)
    return call("keyctl", 6, SESSION_KEYRING, 0, 0)


@probe("keyrings", "filter")
def takes_the_persistent_keyring(facts):
    return call("keyctl", 22, -1, PROCESS_KEYRING)
