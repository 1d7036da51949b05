"""The smallest WSGI answer: what is measured is the server."""

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]


def app(environ, start_response):
    start_response("200 OK", HEADERS[:])
    return [BODY]
