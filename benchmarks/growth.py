"""How the cost of a request grows: with other cookies, with the session's size, with fallback keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import md5

from starlette_flask import SessionMiddleware

from .peers import Peer, Prepared, cookies_of, marking_app, prepare
from .scenarios import (
    LOGGED_IN,
    MANY,
    OURS,
    PUBLISHED,
    REQUEST_HEADERS,
    SECRET_KEY,
    STARLETTE,
    Scenario,
    read,
    request_headers,
    write,
)

NAMES = (OURS, STARLETTE, PUBLISHED)
#: How far it grew -> competitor -> what to measure.
Growth = Iterator[tuple[str, dict[str, Prepared]]]


def other_cookies(competitors: Mapping[str, Peer]) -> Growth:
    """Yield reads of a session whose cookie is the last of so many."""
    for others in (0, 5, 10, 20, 50, 100):
        scenario = Scenario(f"read, {others} other cookies", LOGGED_IN, read, "4711")
        foreign = [b"_vendor%d=GA1.1.%d.1712345678" % (n, n * 7919) for n in range(others)]
        found: dict[str, Prepared] = {}
        for name in NAMES:
            fields = [b"; ".join([*foreign, cookies or b""]) for cookies in cookies_of(competitors[name], scenario)]
            requests = [[*REQUEST_HEADERS, (b"cookie", field)] for field in fields]
            found[name] = prepare(competitors[name], scenario, requests)
        yield scenario.name, found


def session_size(competitors: Mapping[str, Peer]) -> Growth:
    """Yield sessions of about as many bytes of JSON, in values of 32 characters, each a cache miss."""
    for work in (read, write):
        for size in (64, 256, 1024, 2048, 4096):
            content = {"_user_id": "4711", "locale": "en_GB"}
            content.update((f"key{n:03}", md5(b"%d" % n).hexdigest()) for n in range(size // 43))
            users = (12 << 20) // (size + 400)  # more than fit into 16 MiB: their objects take more than JSON
            name = f"{work.__name__}, {size} bytes"
            scenario = Scenario(name, content, work, saves=work is write, users=users)
            yield name, {name: prepare(competitors[name], scenario) for name in NAMES}


def fallback_keys(_: Mapping[str, Peer]) -> Growth:
    """Yield sessions that the oldest of so many keys signed, which is tried last; each is a cache miss."""
    for keys in (0, 1, 2, 5, 10):
        retired = [f"{SECRET_KEY}{n}" for n in range(keys)]
        old = Peer(OURS, lambda app, retired=retired: SessionMiddleware(app, [*retired, SECRET_KEY][0]), marking_app)
        peer = Peer(
            OURS,
            lambda app, retired=retired: SessionMiddleware(app, SECRET_KEY, secret_key_fallbacks=retired),
            marking_app,
        )
        scenario = Scenario(f"untouched, {keys} fallback keys", LOGGED_IN, users=MANY)
        requests = [request_headers(cookies) for cookies in cookies_of(old, scenario)]
        yield scenario.name, {OURS: prepare(peer, scenario, requests)}


GROWTHS: tuple[Callable[[Mapping[str, Peer]], Growth], ...] = (other_cookies, session_size, fallback_keys)
