"""One SQLite connection per request."""

import sqlite3

from flask import Flask, current_app, g


def init_app(app: Flask) -> None:
    app.teardown_appcontext(close)
    with app.app_context(), app.open_resource("schema.sql", "r") as schema:
        connection().executescript(schema.read())


def connection() -> sqlite3.Connection:
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"], timeout=20)
        g.db.row_factory = sqlite3.Row
        g.db.execute("PRAGMA journal_mode=WAL")
    return g.db


def close(error: BaseException | None = None) -> None:
    if db := g.pop("db", None):
        db.close()
