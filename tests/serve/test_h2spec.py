"""Conformance to HTTP/2 and HPACK, as h2spec sees it."""

from collections.abc import Callable

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.authority import Authority
from tests.support.h2spec import CASES, JUDGED, outcome

pytestmark = pytest.mark.slow

APP = """
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"hello h2spec " * 100})

    def wsgi(environ, start_response):
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello h2spec " * 100]
"""


@pytest.mark.parametrize("app", ["app", "wsgi"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_all_of_h2spec_passes(folder: Folder, serve: Callable[..., Server], app: str, transport: str) -> None:
    folder.write("spec_app.py", APP)
    certificate = Authority(folder.path / "authority").issue("localhost") if transport == "tls" else []
    server = serve(f"spec_app:{app}", *certificate).ready()
    options = ["--tls", "--insecure"] if transport == "tls" else []
    count, failed = outcome(server.port, folder.path / "report.xml", *options)
    assert count >= CASES
    assert failed == JUDGED[transport]
