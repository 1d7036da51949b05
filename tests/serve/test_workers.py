"""Workers that crash, hang or run out of memory are replaced, and the log says why."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import BROKEN, Load, Server, no_more_descriptors
from tests.support.wait import until


def quietly(server: Server, path: str) -> None:
    """A request whose connection breaks."""
    with pytest.raises(BROKEN):
        server.get(path)


def test_a_killed_worker_is_replaced_and_the_others_serve_on(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--workers", "2").ready()
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    assert "SIGKILL" in server.wait_for("worker.exited")["message"]
    server.wait_for("worker.ready", 3)
    assert len(server.workers()) == 2
    assert victim not in server.workers()
    assert server.get()[0] == 200


def test_a_crash_shows_the_signal_and_the_apps_stack(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    quietly(server, "/crash")
    exited = server.wait_for("worker.exited")
    assert "SIGSEGV" in exited["message"]
    assert 'wsgi_app.py", line' in exited["stack"]
    assert "serai/worker.py" not in exited["stack"]
    server.wait_for("worker.ready", 2)
    assert server.get()[0] == 200


def test_an_exit_shows_its_code(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    quietly(server, "/exit")
    assert "exited with code 7" in server.wait_for("worker.exited")["message"]
    server.wait_for("worker.ready", 2)


def test_workers_that_keep_crashing_are_started_ever_more_rarely(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    for crash in range(1, 5):
        server.wait_for("worker.ready", crash)
        quietly(server, "/exit")
    server.wait_for("serve.back_off", 3)
    assert [event["seconds"] for event in server.named("serve.back_off")] == [0.1, 0.2, 0.4]


def test_a_hung_worker_shows_its_stacks_and_is_replaced(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--worker-timeout", "300ms", "--threads", "2").ready()
    clients = [threading.Thread(target=quietly, args=(server, "/hang")) for _ in range(2)]
    for client in clients:
        client.start()
    exited = server.wait_for("worker.exited")
    for client in clients:
        client.join()
    assert "hung" in exited["message"]
    assert exited["stack"].count('wsgi_app.py", line') == 2
    server.wait_for("worker.ready", 2)
    assert server.get()[0] == 200


def test_a_slow_request_beside_idle_threads_is_no_hang(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--worker-timeout", "200ms", "--threads", "2").ready()
    assert server.get("/slow")[0] == 200
    assert not server.named("worker.exited")


@pytest.mark.root
def test_out_of_memory_is_named_with_the_limit(folder: Folder, serve: Callable[..., Server]) -> None:
    group = group_of("memory", {"memory.limit_in_bytes": "67108864", "memory.max": "67108864"})
    try:
        folder.write("hog.py", "def app(environ, start_response):\n    x = bytearray(500_000_000)\n    return [b'']\n")
        server = serve("hog:app", preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid()))).ready()
        quietly(server, "/")
        message = server.wait_for("worker.exited")["message"]
        assert "out of memory (limit 64 MiB)" in message
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
        group.rmdir()


def group_of(controller: str, limits: dict[str, str]) -> Path:
    """A cgroup of its own with the first limit that exists, v1 or v2; skips where that cannot be made."""
    for root in (Path("/sys/fs/cgroup") / controller, Path("/sys/fs/cgroup")):
        group = root / f"serai-test-{os.getpid()}"
        try:
            group.mkdir()
            file = next(group / name for name in limits if (group / name).exists())
            file.write_text(limits[file.name])
            return group
        except (OSError, StopIteration):
            if group.exists():
                group.rmdir()
    pytest.skip(f"no {controller} cgroup can be made here")


@pytest.mark.root
def test_a_limit_of_processes_is_survived_and_named(serve: Callable[..., Server]) -> None:
    group = group_of("pids", {"pids.max": "max"})
    try:
        join = (group / "cgroup.procs").write_text
        server = serve("asgi_app:app", "--worker-timeout", "0", preexec_fn=lambda: join(str(os.getpid()))).ready()
        (group / "pids.max").write_text("1")
        os.kill(server.workers()[0], signal.SIGKILL)
        until(lambda: any("could not be forked" in e["message"] for e in server.named("worker.exited")), "the reason")
        os.kill(server.zygotes()[0], signal.SIGKILL)
        until(lambda: "could not be forked" in str(server.named("serve.reload_failed")), "the reason")
        (group / "pids.max").write_text("max")
        server.wait_for("worker.ready", 2)
        assert server.get()[0] == 200
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
    finally:
        (group / "pids.max").write_text("max")
        until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
        group.rmdir()


def test_a_limit_of_descriptors_is_survived_and_named(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    with no_more_descriptors(server.process.pid):
        os.kill(server.workers()[0], signal.SIGKILL)
        until(lambda: "no worker could be made" in str(server.named("worker.failed")), "the reason")
    server.wait_for("worker.ready", 2)
    assert server.get()[0] == 200


def test_a_killed_zygote_is_replaced_without_a_failed_request(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--workers", "2").ready()
    (zygote,) = server.zygotes()
    before = set(server.workers())
    with Load(server) as load:
        os.kill(zygote, signal.SIGKILL)
        assert "serve on" in server.wait_for("zygote.lost")["message"]
        server.wait_for("serve.reloaded")
        server.wait_for("worker.exited", 2)
        load.goes_on()
    assert not load.failures
    assert len(server.workers()) == 2
    assert not before & set(server.workers())
    assert len(server.zygotes()) == 1


def test_ttin_and_ttou_add_and_remove_a_worker(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    with Load(server) as load:
        server.signal(signal.SIGTTIN)
        server.wait_for("worker.ready", 2)
        assert len(server.workers()) == 2
        server.signal(signal.SIGTTOU)
        server.wait_for("worker.exited")
        load.goes_on()
    assert not load.failures
    assert len(server.workers()) == 1
    server.signal(signal.SIGTTOU)
    server.wait_for("serve.scaled", 3)
    assert len(server.workers()) == 1  # never none
