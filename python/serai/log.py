"""The server's diagnostics on standard error, in the same shape as the platform's own (src/base/log.h).

The app's logging stays the app's: nothing here touches the `logging` module.
"""

import json
import os
import time
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
Field = str | int | float | bool

_format: Literal["text", "json"] = "text"


def set_format(chosen: Literal["text", "json"]) -> None:
    """Of this process and of those forked from it later."""
    global _format
    _format = chosen


def debug(event: str, sentence: str, **fields: Field) -> None:
    """A step of no interest to most; written only where SERAI_DEBUG is set."""
    if "SERAI_DEBUG" in os.environ:
        _write("debug", event, sentence, fields)


def info(event: str, sentence: str, **fields: Field) -> None:
    """Something the owner may want to know."""
    _write("info", event, sentence, fields)


def warning(event: str, sentence: str, **fields: Field) -> None:
    """Something the owner should look at; serving goes on."""
    _write("warning", event, sentence, fields)


def error(event: str, sentence: str, **fields: Field) -> None:
    """Something failed. Logged once, where it is handled."""
    _write("error", event, sentence, fields)


def _write(level: Level, event: str, sentence: str, fields: dict[str, Field]) -> None:
    line = _as_json(level, event, sentence, fields) if _format == "json" else _as_text(level, event, sentence, fields)
    try:
        os.write(2, line.encode("utf-8", "backslashreplace"))  # one write, so lines of several processes do not mix
    except OSError:
        pass  # standard error is closed or full: there is nobody left to tell


def _timestamp() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"


def _as_json(level: Level, event: str, sentence: str, fields: dict[str, Field]) -> str:
    line = {"time": _timestamp(), "level": level, "event": event, "message": sentence, **fields}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _as_text(level: Level, event: str, sentence: str, fields: dict[str, Field]) -> str:
    """One line, but for the last field of several lines (a traceback), which follows indented."""
    line = f"{_timestamp()} {level:7} {event}  {_on_one_line(sentence)}"
    block = ""
    for name, value in fields.items():
        if isinstance(value, str) and "\n" in value:
            block += "".join(f"\n    {_printable(row)}" for row in value.rstrip("\n").split("\n"))
        else:
            shown = str(value).lower() if isinstance(value, bool) else value
            line += f"  {name}={_on_one_line(str(shown))}"
    return line + block + "\n"


def _on_one_line(text: str) -> str:
    return _printable(text.replace("\n", "\\n"))


def _printable(text: str) -> str:
    return "".join(c if c >= " " and c != "\x7f" else "?" for c in text)
