from wsgiref.validate import validator


def application(environ, start_response):
    body = (
        environ["wsgi.input"].read(100)
        if environ["REQUEST_METHOD"] == "POST"
        else environ["PATH_INFO"].encode("latin-1")
    )
    for line in environ["wsgi.input"]:
        body += line
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app = validator(application)
