"""The same chat in Starlette and FastAPI: echo with a subprotocol, JSON, a refusal, and what it hears at the end."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

heard = []


async def talk(websocket: WebSocket):
    await websocket.accept(subprotocol="chat")
    try:
        while True:
            await websocket.send_json({"echo": await websocket.receive_json()})
    except WebSocketDisconnect as end:
        heard.append([end.code, end.reason])


async def push(websocket: WebSocket):
    """Talks until nobody listens; the exception that ends it is Starlette's own business."""
    await websocket.accept()
    while True:
        await websocket.send_bytes(bytes(10_000))


async def refuse(websocket: WebSocket):
    await websocket.send_denial_response(JSONResponse({"why": "no"}, status_code=418))


async def show(request=None):
    return JSONResponse(heard)


starlette = Starlette(
    routes=[
        WebSocketRoute("/talk", talk),
        WebSocketRoute("/push", push),
        WebSocketRoute("/refuse", refuse),
        Route("/heard", show),
    ]
)

fastapi = FastAPI()
fastapi.websocket("/push")(push)
fastapi.websocket("/talk")(talk)
fastapi.get("/heard")(show)


@fastapi.websocket("/refuse")
async def refuse_by_exception(websocket: WebSocket):
    raise WebSocketException(code=1008, reason="policy")
