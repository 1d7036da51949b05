"""A plain function as a route: FastAPI calls it in its pool of threads."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def index(q: str = "x") -> dict[str, str]:
    return {"message": "Hello, World!", "q": q}
