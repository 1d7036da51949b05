"""The usual apps, with a page that counts the interpreter's objects."""

import gc
import logging
import sys

from asgi_app import answer as answer_asgi
from asgi_app import app as asgi_app
from wsgi_app import answer as answer_wsgi
from wsgi_app import app as wsgi_app

logging.getLogger("serai.error").disabled = True


def count():
    gc.collect()
    return len(gc.get_objects()) + sys.getallocatedblocks() // 1000


async def asgi(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/objects":
        return await answer_asgi(send, count())
    await asgi_app(scope, receive, send)


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/objects":
        return answer_wsgi(start_response, count())
    return wsgi_app(environ, start_response)
