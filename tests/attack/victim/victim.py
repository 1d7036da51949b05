"""The other tenant: keeps a secret wherever tenants keep things, listens wherever they listen, and says where."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ABSTRACT = f"victim-{os.getuid()}"


def keep_the_secret():
    for folder in ("/app", "/home/app", "/tmp", "/dev/shm"):
        Path(folder, "diary").write_text(os.environ["SECRET"])
    print(os.environ["SECRET"], flush=True)


def answering(listener):
    def serve():
        while True:
            connection = listener.accept()[0]
            with connection:
                connection.recv(100)
                connection.sendall(b"the victim")

    listener.listen()
    threading.Thread(target=serve, daemon=True).start()
    return listener


def answering_datagrams(address):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind((address, 0))

    def serve():
        while True:
            receiver.sendto(b"the victim", receiver.recvfrom(100)[1])

    threading.Thread(target=serve, daemon=True).start()
    return receiver


def facts():
    other, everywhere, abstract = socket.socket(), socket.socket(), socket.socket(socket.AF_UNIX)
    other.bind(("127.0.0.1", 0))
    everywhere.bind(("", 0))
    abstract.bind("\0" + ABSTRACT)
    return {
        "victim_port": int(os.environ["PORT"]),
        "victim_other_port": answering(other).getsockname()[1],
        "victim_datagram_port": answering_datagrams("127.0.0.1").getsockname()[1],
        "victim_open_port": answering(everywhere).getsockname()[1],
        "victim_open_datagram_port": answering_datagrams("").getsockname()[1],
        "victim_abstract": answering(abstract) and ABSTRACT,
        "victim_uid": os.getuid(),
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(FACTS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


keep_the_secret()
FACTS = facts()
ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
