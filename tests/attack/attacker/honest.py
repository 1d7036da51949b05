"""What honest programs do with the kernel, each of which has to work: prints `works NAME` for each."""

import array
import asyncio
import ctypes
import fcntl
import mmap
import multiprocessing
import os
import pty
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import shared_memory

libc = ctypes.CDLL(None, use_errno=True)


def square(number):
    return number * number


def worker_processes_with_locks_and_queues():
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map(square, range(10)) == [square(number) for number in range(10)]
    queue, lock = context.Queue(), context.Lock()
    child = context.Process(target=lambda: (lock.acquire(), queue.put(os.getpid()), lock.release()))
    child.start()
    assert queue.get(timeout=10) == child.pid
    child.join()


def spawned_processes():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(os.getpid).result(timeout=20) != os.getpid()


def memory_shared_by_name():
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.buf[:5] = b"hello"
    again = shared_memory.SharedMemory(block.name)
    assert bytes(again.buf[:5]) == b"hello"
    again.close()
    block.close()
    block.unlink()


def threads():
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(square, range(100))) == 328350
    threading.Timer(0.01, lambda: None).start()


def programs():
    assert subprocess.run(["/bin/sh", "-c", "echo $((6 * 7))"], capture_output=True, text=True).stdout == "42\n"
    pid = os.posix_spawn("/bin/true", ["true"], {})
    assert os.waitpid(pid, 0)[1] == 0


def programs_of_an_event_loop():
    async def run():
        child = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
        out, _ = await child.communicate(b"through a pipe")
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b"" and out == b"through a pipe"
        server.close()

    asyncio.run(run())


def databases_in_files():
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/db")
        assert connection.execute("pragma journal_mode=wal").fetchone() == ("wal",)
        connection.execute("pragma mmap_size=1048576")
        connection.execute("create table notes (text)")
        connection.execute("insert into notes values ('hello')")
        connection.commit()
        assert sqlite3.connect(f"{folder}/db").execute("select text from notes").fetchone() == ("hello",)


def files_and_their_ways():
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/a", "w+b") as file:
        file.write(b"content")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        os.posix_fallocate(file.fileno(), 0, 8192)
        with mmap.mmap(file.fileno(), 4096) as view:
            assert view[:7] == b"content"
        with open(f"{folder}/b", "wb") as other:
            os.copy_file_range(file.fileno(), other.fileno(), 7, 0)
            os.sendfile(other.fileno(), file.fileno(), 0, 7)
        os.symlink("a", f"{folder}/link")
        os.link(f"{folder}/a", f"{folder}/hard")
        os.mkfifo(f"{folder}/fifo")
        os.utime(f"{folder}/a", (1, 1))
        os.chmod(f"{folder}/a", 0o600)
        os.rename(f"{folder}/b", f"{folder}/c")
    os.close(os.memfd_create("scratch"))


def sockets():
    assert socket.if_nameindex()
    assert socket.getaddrinfo("localhost", 80)
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        socket.socket(family).close()
    ours, theirs = socket.socketpair()
    read_end, _ = os.pipe()
    socket.send_fds(ours, [b"x"], [read_end])
    assert socket.recv_fds(theirs, 1, 1)[1]
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0own-{os.getpid()}")
    abstract.listen()
    socket.socket(socket.AF_UNIX).connect(f"\0own-{os.getpid()}")


def waiting():
    poller = select.epoll()
    read_end, write_end = os.pipe()
    poller.register(read_end, select.EPOLLIN)
    os.write(write_end, b"x")
    assert poller.poll(1)
    signal.setitimer(signal.ITIMER_REAL, 5)
    signal.setitimer(signal.ITIMER_REAL, 0)
    watch = libc.inotify_init1(0)
    assert libc.inotify_add_watch(watch, b"/tmp", 0x100) >= 0
    assert libc.timerfd_create(1, 0) >= 0 and libc.eventfd(0, 0) >= 0


def terminals():
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/echo", ["echo", "from a terminal"])
    assert os.read(master, 100).strip() == b"from a terminal"
    fcntl.ioctl(master, 0x5413, array.array("h", [0] * 4))  # TIOCGWINSZ
    os.waitpid(pid, 0)


def debuggers_of_own_processes():
    """Attaches to a child and reads its memory, as gdb and py-spy do."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        assert libc.ptrace(16, pid, None, None) == 0, os.strerror(ctypes.get_errno())  # PTRACE_ATTACH
        os.waitpid(pid, 0)
        with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps") as maps:
            memory.seek(int(maps.readline().split("-")[0], 16))
            assert memory.read(4) == b"\x7fELF"
        assert libc.personality(0xFFFFFFFF) == 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def further_confinement():
    """An app may give up more: seccomp for a child, as file(1) and browsers do it."""
    pid = os.fork()
    if pid == 0:
        libc.prctl(38, 1, 0, 0, 0)
        allow = ctypes.create_string_buffer(b"\x06\0\0\0\0\0\xff\x7f")
        program = ctypes.create_string_buffer(
            (1).to_bytes(8, "little") + ctypes.addressof(allow).to_bytes(8, "little"), 16
        )
        os._exit(0 if libc.prctl(22, 2, program, 0, 0) == 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def scheduling():
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.nice(1)
    assert os.getloadavg() and os.cpu_count()


if __name__ == "__main__":
    for work in (
        worker_processes_with_locks_and_queues,
        spawned_processes,
        memory_shared_by_name,
        threads,
        programs,
        programs_of_an_event_loop,
        databases_in_files,
        files_and_their_ways,
        sockets,
        waiting,
        terminals,
        debuggers_of_own_processes,
        further_confinement,
        scheduling,
    ):
        work()
        print("works", work.__name__, flush=True)
    sys.exit(0)
