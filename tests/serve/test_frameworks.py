"""Frameworks end to end through the engine: a page, an upload read as it comes, an answer streamed, start and end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.serve.conftest import Folder
from tests.serve.server import ENGINE, Server
from tests.support.wait import until

UV = Path(sys.executable).parent / "uv"

DJANGO = """
    import asyncio
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse, HttpResponse, StreamingHttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests",
                       MIDDLEWARE=["django.middleware.common.CommonMiddleware"])

    async def page(request, name):
        await asyncio.sleep(0)
        return JsonResponse({"name": name, "query": request.GET.get("q")})

    @csrf_exempt
    def echo(request):
        return HttpResponse(request.read(), content_type="application/octet-stream")

    async def parts():
        for i in range(3):
            yield f"part {i};"
            await asyncio.sleep(0.01)

    def sync_parts():
        yield from (f"part {i};" for i in range(3))

    async def stream(request):
        return StreamingHttpResponse(parts() if hasattr(request, "scope") else sync_parts())

    urlpatterns = [path("page/<name>", page), path("echo", echo), path("stream", stream)]
    django.setup()
    asgi, wsgi = get_asgi_application(), get_wsgi_application()
"""

FASTAPI = """
    import asyncio
    from contextlib import asynccontextmanager
    from fastapi import BackgroundTasks, FastAPI, Request, Response
    from fastapi.responses import StreamingResponse

    @asynccontextmanager
    async def lifespan(app):
        yield {"greeting": "hello"}
        open("ended", "w").close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/page/{name}")
    def page(name: str, request: Request, tasks: BackgroundTasks, q: str | None = None):
        assert request.state.greeting == "hello"
        tasks.add_task(lambda: open("background", "w").close())
        return {"name": name, "query": q}

    @app.post("/echo")
    async def echo(request: Request):
        return Response(b"".join([chunk async for chunk in request.stream()]))

    async def parts():
        for i in range(3):
            yield f"part {i};"
            await asyncio.sleep(0.01)

    @app.get("/stream")
    async def stream():
        return StreamingResponse(parts())
"""

QUART = """
    import asyncio
    from quart import Quart, request

    app = Quart(__name__)

    @app.after_serving
    async def end():
        open("ended", "w").close()

    @app.get("/page/<name>")
    async def page(name):
        return {"name": name, "query": request.args.get("q")}

    @app.post("/echo")
    async def echo():
        return b"".join([chunk async for chunk in request.body])

    @app.get("/stream")
    async def stream():
        async def parts():
            for i in range(3):
                yield f"part {i};".encode()
                await asyncio.sleep(0.01)
        return parts()
"""

LITESTAR = """
    import asyncio
    from litestar import Litestar, Request, get, post
    from litestar.response import Stream

    @get("/page/{name:str}", sync_to_thread=True)
    def page(name: str, q: str | None = None) -> dict[str, str | None]:
        return {"name": name, "query": q}

    @post("/echo", status_code=200)
    async def echo(request: Request) -> bytes:
        return b"".join([chunk async for chunk in request.stream()])

    @get("/stream")
    async def stream() -> Stream:
        async def parts():
            for i in range(3):
                yield f"part {i};"
                await asyncio.sleep(0.01)
        return Stream(parts())

    app = Litestar([page, echo, stream], request_max_body_size=None,
                   on_shutdown=[lambda: open("ended", "w").close()])
"""

FALCON = """
    import asyncio
    import falcon, falcon.asgi

    class Ends:
        async def process_shutdown(self, scope, event):
            open("ended", "w").close()

    class Page:
        async def on_get(self, request, response, name):
            response.media = {"name": name, "query": request.get_param("q")}

    class Echo:
        async def on_post(self, request, response):
            response.data = b"".join([chunk async for chunk in request.stream])

    class Stream:
        async def on_get(self, request, response):
            async def parts():
                for i in range(3):
                    yield f"part {i};".encode()
                    await asyncio.sleep(0.01)
            response.stream = parts()

    class SyncPage:
        def on_get(self, request, response, name):
            response.media = {"name": name, "query": request.get_param("q")}

    class SyncEcho:
        def on_post(self, request, response):
            response.data = request.bounded_stream.read()

    class SyncStream:
        def on_get(self, request, response):
            response.stream = (f"part {i};".encode() for i in range(3))

    app = falcon.asgi.App(middleware=[Ends()])
    wsgi = falcon.App()
    for served, resources in ((app, (Page, Echo, Stream)), (wsgi, (SyncPage, SyncEcho, SyncStream))):
        for path, resource in zip(("/page/{name}", "/echo", "/stream"), resources):
            served.add_route(path, resource())
