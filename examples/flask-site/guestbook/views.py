import secrets
from pathlib import Path

from flask import Blueprint, current_app, flash, redirect, render_template, send_from_directory, session, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from . import db
from .forms import SignForm

blueprint = Blueprint("guestbook", __name__)


@blueprint.route("/")
def index() -> str:
    entries = db.connection().execute("SELECT * FROM entry ORDER BY id DESC LIMIT 100").fetchall()
    return render_template("index.html", entries=entries, name=session.get("name"))


@blueprint.route("/sign", methods=["GET", "POST"])
def sign() -> str | Response:
    form = SignForm(name=session.get("name"))
    if not form.validate_on_submit():
        return render_template("sign.html", form=form)
    save(form)
    session["name"] = form.name.data
    flash("Thank you for signing!")
    return redirect(url_for("guestbook.index"))


@blueprint.route("/forget", methods=["POST"])
def forget() -> Response:
    session.clear()
    return redirect(url_for("guestbook.index"))


@blueprint.route("/pictures/<name>")
def picture(name: str) -> Response:
    return send_from_directory(current_app.config["UPLOADS"], name)


def save(form: SignForm) -> None:
    picture = keep(form.picture.data) if form.picture.data else None
    with db.connection() as connection:
        connection.execute(
            "INSERT INTO entry (name, message, picture) VALUES (?, ?, ?)",
            (form.name.data, form.message.data, picture),
        )


def keep(upload: FileStorage) -> str:
    """Stores an upload under a name of our own; the visitor's name gives only the ending."""
    name = secrets.token_hex(16) + Path(upload.filename or "").suffix.lower()
    upload.save(current_app.config["UPLOADS"] / name)
    return name
