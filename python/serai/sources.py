"""Where settings come from: default < file < environment < command line. All by the one schema of settings.py."""

import dataclasses
import difflib
import importlib
import os
import re
from collections.abc import Mapping
from typing import Any

from serai import settings
from serai.failure import Failure, wrong_use
from serai.settings import Option, Settings

FILE = "serai-serve.toml"
"""Read from the current folder, where it is there."""
PYPROJECT = "pyproject.toml"
_TABLE = "tool.serai.serve"
"""The settings' place in a pyproject.toml."""
_PREFIX = "SERAI_"
_NO_SETTINGS = {"SERAI_CONFIG", "SERAI_CONTROL_FD", "SERAI_DEBUG", "SERAI_APP", "SERAI_ROOT"}


@dataclasses.dataclass
class Gathered:
    """What was found. `origins` says where, for each setting that is not at its default."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    origins: dict[str, str] = dataclasses.field(default_factory=dict)
    doubts: list[str] = dataclasses.field(default_factory=list)
    """Sentences on variables that look like misspelt settings."""

    def put(self, name: str, value: Any, origin: str) -> None:
        """Before what was there."""
        self.values[name], self.origins[name] = value, origin

    def settings(self) -> Settings:
        """Raises Failure where the app is not named."""
        if not self.values.get("app"):
            fix = f"name the app, for example mysite.wsgi:application, or set app in {FILE}"
            raise wrong_use("reading the command line", "the following arguments are required: module:app", fix)
        return Settings(**self.values)


def gather(given: Mapping[str, Any], config: str | None, environment: Mapping[str, str]) -> Gathered:
    """`given` is the command line, checked; `config` the file that it names, "off" for none. Raises Failure."""
    found = Gathered()
    described = {name: option for name, _, option in settings.options()}
    _read_file(found, described, config or environment.get("SERAI_CONFIG", ""))
    _read_environment(found, described, environment)
    for name, value in given.items():
        found.put(name, value, "argument" if name == "app" else _flag(name))
    return found


def from_keywords(app: str, chosen: Mapping[str, Any]) -> Settings:
    """Settings given in a program, in Python's types or as the command line has them; nothing else is read.

    Raises Failure.
    """
    described = {name: option for name, _, option in settings.options()}
    values = {}
    for name, value in chosen.items():
        if name not in described:
            near = difflib.get_close_matches(name, described, 1)
            fix = f"did you mean {near[0]}?" if near else "see serai serve --show-settings for those that there are"
            raise wrong_use(f"reading the argument {name}", "there is no such setting", fix)
        try:
            values[name] = _from_value(described[name], value)
        except ValueError as error:
            raise wrong_use(f"reading the argument {name}", str(error), "see serai serve --help") from None
    return Settings(app=app, **values)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


# --- the file


def _read_file(found: Gathered, described: dict[str, Option], path: str) -> None:
    table = None
    if path == "off":
        return
    if path:
        table = _load(path)
    elif os.path.exists(FILE):
        path, table = FILE, _load(FILE)
    elif os.path.exists(PYPROJECT) and _mentions_us(PYPROJECT):
        path, table = PYPROJECT, _load(PYPROJECT)
    for key, value in (table or {}).items():
        _read_key(found, described, path, key, value)


def _mentions_us(path: str) -> bool:
    """Most projects' files have no settings for us, and need not be parsed."""
    try:
        with open(path, encoding="utf-8") as file:
            return "serai" in file.read()
    except (OSError, UnicodeDecodeError):
        return False


def _load(path: str) -> dict[str, Any]:
    tried = f"reading the settings in {path}"
    try:
        with open(path, encoding="utf-8") as file:
            content = _parse_toml(file.read(), tried)
    except OSError as error:
        raise wrong_use(tried, error.strerror or str(error), "check --config") from None
    except ValueError as error:  # also TOMLDecodeError and UnicodeDecodeError
        raise wrong_use(tried, str(error), "correct the file") from None
    if os.path.basename(path) != PYPROJECT:
        return content
    for part in _TABLE.split("."):
        content = content.get(part, {}) if isinstance(content, dict) else {}
    return content


def _parse_toml(text: str, tried: str) -> dict[str, Any]:
    for name in ("tomllib", "tomli"):  # the first since 3.11
        try:
            content: dict[str, Any] = importlib.import_module(name).loads(text)
            return content
        except ModuleNotFoundError:
            pass
    raise Failure(tried, "this CPython reads no TOML by itself", "pip install tomli")


def _read_key(found: Gathered, described: dict[str, Option], path: str, key: str, value: Any) -> None:
    name = key.replace("-", "_")
    tried = f"reading {key!r} in {_line_of(path, key)}"
    if name == "app" and isinstance(value, str):
        return found.put(name, value, path)
    if name not in described:
        near = difflib.get_close_matches(name, ["app", *described], 1)
        fix = f"did you mean {near[0]}?" if near else "see serai serve --show-settings for those that there are"
        raise wrong_use(tried, "there is no such setting", fix)
    try:
        found.put(name, _from_value(described[name], value), path)
    except ValueError as error:
        raise wrong_use(tried, str(error), f"correct it; see {_flag(name)} in serai serve --help") from None


def _line_of(path: str, key: str) -> str:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return f"{path}, line {number}"
    return path


def _from_value(option: Option, value: Any) -> Any:
    """A value in TOML's or Python's own type, or as the command line has it. Raises ValueError."""
    if option.repeat:
        return [_from_value(dataclasses.replace(option, repeat=False), v) for v in _as_list(value)]
    if isinstance(value, bool) and (option.flag or "on" in (option.choices or ())):
        return value if option.flag else option.read("on" if value else "off")
    if isinstance(value, str):
        return option.read(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and option.parse not in (str, settings.octal):
        return option.read(str(value))
    raise ValueError(f"{value!r} is no value for it: write it as a string, as on the command line")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- the environment


def _read_environment(found: Gathered, described: dict[str, Option], environment: Mapping[str, str]) -> None:
    if port := environment.get("PORT"):
        found.put("bind", [f"0.0.0.0:{port}"], "$PORT")
    if workers := environment.get("WEB_CONCURRENCY"):
        found.put("workers", _from_variable("WEB_CONCURRENCY", described["workers"], workers), "$WEB_CONCURRENCY")
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX) or variable in _NO_SETTINGS or not text:
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if option := described.get(name):
            found.put(name, _from_variable(variable, option, text), f"${variable}")
        elif near := difflib.get_close_matches(name, described, 1, 0.8):
            found.doubts.append(f"${variable} is no setting: did you mean ${_PREFIX}{near[0].upper()}?")


def _from_variable(variable: str, option: Option, text: str) -> Any:
    """Several values are separated by commas."""
    try:
        return [option.read(part.strip()) for part in text.split(",")] if option.repeat else option.read(text)
    except ValueError as error:
        fix = f"unset {variable} or give the option instead"
        raise wrong_use(f"reading ${variable}", str(error), fix) from None
