"""What was found out about a cookie -> JSON for machines, lines for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .browser import Verdict, describe
from .terminal import Lines

_SIZE_LIMIT = 4093  # Flask's MAX_COOKIE_SIZE
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_LIFETIME = "PERMANENT_SESSION_LIFETIME in Flask, max_age in Starlette"
ASSUMED = "assumed"  #: what says how long a signature is valid where nothing does
FORMATS = {
    "deleted": 'no session: a deleted cookie is set to nothing or "null"',
    "django": "a value of Django's signing, with colons between its parts",
    "jwt": "a JSON Web Token, not a session cookie",
    "session-id": "probably the identifier of a session that a server keeps",
    "litestar": "Litestar's encrypted session cookie",
    "unknown": "an unknown format",
    "flask": "Flask's session cookie",
    "flask-login": "Flask-Login's remember cookie, not a session: Flask-Login reads it where the session has no user",
    "flask-wtf": "Flask-WTF's CSRF token, not a session: it belongs into a form or the header X-CSRFToken",
    "starlette": "the format of Starlette's own middleware; accept_starlette_cookies=True opens it",
}

_FOR_PEOPLE = {"text", "signer", "is_verified", "verdict"}


@dataclass(kw_only=True)
class Report:
    """What is found out about a cookie. The fields up to ``content`` are the keys of ``inspect --json``."""

    format: str
    compressed: bool
    signed_at: str | None = None
    age: int | None = None
    size: int
    size_of: str
    size_limit: int = _SIZE_LIMIT
    opens: bool | None = None
    lifetime: int
    lifetime_source: str
    keys: list[str]
    key: int | None = None
    key_source: str | None = None
    reasons: list[str]
    notes: list[str]
    browser: dict[str, Any] | None = None
    content: Any = None
    text: str | None = None  #: the content for people, with types that JSON lacks
    signer: str | None = None  #: the key that signed it
    is_verified: bool = False  #: whether the key signed it as the application does
    verdict: Verdict | None = None

    def json(self) -> str:
        """Return one line of JSON, as RFC 8259 has it."""
        return json.dumps({key: value for key, value in vars(self).items() if key not in _FOR_PEOPLE}, allow_nan=False)


def lines(report: Report) -> Lines:
    """Return the report for people to read."""
    shown = [("", f"format   {FORMATS[report.format].partition(';')[0]}{', compressed' * report.compressed}")]
    if report.age is not None:
        size, unit = next((pair for pair in _UNITS if abs(report.age) >= pair[0]), _UNITS[-1])
        count = abs(report.age) // size
        words = f"{count} {unit}{'s' * (count != 1)} {'ago' if report.age >= 0 else 'ahead'}"
        shown.append(("", f"signed   {report.signed_at}, {words} ({report.age} s)"))
    size_text = f"size     {report.size} bytes ({report.size_of}, limit {report.size_limit})"
    too_large = report.size > report.size_limit
    shown.append(("yellow", f"{size_text}: TOO LARGE") if too_large else ("", size_text))
    if report.verdict is not None:
        color = "red" if report.verdict.reasons else ""
        shown += _column("browser", [(color, line) for line in describe(report.verdict)])
    shown += _verdict_lines(report)
    shown += [("red", f"         - {reason}") for reason in report.reasons]
    if report.keys and report.age is not None:
        shown.append(("", f"lifetime {lifetime_in_words(report.lifetime, report.lifetime_source)}; {_LIFETIME}"))
    if report.keys:
        shown.append(("", f"tried    {', '.join(f'{number}. {key}' for number, key in enumerate(report.keys, 1))}"))
    if report.signer is not None:
        shown.append(("", f"key      {report.key} of {len(report.keys)}, {report.signer}"))
    shown += _column("notes", [("yellow", f"- {note}") for note in report.notes])
    if report.text is None:
        return [*shown, ("", "content  unreadable")]
    return [*shown, _title(report), *(("", line) for line in report.text.split("\n"))]


def _verdict_lines(report: Report) -> Lines:
    if report.opens is None:
        how = "set FLASK_SECRET_KEY or SECRET_KEY, or give --key-env, --key-file, --ask-key or --app"
        why = "; it would not, because" * bool(report.reasons)
        return [("", f"opens    not tried, no key was given ({how}){why}")]
    if not report.opens:
        return [("red", "opens    no, because")]
    until = _later(report.signed_at, report.lifetime)
    if report.lifetime_source == ASSUMED:
        until += f", if the lifetime is {duration(report.lifetime)}, which is assumed: give --max-age or --app"
    return [("green", f"opens    yes, until {until}")]


def _later(date: str | None, seconds: int) -> str:
    try:
        return (datetime.fromisoformat(str(date)) + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return "the calendar ends"


def _column(title: str, entries: Lines) -> Lines:
    return [(color, f"{title if not at else '':<9}{line}") for at, (color, line) in enumerate(entries)]


def _title(report: Report) -> tuple[str, str]:
    if report.key is None:
        return "yellow", "content  NOT VERIFIED: anyone could have written this"
    if report.is_verified:
        return "green", "content  verified"
    return "yellow", f"content  signed with key {report.key}, but not as a session of this application"


def lifetime_in_words(seconds: int, source: str) -> str:
    """Return how long a signature is valid, and what says so."""
    default = ", Flask's default" * (source == ASSUMED)
    return f"{duration(seconds)} ({source}{default})"


def duration(seconds: int) -> str:
    """Return a duration in words, exactly."""
    rest, words = abs(seconds), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'s' * (count != 1)}")
    return ("-" * (seconds < 0) + " ".join(words)) or "0 seconds"
