"""HTTP/2 through `serai serve`: with httpx over TLS and in plain, and through reloads."""

import asyncio
import signal
import ssl
import threading
from collections.abc import Callable

import httpx
import pytest
from engine.http2 import Http2Client

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.authority import Authority
from tests.support.wait import until

Serve = Callable[..., Server]

APP = """
    import asyncio, json, os

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/slow":
            await asyncio.sleep(0.5)
        told = {"version": scope["http_version"], "scheme": scope["scheme"], "pid": os.getpid(),
                "tls": scope["extensions"].get("tls", {}).get("tls_version"),
                "host": dict(scope["headers"])[b"host"].decode()}
        if scope["path"] != "/echo":
            body = json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    def wsgi(environ, start_response):
        body = environ["wsgi.input"].read()
        told = {"version": environ["SERVER_PROTOCOL"], "scheme": environ["wsgi.url_scheme"],
                "host": environ["HTTP_HOST"]}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body if environ["PATH_INFO"] == "/echo" else json.dumps(told).encode()]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("site")
    return made


@pytest.fixture
def http2_folder(folder: Folder) -> Folder:
    folder.write("http2_app.py", APP)
    return folder


def certificate(authority: Authority) -> list[str]:
    return ["--certfile", f"{authority.folder}/site.crt", "--keyfile", f"{authority.folder}/site.key"]


def address(server: Server) -> tuple[str, int]:
    return ("127.0.0.1", server.port)


@pytest.mark.parametrize("app", ["app", "wsgi"])
def test_httpx_agrees_on_http2_under_tls(http2_folder: Folder, serve: Serve, authority: Authority, app: str) -> None:
    server = serve(f"http2_app:{app}", *certificate(authority)).ready()

    async def visit() -> None:
        url = f"https://localhost:{server.port}"
        async with httpx.AsyncClient(http2=True, verify=authority.client(), base_url=url, timeout=20) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(150)))
            assert {answer.http_version for answer in answers} == {"HTTP/2"}
            told = answers[0].json()
            assert (told["scheme"], told["host"]) == ("https", f"localhost:{server.port}")
            assert told["version"] == ("2" if app == "app" else "HTTP/2.0")
            if app == "app":
                assert told["tls"] == 0x0304
            bodies = [bytes([number]) * 300_000 for number in range(8)]
            echoes = await asyncio.gather(*(client.post("/echo", content=body) for body in bodies))
            assert [echo.content for echo in echoes] == bodies

    asyncio.run(visit())


def test_httpx_is_served_in_plain(http2_folder: Folder, serve: Serve) -> None:
    server = serve("http2_app:app").ready()
    with httpx.Client(http1=False, http2=True, timeout=20) as client:
        url = f"http://127.0.0.1:{server.port}"
        assert client.get(url).json()["version"] == "2"
        assert client.post(f"{url}/echo", content=(b"x" * 50_000 for _ in range(20))).content == b"x" * 1_000_000
        assert client.head(url).headers["content-length"]
    assert httpx.get(url).json()["version"] == "1.1"


def test_it_is_offered_only_where_it_is_on(http2_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("http2_app:app", *certificate(authority), "--http2", "off").ready()
    with httpx.Client(http2=True, verify=authority.client(), timeout=20) as client:
        answer = client.get(f"https://localhost:{server.port}")
    assert (answer.http_version, answer.json()["version"]) == ("HTTP/1.1", "1.1")


def secured(server: Server, authority: Authority) -> Http2Client:
    context = authority.client()
    context.set_alpn_protocols(["h2"])
    client = Http2Client.to(address(server), wrap=lambda plain: context.wrap_socket(plain, server_hostname="localhost"))
    assert isinstance(client.socket, ssl.SSLSocket) and client.socket.selected_alpn_protocol() == "h2"
    return client


@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_a_reload_finishes_what_runs_and_says_goaway(
    http2_folder: Folder, serve: Serve, authority: Authority, transport: str
) -> None:
    options = certificate(authority) if transport == "tls" else []
    server = serve("http2_app:app", *options).ready()

    def connect() -> Http2Client:
        return secured(server, authority) if transport == "tls" else Http2Client.to(address(server))

    client = connect()
    before = client.request().json["pid"]
    running = client.begin("/slow")
    client.ping()
    server.signal(signal.SIGHUP)
    assert client.response(running).json["pid"] == before
    assert client.wait_for_end() == 0
    client.close()
    server.wait_for("serve.reloaded")
    again = connect()
    assert again.request().json["pid"] != before
    again.close()


class Load:
    """Clients that keep eight streams open, and open no new ones on a connection once it is told to end."""

    def __init__(self, server: Server, clients: int = 2) -> None:
        self.answers = 0
        self.connections = 0
        self.failures: list[str] = []
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def _client(self) -> None:
        while not self._over.is_set():
            client = Http2Client.to(address(self._server))
            self.connections += 1
            try:
                while client.goaway is None and not self._over.is_set():
                    streams = [client.begin("/") for _ in range(8)]
                    for stream in streams:
                        assert client.response(stream).status == 200
                        self.answers += 1
            except (AssertionError, OSError) as error:
                self.failures.append(repr(error))
            client.close()

    def goes_on(self) -> None:
        target = self.answers + 100
        until(lambda: self.answers > target, "the load flows on", every=0.01)


def test_reloads_under_load_fail_no_request(http2_folder: Folder, serve: Serve) -> None:
    server = serve("http2_app:app", "--workers", "2").ready()
    with Load(server) as load:
        for count in range(1, 6):
            load.goes_on()
            server.signal(signal.SIGHUP)
            server.wait_for("serve.reloaded", count)
        load.goes_on()
    assert not load.failures
    assert load.connections > 5


def test_a_stop_finishes_what_runs(http2_folder: Folder, serve: Serve) -> None:
    server = serve("http2_app:app").ready()
    client = Http2Client.to(address(server))
    running = client.begin("/slow")
    client.ping()
    server.signal(signal.SIGTERM)
    assert client.response(running).status == 200
    assert client.wait_for_end() == 0
    client.close()
    assert server.exit_code() == 0
