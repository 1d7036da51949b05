"""The Django example, used through the edge as its visitors would."""

from collections.abc import Iterator

import pytest
from support.host import Host
from support.places import EXAMPLES
from support.wait import until
from support.web import Browser, Upload, smallest_png

NAME = "django-site"
SOURCE = EXAMPLES / NAME
CREATE_USER = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("ada", "ada@example.org", "countess-of-1815")
"""


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host) -> Iterator[str]:
    outcome = host.deploy(SOURCE)
    host.do("run", NAME, "python", "manage.py", "shell", "-c", CREATE_USER)
    yield outcome.out
    host.destroy(NAME)


@pytest.fixture
def visitor(host: Host) -> Browser:
    return host.browser(NAME)


@pytest.fixture
def member(visitor: Browser) -> Browser:
    log_in(visitor)
    return visitor


def log_in(browser: Browser) -> None:
    page = browser.get("/login/")
    fields = {"username": "ada", "password": "countess-of-1815"}
    answer = browser.post("/login/", fields | {"csrfmiddlewaretoken": page.hidden("csrfmiddlewaretoken")})
    assert "Log out ada" in answer.text


def upload(browser: Browser, title: str) -> str:
    token = browser.get("/pictures/new/").hidden("csrfmiddlewaretoken")
    picture = Upload("dot.png", smallest_png(), "image/png")
    answer = browser.post("/pictures/new/", {"csrfmiddlewaretoken": token, "title": title, "file": picture})
    assert answer.status == 200 and title in answer.text, str(answer)
    return answer.path


def test_the_deploy_names_each_step(deployed: str) -> None:
    for step in ("detect", "python", "build", "release", "phase", "launch", "switch"):
        assert f"\n  {step} " in "\n" + deployed
    assert "config.wsgi" in deployed
    assert "uv.lock" in deployed
    assert "migrate" in deployed
    assert f"http://{NAME}.localhost" in deployed


def test_sessions_count_visits(visitor: Browser) -> None:
    assert "1 time." in visitor.get("/").text
    assert "2 times." in visitor.get("/").text


def test_login_and_logout_with_csrf(visitor: Browser) -> None:
    log_in(visitor)
    token = visitor.get("/").hidden("csrfmiddlewaretoken")
    answer = visitor.post("/logout/", {"csrfmiddlewaretoken": token})
    assert "Log in" in answer.text


def test_login_without_csrf_token_is_refused(visitor: Browser) -> None:
    answer = visitor.post("/login/", {"username": "ada", "password": "countess-of-1815"})
    assert answer.status == 403


def test_the_admin_changes_data(member: Browser) -> None:
    page = member.get("/admin/auth/group/add/")
    fields = {"csrfmiddlewaretoken": page.hidden("csrfmiddlewaretoken"), "name": "painters"}
    assert "painters" in member.post("/admin/auth/group/add/", fields).text


def test_an_uploaded_picture_comes_back(member: Browser) -> None:
    path = upload(member, "A dot")
    source = member.get(path).link(r"/media/[^\"]+")
    answer = member.get(source)
    assert answer.body == smallest_png()
    assert answer.headers["Content-Type"] == "image/png"


def test_the_background_process_digests_pictures(member: Browser) -> None:
    path = upload(member, "To be digested")
    until(lambda: "SHA-256" in member.get(path).text, "the background process has digested the picture")


def test_static_files_are_served_by_the_edge(visitor: Browser) -> None:
    path = visitor.get("/").link(r"/static/gallery/style\.[0-9a-f]+\.css")
    answer = visitor.get(path)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/css")
    again = visitor.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and not again.body
    part = visitor.request("GET", path, headers={"Range": "bytes=0-4"})
    assert part.status == 206 and part.body == answer.body[:5]


def test_database_and_uploads_survive_deploy_rollback_and_restart(host: Host, member: Browser) -> None:
    path = upload(member, "Kept")
    source = member.get(path).link(r"/media/[^\"]+")
    for command in (["deploy", str(SOURCE), "--yes"], ["rollback", NAME, "--yes"], ["restart", NAME]):
        host.do(*command)
        assert "Kept" in member.get(path).text, f"after {command[0]}"
        assert member.get(source).body == smallest_png(), f"after {command[0]}"
        assert "Log out ada" in member.get("/").text, f"the session is gone after {command[0]}"


def test_run_uses_the_same_database(host: Host, member: Browser) -> None:
    upload(member, "Counted")
    script = "from gallery.models import Picture; print(Picture.objects.filter(title='Counted').count())"
    outcome = host.do("run", NAME, "python", "manage.py", "shell", "-v", "0", "-c", script)
    assert outcome.out.split()[-1] == "1"


def test_logs_hold_what_each_process_printed(host: Host) -> None:
    outcome = host.do("logs", NAME, "--process", "digests")
    assert "waiting for pictures" in outcome.out
