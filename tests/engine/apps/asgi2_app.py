class App:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] != "http":
            raise RuntimeError("only http")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"asgi2 " + self.scope["path"].encode()})
