"""How the cost of a request grows: with other cookies, with the session's size, with retired keys."""

from __future__ import annotations

from hashlib import md5

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from starlette_flask import SessionMiddleware

from .peers import BARE_APP, Peer, check, cookies_of, marking_app
from .scenarios import (
    LOGGED_IN,
    MANY,
    OURS,
    PUBLISHED,
    REQUEST_HEADERS,
    SECRET_KEY,
    STARLETTE,
    Headers,
    Scenario,
    read,
    request_headers,
    write,
)

NAMES = [BARE_APP, OURS, PUBLISHED, STARLETTE]
WORK = {"read": read, "write": write}


def measure(benchmark: BenchmarkFixture, peer: Peer, scenario: Scenario, requests: list[Headers], name: str) -> None:
    """Run one benchmark of the group, which is named after what grows and how far it grew."""
    benchmark.group = scenario.name
    benchmark.extra_info.update(name=name, over=None if name == BARE_APP else BARE_APP)
    check(peer, scenario, requests[0], scenario.work)
    benchmark(peer.bare(requests) if name == BARE_APP else peer.call(scenario.work, requests))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("others", [0, 5, 10, 20, 50, 100])
def test_other_cookies(benchmark: BenchmarkFixture, competitors: dict[str, Peer], others: int, name: str) -> None:
    """The session's cookie is the last of them."""
    peer = competitors[OURS if name == BARE_APP else name]
    scenario = Scenario(f"read, {others} other cookies", LOGGED_IN, read, "4711")
    foreign = [b"_vendor%d=GA1.1.%d.1712345678" % (n, n * 7919) for n in range(others)]
    fields = [b"; ".join([*foreign, cookies or b""]) for cookies in cookies_of(peer, scenario)]
    measure(benchmark, peer, scenario, [[*REQUEST_HEADERS, (b"cookie", field)] for field in fields], name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [64, 256, 1024, 2048, 4096])
@pytest.mark.parametrize("verb", ["read", "write"])
def test_session_size(
    benchmark: BenchmarkFixture, competitors: dict[str, Peer], verb: str, size: int, name: str
) -> None:
    """Sessions of about as many bytes of JSON, in values of 32 characters, each a cache miss."""
    peer = competitors[OURS if name == BARE_APP else name]
    content = {"_user_id": "4711", "locale": "en_GB"}
    content.update((f"key{n:03}", md5(b"%d" % n).hexdigest()) for n in range(size // 43))
    users = (12 << 20) // (size + 400)  # of each size, more than fit into 16 MiB: their objects take more than JSON
    scenario = Scenario(f"{verb}, {size} bytes", content, WORK[verb], saves=verb == "write", users=users)
    measure(benchmark, peer, scenario, [request_headers(cookies) for cookies in cookies_of(peer, scenario)], name)


@pytest.mark.parametrize("name", [BARE_APP, OURS])
@pytest.mark.parametrize("keys", [0, 1, 2, 5, 10])
def test_fallback_keys(benchmark: BenchmarkFixture, keys: int, name: str) -> None:
    """The cookie is signed with the oldest, which is tried last, and is a cache miss."""
    retired = [f"{SECRET_KEY}{n}" for n in range(keys)]
    old = Peer(OURS, lambda app: SessionMiddleware(app, [*retired, SECRET_KEY][0]), marking_app)
    peer = Peer(OURS, lambda app: SessionMiddleware(app, SECRET_KEY, secret_key_fallbacks=retired), marking_app)
    scenario = Scenario(f"untouched, {keys} fallback keys", LOGGED_IN, users=MANY)
    measure(benchmark, peer, scenario, [request_headers(cookies) for cookies in cookies_of(old, scenario)], name)
