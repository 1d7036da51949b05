"""A list of pydantic models, validated and serialised by FastAPI."""

from fastapi import FastAPI
from pydantic import BaseModel


class Item(BaseModel):
    id: int
    name: str
    price: float
    tags: list[str]


app = FastAPI()


@app.get("/")
async def index(q: str = "x", n: int = 3) -> list[Item]:
    return [Item(id=number, name=q, price=number * 1.5, tags=["a", "b"]) for number in range(n)]
