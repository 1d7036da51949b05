"""A small JSON answer through Starlette's routing."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def index(request: Request) -> JSONResponse:
    return JSONResponse({"message": "Hello, World!", "q": request.query_params.get("q", "")})


app = Starlette(routes=[Route("/", index)])
