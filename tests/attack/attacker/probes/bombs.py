"""Taking more than a fair share."""

import ctypes
import mmap
import os
import resource
import threading

from . import Stopped, probe

MIB = 1 << 20


@probe("bombs", "group")
def starts_processes_without_end(facts):
    for _ in range(facts.own_processes + 50):
        os.posix_spawn("/bin/sleep", ["sleep", "30"], {})  # small ones, so that it is not memory that runs out
    return "as many as it wants"


@probe("bombs", "group")
def starts_threads_without_end(facts):
    never = threading.Event()
    try:
        for _ in range(facts.own_processes + 50):
            threading.Thread(target=never.wait, daemon=True).start()
    except RuntimeError as error:
        raise Stopped(str(error)) from None
    return "as many as it wants"


@probe("bombs", "group")
def takes_memory_without_end(facts):
    size = facts.own_memory + 64 * MIB
    memory = mmap.mmap(-1, size)
    for page in range(0, size, mmap.PAGESIZE):
        memory[page] = 1
    return f"{size >> 20} MiB"


@probe("bombs", "view")
def fills_the_memory_that_processes_share(facts):
    path = f"/dev/shm/probe-{os.getpid()}"
    try:
        with open(path, "wb") as file:
            for _ in range(80):
                file.write(bytes(MIB))
        return "80 MiB"
    finally:
        os.unlink(path)


@probe("bombs", "limits")
def opens_files_without_end(facts):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(66_000):
        os.open("/dev/null", os.O_RDONLY)
    return "66 000 files"


@probe("bombs", "limits", "privileges", walls=("limits",))
def locks_memory_without_end(facts):
    size = 16 * MIB
    memory = mmap.mmap(-1, size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) != 0:
        raise OSError(ctypes.get_errno(), "mlock")
    return "16 MiB"


@probe("bombs", "limits")
def leaves_memory_on_the_disk_when_it_crashes(facts):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (64 * MIB, 64 * MIB))
    except ValueError as error:
        raise Stopped(str(error)) from None
    return "64 MiB"


@probe("bombs", "view")
def takes_every_terminal(facts):
    for _ in range(100):
        os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    return "100 terminals"


def fills(folder):
    path = f"{folder}/probe-{os.getpid()}"
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(file, 0, 1024 * MIB)
        return "1 GiB"
    finally:
        os.close(file)
        os.unlink(path)


@probe("bombs")
def fills_the_disk_with_data(facts):
    return fills("/app")


@probe("bombs")
def fills_the_disk_through_tmp(facts):
    return fills("/tmp")


@probe("bombs")
def makes_files_without_end(facts):
    folder = f"/tmp/files-{os.getpid()}"
    os.mkdir(folder)
    for number in range(5_000):
        os.close(os.open(f"{folder}/{number}", os.O_WRONLY | os.O_CREAT))
    for number in range(5_000):
        os.unlink(f"{folder}/{number}")
    os.rmdir(folder)
    return "5 000 files"
