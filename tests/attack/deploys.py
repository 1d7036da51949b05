"""What a hostile tenant tries by what it deploys: names, paths, links, archives, and lines for the log.

An attempt returns evidence when it succeeded, and nothing when it was stopped. Its control is the same without the
hostile part, which has to work: the deploy was refused for that part, and for nothing else.
"""

import contextlib
import http.client
import io
import json
import socket
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attack.scene import Scene
from support.cli import Outcome

APP = "intruder"
SOURCE = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]
"""
FILES = {"app.py": SOURCE, "requirements.txt": "", "Procfile": "web: gunicorn app:app\n"}
DAEMON, READER, EDGE = "check of names", "reader of uploads", "edge"
SUPERVISOR, COMMAND = "supervisor", "command line"


@dataclass(frozen=True)
class HostileDeploy:
    name: str
    family: str
    wall: str
    attempt: Callable[["Intruder"], object]


HOSTILE: dict[str, HostileDeploy] = {}


def hostile(family: str, wall: str) -> Callable[[Callable[["Intruder"], object]], Callable[["Intruder"], object]]:
    def register(function: Callable[["Intruder"], object]) -> Callable[["Intruder"], object]:
        name = function.__name__.replace("_", " ")
        HOSTILE[name] = HostileDeploy(name, family, wall, function)
        return function

    return register


class Intruder:
    """An app whose owner writes the archive and the requests of a deploy by hand."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.host, self.folder = scene, scene.host, folder

    def deploy(self, files: Mapping[str, str] = {}, *options: str, name: str = APP) -> Outcome:
        for path, text in {**FILES, **files}.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        return self.host.attempt("deploy", str(self.folder), "--yes", "--name", name, *options)

    def accepts(self, files: Mapping[str, str], *options: str, name: str = APP) -> str:
        outcome = self.deploy(files, *options, name=name)
        return outcome.text if outcome.code == 0 else ""

    def get(self, path: str) -> str:
        answer = self.host.browser(APP).get(path)
        return answer.text if answer.status == 200 else ""

    # -- the API by hand ----------------------------------------------------------------------------------------------

    def upload(self, add: Callable[[tarfile.TarFile], None]) -> dict[str, Any]:
        """Deploys an archive with the usual files and what `add` adds; the deploy's last event."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, text in FILES.items():
                add_file(archive, path, text)
            add(archive)
        upload = self._ask("POST", "/v1/uploads", buffer.getvalue())
        if "upload" not in upload:
            return upload
        request = json.dumps({"upload": upload["upload"], "app": APP}).encode()
        deploy = self._ask("POST", "/v1/deploys", request)
        return self._ask("GET", f"/v1/deploys/{deploy['deploy']}/events") if "deploy" in deploy else deploy

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.scene.facts["api_socket"])
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return dict(json.loads(connection.getresponse().read().splitlines()[-1]))

    # -- the log ------------------------------------------------------------------------------------------------------

    def log(self, *options: str) -> str:
        return self.host.do("logs", APP, "-n", "1000", "--process", "web", *options).out

    def log_events(self) -> Iterator[dict[str, Any]]:
        yield from map(json.loads, self.log("--json").splitlines())

    def log_files(self) -> list[Path]:
        return sorted((self.host.root / "apps" / APP / "logs").glob("web.log*"))


def add_file(archive: tarfile.TarFile, path: str, text: str = "", mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(text), mode
    archive.addfile(entry, io.BytesIO(text.encode()))


def add_link(archive: tarfile.TarFile, path: str, to: str, kind: bytes = tarfile.SYMTYPE) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname = kind, to
    archive.addfile(entry)


# -- names ------------------------------------------------------------------------------------------------------------


@hostile("names", DAEMON)
def takes_a_path_for_a_name(intruder: Intruder) -> object:
    return intruder.accepts({}, name="../victim")


@hostile("names", DAEMON)
def takes_two_lines_for_a_name(intruder: Intruder) -> object:
    return intruder.accepts({}, name="intruder\nvictim")


@hostile("names", DAEMON)
def takes_a_path_for_a_process(intruder: Intruder) -> object:
    return intruder.accepts({"Procfile": FILES["Procfile"] + "../../../../x: sleep 1\n"})


@hostile("names", DAEMON)
def takes_a_path_for_a_process_of_the_settings(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[processes]\n"../../x" = "sleep 1"\n'})


@hostile("names", DAEMON)
def takes_the_victims_host_name(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[routes]\nhosts = ["victim.localhost"]\n'})


@hostile("names", DAEMON)
def takes_two_lines_for_a_host_name(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[routes]\nhosts = ["a.example\\r\\nX-Forged: yes"]\n'})


@hostile("names", DAEMON)
def takes_an_assignment_for_a_variable(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[env]\n"A=B" = "x"\n'})


@hostile("names", DAEMON)
def keeps_data_at_a_path_of_the_system(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[environment.volumes]\nx = "/etc"\n'})


@hostile("names", DAEMON)
def keeps_data_outside_of_its_folder(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[environment.volumes]\nx = "/app/../../etc"\n'})


@hostile("names", DAEMON)
def has_the_edge_serve_a_folder_outside_of_its_own(intruder: Intruder) -> object:
    return intruder.accepts({"serai.toml": '[web.static]\n"/s" = "../../.."\n'})


INNOCENT = {
    "Procfile": FILES["Procfile"] + "ticker: sleep 1000\n",
    "public/page": "a page",
    "serai.toml": """
        [processes]
        other = "sleep 1000"
        [routes]
        hosts = ["intruder.example.org"]
        [env]
        A = "x"
        [environment.volumes]
        x = "/app/media"
        [web.static]
        "/s" = "public"
    """,
}


# -- paths and links --------------------------------------------------------------------------------------------------


def escaped(intruder: Intruder) -> list[Path]:
    return [*intruder.host.folder.rglob("escaped"), *Path("/tmp").glob("escaped")]


@hostile("paths", READER)
def unpacks_above_its_folder(intruder: Intruder) -> object:
    intruder.upload(lambda archive: add_file(archive, "../../escaped"))
    return escaped(intruder)


@hostile("paths", READER)
def unpacks_to_a_path_of_the_system(intruder: Intruder) -> object:
    intruder.upload(lambda archive: add_file(archive, "/tmp/escaped"))
    return [path for path in escaped(intruder) if path.parent == Path("/tmp")]


@hostile("paths", READER)
def unpacks_through_a_link(intruder: Intruder) -> object:
    def add(archive: tarfile.TarFile) -> None:
        add_link(archive, "away", "/tmp")
        add_file(archive, "away/escaped")

    intruder.upload(add)
    return escaped(intruder)


@hostile("paths", READER)
def unpacks_a_link_to_the_database(intruder: Intruder) -> object:
    last = intruder.upload(lambda archive: add_link(archive, "copy", intruder.scene.facts["database"], tarfile.LNKTYPE))
    return last.get("event") == "done"


@hostile("paths", READER)
def unpacks_a_device(intruder: Intruder) -> object:
    last = intruder.upload(lambda archive: add_link(archive, "device", "", tarfile.CHRTYPE))
    return last.get("event") == "done"


@hostile("paths", READER)
def unpacks_a_set_uid_program(intruder: Intruder) -> object:
    last = intruder.upload(lambda archive: add_file(archive, "program", "#!/bin/sh\n", 0o6755))
    assert last.get("event") == "done", last
    files = (intruder.host.root / "apps" / APP).rglob("program")
    return [path for path in files if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


@hostile("paths", READER)
def shows_another_file_as_its_lock(intruder: Intruder) -> object:
    return "ABSTRACT" in json.dumps(linked(intruder, "Pipfile.lock")) and "the error shows lines of it"


@hostile("paths", READER)
def shows_another_file_as_its_settings(intruder: Intruder) -> object:
    return "ABSTRACT" in json.dumps(linked(intruder, "serai.toml")) and "the error shows lines of it"


def linked(intruder: Intruder, name: str) -> dict[str, Any]:
    """What a deploy says whose file of that name is a link to the victim's code."""
    return intruder.upload(lambda archive: add_link(archive, name, intruder.scene.facts["victim_code"] + "/victim.py"))


