"""A guestbook: visitors sign it, with a picture if they like."""

import os
import secrets
from pathlib import Path

from flask import Flask
from flask_wtf import CSRFProtect
from markupsafe import Markup

from . import db, views

csrf = CSRFProtect()


def create_app(config: dict | None = None) -> Flask:
    app = Flask(__name__, instance_path=str(Path(__file__).parent.parent / "instance"))
    Path(app.instance_path).mkdir(exist_ok=True)
    app.config.update(
        DATABASE=Path(app.instance_path) / "guestbook.sqlite3",
        UPLOADS=Path(app.instance_path) / "uploads",
        MAX_CONTENT_LENGTH=8 * 1024 * 1024,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.config.from_prefixed_env("GUESTBOOK")
    app.config.update(config or {})
    app.secret_key = app.config["SECRET_KEY"] or secret_key(Path(app.instance_path) / "secret_key")
    app.config["UPLOADS"].mkdir(exist_ok=True)
    csrf.init_app(app)
    db.init_app(app)
    app.register_blueprint(views.blueprint)
    app.add_template_filter(paragraphs)
    return app


def secret_key(path: Path) -> str:
    """The key that signs sessions: made once, kept in the instance folder, the same for every process."""
    draft = path.with_suffix(f".{os.getpid()}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            draft.unlink()
    return path.read_text()


def paragraphs(text: str) -> Markup:
    """A template filter: plain text to HTML paragraphs."""
    return Markup("").join(Markup("<p>{}</p>").format(part) for part in text.split("\n\n"))
