"""Apps that their authors publish on PyPI, deployed from a lock and a Procfile and then used (tests/apps/README.md)."""

import base64
import re

import pytest
from support.host import Host
from support.places import PYPI_APPS
from support.web import Browser


def test_isso_is_wsgi_with_an_extension_built_from_source(host: Host, hosted) -> None:
    name = hosted(PYPI_APPS / "isso", ISSO_SETTINGS="isso.cfg")
    visitor = host.browser(name)
    comment = {"author": "Ada", "text": "**bold**, says the C extension", "title": "A page"}
    posted = visitor.post_json("/new?uri=/page/", comment, Origin=visitor.origin)
    assert posted.status == 201, str(posted)
    assert "<strong>bold</strong>" in posted.json["text"]
    host.do("restart", name)
    assert [reply["author"] for reply in visitor.get("/?uri=/page/").json["replies"]] == ["Ada"]


def test_datasette_brings_its_own_server(host: Host, hosted) -> None:
    name = hosted(PYPI_APPS / "datasette")
    visitor = host.browser(name)
    answer = visitor.get("/_memory.json?sql=select+6*7+as+answer&_shape=array")
    assert answer.json == [{"answer": 42}]
    assert visitor.get("/-/static/app.css").headers["Content-Type"].startswith("text/css")


def test_ihatemoney_is_a_factory_with_a_log_in(host: Host, hosted) -> None:
    settings = {"SECRET_KEY": "not-so-secret", "IHATEMONEY_SETTINGS_FILE_PATH": "/app/ihatemoney.cfg"}
    name = hosted(PYPI_APPS / "ihatemoney", **settings)
    create_project(host.browser(name))
    visitor = host.browser(name)
    page = visitor.get("/trip/")
    assert page.path == "/authenticate?project_id=trip"
    fields = {"id": "trip", "password": "to-the-sea"}
    assert visitor.post("/authenticate", fields | {"csrf_token": "forged"}).path == "/authenticate"
    assert visitor.post("/authenticate", fields | {"csrf_token": page.hidden("csrf_token")}).path == "/trip/"


def create_project(visitor: Browser) -> None:
    page = visitor.get("/create")
    answer = visitor.post(
        "/create",
        {
            "csrf_token": page.hidden("csrf_token"),
            "name": "Trip",
            "id": "trip",
            "password": "to-the-sea",
            "contact_email": "ada@example.org",
            "default_currency": "XXX",
        },
    )
    assert answer.status == 200 and answer.path.startswith("/trip"), str(answer)


@pytest.mark.slow
def test_titiler_is_asgi_with_a_hundred_packages(host: Host, hosted) -> None:
    name = hosted(PYPI_APPS / "titiler")
    visitor = host.browser(name)
    assert visitor.get("/healthz").status == 200
    assert "viridis" in visitor.get("/colorMaps").text
    assert visitor.get("/colorMaps/viridis?f=png").body.startswith(b"\x89PNG")


@pytest.mark.slow
def test_jupyter_brings_its_own_server_with_a_log_in(host: Host, hosted) -> None:
    name = hosted(PYPI_APPS / "jupyter", JUPYTER_TOKEN="sesame")
    visitor = host.browser(name)
    assert visitor.get("/api/contents").status == 403
    page = visitor.get("/login")
    answer = visitor.post("/login?next=%2Ftree", {"_xsrf": page.hidden("_xsrf"), "password": "sesame"})
    assert answer.status == 200 and answer.path.startswith("/tree")
    created = visitor.post_json("/api/contents", {"type": "notebook"}, X_XSRFToken=visitor.cookies["_xsrf"])
    assert created.status == 201, str(created)
    host.do("restart", name)
    assert created.json["path"] in [entry["path"] for entry in visitor.get("/api/contents").json["content"]]


@pytest.mark.slow
def test_radicale_is_wsgi_with_methods_of_its_own(host: Host, hosted) -> None:
    name = hosted(PYPI_APPS / "radicale", RADICALE_CONFIG="radicale.cfg")
    visitor = host.browser(name)
    headers = {"Authorization": "Basic " + base64.b64encode(b"ada:lovelace").decode()}
    assert visitor.request("MKCALENDAR", "/ada/work/").status == 401
    assert visitor.request("MKCALENDAR", "/ada/work/", headers=headers).status == 201
    found = visitor.request("PROPFIND", "/ada/", headers=headers | {"Depth": "1"})
    assert found.status == 207
    assert re.search(r"<href>/ada/work/</href>", found.text)
