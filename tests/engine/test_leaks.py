"""Nothing grows with the number of requests: memory, objects, descriptors."""

import os
from pathlib import Path

import pytest
from engine.harness import Server, Start


def resident_kib(server: Server) -> int:
    """0 where a sanitizer keeps what was freed (scripts/sanitized-engine)."""
    if "SERAI_PRELOAD" in os.environ:
        return 0
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def ask(server: Server, count: int) -> None:
    """A mixture: plain, with a body, streamed, failing, and a client that leaves."""
    client = server.client()
    for _ in range(count):
        assert client.request("/").status == 200
        assert client.request("/echo", "POST", bytes(2000)).status == 200
    for _ in range(count // 50):
        assert server.get("/missing").status == 500
        leaving = server.client()
        leaving.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nabc")
        leaving.close()
    client.close()


@pytest.mark.parametrize("kind", ["asgi", "wsgi", "wsgi-threads"])
def test_memory_and_objects_stay_flat(asgi: Start, wsgi: Start, kind: str) -> None:
    server = asgi("leak_apps:asgi") if kind == "asgi" else wsgi("leak_apps:wsgi", threads=4 if "threads" in kind else 1)
    ask(server, 500)
    objects, memory = server.get("/objects").json, resident_kib(server)
    ask(server, 3000)
    assert server.get("/objects").json - objects < 50
    assert resident_kib(server) - memory < 1500
