"""Forks in a request: the child leaves by sys.exit(7), as naive code does, or returns, which is worse; the parent
answers with its status."""

import os
import signal
import sys
import time


def fork(returns=False):
    pid = os.fork()
    if pid == 0 and returns:
        return b"I am the child"
    if pid == 0:
        sys.exit(7)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return b"%d" % os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return b"it did not end"


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/":
        return [b"hello"]
    if environ["PATH_INFO"] == "/return":
        return [fork(returns=True)]
    return stream()


def stream():
    yield from [b""] + [b"." for _ in range(20)]  # gathered: somebody else sends them
    yield fork()


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body = b"hello" if scope["path"] == "/" else fork()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
