"""Other tenants' files, and the platform's."""

import ctypes
import os
from pathlib import Path

from . import Stopped, probe
from .kernel import call


def holds_the_secret(path, facts):
    text = Path(path).read_bytes()
    if facts.secret.encode() not in text:
        raise Stopped(f"{path} does not hold it")
    return path


def opened(path, flags):
    os.close(os.open(path, flags))
    return path


@probe("files", "view", "privileges")
def reads_the_victims_data(facts):
    return holds_the_secret(f"{facts.victim_data}/diary", facts)


@probe("files", "view", "privileges")
def reads_the_victims_home(facts):
    return holds_the_secret(f"{facts.victim_home}/diary", facts)


@probe("files", "view", "privileges")
def reads_the_victims_tmp(facts):
    return holds_the_secret(f"{facts.victim_tmp}/diary", facts)


@probe("files", "view", "privileges", "scope")
def reads_the_victims_shared_memory(facts):
    return holds_the_secret(f"/proc/{facts.victim_pid}/root/dev/shm/diary", facts)


@probe("files", "view", "privileges")
def reads_the_victims_variables(facts):
    return holds_the_secret(facts.victim_variables, facts)


@probe("files", "view", "privileges")
def reads_the_victims_log(facts):
    return holds_the_secret(facts.victim_log, facts)


@probe("files", "view")
def reads_the_victims_code(facts):
    return Path(f"{facts.victim_code}/victim.py").read_text()[:20]


@probe("files", "view", "privileges")
def reads_the_daemons_database(facts):
    return Path(facts.database).read_bytes()[:6] == b"SQLite"


@probe("files", "view", "privileges")
def writes_the_victims_data(facts):
    return opened(f"{facts.victim_data}/diary", os.O_WRONLY | os.O_APPEND)


@probe("files", "view", "privileges")
def adds_to_the_victims_data(facts):
    path = f"{facts.victim_data}/planted"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)
    return path


@probe("files", "view", "privileges")
def writes_its_own_log(facts):
    return opened(facts.own_log, os.O_WRONLY | os.O_APPEND)


@probe("files", "view", "privileges")
def writes_a_system_file(facts):
    return opened("/usr/lib/os-release", os.O_WRONLY)


@probe("files", "view", "privileges")
def reads_the_hosts_password_hashes(facts):
    return opened("/etc/shadow", os.O_RDONLY)


@probe("files", "filter", "privileges")
def opens_a_file_by_handle(facts):
    class Handle(ctypes.Structure):
        _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]

    handle, mount = Handle(size=128), ctypes.c_int()
    call("name_to_handle_at", -100, b"/home/app", ctypes.byref(handle), ctypes.byref(mount), 0)
    anchor = os.open("/home/app", os.O_RDONLY)
    return call("open_by_handle_at", anchor, ctypes.byref(handle), os.O_RDONLY)
