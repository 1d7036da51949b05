"""contextvars: each request starts with what lifespan left, and leaves nothing to the next."""

from engine.harness import Start


def test_a_request_sees_what_start_up_set_and_nothing_of_other_requests(asgi: Start) -> None:
    client = asgi().client()
    for _ in range(3):
        assert client.request("/context").json == {"started_with": "lifespan", "before": 0, "after": 1}


def test_without_lifespan_the_context_is_the_defaults(asgi: Start) -> None:
    assert asgi(lifespan="off").get("/context").json["started_with"] == "nothing"
