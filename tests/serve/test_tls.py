"""TLS as clients see it: Python's ssl, curl and openssl s_client against `serai serve`."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.conftest import WSGI, Folder
from tests.serve.server import Load, Server, ask, ask_unix, no_more_descriptors, run
from tests.support.authority import Authority
from tests.support.wait import until

APP = """
    import hashlib, json, os, time

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        if scope["path"] == "/file":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            return await send({"type": "http.response.pathsend", "path": os.path.abspath("large")})
        if scope["path"] == "/block":
            open("blocked", "w").close()
            while os.path.exists("blocked"):
                time.sleep(0.01)
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            message = await receive()
            digest.update(message["body"])
            size, more = size + len(message["body"]), message["more_body"]
        told = {"pid": os.getpid(), "scheme": scope["scheme"], "tls": scope["extensions"].get("tls"),
                "size": size, "digest": digest.hexdigest()}
        body = json.dumps(told).encode() if scope["path"] != "/large" else b"x" * 3_000_000
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def wsgi(environ, start_response):
        size = len(environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/large":
            return [b"y" * 3_000_000]
        return [f"{environ['wsgi.url_scheme']} {size}".encode()]
"""

Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("first", "localhost", "first.test")
    made.issue("second", "second.test", "*.second.test")
    made.issue("friend", "friend.test")
    return made


@pytest.fixture
def tls_folder(folder: Folder) -> Folder:
    folder.write("tls_app.py", APP)
    return folder


def options(authority: Authority, *names: str) -> list[str]:
    found = []
    for name in names or ("first",):
        found += ["--certfile", f"{authority.folder}/{name}.crt", "--keyfile", f"{authority.folder}/{name}.key"]
    return found


def shown(server: Server, context: ssl.SSLContext, host: str = "localhost") -> str:
    """The common name of the certificate that a client is shown."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        subject = secured.getpeercert()["subject"]  # type: ignore[index]
        return str(dict(pair for (pair,) in subject)["commonName"])


def whole_answer(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_an_app_learns_of_the_connection(tls_folder: Folder, serve: Serve, authority: Authority, version: str) -> None:
    server = serve("tls_app:app", *options(authority), tls=authority.client()).ready()
    assert server.tls
    server.tls.minimum_version = server.tls.maximum_version = (
        ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
    )
    connection = server.connect()
    for _ in range(2):
        told = json.loads(ask(connection)[1])
        assert told["scheme"] == "https"
        assert told["tls"]["tls_version"] == (0x0303 if version == "1.2" else 0x0304)
        assert told["tls"]["cipher_suite"] in (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xCCA9)
        certificate = (authority.folder / "first.crt").read_text()
        assert ssl.PEM_cert_to_DER_cert(told["tls"]["server_cert"]) == ssl.PEM_cert_to_DER_cert(certificate)
        assert (told["tls"]["client_cert_chain"], told["tls"]["client_cert_name"]) == ([], None)
    connection.close()


@pytest.mark.parametrize("app", ["app", "wsgi"])
def test_bodies_of_any_size_pass(tls_folder: Folder, serve: Serve, authority: Authority, app: str) -> None:
    server = serve(f"tls_app:{app}", *options(authority), tls=authority.client()).ready()
    connection = server.connect()
    for size in (0, 1, 16_384, 16_385, 1_000_000):
        connection.request("POST", "/", body=b"z" * size)
        answer = connection.getresponse().read().decode()
        assert answer == f"https {size}" if app == "wsgi" else json.loads(answer)["size"] == size
    assert len(ask(connection, "/large")[1]) == 3_000_000
    connection.close()


def test_a_file_is_sent_whole(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    content = "".join(str(number) for number in range(300_000))
    tls_folder.write("large", content)
    server = serve("tls_app:app", *options(authority), "--kernel-tls", tls=authority.client()).ready()
    assert server.get("/file") == (200, content)


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_curl_is_served(tls_folder: Folder, serve: Serve, authority: Authority, protocol: str) -> None:
    server = serve("tls_app:app", *options(authority)).ready()
    target = f"https://localhost:{server.port}/"
    command = ["curl", "-sS", protocol, "--cacert", str(authority.certificate), "-w", "\n%{http_version}", target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    body, version = done.stdout.split("\n")
    assert json.loads(body)["scheme"] == "https"
    assert version == ("1.1" if protocol == "--http1.1" else "2")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_finds_modern_settings(tls_folder: Folder, serve: Serve, authority: Authority, version: str) -> None:
    server = serve("tls_app:app", *options(authority)).ready()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-CAfile"]
    command += [str(authority.certificate), "-servername", "localhost", "-alpn", "http/1.1"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)
    for line in ("Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "Compression: NONE", "X25519"):
        assert line in done.stdout
    old = subprocess.run([*command[:4], "-tls1_1"], input="", capture_output=True, text=True, timeout=20, check=False)
    assert old.returncode != 0


def test_the_servers_name_chooses_among_certificates_of_files_and_folders(
    tls_folder: Folder, serve: Serve, authority: Authority
) -> None:
    live = tls_folder.path / "live" / "second"
    live.mkdir(parents=True)
    (live / "fullchain.pem").write_bytes((authority.folder / "second.crt").read_bytes())
    (live / "privkey.pem").write_bytes((authority.folder / "second.key").read_bytes())
    folder = ["--certfile", str(tls_folder.path / "live")]
    server = serve("tls_app:app", *options(authority), *folder).ready()
    client = authority.client()
    assert shown(server, client) == "first"
    assert shown(server, client, "first.test") == "first"
    assert shown(server, client, "second.test") == "second"
    assert shown(server, client, "www.second.test") == "second"
    client.check_hostname = False
    assert shown(server, client, "unknown.test") == "first"


def test_client_certificates_are_asked_for(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    trust = ["--client-cert", "required", "--ca-certs", str(authority.certificate)]
    server = serve("tls_app:app", *options(authority), *trust, tls=authority.client("friend")).ready()
    told = json.loads(server.get()[1])["tls"]
    assert told["client_cert_name"] == "CN=friend,O=Tests"
    certificate = (authority.folder / "friend.crt").read_text()
    # Python's ssl sends the authority, too, as OpenSSL finds it among those that are trusted.
    assert ssl.PEM_cert_to_DER_cert(told["client_cert_chain"][0]) == ssl.PEM_cert_to_DER_cert(certificate)
    server.tls = authority.client()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.get()
    stranger = Authority(tls_folder.path / "strangers")
    stranger.issue("stranger")
    server.tls.load_cert_chain(stranger.folder / "stranger.crt", stranger.folder / "stranger.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.get()


def test_client_certificates_may_be_left_out_where_they_are_optional(
    tls_folder: Folder, serve: Serve, authority: Authority
) -> None:
    trust = ["--client-cert", "optional", "--ca-certs", str(authority.certificate)]
    server = serve("tls_app:app", *options(authority), *trust, tls=authority.client()).ready()
    assert json.loads(server.get()[1])["tls"]["client_cert_name"] is None
    server.tls = authority.client("friend")
    assert json.loads(server.get()[1])["tls"]["client_cert_name"] == "CN=friend,O=Tests"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_another_worker_and_after_a_reload(
    tls_folder: Folder, serve: Serve, authority: Authority, version: ssl.TLSVersion
) -> None:
    server = serve("tls_app:app", *options(authority), "--workers", "2").ready()
    client = authority.client()
    client.minimum_version = client.maximum_version = version

    def visit(session: ssl.SSLSession | None, path: str = "/") -> tuple[ssl.SSLSession | None, bool | None, int]:
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        with client.wrap_socket(plain, server_hostname="localhost", session=session) as secured:
            secured.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: secured.recv(65536), b""))
            return secured.session, secured.session_reused, json.loads(answer.partition(b"\r\n\r\n")[2])["pid"]

    def worker_beside_a_blocked_one() -> int:
        """Resumes with the worker that is free while the other one is held up."""
        blocker = threading.Thread(target=lambda: visit(None, "/block"))
        blocker.start()
        until((tls_folder.path / "blocked").exists, "a worker is held up", every=0.01)
        _, resumed, pid = visit(session)
        (tls_folder.path / "blocked").unlink()
        blocker.join()
        assert resumed
        return pid

    session, resumed, first = visit(None)
    assert not resumed
    until(lambda: worker_beside_a_blocked_one() != first, "the other worker is free", every=0.01)
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")
    assert visit(session)[1]


def test_new_certificates_are_taken_under_load_without_a_failed_request(
    tls_folder: Folder, serve: Serve, authority: Authority
) -> None:
    mine = Authority(tls_folder.path / "mine")
    arguments = mine.issue("site")
    client = mine.client()
    server = serve("wsgi_app:app", *arguments, "--workers", "2", tls=client).ready()
    with Load(server) as load:
        for count in range(1, 4):
            mine.issue(f"renewed-{count}")
            for end in ("crt", "key"):
                (mine.folder / f"renewed-{count}.{end}").replace(mine.folder / f"site.{end}")
            server.signal(signal.SIGHUP)
            server.wait_for("tls.reloaded", count)
            server.wait_for("serve.reloaded", count)
            assert shown(server, client) == f"renewed-{count}"
            load.goes_on()
    assert not load.failures


def test_workers_that_stay_take_new_certificates_too(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    tls_folder.write("changing.py", WSGI)
    mine = Authority(tls_folder.path / "mine")
    client = mine.client()
    server = serve("changing:app", *mine.issue("site"), tls=client).ready()
    connection = server.connect()
    _, before = ask(connection)
    mine.issue("renewed")
    for end in ("crt", "key"):
        (mine.folder / f"renewed.{end}").replace(mine.folder / f"site.{end}")
    tls_folder.write("changing.py", "this is no Python")
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reload_failed")
    until(lambda: shown(server, client) == "renewed", "the worker has the new certificate")
    assert ask(connection)[1] == before  # on the connection from before
    connection.close()


def test_broken_new_certificates_change_nothing(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    mine = Authority(tls_folder.path / "mine")
    client = mine.client()
    server = serve("wsgi_app:app", *mine.issue("site"), tls=client).ready()
    (mine.folder / "site.key").write_text("nonsense")
    server.signal(signal.SIGHUP)
    assert "site.key holds no private key; the old certificates stay" in server.wait_for("tls.not_reloaded")["message"]
    server.wait_for("serve.reloaded")  # the code is new all the same
    assert shown(server, client) == "site"
    (mine.folder / "site.crt").unlink()
    server.signal(signal.SIGHUP)
    assert "No such file" in server.wait_for("tls.not_reloaded", 2)["message"]
    assert server.get()[0] == 200


def test_an_idle_connection_ends_with_a_word(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    """close_notify: without it nobody can tell the server's end from an attacker's."""
    server = serve(
        "wsgi_app:app", *authority.issue("notify"), "--keep-alive-timeout", "0.3", tls=authority.client()
    ).ready()
    connection = server.connect()
    assert ask(connection)[0] == 200
    connection.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]
    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_reload_without_descriptors_changes_nothing(tls_folder: Folder, serve: Serve) -> None:
    mine = Authority(tls_folder.path / "mine")
    server = serve("wsgi_app:app", *mine.issue("site"), tls=mine.client()).ready()
    with no_more_descriptors(server.process.pid):
        server.signal(signal.SIGHUP)
        assert "Too many open files" in server.wait_for("tls.not_reloaded")["message"]
        server.wait_for("serve.reload_failed")
        assert server.get()[0] == 200
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")
    assert server.get()[0] == 200


def test_an_expired_certificate_is_served_with_a_warning(tls_folder: Folder, serve: Serve) -> None:
    mine = Authority(tls_folder.path / "mine")
    server = serve("wsgi_app:app", *mine.issue("old", days=-1)).ready()
    assert "old.crt expired on" in server.wait_for("tls.certificate")["message"]


def test_plain_http_is_told_to_use_https(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("tls_app:app", *options(authority)).ready()
    get, asterisk = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"
    for request in (get, asterisk, b"PUT /" + b"x" * 9000):
        head, _, body = whole_answer(server, request).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"speaks HTTPS" in body
        assert len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def test_garbage_ends_the_connection_and_harms_nobody(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("tls_app:app", *options(authority), tls=authority.client()).ready()
    for garbage in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"z" * 70_000, b"\x16\x03\x01\0\5\1\0\0\1\0"):
        with contextlib.suppress(ConnectionError):  # bytes that nobody read make a reset of the end
            whole_answer(server, garbage)
    hello = ssl.MemoryBIO()
    conversation = authority.client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        conversation.do_handshake()
    whole_answer(server, hello.read() + b"GET / HTTP/1.1\r\n\r\n")
    assert server.get()[0] == 200


def test_a_handshake_has_its_time(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("tls_app:app", *options(authority), "--tls-handshake-timeout", "300ms").ready()
    assert whole_answer(server, b"\x16\x03\x01") == b""


def test_handshakes_that_do_not_end_make_room_for_those_that_do(
    tls_folder: Folder, serve: Serve, authority: Authority
) -> None:
    server = serve("tls_app:app", *options(authority), tls=authority.client()).ready()
    idlers = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(600)]
    assert server.get()[0] == 200
    given_up = [client for client in idlers[:60] if client.recv(1, socket.MSG_DONTWAIT) == b""]
    assert len(given_up) == 60
    for client in idlers:
        client.close()


def test_unix_sockets_stay_plain(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    path = tls_folder.path / "app.sock"
    serve("tls_app:app", *options(authority), "--bind", f"unix:{path}", "--bind", "127.0.0.1:0").ready()
    assert '"scheme": "http"' in ask_unix(path)


def test_a_worker_is_asked_for_its_health_in_plain_text(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("asgi_app:app", *options(authority), "--health-path", "/up", tls=authority.client()).ready()
    assert server.get()[0] == 200


def test_both_ends_are_told_of_the_end(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("tls_app:app", *options(authority)).ready()
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    client = authority.client().wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = b"".join(iter(lambda: client.recv(65536), b""))  # raises where the server just hangs up
    assert answer.startswith(b"HTTP/1.1 200 OK")
    client.close()


def test_a_client_that_reads_slowly_gets_all(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    for app in ("app", "wsgi"):
        server = serve(f"tls_app:{app}", *options(authority)).ready()
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", server.port))
        with authority.client().wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda client=client: client.recv(5000), b""))  # type: ignore[misc]
        assert len(answer) > 3_000_000


def test_many_handshakes_at_once_all_end_well(tls_folder: Folder, serve: Serve, authority: Authority) -> None:
    server = serve("tls_app:app", *options(authority), tls=authority.client()).ready()
    answers: list[int] = []
    clients = [threading.Thread(target=lambda: answers.append(server.get()[0])) for _ in range(40)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    assert answers == [200] * 40


@pytest.mark.parametrize(
    ("arguments", "found", "code"),
    [
        (["--certfile", "missing.crt"], "missing.crt: No such file or directory", 1),
        (["--certfile", "{0}/first.crt", "--keyfile", "{0}/second.key"], "does not belong to the certificate", 1),
        (["--certfile", "{0}/first.crt"], "first.crt holds no private key", 1),
        (["--certfile", "{0}/first.crt", "--keyfile", "locked.key"], "locked.key is encrypted", 1),
        (["--certfile", "."], "holds no certificate with a key", 1),
        (["--certfile", "{0}/first.crt", "--keyfile", "a", "--keyfile", "b"], "names 1 files, --keyfile 2", 2),
        (["--keyfile", "{0}/first.key"], "--keyfile is given, but no --certfile", 2),
        (["--certfile", "{0}/first.crt", "--client-cert", "required"], "needs --ca-certs", 2),
        (["--certfile", "{0}/first.crt", "--keyfile", "{0}/first.key", "--ciphers", "NONE"], "no such list", 1),
    ],
)
def test_a_mistake_is_explained_at_the_start(
    tls_folder: Folder, authority: Authority, arguments: list[str], found: str, code: int
) -> None:
    lock(authority.folder / "first.key", tls_folder.path / "locked.key")
    done = run(tls_folder.path, "tls_app:app", *(a.format(authority.folder) for a in arguments))
    assert done.returncode == code
    assert found in done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["serai:", "found", "do"]


def lock(key: Path, into: Path) -> None:
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(into)]
    subprocess.run(command, check=True, capture_output=True)
