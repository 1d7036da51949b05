"""More rights: namespaces, users, set-uid programs, capabilities, descriptors that were left open."""

import ctypes
import os
import signal
import subprocess

from . import Stopped, probe
from .kernel import call, reached

NEW_USER, NEW_NET, NEW_MOUNTS, NEW_TIME = 0x10000000, 0x40000000, 0x00020000, 0x80
NEW_CGROUP = 0x02000000


@probe("namespaces", "filter")
def makes_a_user_namespace(facts):
    return reached("unshare", NEW_USER, answer=())


@probe("namespaces", "filter")
def makes_a_network_of_its_own(facts):
    return reached("unshare", NEW_USER | NEW_NET, answer=())


@probe("namespaces", "filter")
def makes_mounts_and_groups_of_its_own(facts):
    return reached("unshare", NEW_USER | NEW_MOUNTS | NEW_CGROUP, answer=())


@probe("namespaces", "filter")
def makes_a_clock_of_its_own(facts):
    return reached("unshare", NEW_USER | NEW_TIME, answer=())


def born(name, *arguments):
    pid = call(name, *arguments)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


@probe("namespaces", "filter")
def starts_a_process_in_a_user_namespace(facts):
    return born("clone", NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)


@probe("namespaces", "filter")
def starts_a_process_there_by_the_newer_call(facts):
    arguments = (ctypes.c_uint64 * 11)(NEW_USER, 0, 0, 0, signal.SIGCHLD)
    return born("clone3", ctypes.byref(arguments), 88)


@probe("namespaces", "filter", "privileges", "scope", walls=("filter", "privileges"))
def joins_its_inits_namespace(facts):
    return reached("setns", os.open("/proc/1/ns/uts", os.O_RDONLY), 0, answer=())


@probe("set-uid", "privileges")
def becomes_root(facts):
    os.setresuid(0, 0, 0)
    return os.getuid() == 0


@probe("set-uid", "privileges")
def becomes_the_victim(facts):
    os.setresuid(facts.victim_uid, facts.victim_uid, facts.victim_uid)
    return True


@probe("set-uid", "privileges")
def joins_the_victims_group(facts):
    os.setgroups([facts.victim_uid])
    return os.getgroups()


@probe("set-uid", "view", "no_new_privs")
def runs_a_set_uid_program(facts):
    for path in facts.set_uid_programs:
        if os.path.exists(path):
            who = subprocess.run([path, "-u"], capture_output=True, text=True, check=True).stdout.strip()
            return who == "0"
    raise Stopped("no such program in view")


@probe("set-uid", "privileges")
def takes_capabilities(facts):
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)(1 << 21, 1 << 21, 0, 0, 0, 0)  # CAP_SYS_ADMIN
    return reached("capset", ctypes.byref(header), ctypes.byref(sets), answer=())


@probe("set-uid", "privileges")
def raises_its_priority(facts):
    os.setpriority(os.PRIO_PROCESS, 0, -5)
    return True


@probe("set-uid", "privileges", "group", walls=("privileges",))
def takes_the_processor_before_all_others(facts):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return True


@probe("set-uid", "privileges")
def takes_the_disk_before_all_others(facts):
    return reached("ioprio_set", 1, 0, 1 << 13 | 4, answer=())


@probe("descriptors", "descriptors", walls=("close on exec",))
def finds_descriptors_that_were_left_open(facts):
    left = [number for number in facts.inherited if number > 2]
    return [os.readlink(f"/proc/self/fd/{number}") for number in left]
