"""A text -> the cookie in it: a bare value, NAME=VALUE, or the fields that ``curl -si`` prints."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..cookies import SetCookie, parse_set_cookie, read_cookie

_FIELD = re.compile(rb"[<> ]*(set-)?cookie[ \t]*:[ \t]*(.*)", re.IGNORECASE)
_PAIR = re.compile(rb"""(?!eyJ|e30)[^\s=;"]+[ \t]*=[^=]""")  # '=' at the end of base64 belongs to the value
_ATTRIBUTE = re.compile(rb";\s*(path|domain|expires|max-age|secure|httponly|samesite|partitioned)\b", re.IGNORECASE)
_HEADERS = re.compile(rb"^[<> ]*(HTTP/[0-9.]+ [0-9]{3}|[a-z][a-z0-9-]*:([ \t]|\r?$))", re.IGNORECASE | re.MULTILINE)
_VALUE_IN_PIECES = re.compile(rb"""[\w.=%+/:|"'\s-]*""")


class Cookie(NamedTuple):
    """A cookie as it was found in a text."""

    value: bytes
    size: int
    size_of: str  #: what the size is of: "value" or "Set-Cookie field"
    field: bytes | None  #: the Set-Cookie field, where it was in one
    notes: list[str]


def find_cookie(text: bytes, name: bytes) -> Cookie:
    """Return the cookie of that name in a text, or the text itself where it is a bare value.

    Of Set-Cookie fields the last one counts, as in a browser; of cookies in a Cookie field the first, as on a server.
    Raises ``ValueError`` where there is none.
    """
    fields = [match.groups() for line in text.splitlines() if (match := _FIELD.fullmatch(line.strip()))]
    text = text.strip()
    if not text:
        raise ValueError("there is no cookie: the input is empty: did a command fail, or is a variable not set?")
    if not fields:
        if _HEADERS.search(text):
            raise ValueError("there is no cookie in this input: it has headers, but no Cookie and no Set-Cookie field")
        if not (text.startswith(name + b"=") or _PAIR.match(text)):
            if not _VALUE_IN_PIECES.fullmatch(text) and len(text.split()) > 1:
                raise ValueError("there is no cookie in this input: it has neither a value nor a NAME=VALUE")
            return Cookie(text, len(text), "value", None, [])
        fields = [(_ATTRIBUTE.search(text), text)]
    set_cookies = [(parse_set_cookie(field), field) for is_set, field in fields if is_set]
    found = _set_cookie([(cookie, field) for cookie, field in set_cookies if cookie.name == name])
    found = found or _cookie([field for is_set, field in fields if not is_set], name)
    if found and any(cookie.name == b"remember_token" and cookie.deletes for cookie, _ in set_cookies):
        found.notes.append(
            "Flask-Login's remember cookie is deleted here: the user logged out, or its strong protection saw another "
            "address or user agent than when they logged in, as where the two sides see different ones"
        )
    if found is None:
        pairs = [pair for is_set, field in fields for pair in field.split(b";")[: 1 if is_set else None]]
        names = sorted({_name(pair) for pair in pairs})
        raise ValueError(
            f"there is no cookie {name.decode()!r} in this input; --name names another: "
            f"{', '.join(repr(other.decode('latin-1')) for other in names)}"
        )
    return found


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip()


def _set_cookie(set_cookies: list[tuple[SetCookie, bytes]]) -> Cookie | None:
    if not set_cookies:
        return None
    cookie, field = set_cookies[-1]
    notes: list[str] = []
    if len(set_cookies) > 1:
        places = {(other.domain, other.path, other.partitioned) for other, _ in set_cookies}
        notes.append(
            f"{len(set_cookies)} Set-Cookie fields have this name: "
            + (
                "they differ in domain, path or partitioning, so a browser keeps them all and sends all that fit; "
                "a server reads the first, so what is saved in another is lost. This report is about the last"
                if len(places) > 1
                else "the last one replaces the others"
            )
        )
    return Cookie(cookie.value, len(field), "Set-Cookie field", field, notes)


def _cookie(fields: list[bytes], name: bytes) -> Cookie | None:
    value = read_cookie([(b"cookie", field) for field in fields], name)
    if value is None:
        return None
    notes: list[str] = []
    count = sum(_name(pair) == name for field in fields for pair in field.split(b";"))
    if count > 1:
        notes.append(
            f"{count} cookies have this name: a server reads the first, so what is saved in another, a log-out "
            "included, has no effect. Browsers send several after a change of domain or path, the longer path and "
            "then the older one first: delete the old one, or change the name"
        )
    return Cookie(value, len(value), "value", None, notes)
