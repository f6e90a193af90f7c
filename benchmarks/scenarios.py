"""What the competitors are measured on: one realistic request and response, and what a handler does in between.

Every scenario is a starting session (or none), what the handler does with ``scope["session"]``, and what must have
happened then; :func:`benchmarks.peers.check` sees to it that nobody wins by not working.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from hashlib import sha1, sha512
from typing import Any, NamedTuple

OURS, PUBLISHED, STARLETTE = "starlette-flask", "starlette-flask 0.1.0", "Starlette"
STARSESSIONS, LITESTAR, FLASK = "starsessions", "Litestar", "Flask open/save"
SECRET_KEY = "a8f5f167f44f4964e6c998dee827110c"
Headers = list[tuple[bytes, bytes]]

# What Flask-Login, Flask-WTF and a choice of language leave in a session: 245 bytes of JSON, which zlib shortens.
LOGGED_IN: dict[str, Any] = {
    "_fresh": True,
    "_id": sha512(b"203.0.113.7|Mozilla/5.0").hexdigest(),
    "_user_id": "4711",
    "csrf_token": "5d41402abc4b2a76b9719d911017c592d3c8e1f0",
    "locale": "en_GB",
}
PERMANENT = {**LOGGED_IN, "_permanent": True}
NESTED = {**LOGGED_IN, "cart": [{"sku": "A-1001", "count": 2}, {"sku": "B-2002", "count": 1}]}
SMALL: dict[str, Any] = {"_user_id": "4711", "locale": "en_GB"}  # too short for zlib to gain anything
TWENTY = {**LOGGED_IN, **{f"preference_{n}": n for n in range(15)}}
LARGE: dict[str, Any] = {
    **LOGGED_IN,
    "seen": [
        {
            "sku": sha512(bytes([n])).hexdigest()[:12],
            "title": f"Product number {n}",
            "price": 995 + 37 * n,
            "new": n < 5,
        }
        for n in range(39)
    ],
}

# Other people's cookies before and after the session's, as a browser sends them to a shop.
COOKIES_BEFORE = (
    b"_ga=GA1.1.1873640925.1712345678; _ga_4XK2M1Q9ZP=GS1.1.1712345678.12.1.1712345999.58.0.0; "
    b"_fbp=fb.1.1712345678901.1029384756; cookieconsent_status=allow"
)
COOKIES_AFTER = (
    b"__stripe_mid=7f1f2b8c-3d4e-4f5a-9b6c-7d8e9f0a1b2c3d4e5f; theme=dark; "
    b"intercom-device-id-x1y2z3a4=0b9c8d7e-6f5a-4b3c-2d1e-0f9a8b7c6d5e; tz=Europe%2FLondon"
)
REQUEST_HEADERS: Headers = [
    (b"host", b"shop.example.com"),
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-forwarded-proto", b"https"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.example.com/products?page=2"),
    (b"dnt", b"1"),
    (b"connection", b"keep-alive"),
    (b"upgrade-insecure-requests", b"1"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
]


def request_headers(session_cookies: bytes | None = None) -> Headers:
    """Return a browser's request headers, the session's cookies (``name=value``, joined with ``; ``) among others."""
    cookies = [COOKIES_BEFORE, COOKIES_AFTER]
    if session_cookies is not None:
        cookies.insert(1, session_cookies)
    return [*REQUEST_HEADERS, (b"cookie", b"; ".join(cookies))]


def http_scope(headers: Headers) -> dict[str, Any]:
    """Return a scope such as uvicorn makes for a GET request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 51234),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": "/cart",
        "raw_path": b"/cart",
        "query_string": b"page=2",
        "headers": headers,
    }


def response_headers() -> Headers:
    """Return new headers of a JSON response, as frameworks make them for every response."""
    return [
        (b"content-length", b"27"),
        (b"content-type", b"application/json"),
        (b"cache-control", b"private, max-age=0"),
        (b"x-request-id", b"01HV5Q3J8Z6K4N2M0P9R7T5W3Y"),
    ]


_count = itertools.count().__next__


def do_nothing(session: Any) -> None:
    """Leave the session alone."""


def read(session: Any) -> Any:
    """Ask who is logged in."""
    return session.get("_user_id")


def write(session: Any) -> None:
    """Change a value, to another one each time: some competitors compare instead of tracking."""
    session["locale"] = f"xx_{_count() % 90 + 10}"


def read_nested(session: Any) -> Any:
    """Look into a list of dicts."""
    return session["cart"][0]["count"]


class Scenario(NamedTuple):
    """A group of benchmarks."""

    name: str
    starts_with: dict[str, Any] | None
    work: Callable[[Any], Any] = do_nothing
    returns: Any = None
    tampered: bool = False
    #: The response must set the cookie: the handler wrote, or the session is permanent and was refreshed.
    saves: bool = False
    #: How many users take turns, each with a session and cookie of their own.
    users: int = 1

    def session(self, user: int) -> dict[str, Any]:
        """Return the session that a user starts with."""
        content = dict(self.starts_with or {})
        if user:
            content["csrf_token"] = sha1(b"%d" % user).hexdigest()
        return content


#: More users than the middleware's 16 MiB have room for (some 10,000 log-ins): by the time that a cookie comes again,
#: it is no longer cached, and each request is a miss that pays for caching as well. In the other scenarios one user
#: comes again and again, whose cookie is cached.
MANY = 25_000
#: In the name of each scenario with so many users.
MISS = "cache miss"

SCENARIOS = (
    Scenario("no cookie", None),
    Scenario("untouched", LOGGED_IN),
    Scenario("read", LOGGED_IN, read, "4711"),
    Scenario("write", LOGGED_IN, write, saves=True),
    Scenario("tampered", LOGGED_IN, tampered=True),
    Scenario(f"untouched, {MISS}", LOGGED_IN, users=MANY),
    Scenario(f"read, {MISS}", LOGGED_IN, read, "4711", users=MANY),
    Scenario(f"write, {MISS}", LOGGED_IN, write, saves=True, users=MANY),
    Scenario("permanent refresh", PERMANENT, saves=True),
    Scenario("nested read", NESTED, read_nested, 2),
    Scenario("20 keys, read", TWENTY, read, "4711"),
    Scenario("20 keys, write", TWENTY, write, saves=True),
    Scenario("3 KB, read", LARGE, read, "4711"),
    Scenario("3 KB, write", LARGE, write, saves=True),
)

HITS, MISSES = "cache hits", "cache misses"
#: The scenarios that a geometric mean is taken over.
MEANS = {
    HITS: ("no cookie", "untouched", "read", "write", "tampered"),
    MISSES: ("no cookie", f"untouched, {MISS}", f"read, {MISS}", f"write, {MISS}", "tampered"),
}


def session_cookies(response: Headers) -> bytes:
    """Return the session's cookies of a response as a browser sends them back."""
    set_cookies = [value.partition(b";")[0] for name, value in response if name == b"set-cookie"]
    assert set_cookies, "the response sets no cookie"
    return b"; ".join(set_cookies)