"""


CHANNELS = """
    import django
    from django.conf import settings

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", INSTALLED_APPS=["channels"],
                       CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
    django.setup()

    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    class Room(AsyncJsonWebsocketConsumer):
        async def connect(self):
            await self.channel_layer.group_add("room", self.channel_name)
            await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

        async def receive_json(self, content):
            await self.channel_layer.group_send("room", {"type": "said", "text": content["text"]})

        async def said(self, event):
            await self.send_json({"said": event["text"]})

        async def disconnect(self, code):
            await self.channel_layer.group_discard("room", self.channel_name)
            open(f"left-{code}", "w").close()

    urlpatterns = [path("", lambda request: HttpResponse("page"))]
    app = ProtocolTypeRouter({
        "http": get_asgi_application(), "websocket": URLRouter([path("room", Room.as_asgi())])})
"""

STRAWBERRY = """
    import asyncio
    from collections.abc import AsyncGenerator
    import strawberry
    from strawberry.asgi import GraphQL

    @strawberry.type
    class Query:
        @strawberry.field
        def name(self) -> str:
            return "shop"

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def count(self, to: int) -> AsyncGenerator[int, None]:
            for i in range(to):
                yield i
                await asyncio.sleep(0.01)

    app = GraphQL(strawberry.Schema(query=Query, subscription=Subscription))
"""


def drive(server: Server) -> None:
    """What any of the apps does, over one kept connection."""
    connection = server.connect()
    for _ in range(3):
        connection.request("GET", "/page/shop?q=a%20b")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"name": "shop", "query": "a b"})
    connection.request("POST", "/echo", body=iter([b"x" * 70_000, b"y" * 70_000]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"x" * 70_000 + b"y" * 70_000)
    connection.request("GET", "/stream")
    assert connection.getresponse().read() == b"part 0;part 1;part 2;"
    connection.request("GET", "/nowhere")
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_django(folder: Folder, serve: Callable[..., Server], interface: str) -> None:
    folder.write("site_of_django.py", DJANGO)
    drive(serve(f"site_of_django:{interface}").ready())


@pytest.mark.parametrize("loop", ["serai", "uvloop"])
def test_fastapi(folder: Folder, serve: Callable[..., Server], loop: str) -> None:
    folder.write("service.py", FASTAPI)
    server = serve("service:app", "--loop", loop).ready()
    drive(server)
    until((folder.path / "background").exists, "the background task runs")
    server.process.terminate()
    assert server.exit_code() == 0
    assert (folder.path / "ended").exists()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Frameworks that only these tests need."""
    if not UV.exists():
        pytest.skip("uv is not installed beside this Python: make setup")
    target = tmp_path_factory.mktemp("packages")
    install = [UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", target]
    subprocess.run(
        [*install, "quart", "litestar", "falcon", "channels", "strawberry-graphql[asgi]"], check=True, timeout=300
    )
    yield target


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "app"), [(QUART, "app"), (LITESTAR, "app"), (FALCON, "app"), (FALCON, "wsgi")], ids=lambda value: None
)
def test_others(folder: Folder, serve: Callable[..., Server], packages: Path, source: str, app: str) -> None:
    folder.write("service.py", source)
    path = os.pathsep.join(map(str, (ENGINE, packages)))
    server = serve(f"service:{app}", env={"PYTHONPATH": path})
    server.wait_for("serve.ready", seconds=60)  # the first import compiles all of it
    drive(server)
    server.process.terminate()
    assert server.exit_code() == 0
    assert (folder.path / "ended").exists() == (app == "app")
    assert not [line for line in server.plain_lines if "Traceback" in line]


@pytest.mark.slow
def test_channels(folder: Folder, serve: Callable[..., Server], packages: Path) -> None:
    folder.write("rooms.py", CHANNELS)
    server = serve("rooms:app", env={"PYTHONPATH": os.pathsep.join(map(str, (ENGINE, packages)))})
    server.wait_for("serve.ready", seconds=60)
    assert server.get() == (200, "page")
    place = f"ws://127.0.0.1:{server.port}/room"
    with connect(place, subprotocols=[Subprotocol("chat")]) as first, connect(place) as second:
        assert (first.subprotocol, second.subprotocol) == ("chat", None)
        first.send(json.dumps({"text": "hello"}))
        assert [json.loads(client.recv(20)) for client in (first, second)] == [{"said": "hello"}] * 2
    until((folder.path / "left-1000").exists, "the room hears of the end")


@pytest.mark.slow
def test_subscriptions_of_strawberry(folder: Folder, serve: Callable[..., Server], packages: Path) -> None:
    folder.write("graph.py", STRAWBERRY)
    server = serve("graph:app", env={"PYTHONPATH": os.pathsep.join(map(str, (ENGINE, packages)))})
    server.wait_for("serve.ready", seconds=60)
    with connect(f"ws://127.0.0.1:{server.port}/", subprotocols=[Subprotocol("graphql-transport-ws")]) as client:
        client.send(json.dumps({"type": "connection_init"}))
        assert json.loads(client.recv(20))["type"] == "connection_ack"
        query = "subscription { count(to: 3) }"
        client.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        heard = [json.loads(client.recv(20)) for _ in range(4)]
    assert [message["payload"]["data"]["count"] for message in heard[:3]] == [0, 1, 2]
    assert heard[3]["type"] == "complete"
