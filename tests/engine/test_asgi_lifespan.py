"""The lifespan protocol (asgiref specs/lifespan.rst)."""

import pytest
from engine.harness import Start


def test_state_reaches_requests_and_shutdown_reaches_the_application(asgi: Start) -> None:
    server = asgi("lifespan_app:tells")
    assert server.get("/").body == b"{'key': 'value'}"
    assert server.stop()["outcome"] == 0
    assert server.log() == "lifespan.shutdown\n"


def test_auto_takes_an_exception_for_an_application_without_lifespan(asgi: Start) -> None:
    assert asgi("lifespan_app:raises").get("/").status == 200


def test_on_takes_an_exception_for_a_failed_start(asgi: Start) -> None:
    summary = asgi("lifespan_app:raises", lifespan="on").stop()
    assert summary["outcome"] == 3
    assert "no lifespan here" in summary["startup_error"]


def test_off_does_not_ask(asgi: Start) -> None:
    server = asgi("lifespan_app:tells", lifespan="off")
    assert server.get("/").body == b"{}"
    server.stop()
    assert server.log() == ""


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_failed_start_ends_the_server(asgi: Start, mode: str) -> None:
    server = asgi("lifespan_app:fails", lifespan=mode)
    summary = server.stop()
    assert summary["outcome"] == 3
    assert summary["startup_error"] == "the database is away"
    assert "the database is away" in server.log()