@hostile("paths", READER)
def has_the_edge_serve_a_link(intruder: Intruder) -> object:
    return served(intruder, "/s/code", "public/code", "/victim.py")


@hostile("paths", READER)
def has_the_edge_serve_through_a_linked_folder(intruder: Intruder) -> object:
    return served(intruder, "/s/code/victim.py", "public/code")


@hostile("paths", EDGE)
def has_the_edge_climb_out_of_the_folder(intruder: Intruder) -> object:
    return served(intruder, climbing("../", intruder))


@hostile("paths", EDGE)
def has_the_edge_climb_out_in_disguise(intruder: Intruder) -> object:
    return served(intruder, climbing("%2e%2e/", intruder)) or served(intruder, climbing("..%2f", intruder))


def climbing(step: str, intruder: Intruder) -> str:
    return "/s/" + step * 12 + intruder.scene.facts["victim_code"].lstrip("/") + "/victim.py"


def served(intruder: Intruder, path: str, link: str = "", beyond: str = "") -> object:
    """What the edge answers for a path below a folder that it serves, in which there may be a link."""

    def add(archive: tarfile.TarFile) -> None:
        add_file(archive, "public/page", "a page")
        add_file(archive, "serai.toml", '[web.static]\n"/s" = "public"\n')
        if link:
            add_link(archive, link, intruder.scene.facts["victim_code"] + beyond)

    last = intruder.upload(add)
    if link and last.get("event") != "done":
        return None
    assert intruder.get("/s/page") == "a page", last
    return "ABSTRACT" in intruder.get(path) and "the victim's code"


