"""The hostile tenant: runs the probes that it is asked for, as a program of its own, and says what came of them."""

import subprocess
import sys


def app(environ, start_response):
    if environ["REQUEST_METHOD"] != "POST":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ready"]
    # What the worker has open and did not protect comes along: that is a probe of its own.
    done = subprocess.run(
        [sys.executable, "-B", "/app/attack.py"],
        input=environ["wsgi.input"].read(),
        capture_output=True,
        close_fds=False,
        check=False,
    )
    start_response("200 OK" if done.returncode == 0 else "500 Failed", [("Content-Type", "application/json")])
    return [done.stdout if done.returncode == 0 else done.stderr]
