"""What a WSGI application is told about a request (PEP 3333, "environ Variables")."""

from pathlib import Path

from engine.harness import Start


def test_the_environ_has_every_variable_of_the_specification(wsgi: Start) -> None:
    client = wsgi().client()
    environ = client.request("/show-environ?a=1&b", "POST", b"{}", Content_Type="application/json", X_Custom="v").json
    host, port = client.socket.getpeername()
    assert environ["REQUEST_METHOD"] == "POST"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("", "/show-environ", "a=1&b")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("application/json", "2")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (host, str(port))
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["SERVER_SOFTWARE"].startswith("serai/")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == tuple(map(str, client.socket.getsockname()))
    assert (environ["HTTP_HOST"], environ["HTTP_X_CUSTOM"]) == ("test", "v")
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["RAW_URI"] == "/show-environ?a=1&b"
    assert environ["wsgi.run_once"] is False
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_threads_and_processes_are_told_as_they_are(wsgi: Start) -> None:
    alone = wsgi().get("/show-environ").json
    assert (alone["wsgi.multithread"], alone["wsgi.multiprocess"]) == (False, False)
    many = wsgi(threads=2, multiprocess=True).get("/show-environ").json
    assert (many["wsgi.multithread"], many["wsgi.multiprocess"]) == (True, True)


def test_each_request_has_an_environ_of_its_own(wsgi: Start) -> None:
    client = wsgi().client()
    assert client.request("/spoil-environ").json is True
    assert client.request("/spoil-environ").json is True


def test_repeated_headers_are_joined(wsgi: Start) -> None:
    client = wsgi().client()
    client.send(b"GET /show-environ HTTP/1.1\r\nHost: test\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")
    environ = client.response().json
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_proxy_and_underscores_do_not_become_variables(wsgi: Start) -> None:
    client = wsgi().client()
    client.send(b"GET /show-environ HTTP/1.1\r\nHost: test\r\nProxy: http://evil\r\nX_Real_Ip: evil\r\n\r\n")
    environ = client.response().json
    assert "HTTP_PROXY" not in environ
    assert "HTTP_X_REAL_IP" not in environ


def test_bytes_become_latin_1(wsgi: Start) -> None:
    client = wsgi().client()
    client.send(b"GET /l%61tin?caf%C3%A9 HTTP/1.1\r\nHost: test\r\nX-Latin: caf\xe9\r\n\r\n")
    response = client.response()
    assert response.body == b"caf%C3%A9"
    assert response.header("x-latin") == "caf\xe9"


def test_the_root_path_is_the_script_name(wsgi: Start) -> None:
    client = wsgi(root_path="/app").client()
    environ = client.request("/app/show-environ").json
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/show-environ")
    assert client.request("/show-environ").json["PATH_INFO"] == "/show-environ"


def test_a_unix_socket_has_a_server_name(wsgi: Start, tmp_path: Path) -> None:
    environ = wsgi(unix=str(tmp_path / "socket")).get("/show-environ").json
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"], environ["REMOTE_ADDR"]) == ("localhost", "80", "")


def test_forwarded_headers_count_only_from_trusted_peers(wsgi: Start) -> None:
    forwarded = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}
    trusting = wsgi(forwarded_allow=["*"]).get("/show-environ", **forwarded).json
    assert (trusting["REMOTE_ADDR"], trusting["wsgi.url_scheme"]) == ("203.0.113.7", "https")
    wary = wsgi().get("/show-environ", **forwarded).json
    assert (wary["REMOTE_ADDR"], wary["wsgi.url_scheme"]) == ("127.0.0.1", "http")


def test_wsgiref_validate_finds_nothing(wsgi: Start) -> None:
    server = wsgi("validated_app:app")
    client = server.client()
    assert client.request("/path").body == b"/path"
    assert client.request("/", "POST", b"line 1\nline 2").body == b"line 1\nline 2"
    assert client.request("/", "HEAD").status == 200
    assert server.log() == ""
