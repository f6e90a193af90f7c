"""A text -> the cookie in it: a bare value, NAME=VALUE, fields as ``curl -si`` prints them, or a curl command.

Reading takes time linear in the text's length: no pattern below has two ways to match the same text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..cookies import SetCookie, parse_set_cookie, read_cookie

#: The value is on the same line or, as browsers' developer tools copy it, alone on the next one.
_FIELD = re.compile(
    rb"^[<> \t]*(set-)?cookie[ \t]*:[ \t]*(?:\r?\n(?![<> \t]*[\w-]+:))?([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_CURL = re.compile(rb"\W*curl\s")
_CURL_OPTION = re.compile(rb"""\s(-[Hb]|--header|--cookie)[\s=]*\$?(?:'([^']*)'|"([^"]*)"|([^\s=$'"][^\s'"]*))""")
_PAIR = re.compile(rb"""(?!eyJ|e30)[^\s=;"]+[ \t]*=[^=]""")  # '=' at the end of base64 belongs to the value
_ATTRIBUTE = re.compile(
    rb";\s*(path|domain|expires|max-age|secure|httponly|samesite|partitioned)\s*(?:[=;]|\Z)", re.IGNORECASE
)
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
    text = _unquoted(text.strip(), name)
    if not text:
        raise ValueError("there is no cookie: the input is empty: did a command fail, or is a variable not set?")
    fields = _fields(text) or _curls_fields(text)
    if not fields:
        if _CURL.match(text):
            raise ValueError(
                "there is no cookie in this input: it is a curl command without one; inspect what it prints with -si"
            )
        if _HEADERS.search(text):
            raise ValueError("there is no cookie in this input: it has headers, but no Cookie and no Set-Cookie field")
        if not _is_pair(text, name):
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


def _unquoted(text: bytes, name: bytes) -> bytes:
    """Return a text without the quotes around all of it, as code has them; those around a mere value belong to it."""
    quote, inner = text[:1], text[1:-1].strip()
    is_quoted = quote in (b"'", b'"') and text.endswith(quote) and text.count(quote) == 2
    return inner if is_quoted and (_FIELD.match(inner) or _is_pair(inner, name)) else text


def _is_pair(text: bytes, name: bytes) -> bool:
    return text.startswith(name + b"=") or _PAIR.match(text) is not None


def _fields(text: bytes) -> list[tuple[object, bytes]]:
    """Return the Cookie and Set-Cookie fields in a text, each with whether it is one of the latter."""
    return [(is_set, field.strip()) for is_set, field in _FIELD.findall(text)]


def _curls_fields(text: bytes) -> list[tuple[object, bytes]]:
    """Return the Cookie fields that a curl command gives, as browsers copy it."""
    fields: list[tuple[object, bytes]] = []
    for option, *argument in _CURL_OPTION.findall(text):
        given = b"".join(argument)  # in quotes or without
        if option in (b"-H", b"--header"):
            fields += _fields(given)
        elif b"=" in given:  # else it is a file's name
            fields.append((False, given))
    return fields


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
