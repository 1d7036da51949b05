"""What the command line accepts and refuses, and how it says so."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import environment_of, run


def test_help_has_an_example_and_every_option(folder: Folder) -> None:
    from serai import settings

    shown = run(folder.path, "--help")
    assert shown.returncode == 0
    assert "serai serve mysite.wsgi" in shown.stdout
    for name, _, _ in settings.options():
        assert "--" + name.replace("_", "-") in shown.stdout


def test_every_option_is_in_the_users_page() -> None:
    from serai import settings

    from tests.support.places import REPOSITORY

    page = (REPOSITORY / "docs/serve.md").read_text()
    missing = [name for name, _, _ in settings.options() if f"`--{name.replace('_', '-')}" not in page]
    assert not missing


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "the following arguments are required: module:app"),
        (["wsgi_app:app", "--worker", "3"], "--workers"),
        (["wsgi_app:app", "--workers", "0"], "number of workers from 1"),
        (["wsgi_app:app", "--workers", "many"], "number of workers from 1"),
        (["wsgi_app:app", "--max-headers", "-1"], "is not a number from 1 on"),
        (["wsgi_app:app", "--umask", "9"], "write for example 027"),
        (["wsgi_app:app", "--max-body", "lots"], "32MiB"),
        (["wsgi_app:app", "--graceful-timeout", "soon"], "30s, 500ms or 2m"),
        (["wsgi_app:app", "--bind", "localhost"], "HOST:PORT"),
        (["wsgi_app:app", "--static", "static=public"], "is not like /static=staticfiles"),
        (["wsgi_app:app", "--static", "/a?b=public"], "is not like /static=staticfiles"),
        (["wsgi_app:app", "--static", "/static=nowhere"], "there is no folder 'nowhere'"),
        (["wsgi_app.py:app"], "write wsgi_app:app"),
        (["wsgi_app:app("], "neither an attribute nor a call"),
        (["wsgi_app:app", "--root-path", "shop"], "does not start with a slash"),
    ],
)
def test_wrong_use_ends_with_2_and_three_lines(folder: Folder, arguments: list[str], found: str) -> None:
    result = run(folder.path, *arguments)
    assert result.returncode == 2
    assert found in result.stderr
    lines = result.stderr.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["serai:", "found", "do"]


@pytest.mark.parametrize(
    ("app", "step", "found"),
    [
        ("nowhere:app", "import", "there is no module 'nowhere'"),
        ("wsgi_app:application", "import", "has no 'application'"),
        ("needs_a_package:app", "import", "needs 'not_installed_anywhere'"),
        ("broken:app", "import", "line 1"),
        ("raises:app", "import", "ZeroDivisionError"),
        ("number:app", "interface", "which cannot be called"),
        ("ambiguous:app", "interface", "--interface"),
    ],
)
def test_an_app_that_does_not_load_ends_with_1_and_its_cause(folder: Folder, app: str, step: str, found: str) -> None:
    folder.write("needs_a_package.py", "import not_installed_anywhere")
    folder.write("broken.py", "def app(:")
    folder.write("raises.py", "def helper():\n    return 1 / 0\nhelper()")
    folder.write("number.py", "app = 3")
    folder.write("ambiguous.py", "def app(*args): pass")
    result = run(folder.path, app, "--bind", "127.0.0.1:0")
    assert result.returncode == 1
    assert f"step={step}" in result.stderr
    assert found in result.stderr
    assert "serai/loading.py" not in result.stderr  # our own frames are of no interest
    assert 'raises.py", line 2, in helper' in result.stderr or app != "raises:app"


def test_sigterm_during_a_start_that_hangs_ends_it(folder: Folder) -> None:
    folder.write("hangs.py", "import time\nopen('began', 'w').close()\ntime.sleep(60)")
    from tests.serve.server import Server
    from tests.support.wait import until

    with Server(folder.path, "hangs:app") as server:
        until((folder.path / "began").exists, "the import begins")
        server.process.terminate()
        assert server.exit_code() == 0


def test_port_and_web_concurrency_are_defaults(folder: Folder) -> None:
    from serai import cli

    chosen = cli.parse(["a:b"], "serai", {"PORT": "5000", "WEB_CONCURRENCY": "3"})
    assert (chosen.bind, chosen.workers) == (["0.0.0.0:5000"], 3)
    chosen = cli.parse(["a:b", "--bind", ":1", "--workers", "2"], "serai", {"PORT": "5000", "WEB_CONCURRENCY": "3"})
    assert (chosen.bind, chosen.workers) == ([":1"], 2)


def _console_script(folder: Folder, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'serai'; from serai.cli import main; sys.exit(main())"
    environment = environment_of({"PATH": path})
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_other_commands_run_the_installed_executable(folder: Folder) -> None:
    for name, content in (("script", "#!/bin/sh\nexit 9\n"), ("program", None)):
        (folder.path / name).mkdir()
        target = folder.path / name / "serai"
        if content:
            target.write_text(content)
            target.chmod(0o755)
        else:
            shutil.copy("/bin/echo", target)
    path = os.pathsep.join(str(folder.path / name) for name in ("script", "program"))
    result = _console_script(folder, "status", "--json", path=path)
    assert (result.returncode, result.stdout) == (0, "status --json\n")


def test_without_the_platform_other_commands_say_how_to_get_it(folder: Folder) -> None:
    if os.path.exists("/usr/local/bin/serai") or os.path.exists("/usr/bin/serai"):
        pytest.skip("the platform is installed here")
    result = _console_script(folder, "deploy", path=str(folder.path))
    assert result.returncode == 2
    assert "`serai deploy` belongs to" in result.stderr
    assert "make install" in result.stderr


def test_serve_of_the_console_script_is_the_same_program(folder: Folder) -> None:
    result = _console_script(folder, "serve", "nowhere:app", "--bind", "127.0.0.1:0", path="/usr/bin:/bin")
    assert result.returncode == 1
    assert "there is no module 'nowhere'" in result.stderr
