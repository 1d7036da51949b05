"""The machine and its kernel: /proc and /sys, control groups, devices, mounts, wide interfaces."""

import ctypes
import mmap
import os
import stat
from pathlib import Path

from . import Stopped, probe
from .files import opened
from .kernel import call, reached

EINVAL, ENOENT, EFAULT = 22, 2, 14


# -- /proc and /sys ---------------------------------------------------------------------------------------------------


@probe("proc and sys", "privileges")
def opens_the_kernels_memory(facts):
    return opened("/proc/kcore", os.O_RDONLY)


@probe("proc and sys", "privileges")
def learns_kernel_addresses(facts):
    with open("/proc/kallsyms") as symbols:
        return int(symbols.readline().split()[0], 16)


@probe("proc and sys", "privileges")
def changes_a_setting_of_the_kernel(facts):
    return opened("/proc/sys/vm/drop_caches", os.O_WRONLY)


@probe("proc and sys", "privileges")
def has_the_kernel_run_a_program_at_a_crash(facts):
    return opened("/proc/sys/kernel/core_pattern", os.O_WRONLY)


@probe("proc and sys", "privileges")
def presses_the_magic_key(facts):
    return opened("/proc/sysrq-trigger", os.O_WRONLY)


@probe("proc and sys", "view", "privileges")
def offers_the_victim_to_the_memory_killer(facts):
    return opened(f"/proc/{facts.victim_pid}/oom_score_adj", os.O_WRONLY)


@probe("proc and sys", "view")
def looks_into_sys(facts):
    return os.listdir("/sys/class")


@probe("proc and sys", "filter", "privileges")
def asks_for_the_kernels_log(facts):
    return call("syslog", 10, 0, 0)


@probe("proc and sys")
def learns_the_hosts_paths(facts):
    return facts.root in Path("/proc/self/mountinfo").read_text()


@probe("proc and sys")
def learns_the_hosts_memory(facts):
    total = Path("/proc/meminfo").read_text().split()[1]
    return int(total) * 1024 > facts.own_memory


@probe("proc and sys", "net")
def sees_the_hosts_sockets(facts):
    return facts.edge_socket in Path("/proc/net/unix").read_text()


@probe("proc and sys", "victims_net")
def sees_the_victims_ports(facts):
    return f":{facts.victim_other_port:04X} " in Path("/proc/net/tcp").read_text()


# -- control groups ---------------------------------------------------------------------------------------------------


@probe("control groups", "view")
def looks_at_the_control_groups(facts):
    return os.listdir("/sys/fs/cgroup")


@probe("control groups", "view", "privileges")
def raises_its_own_limit(facts):
    return opened(facts.own_limit, os.O_WRONLY)


@probe("control groups", "view", "privileges")
def leaves_its_group(facts):
    Path(facts.outer_group).write_text("0")
    return True


@probe("control groups", "view")
def reads_the_victims_usage(facts):
    return Path(facts.victim_usage).read_text()


@probe("control groups", "view", "privileges")
def lifts_the_victims_limit(facts):
    return opened(facts.victim_limit, os.O_WRONLY)


@probe("control groups", "cgroup")
def learns_the_name_of_its_group(facts):
    return facts.own_id in Path("/proc/self/cgroup").read_text()


@probe("control groups", "filter", "privileges")
def mounts_the_control_groups(facts):
    return reached("mount", b"none", b"/tmp", b"cgroup2", 0, 0, answer=())


# -- devices ----------------------------------------------------------------------------------------------------------


def makes_node(kind, major, minor):
    path = f"/tmp/node-{os.getpid()}"
    call("mknod", path.encode(), kind | 0o600, os.makedev(major, minor))
    os.unlink(path)
    return True


@probe("devices", "filter", "privileges")
def makes_a_disk(facts):
    return makes_node(stat.S_IFBLK, 7, 0)


@probe("devices", "filter", "privileges")
def makes_the_memory_device(facts):
    return makes_node(stat.S_IFCHR, 1, 1)


@probe("devices", "filter")
def makes_a_mark_that_overlays_take_for_a_deleted_file(facts):
    return makes_node(stat.S_IFCHR, 0, 0)


