"""The site that the load of tests/support/load.py asks, as a WSGI application."""

import hashlib
import time
from pathlib import Path
from urllib.parse import parse_qs

VERSION = Path(__file__).with_name("VERSION").read_text().strip()
ROUNDS = 2000  # of work per request: about a millisecond, as a small real page costs


def work(nonce):
    digest = nonce.encode()
    for _ in range(ROUNDS):
        digest = hashlib.sha256(digest).digest()


def lines(count, pause):
    for number in range(count):
        time.sleep(pause)
        yield b"line %d\n" % number


def app(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain"), ("X-Version", VERSION)]
    if path == "/stream":
        start_response("200 OK", headers)
        query = parse_qs(environ["QUERY_STRING"])
        return lines(int(query["lines"][0]), float(query["pause"][0]))
    if path.startswith("/echo/"):
        nonce = path.removeprefix("/echo/")
        work(nonce)
        body = f"echo {nonce}\n".encode()
    elif path == "/digest":
        body = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    else:
        body = f"release {VERSION}".encode()
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
