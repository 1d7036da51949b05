"""Starts a server that has no command line of its own, or not with every option that it has.

launch.py SERVER asgi|wsgi MODULE:NAME PORT THREADS [CERTIFICATE KEY]
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"


def bjoern(app: Any, interface: str, port: int, tls: list[str]) -> None:
    import bjoern

    bjoern.run(app, HOST, port)


def freastal(app: Any, interface: str, port: int, tls: list[str]) -> None:
    import freastal

    serve = freastal.serve_asgi if interface == "asgi" else freastal.serve
    files = {"certfile": tls[0], "keyfile": tls[1]} if tls else {}
    serve(app, host=HOST, port=port, workers=1, **files)


def fastpysgi(app: Any, interface: str, port: int, tls: list[str]) -> None:
    import fastpysgi

    server = fastpysgi.server
    server.tcp_nodelay = 1
    if tls:
        server.tls_list = [(tls[0], tls[1], None)]
    server.init(app, HOST, port, loglevel=fastpysgi.LL_ERROR)
    server.run()


SERVERS: dict[str, Callable[[Any, str, int, list[str]], None]] = {
    function.__name__: function for function in (bjoern, freastal, fastpysgi)
}


def main() -> None:
    server, interface, target, port, _threads, *tls = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # its modules are not the app's
    module, _, name = target.partition(":")
    app = getattr(importlib.import_module(module), name)
    SERVERS[server](app, interface, int(port), tls)


if __name__ == "__main__":
    main()