@probe("devices", "view", "privileges")
def opens_the_kernels_log_device(facts):
    return opened("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)


@probe("devices", "view", "privileges")
def opens_the_hosts_disk(facts):
    return opened(facts.disk, os.O_RDONLY)


@probe("devices", "filter")
def types_into_a_terminal(facts):
    return terminal_request(0x5412, b"x")


@probe("devices", "filter")
def types_into_a_terminal_with_a_long_number(facts):
    return terminal_request(0x5412 | 1 << 32, b"x")


@probe("devices", "filter")
def changes_a_terminals_line_discipline(facts):
    return terminal_request(0x5423, b"\0\0\0\0")


def terminal_request(request, argument):
    _, slave = os.openpty()
    call("ioctl", slave, 0x540E, 0)  # TIOCSCTTY: the probe leads a session of its own
    call("ioctl", slave, request, argument)
    return True


# -- mounts -----------------------------------------------------------------------------------------------------------

REMOUNT_BIND, REC_SHARED, DETACH = 0x1020, 0x104000, 2


@probe("mounts", "filter", "privileges")
def mounts_a_file_system(facts):
    return reached("mount", b"none", b"/tmp", b"tmpfs", 0, 0, answer=())


@probe("mounts", "filter", "privileges")
def makes_the_system_writable(facts):
    return reached("mount", 0, b"/usr", 0, REMOUNT_BIND, 0, answer=())


@probe("mounts", "filter", "privileges")
def shares_its_mounts_with_the_host(facts):
    return reached("mount", 0, b"/", 0, REC_SHARED, 0, answer=())


@probe("mounts", "filter", "privileges")
def takes_a_mount_away(facts):
    return reached("umount2", b"/proc", DETACH, answer=())


@probe("mounts", "filter", "privileges")
def makes_a_file_system_by_descriptor(facts):
    return call("fsopen", b"tmpfs", 0)


@probe("mounts", "filter", "privileges")
def takes_a_copy_of_the_mounts(facts):
    return call("open_tree", -100, b"/", 1)


@probe("mounts", "filter", "privileges")
def changes_attributes_of_a_mount(facts):
    attributes = (ctypes.c_uint64 * 4)(0, 1, 0, 0)  # clears read-only
    return reached("mount_setattr", -100, b"/usr", 0, ctypes.byref(attributes), 32, answer=())


@probe("mounts", "filter", "privileges")
def changes_its_root(facts):
    return reached("chroot", b"/tmp", answer=())


# -- the machine and wide interfaces of the kernel --------------------------------------------------------------------


@probe("the machine", "filter", "privileges")
def sets_the_clock(facts):
    return reached("settimeofday", 0, 0, answer=())


@probe("the machine", "filter", "privileges")
def renames_the_host(facts):
    name = os.uname().nodename.encode()
    return reached("sethostname", name, len(name), answer=())


@probe("the machine", "filter", "privileges")
def restarts_the_machine(facts):
    return reached("reboot", 1, 2, 3, 0, answer={EINVAL})  # numbers that the kernel takes for a mistake


@probe("the machine", "filter", "privileges")
def adds_swap(facts):
    return reached("swapon", b"/nowhere", 0, answer={ENOENT})


@probe("the machine", "filter", "privileges")
def has_processes_accounted(facts):
    return reached("acct", b"/nowhere", answer={ENOENT})


@probe("the machine", "filter", "privileges")
def talks_to_the_hardware(facts):
    return reached("iopl", 3, answer=())


@probe("kernel interfaces", "filter", "privileges")
def loads_a_program_into_the_kernel(facts):
    attributes = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # an array of one number
    return call("bpf", 0, ctypes.byref(attributes), 72)


@probe("kernel interfaces", "filter", "privileges")
def counts_events_of_the_processor(facts):
    attributes = (ctypes.c_uint32 * 32)(1, 112)
    return call("perf_event_open", ctypes.byref(attributes), 0, -1, -1, 0)


@probe("kernel interfaces", "filter")
def handles_page_faults(facts):
    return call("userfaultfd", 1)


@probe("kernel interfaces", "filter")
def opens_a_ring_of_requests(facts):
    return call("io_uring_setup", 1, ctypes.byref((ctypes.c_uint32 * 64)()))


@probe("kernel interfaces", "filter")
def dispatches_system_calls(facts):
    return reached("prctl", 59, 0, 0, 0, 0, answer=())  # switches off what is off


@probe("kernel interfaces", "filter")
def makes_calls_of_the_32_bit_table(facts):
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    pid = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if pid != os.getpid():
        raise Stopped(f"the kernel answered {pid}")
    return True


@probe("kernel interfaces", "filter", "privileges")
def watches_the_whole_file_system(facts):
    return call("fanotify_init", 0, 0)