# -- the log ----------------------------------------------------------------------------------------------------------

LINES = r"""
import sys
print("harmless\rFORGED-BY-RETURN")
print("\x1b[2J\x1b[HFORGED-BY-ESCAPE")
print("\x9b2JFORGED-BY-C1")
print("x\n2026-01-01T00:00:00.000Z other out FORGED-LINE")
sys.stdout.flush()
sys.stdout.buffer.write(b"\xff\xfe\x00NOT-TEXT\n" + b"x" * 300_000 + b"\n")
sys.stdout.flush()
"""


@hostile("log", COMMAND)
def goes_back_over_a_line(intruder: Intruder) -> object:
    return "\r" in intruder.log()


@hostile("log", COMMAND)
def talks_to_the_readers_terminal(intruder: Intruder) -> object:
    return "\x1b[2J" in intruder.log()


@hostile("log", COMMAND)
def talks_to_the_readers_terminal_in_one_character(intruder: Intruder) -> object:
    return "\x9b" in intruder.log()


@hostile("log", SUPERVISOR)
def forges_a_line_of_another_process(intruder: Intruder) -> object:
    return [event for event in intruder.log_events() if event["text"] == "FORGED-LINE" or event["process"] == "other"]


@hostile("log", SUPERVISOR)
def makes_the_log_unreadable_for_machines(intruder: Intruder) -> object:
    """Reading it fails here if it is: each line must be JSON."""
    return not [event for event in intruder.log_events() if "NOT-TEXT" in event["text"]]


@hostile("log", SUPERVISOR)
def writes_a_line_without_end(intruder: Intruder) -> object:
    return [line for path in intruder.log_files() for line in path.read_bytes().split(b"\n") if len(line) > 100_000]


def log_marks(intruder: Intruder) -> set[str]:
    """What of the hostile lines is in the log files as it was printed: the control of those above."""
    text = b"".join(path.read_bytes() for path in intruder.log_files()).decode(errors="replace")
    marks = ("\rFORGED-BY-RETURN", "\x1b[2J\x1b[HFORGED-BY-ESCAPE", "\x9b2JFORGED-BY-C1", "FORGED-LINE", "NOT-TEXT")
    return {mark for mark in marks if mark in text}
