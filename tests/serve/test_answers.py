"""`--compress` and `--request-id` on the command line, with real clients."""

import json
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server, run
from tests.support.authority import Authority
from tests.support.wait import until

APP = """
    TEXT = b"a line that is worth it\\n" * 1000

    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [TEXT]

    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(10):
            await send({"type": "http.response.body", "body": TEXT[n * 2400:n * 2400 + 2400], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
"""
EXPECTED = "a line that is worth it\n" * 1000


@pytest.mark.parametrize("app", ["wsgi", "asgi"])
def test_clients_read_what_is_compressed(folder: Folder, tmp_path: Path, app: str) -> None:
    folder.write("answers.py", APP)
    authority = Authority(tmp_path)
    authority.issue("server", "localhost")
    options = ("--compress", "--certfile", f"{tmp_path}/server.crt", "--keyfile", f"{tmp_path}/server.key")
    with Server(folder.path, f"answers:{app}", *options).ready() as server:
        for http2 in (False, True):
            with httpx.Client(http2=http2, verify=authority.client()) as client:
                for coding in ("gzip", "br", "zstd"):
                    answer = client.get(f"https://localhost:{server.port}/", headers={"accept-encoding": coding})
                    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
                    assert (answer.headers["content-encoding"], answer.text) == (coding, EXPECTED)


def test_ids_are_in_the_answer_and_in_the_log(folder: Folder) -> None:
    folder.write("answers.py", APP)
    log = folder.path / "access.log"
    options = ("--request-id", "trust", "--access-log", str(log))
    with Server(folder.path, "answers:wsgi", *options).ready() as server:
        with httpx.Client() as client:
            url = f"http://127.0.0.1:{server.port}/"
            ours = client.get(url).headers["x-request-id"]
            theirs = client.get(url, headers={"x-request-id": "abc-1"}).headers["x-request-id"]
        assert (len(ours), theirs) == (32, "abc-1")
        until(lambda: len(log.read_text().splitlines()) == 2, "both are logged")
    assert [json.loads(line)["request_id"] for line in log.read_text().splitlines()] == [ours, "abc-1"]


def test_an_atom_of_the_access_log_shows_the_id(folder: Folder) -> None:
    folder.write("answers.py", APP)
    log = folder.path / "access.log"
    options = ("--request-id", "generate", "--access-log", str(log), "--access-log-format", "%(s)s %({X-Request-ID}i)s")
    with Server(folder.path, "answers:wsgi", *options).ready() as server:
        ours = httpx.get(f"http://127.0.0.1:{server.port}/").headers["x-request-id"]
        until(lambda: log.read_text(), "it is logged")
    assert log.read_text().split() == ["200", ours]


def test_the_version_says_what_there_is(folder: Folder) -> None:
    assert "compresses with" in run(folder.path, "--version").stdout
    assert "gzip" in run(folder.path, "--version").stdout


def test_mistakes_are_explained(folder: Folder) -> None:
    result = run(folder.path, "wsgi_app:app", "--compress", "deflate")
    assert result.returncode == 2
    assert "'deflate' is neither off nor auto nor some of zstd,br,gzip" in result.stderr
