"""The Cookie field -> a value, and a value + attributes -> the Set-Cookie field. Private.

Facts, where the grammar differs from what one expects:

- What a server reads is Werkzeug's grammar (``werkzeug.sansio.http.parse_cookie``), not RFC 6265's: a name is
  anything without blank, tab, ``=``, ``"`` and ``;``; blanks and tabs around ``=`` are skipped; a value is either
  quoted, and may then hold ``;`` and backslash escapes, or has no blank, tab, ``"`` or ``;`` in it. A part that
  does not fit is skipped up to the first ``;`` after its start, even one inside quotes. The first of a name wins.
- An attacker controls every byte of it. Reading takes time linear in its length: no pattern below has two ways to
  match the same text.
- Of Set-Cookie's attributes, Domain, Path and Partitioned say *which* cookie it is, the others what becomes of it.
- Everything but the value is checked and rendered when the application is built, so that no request can inject
  a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timezone
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from time import time
from typing import NamedTuple
from urllib.parse import quote, unquote

_BLANKS = b" \t"
# Single bytes as integers: `34 in field` takes 0.02 us, `b'"' in field` 0.12 us.
_BLANK, _TAB, _QUOTE, _SEMICOLON, _EQUALS = b' \t";='
_PART = re.compile(
    rb"""[ \t]* ([^ \t=";]+) [ \t]*          # a name
    (?: = [ \t]* (?:                         # perhaps a value:
        "([^\\"]*(?:\\.[^\\"]*)*)" [ \t]*    #   quoted, with escapes
      | ([^ \t";]+) [ \t]*                   #   or bare
    )? )? (?:;|\Z)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)")


def cookie_field(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bool]:
    """Return the Cookie field of an ASGI scope's headers, empty where there is none, and whether it was several.

    A request over HTTP/2 may split it; then the fields are joined as RFC 9113 8.2.3 says.
    """
    field = None
    for name, value in headers:  # 0.3 us for 15 headers; a comprehension takes 0.4
        if name == b"cookie":
            if field is not None:
                return b"; ".join([value for name, value in headers if name == b"cookie"]), True
            field = value
    return field or b"", False


def with_cookie_field(headers: Iterable[tuple[bytes, bytes]], field: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers with ``field`` as their only Cookie field, in the place of the first; with none if empty."""
    found = [header for header in headers if header[0] != b"cookie"]
    if field:
        at = next((index for index, header in enumerate(headers) if header[0] == b"cookie"), len(found))
        found.insert(at, (b"cookie", field))
    return found


def with_pair(field: bytes, name: bytes, value: bytes | None) -> bytes:
    """Return a Cookie field with ``value`` as the only cookie of this name, or with none where it is ``None``."""
    kept = (_hole(part) if its_name == name else part for part, its_name in _parts(field))
    rest = b"".join(kept).strip(b" \t;")
    pair = b"" if value is None else b"%b=%b" % (name, value)
    return b"; ".join(filter(None, (pair, rest)))  # first: there, nothing before it can swallow it


def _hole(part: bytes) -> bytes:
    """Return what is to stand for a part: quotes where it had some, lest one before it meets one behind it."""
    return b'"";' if _QUOTE in part else b""


def count_pairs(field: bytes, name: bytes) -> int:
    """Return how many cookies of this name a Cookie field has. Browsers send one for each path and domain."""
    return sum(its_name == name for _, its_name in _parts(field))


def _parts(field: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the parts of a Cookie field, whose sum it is, each with its name, if it has one."""
    position = 0
    while position < len(field):
        part = _PART.match(field, position)
        end = part.end() if part else field.find(b";", position) + 1 or len(field)
        yield field[position:end], part[1] if part else None
        position = end


def read_cookie(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Do as :func:`read_value` for the Cookie fields of an ASGI scope's headers."""
    return read_value(cookie_field(headers)[0], name)


def read_value(field: bytes, name: bytes) -> bytes | None:
    """Return the value that Werkzeug reads for the cookie ``name``, or ``None`` where there is no such cookie.

    Bytes above 0x7F are taken for Latin-1 and come back as UTF-8: base64 skips them, but counts them for its padding.
    Raises nothing, whatever the bytes; what it returns is always UTF-8.
    """
    if not field.isascii():
        field = field.decode("latin-1").encode()
    at = field.find(name)
    if at < 0:
        return None
    if _QUOTE in field:
        return _scan(field, name)
    start = at + len(name)
    # As browsers write it, alone or behind others; 0.2 us less than _find takes.
    if (not at or field[at - 2 : at] == b"; ") and field[start : start + 1] == b"=":
        end = field.find(b";", start)
        value = field[start + 1 : end if end != -1 else None]
        if _BLANK not in value and _TAB not in value:
            return value
    return _find(field, name, at)


def _find(field: bytes, name: bytes, at: int) -> bytes | None:
    """Read a cookie of a field without quotes, where parts end at each ``;``: only those with the name need a look."""
    while at >= 0:
        start = at
        while start and field[start - 1] in _BLANKS:
            start -= 1
        end = field.find(b";", at)
        if end == -1:
            end = len(field)
        if not start or field[start - 1] == _SEMICOLON:  # the name begins its part
            rest = field[at + len(name) : end].strip(_BLANKS)
            if not rest:
                return b""
            if rest[0] == _EQUALS:
                value = rest[1:].lstrip(_BLANKS)
                if _BLANK not in value and _TAB not in value:
                    return value
        at = field.find(name, end)
    return None


def _scan(field: bytes, name: bytes) -> bytes | None:
    """Read a cookie of any field, part by part."""
    position = 0
    while True:
        if part := _PART.match(field, position):
            if part[1] == name:
                if part[2] is None:
                    return part[3] or b""
                return unescape(part[2]).decode(errors="replace").encode()
            position = part.end()
        else:
            position = field.find(b";", position) + 1
            if not position:
                return None


def unescape(quoted: bytes) -> bytes:
    r"""Undo the escapes of a quoted value: ``\"``, ``\\`` and ``\ooo`` for a byte (``werkzeug.sansio.http``)."""
    return _ESCAPE.sub(lambda m: m[1] if len(m[1]) == 1 else bytes([int(m[1], 8)]), quoted)


_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z|~]+")
_COOKIE_OCTETS = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]*")
_NOT_IN_QUOTES = re.compile(b'[\x00-\x1f",;\\\\\x7f-\xff]')
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_CONTROLS = re.compile("[\x00-\x1f\x7f;]")
_SAME_SITE = ("Strict", "Lax", "None")


class SetCookie(NamedTuple):
    """A parsed Set-Cookie field: the cookie's name and value, which cookie it is beside its name, its attributes."""

    name: bytes
    value: bytes
    domain: str
    path: str
    partitioned: bool
    deletes: bool
    attributes: Mapping[str, str]  #: by their names in lower case; the last of a name


def parse_set_cookie(field: bytes, request_path: str = "/") -> SetCookie:
    """Read a Set-Cookie field as a browser does (RFC 6265 5.2): the last attribute of a name counts.

    ``request_path`` gives the default where there is no usable Path (RFC 6265 5.1.4). Raises nothing.
    """
    pair, *pieces = bytes(field).split(b";")  # some applications send a bytearray
    name, _, value = (side.strip(_BLANKS) for side in pair.partition(b"="))
    if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
        value = unescape(value[1:-1])
    attributes: dict[str, str] = {}
    for piece in pieces:
        key, _, text = (side.strip() for side in piece.decode("latin-1").partition("="))
        attributes[key.lower()] = text
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = _default_path(request_path)
    domain = attributes.get("domain", "").lstrip(".").lower()
    return SetCookie(name, value, domain, path, "partitioned" in attributes, _deletes(attributes), attributes)


def _default_path(request_path: str) -> str:
    """Return the path of a cookie set without one: the request's, up to its last slash (RFC 6265 5.1.4)."""
    return (request_path.startswith("/") and request_path.rpartition("/")[0]) or "/"


def _deletes(attributes: dict[str, str]) -> bool:
    """Return whether a browser removes the cookie at once: Max-Age takes precedence over Expires (RFC 6265 5.3)."""
    if re.fullmatch(r"-?[0-9]+", max_age := attributes.get("max-age", "")):
        return max_age.startswith("-") or set(max_age) == {"0"}
    try:
        expires = parsedate_to_datetime(attributes["expires"])
    except (KeyError, ValueError, OverflowError):
        return False
    return expires.replace(tzinfo=timezone.utc).timestamp() <= time()  # a browser looks at no time zone (5.1.1)


@lru_cache  # it takes 3 us to make, and stays the same for a second
def _until(second: int) -> bytes:
    """Return the attribute Expires."""
    return f"; Expires={formatdate(second, usegmt=True)}".encode()


class CookieWriter:
    """Writes the Set-Cookie field of one cookie: its settings checked and rendered once, its value each time.

    The bytes are those of ``werkzeug.http.dump_cookie``: the order Domain, Expires, Max-Age, Secure, HttpOnly,
    Path, SameSite, Partitioned, their spelling, a percent-encoded path, a domain in IDNA without leading dot.

    Raises ``TypeError`` or ``ValueError`` for a setting that no browser would take, naming it; ``name_setting`` is
    what the user calls ``name``.
    """

    def __init__(
        self,
        name: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        same_site: str | None = None,
        partitioned: bool = False,
        name_setting: str = "session_cookie",
    ) -> None:
        for setting, text, optional in (
            (name_setting, name, False),
            ("path", path, True),
            ("domain", domain, True),
            ("same_site", same_site, True),
        ):
            if not (isinstance(text, str) or (optional and text is None)):
                raise TypeError(f"{setting} must be a str{' or None' if optional else ''}, not {type(text).__name__}")
        if not _TOKEN.fullmatch(name):
            raise ValueError(
                f"{name_setting}={name!r} is not a valid cookie name; use letters, digits and !#$%&'*+-.^_`|~"
            )
        if path is not None:
            if not path.startswith("/") or _CONTROLS.search(path):
                raise ValueError(f"path={path!r} must start with '/' and must not contain ';' or control characters")
            path = quote(path, safe="%!$&'()*+,/:=@")  # the characters that Werkzeug leaves as they are
        if domain is not None:
            domain = _host(domain)
        if same_site is not None:
            if same_site.title() not in _SAME_SITE:
                raise ValueError(f"same_site={same_site!r} must be 'strict', 'lax', 'none' or None")
            same_site = same_site.title()
        secure = bool(secure or partitioned)  # as Werkzeug: browsers ignore Partitioned without Secure
        host_only = path == "/" and domain is None
        if missing := _missing_for_prefix(name, secure=secure, httponly=bool(httponly), host_only=host_only):
            raise ValueError(f"{name_setting}={name!r} is refused by browsers without {' and '.join(missing)}")

        self.name = name.encode()
        self._host, self._path, self._partitioned = (domain or "").lower(), path, bool(partitioned)
        self._start = self.name + b"="
        self._domain = f"; Domain={domain}".encode() if domain else b""
        self._end = "".join(
            (
                "; Secure" if secure else "",
                "; HttpOnly" if httponly else "",
                f"; Path={path}" if path is not None else "",
                f"; SameSite={same_site}" if same_site is not None else "",
                "; Partitioned" if partitioned else "",
            )
        ).encode("ascii")
        self.deletion: bytes = self.field(b"", expires=0, max_age=0)  #: the field that removes the cookie

    def field(self, value: bytes, *, expires: int | None = None, max_age: int | None = None) -> bytes:
        """Return the field that sets the cookie to ``value``; ``expires`` in Unix seconds, ``max_age`` in seconds."""
        until = b"" if expires is None else _until(expires)
        age = b"" if max_age is None else b"; Max-Age=%d" % max_age
        return b"%b%b%b%b%b%b" % (self._start, value, self._domain, until, age, self._end)

    def covers(self, request_path: str) -> bool:
        """Return whether a browser sends the cookie back to this path (RFC 6265 5.1.4)."""
        path = "/" if self._path is None else unquote(self._path)
        return path == "/" or request_path == path or request_path.startswith(path.rstrip("/") + "/")

    def is_set_by(self, field: bytes, request_path: str) -> bool:
        """Return whether a Set-Cookie field sets this very cookie: its name, domain, path and partitioning."""
        field = bytes(field)  # perhaps a bytearray
        if self.name not in field:
            return False
        other = parse_set_cookie(field, request_path)
        path = _default_path(request_path) if self._path is None else self._path
        same = (self.name, self._host, path, self._partitioned)
        return (other.name, other.domain, other.path, other.partitioned) == same


def is_cookie_value(value: str) -> bool:
    """Return whether ``value`` can stand in a Set-Cookie field without quotes (RFC 6265 4.1.1)."""
    return _COOKIE_OCTETS.fullmatch(value) is not None


def quote_value(value: str) -> bytes:
    r"""Return any text as it stands in a Set-Cookie field; :func:`read_cookie` undoes it.

    What cannot stand there bare is put in quotes, with ``\ooo`` for a byte (``werkzeug.http.dump_cookie``).
    """
    if is_cookie_value(value):
        return value.encode()
    return b'"%b"' % _NOT_IN_QUOTES.sub(
        lambda m: b"\\" + m[0] if m[0] in (b'"', b"\\") else b"\\%03o" % m[0][0], value.encode()
    )


def _host(domain: str) -> str:
    """Return a Domain attribute as Werkzeug writes it: without port and leading dot, in IDNA."""
    name, colon, port = domain.partition(":")
    try:
        host = name.lstrip(".").encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host) or (colon and not port.isdecimal()):
        raise ValueError(f"domain={domain!r} must be a host name such as 'example.com', or None for this host alone")
    return host


def _missing_for_prefix(name: str, *, secure: bool, httponly: bool, host_only: bool) -> list[str]:
    """Return the settings without which browsers reject a cookie with this name's prefix (RFC 6265bis 4.1.3)."""
    prefix = re.match(r"__(Host-Http|Host|Http|Secure)-", name, re.IGNORECASE)
    if prefix is None:
        return []
    kind = prefix[1].lower()
    missing = [] if secure else ["https_only=True"]
    if "http" in kind and not httponly:
        missing.append("httponly=True")
    if "host" in kind and not host_only:
        missing.append("path='/' and domain=None")
    return missing
