"""A deploy that cannot work names the step, the output that matters, the cause and the fix; nothing else changes."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.host import Host

NAME = "shop"
GOOD = {
    "app.py": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the old release"]
""",
    "requirements.txt": "",
}


@dataclass(frozen=True)
class Failure:
    """What is wrong with a folder, and what the user must read about it."""

    files: dict[str, str]
    steps: set[str]  # at which of these it may end
    says: list[str]  # in the cause, the message or the advice
    shows: str = ""  # in the output
    without: list[str] = field(default_factory=list)


def failing(line: str) -> str:
    return f"{line}\n{GOOD['app.py']}"


FAILURES = {
    "import error": Failure(
        files={"app.py": failing("raise RuntimeError('the moon is not full')")},
        steps={"import", "launch"},
        says=["RuntimeError"],
        shows="the moon is not full",
    ),
    "missing module": Failure(
        files={"app.py": failing("import frobnicate")},
        steps={"import", "launch"},
        says=["frobnicate", "requirements.txt"],
        shows="ModuleNotFoundError",
    ),
    "wrong Python": Failure(
        files={".python-version": "3.4"},
        steps={"python"},
        says=["3.4", ".python-version"],
    ),
    "failing migration": Failure(
        files={"Procfile": "release: python migrate.py\n", "migrate.py": "raise SystemExit('no such column: price')"},
        steps={"phase"},
        says=["python migrate.py"],
        shows="no such column: price",
    ),
    "never healthy": Failure(
        files={
            "app.py": GOOD["app.py"].replace("200 OK", "503 Service Unavailable"),
            "serai.toml": '[web]\nhealth_timeout = "3s"\n',
        },
        steps={"launch"},
        says=["503", "health"],
    ),
    "out of memory": Failure(
        files={"app.py": failing("held = [bytearray(1 << 20) for _ in range(4096)]")},
        steps={"import", "launch"},
        says=["memory"],
    ),
    "bad lock": Failure(
        files={"requirements.txt": f"iniconfig==2.0.0 --hash=sha256:{'0' * 64}\n"},
        steps={"build"},
        says=["iniconfig", "hash", "requirements.txt"],
        shows="Hash mismatch",
    ),
    "package that does not exist": Failure(
        files={"requirements.txt": "iniconfig==99.99.99\n"},
        steps={"build"},
        says=["iniconfig"],
    ),
    "unknown key in serai.toml": Failure(
        files={"serai.toml": '[web]\nhelth = "/up"\n'},
        steps={"detect"},
        says=["serai.toml", "2", "helth", "health"],
    ),
    "setting of a later version": Failure(
        files={"serai.toml": '[environment]\nkind = "kubernetes"\n'},
        steps={"detect"},
        says=["not in this version", "kind"],
    ),
    "no app to be found": Failure(
        files={"README": "nothing here"},
        steps={"detect"},
        says=["Procfile"],
        without=["app.py"],
    ),
}


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("good")
    for path, text in GOOD.items():
        (folder / path).write_text(text)
    host.deploy(folder, name=NAME)
    yield
    host.destroy(NAME)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
def test_a_deploy_that_cannot_work_explains_itself(host: Host, write: Callable[..., Path], failure: Failure) -> None:
    check(host, write, failure)


def check(host: Host, write: Callable[..., Path], failure: Failure) -> None:
    folder = write("bad", {name: text for name, text in GOOD.items() if name not in failure.without} | failure.files)
    before = traces(host)
    outcome = host.try_deploy(folder, "--json", name=NAME)
    assert outcome.code == 1, str(outcome)
    event = outcome.events[-1]
    assert event["event"] == "failed", str(outcome)
    assert event["step"] in failure.steps, str(outcome)
    explained = " ".join(event.get(key, "") for key in ("found", "cause", "advice"))
    assert all(word in explained for word in failure.says), f"{failure.says} not all in {explained!r}\n{outcome}"
    assert failure.shows in event.get("output", ""), str(outcome)
    assert event["advice"], str(outcome)
    assert "SERAI-EXAMINE" not in outcome.text, str(outcome)
    assert "r1" in event["still_serving"]
    assert host.browser(NAME).get("/").text == "the old release"
    assert traces(host) == before


def traces(host: Host) -> dict[str, object]:
    """What a deploy makes: files, users, processes and control groups."""
    app = host.root / "apps" / NAME
    return {
        "releases": sorted(path.name for path in (app / "releases").iterdir()),
        "data": sorted(str(path.relative_to(app)) for path in (app / "data").rglob("*")),
        "builds": [path.name for path in (host.root / "builds").iterdir() if path.name.endswith(".partial")],
        "instances": host.instances(),
        "processes": sorted(process.pid for process in host.processes()),
        "users": (host.root / "identities.json").read_text() if (host.root / "identities.json").exists() else "",
        "groups": sorted(str(path) for group in host.groups() for path in group.rglob("*") if path.is_dir()),
    }


def test_a_first_deploy_that_fails_leaves_no_app(host: Host, write: Callable[..., Path]) -> None:
    outcome = host.try_deploy(write("stillborn", {"app.py": "import frobnicate", "requirements.txt": ""}))
    assert outcome.code == 1
    assert "stillborn" not in host.apps()
    assert not (host.root / "apps" / "stillborn").exists()


def test_the_failure_is_readable_for_people(host: Host, write: Callable[..., Path]) -> None:
    outcome = host.try_deploy(write("bad", GOOD | FAILURES["missing module"].files), name=NAME)
    lines = outcome.out.splitlines()
    assert any("failed" in line for line in lines), str(outcome)
    assert any(line.startswith("  cause ") and "frobnicate" in line for line in lines), str(outcome)
    assert any(line.startswith("  to do ") for line in lines), str(outcome)
    assert "keeps serving" in outcome.out


def test_secret_values_are_never_printed(host: Host, write: Callable[..., Path]) -> None:
    source = "import os\nraise RuntimeError('connecting with ' + os.environ['PASSWORD'])\n"
    outcome = host.try_deploy(write("leaky", {"app.py": source, "requirements.txt": ""}), PASSWORD="open-sesame-1815")
    assert outcome.code == 1
    assert "open-sesame-1815" not in outcome.text


def test_the_daemon_needs_no_build_folder_of_the_user(host: Host, write: Callable[..., Path], tmp_path: Path) -> None:
    """The client packs; the daemon opens no path that a client names."""
    folder = write("private", GOOD)
    os.chmod(folder, 0o700)
    outcome = host.try_deploy(folder, name="private")
    shutil.rmtree(folder)
    assert outcome.code == 0, str(outcome)
    assert host.browser("private").get("/").text == "the old release"
    host.destroy("private")
