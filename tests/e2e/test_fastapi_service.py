"""The FastAPI example, used through the edge as its clients would."""

import itertools
import json
import socket
import time
from collections.abc import Iterator

import pytest
from support.host import Host
from support.places import EXAMPLES
from support.wait import until
from support.web import Browser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

NAME = "fastapi-service"


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host) -> Iterator[str]:
    outcome = host.deploy(EXAMPLES / NAME)
    yield outcome.out
    host.destroy(NAME)


@pytest.fixture
def client(host: Host) -> Browser:
    return host.browser(NAME)


def websocket(host: Host, path: str) -> ClientConnection:
    connection = socket.create_connection(("127.0.0.1", host.port))
    return connect(f"ws://{NAME}.localhost:{host.port}{path}", sock=connection)


def post(client: Browser, sensor: str, celsius: float) -> int:
    answer = client.post_json("/readings", {"sensor": sensor, "celsius": celsius})
    assert answer.status == 201, str(answer)
    return int(answer.json["id"])


def test_the_deploy_found_the_asgi_app_by_convention(deployed: str) -> None:
    assert "ASGI" in deployed
    assert "app.main:app" in deployed
    assert "pylock.toml" in deployed


def test_pydantic_refuses_what_is_wrong(client: Browser) -> None:
    answer = client.post_json("/readings", {"sensor": "attic", "celsius": 900})
    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["body", "celsius"]


def test_the_background_task_summarises(client: Browser) -> None:
    for celsius in (20.0, 22.0):
        post(client, "cellar", celsius)
    summary = until(
        lambda: (answer := client.get("/sensors/cellar")).status == 200 and answer.json["count"] == 2 and answer.json,
        "the background task has summarised both readings",
    )
    assert summary == {"sensor": "cellar", "count": 2, "lowest": 20.0, "highest": 22.0, "mean": 21.0}


def test_dependency_checks_the_key_once_it_is_set(host: Host, client: Browser) -> None:
    host.do("env", "set", NAME, "API_KEY=sesame")
    reading = {"sensor": "attic", "celsius": 1}
    assert client.post_json("/readings", reading).status == 401
    assert client.post_json("/readings", reading, X_API_Key="sesame").status == 201
    host.do("env", "unset", NAME, "API_KEY")
    assert client.post_json("/readings", reading).status == 201


def test_a_streamed_answer_arrives_in_pieces(client: Browser) -> None:
    for number in range(5):
        post(client, "stream", number)
    arrivals = []
    with client.open("GET", "/export.csv?pause=0.1") as response:
        while response.readline():
            arrivals.append(time.monotonic())
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    assert len(arrivals) >= 6
    assert sorted(gaps)[len(gaps) // 2] > 0.05, f"the lines came together: {gaps}"


def test_server_sent_events_follow_what_happens(host: Host, client: Browser) -> None:
    before = post(client, "live", 1)
    with client.open("GET", "/feed", headers={"Last-Event-ID": str(before)}) as feed:
        assert feed.headers["Content-Type"].startswith("text/event-stream")
        assert feed.readline() + feed.readline() == b"retry: 1000\n\n"
        number = post(host.browser(NAME), "live", 2)
        event = [feed.readline().decode().rstrip("\n") for _ in range(3)]
    assert event[:2] == [f"id: {number}", "event: reading"]
    assert json.loads(event[2].removeprefix("data: "))["celsius"] == 2


def test_a_websocket_answers_and_is_told_when_its_instance_goes(host: Host, client: Browser) -> None:
    post(client, "socket", 4)
    until(lambda: client.get("/sensors/socket").status == 200, "there is a summary")
    with websocket(host, "/ask") as display:
        display.send("socket")
        assert json.loads(display.recv())["mean"] == 4
        display.send("nowhere")
        assert display.recv() == "null"
        host.do("restart", NAME)
        with pytest.raises(ConnectionClosed):
            display.recv(timeout=60)
        assert display.close_code == 1012  # "service restart": come again
    with websocket(host, "/ask") as again:
        again.send("socket")
        assert json.loads(again.recv())["mean"] == 4


def test_readings_survive_a_deploy(host: Host, client: Browser) -> None:
    number = post(client, "kept", 3)
    host.deploy(EXAMPLES / NAME)
    assert number in [reading["id"] for reading in client.get("/readings?sensor=kept").json]


def test_the_documentation_is_served(client: Browser) -> None:
    assert client.get("/openapi.json").json["info"]["title"] == "Temperature log"
    assert "swagger" in client.get("/docs").text
