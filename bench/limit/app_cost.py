"""What an application costs by itself: CPU time per call, in process, without any server.

    app_cost.py FOLDER MODULE:NAME asgi|wsgi METHOD BODY_BYTES PATH SECONDS

Each call gets a fresh scope or environ, as a server would make it. Prints microseconds. The limit of a workload is this
plus what the bare server beside this file takes for the same requests.
"""

import asyncio
import importlib
import io
import sys
import time


class Job:
    """What is called, with what."""

    def __init__(self, arguments):
        folder, target, self.interface, self.method, body_bytes, path, seconds = arguments
        sys.path.insert(0, folder)
        module, _, name = target.partition(":")
        self.app = getattr(importlib.import_module(module), name)
        self.path, _, self.query = path.partition("?")
        self.body = b"x" * int(body_bytes)
        self.seconds = float(seconds)

    def scope(self):
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8000")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
            "extensions": {},
        }

    def environ(self):
        return {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "CONTENT_LENGTH": str(len(self.body)) if self.body else "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }


def measured(calls_made, seconds):
    """The mean, as for servers, whose CPU time is also counted whole: noise that makes both dearer is no difference."""
    warm_up = time.monotonic() + seconds / 5
    batch = 1
    while time.monotonic() < warm_up:
        if calls_made(batch) < 0.02:
            batch *= 2
    took, calls, end = 0.0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        took += calls_made(batch)
        calls += batch
    return took / calls * 1e6


def asgi(job):
    async def receive():
        return {"type": "http.request", "body": job.body, "more_body": False}

    async def send(message):
        pass

    async def calls(count):
        begun = time.process_time()
        for _ in range(count):
            await job.app(job.scope(), receive, send)
        return time.process_time() - begun

    with asyncio.Runner() as runner:
        return measured(lambda count: runner.run(calls(count)), job.seconds)


def wsgi(job):
    def start_response(status, headers, exc_info=None):
        return None

    def calls(count):
        begun = time.process_time()
        for _ in range(count):
            result = job.app(job.environ(), start_response)
            b"".join(result)
            if hasattr(result, "close"):
                result.close()
        return time.process_time() - begun

    return measured(calls, job.seconds)


if __name__ == "__main__":
    job = Job(sys.argv[1:])
    print(asgi(job) if job.interface == "asgi" else wsgi(job))
