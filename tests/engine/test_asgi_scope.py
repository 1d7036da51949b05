"""What an ASGI application is told about a request (asgiref specs/www.rst, "HTTP Connection Scope")."""

from pathlib import Path

from engine.harness import Start


def test_the_scope_has_every_key_of_the_specification(asgi: Start) -> None:
    client = asgi().client()
    scope = client.request("/scope?a=1&b", method="PATCH", X_Custom="Vä lue").json
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["http_version"] == "1.1"
    assert scope["method"] == "PATCH"
    assert scope["scheme"] == "http"
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope", "/scope", "a=1&b")
    assert scope["root_path"] == ""
    assert scope["headers"] == [["host", "test"], ["x-custom", "Vä lue"]]
    assert scope["client"] == list(client.socket.getsockname())
    assert scope["server"] == list(client.socket.getpeername())
    assert scope["types"]["headers"] == "list"
    assert scope["types"]["raw_path"] == "bytes"
    assert scope["types"]["state"] == "dict"


def test_the_path_is_decoded_once_and_the_raw_path_is_not(asgi: Start) -> None:
    scope = asgi().get("/sc%20ope/%C3%A9;%2541").json
    assert scope["path"] == "/sc ope/é;%41"
    assert scope["raw_path"] == "/sc%20ope/%C3%A9;%2541"


def test_the_root_path_is_part_of_the_path(asgi: Start) -> None:
    scope = asgi(root_path="/scope;v1").get("/items").json
    assert scope["root_path"] == "/scope;v1"
    assert scope["path"] == "/scope;v1/items"


def test_http_1_0_is_named_and_closes(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"GET /scope HTTP/1.0\r\n\r\n")
    response = client.response()
    assert response.json["http_version"] == "1.0"
    assert client.is_closed()


def test_each_request_has_a_scope_of_its_own(asgi: Start) -> None:
    client = asgi().client()
    assert client.request("/spoil-scope").json == {"untouched": True, "requests": 1}
    assert client.request("/spoil-scope").json == {"untouched": True, "requests": 2}


def test_a_unix_socket_has_no_client_address(asgi: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    scope = asgi(unix=path).get("/scope").json
    assert scope["client"] is None
    assert scope["server"] == [path, None]


def test_forwarded_headers_count_only_from_trusted_peers(asgi: Start) -> None:
    forwarded = {"X_Forwarded_For": "192.0.2.1, 203.0.113.7", "X_Forwarded_Proto": "https"}
    trusting = asgi(forwarded_allow=["127.0.0.0/8"]).get("/scope", **forwarded).json
    assert trusting["client"] == ["203.0.113.7", 0]
    assert trusting["scheme"] == "https"
    wary = asgi().get("/scope", **forwarded).json
    assert wary["client"][0] == "127.0.0.1"
    assert wary["scheme"] == "http"


def test_header_names_with_an_underscore_are_dropped(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"GET /scope HTTP/1.1\r\nHost: test\r\nX_Real: evil\r\nX-Real: good\r\n\r\n")
    assert ["x-real", "good"] in client.response().json["headers"]


def test_asgi2_applications_are_called_in_two_steps(asgi: Start) -> None:
    assert asgi("asgi2_app:App", interface="asgi2").get("/").body == b"asgi2 /"
