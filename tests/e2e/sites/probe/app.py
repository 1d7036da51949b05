"""An app that does on request what a hostile app would do by itself. Each path is one attempt; the answer says what
came of it as JSON."""

import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import parse_qs


def read(path):
    return Path(path).read_text(errors="replace")[:1000]


def listing(path):
    return sorted(os.listdir(path))


def write(path):
    Path(path).write_text("probe")
    return "written"


def kill(pid):
    os.kill(int(pid), signal.SIGKILL)
    return "killed"


def connect(port, address="127.0.0.1"):
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return connection.recv(1000).decode(errors="replace")


def connect_unix(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        return "connected"


def processes():
    return [pid for pid in os.listdir("/proc") if pid.isdigit()]


def identity():
    return {"uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "status": read("/proc/self/status")}


def forks(most):
    """Forks children that wait, until it is refused; ends them all."""
    children = []
    try:
        for _ in range(int(most)):
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children)


def memory(mib):
    """Takes memory in a child, so that the limit hits it and not us; -9 is how it ends then."""
    pid = os.fork()
    if pid == 0:
        held = []
        for _ in range(int(mib)):
            held.append(bytearray(os.urandom(1 << 10) * 1024))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def spin(seconds):
    """Uses as much CPU as it gets, in as many processes as the machine has CPUs; the CPU seconds it got."""
    begun = os.times()
    children = []
    for _ in range(os.cpu_count() + 1):
        pid = os.fork()
        if pid == 0:
            end = time.monotonic() + float(seconds)
            while time.monotonic() < end:
                pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    ended = os.times()
    return ended.children_user + ended.children_system - begun.children_user - begun.children_system


def environment():
    return dict(os.environ)


ATTEMPTS = {
    name.__name__: name
    for name in (
        read, listing, write, kill, connect, connect_unix, processes, identity, forks, memory, spin, environment
    )
}  # fmt: skip


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    arguments = [values[0] for values in parse_qs(environ["QUERY_STRING"]).values()]
    try:
        result = {"result": ATTEMPTS[name](*arguments) if name else "ready"}
    except OSError as error:
        result = {"error": type(error).__name__, "text": str(error)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(result).encode()]
