"""Where settings come from, which of them goes first, and what is said of mistakes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server, run

EVERY_KIND = """
    app = "wsgi_app:app"
    bind = [":8001", "unix:shop.sock"]
    workers = 3
    factory = true
    http2 = false
    max-body = "1MiB"
    max_headers = 50
    keep_alive_timeout = 2.5
    umask = "027"
"""


def parse(*arguments: str, **environment: str) -> Any:
    from serai import cli

    return cli.parse(arguments, "serai serve", environment)


@pytest.fixture
def inside(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The folder, as the current one."""
    monkeypatch.chdir(folder.path)
    return folder


def test_a_file_in_the_current_folder_is_read(inside: Folder) -> None:
    inside.write("serai-serve.toml", EVERY_KIND)
    chosen = parse()
    assert (chosen.app, chosen.bind, chosen.workers) == ("wsgi_app:app", [":8001", "unix:shop.sock"], 3)
    assert (chosen.factory, chosen.http2, chosen.max_body, chosen.max_headers) == (True, "off", 1024**2, 50)
    assert (chosen.keep_alive_timeout, chosen.umask) == (2.5, 0o27)


def test_pyproject_has_a_table_for_it(inside: Folder) -> None:
    inside.write("pyproject.toml", '[project]\nname = "shop"\n[tool.serai.serve]\nworkers = "2"\n')
    assert parse("a:b").workers == 2
    inside.write("serai-serve.toml", "workers = 5")
    assert parse("a:b").workers == 5


def test_another_file_can_be_named_and_none_at_all(inside: Folder) -> None:
    inside.write("serai-serve.toml", "workers = 5")
    inside.write("other.toml", "workers = 6")
    assert parse("a:b", "--config", "other.toml").workers == 6
    assert parse("a:b", SERAI_CONFIG="other.toml").workers == 6
    assert parse("a:b", "--config", "off").workers == 1


def test_file_gives_way_to_environment_and_that_to_the_command_line(inside: Folder) -> None:
    inside.write("serai-serve.toml", "workers = 2\nthreads = 2\nmax_headers = 20\nmax_body = 2")
    environment = {"WEB_CONCURRENCY": "4", "SERAI_WORKERS": "3", "SERAI_THREADS": "3", "SERAI_MAX_HEADERS": "30"}
    chosen = parse("a:b", "--max-headers", "40", **environment)
    assert (chosen.workers, chosen.threads, chosen.max_headers, chosen.max_body) == (3, 3, 40, 2)


def test_variables_of_every_kind(inside: Folder) -> None:
    chosen = parse("a:b", SERAI_BIND=":80, unix:x", SERAI_FACTORY="yes", SERAI_MAX_BODY="1KiB", SERAI_LOG_FORMAT="json")
    assert (chosen.bind, chosen.factory, chosen.max_body, chosen.log_format) == ([":80", "unix:x"], True, 1024, "json")


@pytest.mark.parametrize(
    ("content", "found", "fix"),
    [
        ("workers = 2\n\nworkrs = 3", "reading 'workrs' in serai-serve.toml, line 3", "did you mean workers?"),
        ("workers = 0", "number of workers from 1", "--workers"),
        ('interface = "rack"', "none of auto, wsgi, asgi, asgi2", "--interface"),
        ("umask = 27", "write it as a string", "--umask"),
        ("factory = 1", "write it as a string", "--factory"),
        ("workers = ", "Invalid value", "correct the file"),
    ],
)
def test_mistakes_in_the_file_are_named(inside: Folder, content: str, found: str, fix: str) -> None:
    inside.write("serai-serve.toml", content)
    result = run(inside.path, "wsgi_app:app")
    assert result.returncode == 2
    assert found in result.stderr
    assert fix in result.stderr.splitlines()[2]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"SERAI_WORKERS": "many"}, "reading $SERAI_WORKERS"),
        ({"WEB_CONCURRENCY": "0"}, "reading $WEB_CONCURRENCY"),
        ({"SERAI_FACTORY": "perhaps"}, "neither true nor false"),
        ({"SERAI_CONFIG": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_mistakes_in_the_environment_are_named(folder: Folder, variables: dict[str, str], found: str) -> None:
    result = run(folder.path, "wsgi_app:app", **variables)
    assert result.returncode == 2
    assert found in result.stderr


def test_a_variable_that_looks_misspelt_is_warned_of(folder: Folder, serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", env={"SERAI_WORKER": "2", "SERAI_OF_THE_APP": "3"}).ready()
    (doubt,) = server.named("settings.doubt")
    assert doubt["message"] == "$SERAI_WORKER is no setting: did you mean $SERAI_WORKERS?"


def test_what_holds_is_shown_with_its_origin_and_reads_back(inside: Folder) -> None:
    inside.write("serai-serve.toml", "threads = 2\nkeep_alive_timeout = 0.3")
    arguments = ["a:b", "--max-body", "1000001", "--umask", "027", "--forwarded-allow", "10.0.0.0/8"]
    shown = run(inside.path, *arguments, "--show-settings", SERAI_WORKERS="3")
    assert shown.returncode == 0, shown.stderr
    lines = {line.split(" =")[0]: line.split("#")[-1].strip() for line in shown.stdout.splitlines()}
    origins = {name: lines[name] for name in ("app", "workers", "threads", "max_body", "max_headers")}
    assert list(origins.values()) == ["argument", "$SERAI_WORKERS", "serai-serve.toml", "--max-body", "default"]
    inside.write("shown.toml", shown.stdout)
    assert parse("--config", "shown.toml") == parse(*arguments, SERAI_WORKERS="3")


def test_show_settings_names_every_one(folder: Folder) -> None:
    from serai import settings

    shown = run(folder.path, "--show-settings").stdout.splitlines()
    names = [line.removeprefix("# ").split(" ")[0] for line in shown]
    assert [name for name, _, _ in settings.options() if name not in names] == []
