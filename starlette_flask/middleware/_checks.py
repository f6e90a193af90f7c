"""What settings may be. Each error names the setting, what was given, and what is allowed. Private."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

_LONGEST = timedelta(days=365 * 1000)  # keeps Expires a date with a four-digit year


def flag(setting: str, value: object) -> bool:
    """Return a bool. Nothing is converted: the text ``"false"`` would be true."""
    if not isinstance(value, bool):
        raise TypeError(f"{setting} must be True or False, not {shown(value)}")
    return value


def seconds(setting: str, value: object) -> int | None:
    """Return a number of seconds that may be negative, or ``None``."""
    return None if value is None else _whole_number(setting, value, "a whole number of seconds or None")


def amount(setting: str, value: object, unit: str) -> int:
    """Return a number of ``unit``, 0 or more."""
    number = _whole_number(setting, value, f"a whole number of {unit}")
    if number < 0:
        raise ValueError(f"{setting}={number} must be 0 or more")
    return number


def duration(setting: str, value: object) -> float:
    """Return the seconds of a ``timedelta`` or number of them."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{setting} must be a timedelta or a number of seconds, not {shown(value)}")
    if not 0 <= value <= _LONGEST.total_seconds():
        raise ValueError(f"{setting}={value} must be from 0 seconds to {_LONGEST.days} days")
    return value


def pattern(setting: str, value: Any) -> re.Pattern[str]:
    """Return a compiled regular expression for text."""
    try:
        compiled = re.compile(value)
    except re.error as error:
        raise ValueError(f"{setting}={value!r} is not a valid regular expression: {error}") from error
    except TypeError:
        compiled = None
    if compiled is None or not isinstance(compiled.pattern, str):
        raise TypeError(f"{setting} must be a str or a compiled pattern of str, not {shown(value)}")
    return compiled


def _whole_number(setting: str, value: object, allowed: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{setting} must be {allowed}, not {shown(value)}")
    return int(value)


def shown(value: object) -> str:
    """Return a wrong value with its type; only the type unless it is text or a number, as it may be long."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{value!r} ({name})" if isinstance(value, (str, int, float)) else name
