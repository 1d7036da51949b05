"""`--show-settings`: what holds and where it comes from, as lines that a settings file could have."""

import json
from typing import Any

from serai import settings, units
from serai.settings import Option
from serai.sources import FILE, Gathered

_COLUMN = 36
"""Where the origins begin."""


def show(found: Gathered) -> str:
    """A TOML file. Settings whose default depends on something are comments."""
    lines = [f"# The settings that hold here, and where each comes from. {FILE} would take these lines."]
    if app := found.values.get("app"):
        lines.append(_line("app", json.dumps(app), found.origins["app"]))
    group = ""
    for name, default, option in settings.options():
        if option.group != group:
            group = option.group
            lines += ["", f"# {group}"]
        lines.append(_setting(name, default, option, found))
    return "\n".join(lines) + "\n"


def _setting(name: str, default: Any, option: Option, found: Gathered) -> str:
    if name in found.values:
        return _line(name, written(found.values[name], option), found.origins[name])
    if not default and option.shown_default:
        return f"# {name}".ljust(_COLUMN) + f" # default: {option.shown_default}"
    return _line(name, written(default, option), "default")


def _line(name: str, value: str, origin: str) -> str:
    return f"{name} = {value}".ljust(_COLUMN) + f" # {origin}"


def written(value: Any, option: Option) -> str:
    """A value in TOML."""
    if isinstance(value, list):
        return "[" + ", ".join(json.dumps(part, ensure_ascii=False) for part in value) + "]"
    if option.parse is units.seconds:
        value = units.write_seconds(value)
    elif option.parse is units.size:
        value = units.write_size(value)
    elif option.parse is settings.octal:
        value = f"{value:03o}"
    return json.dumps(value, ensure_ascii=False)
