"""The service: readings come in, lists, exports and a live feed go out."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypedDict

from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Query, WebSocket, status
from fastapi.requests import HTTPConnection
from fastapi.responses import StreamingResponse

from .models import NewReading, Reading, SensorName, Summary
from .store import Store

DATABASE = Path(os.environ.get("DATABASE", Path(__file__).parent.parent / "data" / "readings.db"))
LOOK_EVERY_SECONDS = 0.1


class State(TypedDict):
    store: Store


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    store = Store(DATABASE)
    yield {"store": store}
    store.close()


app = FastAPI(title="Temperature log", lifespan=lifespan)


def get_store(connection: HTTPConnection) -> Store:
    return connection.state.store


def check_key(x_api_key: Annotated[str | None, Header()] = None) -> None:
    """Writers need the key when the owner has set one."""
    expected = os.environ.get("API_KEY")
    if expected and x_api_key != expected:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "a valid X-API-Key is needed to write")


AStore = Annotated[Store, Depends(get_store)]


@app.get("/")
async def about() -> dict[str, str]:
    return {"service": app.title, "docs": "/docs", "feed": "/feed"}


@app.post("/readings", status_code=status.HTTP_201_CREATED, dependencies=[Depends(check_key)])
async def add(reading: NewReading, store: AStore, tasks: BackgroundTasks) -> Reading:
    tasks.add_task(store.summarise, reading.sensor)
    return store.add(reading)


@app.get("/readings")
async def readings(
    store: AStore,
    sensor: SensorName | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Reading]:
    return list(store.readings(after, sensor, limit))


@app.get("/sensors/{sensor}")
async def summary(sensor: SensorName, store: AStore) -> Summary:
    found = store.summary(sensor)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no summary of {sensor!r} yet")
    return found


@app.get("/export.csv")
async def export(store: AStore, pause: Annotated[float, Query(ge=0, le=1)] = 0) -> StreamingResponse:
    """Every reading, sent line by line. `pause` seconds between two lines let a client watch them arrive."""

    async def lines() -> AsyncIterator[str]:
        yield "id,sensor,celsius,taken\n"
        for reading in store.readings():
            await asyncio.sleep(pause)
            yield f"{reading.id},{reading.sensor},{reading.celsius},{reading.taken.isoformat()}\n"

    return StreamingResponse(lines(), media_type="text/csv")


@app.get("/feed")
async def feed(
    store: AStore,
    last_event_id: Annotated[int, Header()] = 0,
    until: Annotated[int | None, Query(description="end after the reading with this id")] = None,
) -> StreamingResponse:
    """Readings as server-sent events, as they come in; a browser that reconnects goes on where it was."""

    async def events() -> AsyncIterator[str]:
        seen = last_event_id
        yield "retry: 1000\n\n"  # at once, since servers hold the headers back until the body begins
        while until is None or seen < until:
            for reading in store.readings(after=seen, limit=100):
                seen = reading.id
                yield f"id: {reading.id}\nevent: reading\ndata: {reading.model_dump_json()}\n\n"
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@app.websocket("/ask")
async def ask(socket: WebSocket, store: AStore) -> None:
    """Answers each name of a sensor with its summary, or null: for displays that ask often."""
    await socket.accept()
    async for sensor in socket.iter_text():
        found = store.summary(sensor)
        await socket.send_text(found.model_dump_json() if found else "null")
