"""`--static` on the command line."""

import json

from tests.serve.conftest import Folder
from tests.serve.server import Server
from tests.support.wait import until


def test_files_come_from_the_folder_and_the_rest_from_the_app(folder: Folder) -> None:
    (folder.path / "public").mkdir()
    folder.write("public/a.css", "a {}")
    log = folder.path / "access.log"
    options = ("--static", "/static=public", "--static-max-age", "1h", "--access-log", str(log))
    with Server(folder.path, "wsgi_app:app", *options).ready() as server:
        connection = server.connect()
        connection.request("GET", "/static/a.css")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"a {}")
        assert answer.headers["cache-control"] == "public, max-age=3600"
        connection.close()
        assert server.get("/")[0] == 200
        until(lambda: len(log.read_text().splitlines()) == 2, "both are logged")
    line = json.loads(log.read_text().splitlines()[0])
    assert (line["target"], line["status"], line["bytes_out"]) == ("/static/a.css", 200, 4)
