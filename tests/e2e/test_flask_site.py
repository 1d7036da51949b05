"""The Flask example, used through the edge as its visitors would."""

from collections.abc import Iterator

import pytest
from support.host import Host
from support.places import EXAMPLES
from support.web import Answer, Browser, Upload, smallest_png

NAME = "flask-site"


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host) -> Iterator[str]:
    outcome = host.deploy(EXAMPLES / NAME)
    yield outcome.out
    host.destroy(NAME)


@pytest.fixture
def visitor(host: Host) -> Browser:
    return host.browser(NAME)


def sign(browser: Browser, message: str, **more: str | Upload) -> Answer:
    fields = {"csrf_token": browser.get("/sign").hidden("csrf_token"), "name": "Grace", "message": message}
    return browser.post("/sign", fields | more)


def test_the_deploy_found_the_factory_by_convention(deployed: str) -> None:
    assert "Flask" in deployed and "WSGI" in deployed
    assert "create_app" in deployed
    assert "requirements.txt" in deployed


def test_a_form_is_stored_and_the_session_remembers(visitor: Browser) -> None:
    answer = sign(visitor, "Hello <b>there</b>")
    assert "Thank you for signing!" in answer.text
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in answer.text
    assert "Welcome back, Grace!" in visitor.get("/").text


def test_a_form_without_csrf_token_is_refused(visitor: Browser) -> None:
    assert visitor.post("/sign", {"name": "Mallory", "message": "x"}).status == 400


def test_an_uploaded_picture_comes_back(visitor: Browser) -> None:
    answer = sign(visitor, "With a picture", picture=Upload("me.png", smallest_png(), "image/png"))
    picture = visitor.get(answer.link(r"/pictures/[0-9a-f]+\.png"))
    assert picture.body == smallest_png()


def test_an_upload_above_the_limit_is_refused(visitor: Browser) -> None:
    answer = sign(visitor, "Too big", picture=Upload("big.png", bytes(9 * 1024 * 1024), "image/png"))
    assert answer.status == 413


def test_a_static_file_is_served(visitor: Browser) -> None:
    answer = visitor.get("/static/style.css")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/css")


def test_the_instance_folder_survives_a_deploy(host: Host, visitor: Browser) -> None:
    sign(visitor, "I was here before")
    host.deploy(EXAMPLES / NAME)
    page = visitor.get("/").text
    assert "I was here before" in page
    assert "Welcome back, Grace!" in page
