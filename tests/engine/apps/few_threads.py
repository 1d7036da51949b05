"""A system that does not give a server all the threads it wants."""

import threading

from wsgi_app import app  # noqa: F401 (served)

start = threading.Thread.start


def start_some(thread):
    if thread.name == "serai-3":
        raise RuntimeError("can't start new thread")
    start(thread)


threading.Thread.start = start_some
