"""A small JSON answer through Flask's routing."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    return jsonify(message="Hello, World!", q=request.args.get("q", ""))
