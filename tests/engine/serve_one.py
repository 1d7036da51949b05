"""Runs one engine server in this process, as told by a JSON argument. Prints its address once it is ready, and at the
end what it did: outcome, counters, open descriptors."""

import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys

from serai import _engine

PAGE = bytearray(_engine.PAGE_SIZE)  # where apps under test find it, too


def main() -> None:
    config = json.loads(sys.argv[1])
    logging.basicConfig(format="%(name)s: %(message)s")
    module, name = config["app"].split(":")
    app = getattr(importlib.import_module(module), name)
    listener = make_listener(config.get("unix"))
    options = {**config["options"], "page": PAGE}
    if config["interface"] == "wsgi":
        server = _engine.WsgiServer(app, [listener.fileno()], options)
    else:
        version = 2 if config["interface"] == "asgi2" else 3
        more = {name: config[name] for name in ("lifespan", "loop") if name in config}
        server = _engine.AsgiServer(app, [listener.fileno()], options, version=version, **more)
    signal.signal(signal.SIGTERM, lambda *_: server.drain(close_idle=True))
    signal.signal(signal.SIGUSR1, lambda *_: server.drain(close_idle=False))
    signal.signal(signal.SIGUSR2, lambda *_: server.stop())
    signal.signal(signal.SIGHUP, lambda *_: server.reopen_log(-1))
    before = descriptors()
    address = config.get("unix") or listener.getsockname()
    outcome = server.run(lambda: print(json.dumps({"address": address}), flush=True))
    stats = server.stats()
    error = getattr(server, "startup_error", None)
    gc.collect()
    left = sorted(descriptors() - before)
    if config.get("loop") == "uvloop":  # libuv keeps its signal pipe as long as the process lives
        left = [name for name in left if not name.startswith("pipe:")]
    print(json.dumps({"outcome": outcome, "stats": stats, "left": left, "startup_error": error}))


def make_listener(path):
    if path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    else:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def descriptors():
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return {os.readlink(link) for link in links if os.path.lexists(link)}


main()
