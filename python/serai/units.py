"""Durations and sizes as people write them: "30s", "500ms", "32MiB"."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {"b": 1, "k": 1024, "kib": 1024, "kb": 1000, "m": 1024**2, "mib": 1024**2, "mb": 1000**2}
_BYTES |= {"g": 1024**3, "gib": 1024**3, "gb": 1000**3}


def _split(text: str) -> tuple[float, str]:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    value = float(number)
    if not 0 <= value < 1e15:  # also refuses nan
        raise ValueError(text)
    return value, text[len(number) :].strip().lower()


def seconds(text: str) -> float:
    """Seconds from "30", "30s", "500ms", "2m" or "1h"."""
    try:
        value, unit = _split(text)
        return value * _SECONDS[unit or "s"]
    except (ValueError, KeyError):
        raise ValueError(f"{text!r} is not a duration: write for example 30s, 500ms or 2m") from None


def size(text: str) -> int:
    """Bytes from "1048576", "64KiB", "32MiB" or "1GiB"; 10M means 10 MiB, 10MB means ten million bytes."""
    try:
        value, unit = _split(text)
        return int(value * _BYTES[unit or "b"])
    except (ValueError, KeyError):
        raise ValueError(f"{text!r} is not a size: write for example 65536, 64KiB or 32MiB") from None


def write_seconds(value: float) -> str:
    """What `seconds` reads back exactly."""
    return f"{int(value)}s" if value == int(value) else f"{value!r}s"


def write_size(count: int) -> str:
    """What `size` reads back exactly."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def show_size(count: int) -> str:
    """A size for people to read."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} bytes"
