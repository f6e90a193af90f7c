"""Many threads on one middleware and one codec: each gets, to the byte, what it would get alone.

Every thread lives in a second of its own, so that whatever is kept from one call to the next (verified values, the
text of a timestamp) is another one for the next thread. They run at full speed, and, since a GIL lets
few of their steps meet, also with a switch of threads at any bytecode of the package.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from itsdangerous import BadSignature, SignatureExpired, TimestampSigner

import starlette_flask
from starlette_flask import SessionCodec, SessionMiddleware, codec, verified
from starlette_flask.middleware import sessions
from tests.asgi import KEY, flask_reader
from tests.builds import FREE_THREADED

THREADS = 8
RETIRED = "a retired key of the tests"
NOW = int(time.time())
PACKAGE = str(Path(starlette_flask.__file__).parent)

clock = threading.local()


@pytest.fixture(autouse=True)
def _few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cache that ``test_one_middleware`` gives be full after a few values."""
    monkeypatch.setattr(verified, "_LARGEST", 1)


@pytest.fixture(autouse=True)
def _seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each thread have the time that it has set: ``time_machine`` changes that of all."""
    for module in (codec, sessions):
        assert module.time is time.time
        monkeypatch.setattr(module, "time", lambda: clock.second)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: clock.second)


def at(second: int) -> int:
    clock.second = second
    return second


Run = Callable[[Callable[[int], None]], None]


@pytest.fixture(params=["at full speed", "switched at any bytecode"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """What runs a function in all threads at once, and raises what it raises."""
    if FREE_THREADED:  # no module that the tests import has switched the GIL on again
        is_gil_enabled: Callable[[], bool] = sys._is_gil_enabled  # type: ignore[attr-defined]  # new in 3.13
        assert not is_gil_enabled()
    barrier = threading.Barrier(THREADS)
    interval = sys.getswitchinterval()

    def begin(work: Callable[[int], None], worker: int) -> None:
        switch = random.Random(worker).random

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            if not frame.f_code.co_filename.startswith(PACKAGE):
                return None
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            if switch() < 0.02:
                time.sleep(1e-4)  # the others go on
            return trace

        barrier.wait()
        if request.param == "switched at any bytecode":
            sys.settrace(trace)
        work(worker)

    def run(work: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(THREADS) as executor:
            for future in [executor.submit(begin, work, worker) for worker in range(THREADS)]:
                future.result()

    sys.setswitchinterval(1e-6)
    yield run
    sys.setswitchinterval(interval)


def content_of(worker: int, number: int) -> dict[str, Any]:
    """Flat, nested, permanent, with tags, and compressed ones; no two alike."""
    content: dict[str, Any] = {"user": f"{worker}-{number}"}
    if number % 2:
        content["cart"] = [worker, {"number": number}]
    if number % 3:
        content["_permanent"] = True
    if number % 5 == 0:
        content |= {"id": UUID(int=number), "pair": (worker, number), "at": datetime.fromtimestamp(NOW, timezone.utc)}
    if number % 7 == 0:
        content["text"] = f"{worker}-{number} " * 50
    return content


def flask_signer(key: str) -> Any:
    app: Flask = flask_reader(key)
    interface: Any = app.session_interface
    return interface.get_signing_serializer(app)


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """What a handler may do: read, change, change inside; it awaits nothing that would have it wait."""
    session = scope["session"]
    user = session.get("user")
    if "cart" in session:
        session["cart"].append(user)
    session["visits"] = session.get("visits", 0) + 1
    await send({"type": "http.response.start", "status": 200, "headers": [(b"vary", b"Accept")]})
    assert session.get("user") == user


def answer(middleware: SessionMiddleware, cookie: str) -> list[tuple[bytes, bytes]]:
    """The headers of the response; without an event loop, which would take most of the time."""
    headers: list[tuple[bytes, bytes]] = []
    scope = {"type": "http", "path": "/", "headers": [(b"cookie", f"session={cookie}".encode())]}

    async def send(message: Any) -> None:
        headers.extend(message["headers"])

    with suppress(StopIteration):
        middleware(scope, None, send).send(None)
    return headers


SETTINGS: dict[str, dict[str, Any]] = {
    "Flask's rule": {},
    "max_age": {"max_age": 86_400},
    "signed by itsdangerous": {"signer_kwargs": {"digest_method": "sha1"}},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_one_middleware(run: Run, settings: dict[str, Any]) -> None:
    """Of a current key, a retired one, or one that nobody knows, each user gets the answer of a middleware alone."""

    def make() -> SessionMiddleware:
        at(NOW)
        return SessionMiddleware(shop, KEY, secret_key_fallbacks=[RETIRED], cache_size=8 * 64 * 1000, **settings)

    signers = [flask_signer(KEY), flask_signer(KEY), flask_signer(RETIRED), flask_signer("another key")]
    asked: list[list[tuple[int, str, list[tuple[bytes, bytes]]]]] = []
    for worker in range(THREADS):
        asked.append([])
        for number in range(12):
            alone = make()
            user = 0 if number % 4 == 1 else worker  # some are everybody's
            cookie = signers[number % len(signers)].dumps(content_of(user, number))
            second = at(NOW + (worker + number) % 5)
            asked[-1].append((second, cookie, answer(alone, cookie)))
    assert len({field for group in asked for _, _, headers in group for _, field in headers}) > THREADS * 6

    shared = make()

    def work(worker: int) -> None:
        for second, cookie, expected in asked[worker]:
            at(second)
            for _ in range(4):  # verified, then remembered, then with its content
                assert answer(shared, cookie) == expected

    run(work)


def test_one_codec(run: Run) -> None:
    """Signed and opened, some by all of them; what a thread changes in what it got is changed for it alone."""
    at(NOW)
    shared = SessionCodec(KEY, secret_key_fallbacks=[RETIRED])
    current, retired, forged = flask_signer(KEY), flask_signer(RETIRED), flask_signer("another key")
    common, everybodys = {"user": "everybody"}, shared.dumps({"user": "everybody"})

    def work(worker: int) -> None:
        for number in range(15):
            content = content_of(worker, number)
            second = at(NOW + (worker + number) % 5)
            value = shared.dumps(content)
            assert current.loads(value, return_timestamp=True) == (content, signed_at(second))
            for cookie in (value, retired.dumps(content)):
                for age in range(4):  # verified, then remembered, then with its content
                    at(second + age)
                    loaded = shared.loads(cookie, max_age=3, return_timestamp=True)
                    assert loaded == (content, signed_at(second))
                    loaded[0]["user"] = "eve"
                    loaded = shared.loads(everybodys)
                    assert loaded == common
                    loaded["user"] = "eve"
                at(second + 4)
                with pytest.raises(SignatureExpired):
                    shared.loads(cookie, max_age=3)
                at(second)
            with pytest.raises(BadSignature):
                shared.loads(forged.dumps(content))

    run(work)


def signed_at(second: int) -> datetime:
    return datetime.fromtimestamp(0, timezone.utc) + timedelta(seconds=second)
