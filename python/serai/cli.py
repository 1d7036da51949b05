"""The command line: `serai serve module:app`, which is `python -m serai module:app`; other commands are elsewhere."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from serai import log, settings, sources
from serai.failure import FAILED, Failure, wrong_use
from serai.settings import Settings

_PURPOSE = """\
Serve a Python web application, WSGI or ASGI. No option is needed to begin with. For example:

  serai serve mysite.wsgi                            Django; the callable is found
  serai serve shop:app --reload                      while you write it
  serai serve shop:app --workers auto --bind :8000   as many processes as CPUs, for everybody
  serai serve "shop:create_app('production')" --bind unix:/run/shop.sock --health-path /up
"""

_MORE = """\
times are 30, 30s, 500ms or 2m; sizes 65536, 64KiB or 32MiB
every option can also be set in a file (max_body = "1MiB", bind = [":80", ":81"]) and, before that, in the
environment (SERAI_MAX_BODY=1MiB, SERAI_BIND=:80,:81); --show-settings shows what holds

signals to the master: TERM and INT drain and end (a second INT ends at once), HUP takes the new code without
dropping a request, TTIN and TTOU add and remove a worker, USR1 opens the access log anew
exit codes: 0 ended as asked, 1 failed, 2 wrong use, 3 the app's lifespan start-up failed
"""

_CONFIG_HELP = (
    f"TOML file of settings (default: {sources.FILE} in the current folder, else the table [tool.serai.serve] of "
    f"{sources.PYPROJECT} there; off: none)"
)


def main() -> int:
    """The console script `serai` of the wheel."""
    argv = sys.argv[1:]
    if argv and argv[0] == "serve":
        return _report(lambda: serve(argv[1:], "serai serve"))
    return _report(lambda: _exec_platform(argv))


def main_of_module(argv: Sequence[str]) -> int:
    """`python -m serai [serve] module:app`."""
    rest = argv[1:] if argv and argv[0] == "serve" else argv
    return _report(lambda: serve(rest, "python -m serai"))


def serve(argv: Sequence[str], program: str) -> int:
    """Serves until told to end; the exit code. Raises Failure."""
    found = gather(argv, program, os.environ)
    chosen = found.settings()
    log.set_format(chosen.log_format)
    for doubt in found.doubts:
        log.warning("settings.doubt", doubt)
    from serai.start import start  # after the parser, so that --help and mistakes answer at once

    return start(chosen)


def parse(argv: Sequence[str], program: str, environment: Mapping[str, str]) -> Settings:
    """Settings by the schema: default < file < environment < command line. Raises Failure."""
    return gather(argv, program, environment).settings()


def gather(argv: Sequence[str], program: str, environment: Mapping[str, str]) -> sources.Gathered:
    """The same before it is checked as a whole. Ends the process with `--show-settings`."""
    given = {name: value for name, value in vars(_parser(program).parse_args(argv)).items() if value is not None}
    config, shown = given.pop("config", None), given.pop("show_settings", False)
    found = sources.gather(given, config, environment)
    if shown:
        from serai.showing import show

        sys.stdout.write(show(found))
        raise SystemExit(0)
    return found


class _Parser(argparse.ArgumentParser):
    """argparse with our errors: three lines, the nearest option, exit code 2."""

    def error(self, message: str) -> NoReturn:
        fix = f"see {self.prog} --help"
        word = next((w for w in message.split() if w.startswith("--")), "").split("=")[0].rstrip(":,")
        if near := difflib.get_close_matches(word, self._option_string_actions, 1):
            fix = f"did you mean {near[0]}? {fix}" if near[0] != word else fix
        raise wrong_use(f"{self.prog}: reading the command line", message, fix)


def _parser(program: str) -> _Parser:
    parser = _Parser(
        prog=program,
        usage="%(prog)s [options] module:app",
        description=_PURPOSE,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "app",
        metavar="module:app",
        nargs="?",
        help='the app: module:name, module:name.attribute or module:factory("x")',
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    parser.add_argument("--config", metavar="FILE", help=_CONFIG_HELP)
    parser.add_argument(
        "--show-settings", action="store_true", default=None, help="show what holds and where it comes from, and exit"
    )
    groups: dict[str, Any] = {}
    for name, default, option in settings.options():
        group = groups.get(option.group) or groups.setdefault(option.group, parser.add_argument_group(option.group))
        group.add_argument("--" + name.replace("_", "-"), dest=name, **_argument(default, option))
    return parser


def _argument(default: Any, option: settings.Option) -> dict[str, Any]:
    """What argparse needs; values that are not given stay None, so that the schema's default holds."""
    shown = option.shown_default if option.shown_default is not None else _shown(default)
    argument: dict[str, Any] = {"default": None, "help": option.help.replace("%", "%%")}
    if option.flag:
        return argument | {"action": "store_true"}
    argument["help"] += f" (default: {shown})".replace("%", "%%")
    if option.choices:
        return argument | {"choices": option.choices}
    if option.repeat:
        argument["action"] = "append"
    if option.const is not None:
        argument |= {"nargs": "?", "const": option.const}
    return argument | {"type": _explaining(option.parse), "metavar": option.metavar}


def _shown(default: Any) -> str:
    return f"{default:g}s" if isinstance(default, float) else str(default)


def _explaining(parse_value: Callable[[str], Any]) -> Callable[[str], Any]:
    """argparse swallows the text of a ValueError, but not that of an ArgumentTypeError."""

    def explained(text: str) -> Any:
        try:
            return parse_value(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return explained


class _ShowVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from serai import __version__
        from serai._engine import codings

        python = sys.version.split()[0]
        print(f"serai {__version__} (CPython {python}; compresses with {', '.join(codings())})")
        parser.exit()


def _exec_platform(argv: Sequence[str]) -> NoReturn:
    """Any other command belongs to the executable that the platform installs. Does not return."""
    executable = _find_platform(os.environ.get("PATH", os.defpath).split(os.pathsep))
    if executable:
        os.execv(executable, [executable, *argv])
    command = f"`serai {argv[0]}`" if argv else "`serai` without a command"
    raise wrong_use(
        f"looking for the platform, which {command} belongs to",
        "no executable named serai on PATH, in /usr/local/bin or in /usr/bin; this package holds the app server only",
        "install the platform (make install in its sources), or serve an app with: serai serve module:app",
    )


def _find_platform(folders: Sequence[str]) -> str | None:
    """The first `serai` that is a program; this console script and those of other environments are text."""
    for folder in [*folders, "/usr/local/bin", "/usr/bin"]:
        path = os.path.join(folder, "serai")
        try:
            with open(path, "rb") as file:
                if file.read(4) == b"\x7fELF" and os.access(path, os.X_OK):
                    return path
        except OSError:
            continue
    return None


def _report(command: Callable[[], int]) -> int:
    try:
        return command()
    except Failure as failure:
        sys.stderr.write(f"serai: {failure}\n")
        return failure.exit_code
    except BrokenPipeError:
        return FAILED
