"""When the app is imported once, and when by each worker."""

from collections.abc import Callable

import pytest

from tests.serve.conftest import WSGI, Folder
from tests.serve.server import Server

COUNTING = "\nwith open('imports', 'a') as file: file.write('x')\n"


def imports(folder: Folder) -> int:
    return len((folder.path / "imports").read_text())


def write_app(folder: Folder, leftover: str) -> None:
    folder.write("leaving.py", WSGI)
    with (folder.path / "leaving.py").open("a") as file:
        file.write(COUNTING + leftover)


def test_a_plain_app_is_imported_once(folder: Folder, serve: Callable[..., Server]) -> None:
    write_app(folder, "")
    server = serve("leaving:app", "--workers", "3").ready()
    assert server.named("serve.ready")[0]["preload"] is True
    assert imports(folder) == 1
    assert len(server.workers()) == 3


@pytest.mark.parametrize(
    ("leftover", "named"),
    [
        (
            "import threading; threading.Thread(target=threading.Event().wait, name='reporter', daemon=True).start()",
            "'reporter'",
        ),
        (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9))",
            "127.0.0.1:9",
        ),
        ("import socket; s = socket.create_server(('127.0.0.1', 0))", "socket bound to 127.0.0.1"),
        ("import select; e = select.epoll()", "eventpoll"),
        ("import sqlite3; c = sqlite3.connect('x.db'); c.execute('create table if not exists t (a)')", "x.db"),
    ],
)
def test_threads_and_sockets_of_the_import_are_named(
    folder: Folder, serve: Callable[..., Server], leftover: str, named: str
) -> None:
    write_app(folder, leftover)
    server = serve("leaving:app", "--workers", "2").ready()
    assert named in server.wait_for("serve.preload")["message"]
    assert server.named("serve.ready")[0]["preload"] is False
    assert imports(folder) == 3  # once to see, once per worker
    assert server.get()[0] == 200


def test_preload_on_imports_once_and_warns(folder: Folder, serve: Callable[..., Server]) -> None:
    write_app(folder, "import select; e = select.epoll()")
    server = serve("leaving:app", "--workers", "2", "--preload", "on").ready()
    assert server.wait_for("serve.preload")["level"] == "warning"
    assert imports(folder) == 1


def test_preload_off_imports_in_each_worker(folder: Folder, serve: Callable[..., Server]) -> None:
    write_app(folder, "")
    server = serve("leaving:app", "--workers", "2", "--preload", "off").ready()
    assert imports(folder) == 2
    assert server.get()[0] == 200


def test_an_import_error_in_a_worker_ends_the_first_start(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("broken.py", "import not_installed_anywhere")
    server = serve("broken:app", "--preload", "off")
    assert server.exit_code() == 1
    assert "needs 'not_installed_anywhere'" in server.wait_for("serve.failed")["message"]


def test_fork_hooks_run_in_each_worker(folder: Folder, serve: Callable[..., Server]) -> None:
    hooks = """
        import os
        os.register_at_fork(after_in_child=lambda: open(f"at-fork-{os.getpid()}", "w").close())
        def hook(): open(f"post-fork-{os.getpid()}", "w").close()
    """
    folder.write("hooks.py", hooks)
    write_app(folder, "import hooks\n")
    server = serve("leaving:app", "--workers", "2", "--post-fork", "hooks:hook").ready()
    for pid in server.workers():
        assert (folder.path / f"at-fork-{pid}").exists()
        assert (folder.path / f"post-fork-{pid}").exists()


def test_a_failing_post_fork_hook_is_the_reason(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("hooks.py", "def hook(): raise RuntimeError('no licence')")
    server = serve("wsgi_app:app", "--post-fork", "hooks:hook")
    assert server.exit_code() == 1
    assert "no licence" in server.wait_for("serve.failed")["message"]
