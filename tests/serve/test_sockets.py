"""Where a server listens."""

import os
import signal
import socket
from collections.abc import Callable

from tests.serve.conftest import Folder
from tests.serve.server import Server, ask, ask_unix, run


def test_a_unix_socket_is_made_and_removed(folder: Folder, serve: Callable[..., Server]) -> None:
    path = folder.path / "app.sock"
    server = serve("wsgi_app:app", "--bind", f"unix:{path}").ready()
    assert ask_unix(path).startswith("HTTP/1.1 200 ")
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert not path.exists()


def test_the_socket_file_of_a_dead_server_is_replaced(folder: Folder, serve: Callable[..., Server]) -> None:
    path = folder.path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    serve("wsgi_app:app", "--bind", f"unix:{path}").ready()
    assert ask_unix(path).startswith("HTTP/1.1 200 ")
    second = run(folder.path, "wsgi_app:app", "--bind", f"unix:{path}")
    assert second.returncode == 1
    assert "another server listens there" in second.stderr


def test_a_server_that_is_too_busy_to_answer_is_not_taken_for_dead(folder: Folder) -> None:
    path = folder.path / "app.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(str(path))
        busy.listen(0)
        client.connect(str(path))
        second = run(folder.path, "wsgi_app:app", "--bind", f"unix:{path}")
    assert second.returncode == 1
    assert "another server listens there" in second.stderr


def test_connections_leave_descriptors_to_the_app(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write(
        "reads.py",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

        def app(environ, start_response):
            files = [open(__file__) for _ in range(10)]
            start_response("200 OK", [])
            return [files[-1].read(10).encode()]
        """,
    )
    server = serve("reads:app").ready()
    others = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    connection = server.connect()
    assert ask(connection)[0] == 200
    others += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    assert ask(connection)[0] == 200
    for other in others:
        other.close()


def test_several_addresses_are_served_at_once(folder: Folder, serve: Callable[..., Server]) -> None:
    path = folder.path / "app.sock"
    server = serve("wsgi_app:app", "--bind", f"unix:{path}", "--bind", "127.0.0.1:0").ready()
    assert ask_unix(path).startswith("HTTP/1.1 200 ")
    assert server.get()[0] == 200


def test_an_inherited_descriptor_is_served(serve: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serve("wsgi_app:app", "--bind", f"fd://{listener.fileno()}", pass_fds=[listener.fileno()]).ready()
        assert server.port == listener.getsockname()[1]
        assert server.get()[0] == 200


def test_sockets_passed_by_systemd_are_served(folder: Folder, serve: Callable[..., Server]) -> None:
    """systemd gives descriptor 3 and the pid that they are meant for."""
    folder.write(
        "shows.py", "import os\ndef app(e, s):\n    s('200 OK', [])\n    return [str(sorted(os.environ)).encode()]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        passed = listener.fileno()

        def as_systemd() -> None:
            os.dup2(passed, 3, inheritable=True)

        launcher = [
            "-c",
            "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])",
        ]
        server = serve(
            "shows:app", bind=False, launcher=launcher, env={"LISTEN_FDS": "1"}, preexec_fn=as_systemd, close_fds=False
        )
        assert server.ready().port == listener.getsockname()[1]
        assert "LISTEN" not in server.get()[1]


def test_an_occupied_address_says_what_to_do(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        result = run(folder.path, "wsgi_app:app", "--bind", f"127.0.0.1:{occupied.getsockname()[1]}")
    assert result.returncode == 1
    assert "Address already in use" in result.stderr
    assert "ss -ltnp" in result.stderr
