"""Thousands of users at once in one process: each has their own session, and nothing is left over for the next."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import random
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from itsdangerous import BadData
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route

from starlette_flask import SessionCodec, SessionMiddleware
from tests.asgi import KEY, Reply, opened, signed

USERS = 1000


def content_of(user: int) -> dict[str, Any]:
    """Flat for some, nested for others, permanent for a few; long enough to be compressed for all."""
    content: dict[str, Any] = {"user": user, "secret": hashlib.sha256(b"%d" % user).hexdigest() * 2}
    if user % 2:
        content["cart"] = [user, {"owner": user}]
    if user % 5 == 0:
        content["_permanent"] = True
    return content


def expected_of(user: int) -> dict[str, Any]:
    return {**content_of(user), "cart": [*content_of(user).get("cart", []), user], "visits": 1}


def use(session: Any) -> None:
    """What each handler below does before it waits for others."""
    user = session["user"]
    session.setdefault("cart", []).append(user)
    session["visits"] = session.get("visits", 0) + 1


async def request(app: Callable[..., Awaitable[None]], user: int, path: str = "/") -> Reply:
    headers = [(b"host", b"test"), (b"cookie", b"session=" + signed_of(user))]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}
    scope.update(http_version="1.1", scheme="http", root_path="", server=("test", 80), client=("127.0.0.1", user))
    reply, answered = Reply(scope), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if "asked" in scope:  # by who watches for the client to go
            await answered.wait()
            return {"type": "http.disconnect"}
        scope["asked"] = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        reply.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(scope, receive, send)
    return reply


COOKIES: dict[int, bytes] = {}


def signed_of(user: int) -> bytes:
    if user not in COOKIES:
        COOKIES[user] = signed(content_of(user)).encode()
    return COOKIES[user]


def serve_all(app: Callable[..., Awaitable[None]], *, users: int = USERS, at_once: int = 100, path: str = "/") -> None:
    """Let every user ask, in any order and many at once; each reply is of its own session and of no other."""
    order = list(range(users))
    random.Random(7).shuffle(order)

    async def run() -> None:
        limit = asyncio.Semaphore(at_once)

        async def one(user: int) -> None:
            async with limit:
                reply = await request(app, user, path)
            assert reply.saved == expected_of(user)
            assert reply.vary == ["Cookie"]
            assert len(reply.set_cookies) == 1
            body = b"".join(message.get("body", b"") for message in reply.messages)
            assert body in (b"", b"%d" % user, b"constant")

        await asyncio.gather(*map(one, order))

    asyncio.run(run())


class TestAsyncHandlers:
    """All in one thread, each waiting in the middle for many others."""

    def test_of_plain_asgi(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            session = scope["session"]
            user = session["user"]
            use(session)
            for _ in range(user % 7):
                await asyncio.sleep(0)
            assert session["user"] == user
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"%d" % user})

        serve_all(SessionMiddleware(app, KEY), users=3 * USERS, at_once=3 * USERS)

    def test_of_fastapi(self) -> None:
        app = FastAPI()

        @app.get("/")
        async def view(request: Request) -> PlainTextResponse:
            use(request.session)
            await asyncio.sleep(0)
            return PlainTextResponse(str(request.session["user"]))

        async def through(request: Request, call_next: Any) -> Any:  # which runs the rest in a task of its own
            await asyncio.sleep(0)
            return await call_next(request)

        app.add_middleware(BaseHTTPMiddleware, dispatch=through)
        app.add_middleware(SessionMiddleware, secret_key=KEY)
        serve_all(app)


class TestThreads:
    """Handlers in threads, several of which run at a time."""

    def test_of_starlettes_endpoints(self) -> None:
        """Each in a thread of the pool, and switched between in the middle of what it does to its session."""

        def view(request: Request) -> PlainTextResponse:
            for _ in range(3):
                user = request.session["user"]
                time.sleep(0)
            use(request.session)
            time.sleep(0)
            assert request.session["user"] == user
            return PlainTextResponse(str(user))

        app = Starlette(routes=[Route("/", view)])
        app.add_middleware(SessionMiddleware, secret_key=KEY)
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            serve_all(app)
        finally:
            sys.setswitchinterval(before)

    def test_of_a_thread_pool(self) -> None:
        app = FastAPI()

        @app.get("/")
        def view(request: Request) -> PlainTextResponse:
            use(request.session)
            task = BackgroundTask(dict, request.session)
            return PlainTextResponse(str(request.session["user"]), background=task)

        app.add_middleware(SessionMiddleware, secret_key=KEY)
        serve_all(app)

    @pytest.mark.parametrize("outer", [False, True])
    def test_of_a_mounted_flask_application(self, outer: bool) -> None:
        """Alone, and where both sides change the session: then one cookie has both changes."""
        flask_app = flask.Flask("mounted")
        flask_app.config["SECRET_KEY"] = KEY

        @flask_app.route("/")
        def view() -> str:
            session = flask.session
            session["cart"] = [*session.get("cart", []), session["user"]]
            if not outer:
                session["visits"] = session.get("visits", 0) + 1
            return str(session["user"])

        mounted: Any = WSGIMiddleware(flask_app, workers=8)

        async def around(scope: Any, receive: Any, send: Any) -> None:
            if outer:
                scope["session"]["visits"] = scope["session"].get("visits", 0) + 1
            await mounted(scope, receive, send)

        try:
            serve_all(SessionMiddleware(around, KEY))
        finally:
            mounted.executor.shutdown()

    def test_of_one_codec(self) -> None:
        """Signing and opening, with more values than are remembered, some of them twice and some forged."""
        codec = SessionCodec(KEY, secret_key_fallbacks=["retired"])
        forged = SessionCodec("another key")

        def work(worker: int) -> None:
            for number in range(300):
                content = content_of(number * 7 + worker)
                value = codec.dumps(content)
                for _ in range(4):
                    loaded = codec.loads(value, 60)
                    assert loaded == content
                    loaded["user"] = "eve"
                with pytest.raises(BadData):
                    codec.loads(forged.dumps(content))
            assert opened(value) == content

        with ThreadPoolExecutor(8) as executor:
            assert list(executor.map(work, range(8))) == [None] * 8


class TestShared:
    """What applications keep and send to everybody stays as it is, however often it is sent."""

    def test_a_constant_message(self) -> None:
        headers = [(b"content-type", b"text/plain"), (b"vary", b"Accept"), (b"set-cookie", b"other=1")]
        constant = {"type": "http.response.start", "status": 200, "headers": headers}
        before = copy.deepcopy(constant)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            use(scope["session"])
            await asyncio.sleep(0)
            await send(constant)

        middleware = SessionMiddleware(app, KEY)
        for user in range(USERS):
            reply = asyncio.run(request(middleware, user))
            assert reply.vary == ["Accept, Cookie"]
            (other, cookie) = reply.set_cookies
            assert other == "other=1"
            assert opened(cookie.partition(";")[0].partition("=")[2]) == expected_of(user)
        assert constant == before
        assert constant["headers"] is headers

    def test_a_constant_response_object(self) -> None:
        constant = PlainTextResponse("constant")
        size = len(constant.raw_headers)

        async def view(request: Request) -> PlainTextResponse:
            use(request.session)
            return constant

        app = Starlette(routes=[Route("/", view)])
        app.add_middleware(SessionMiddleware, secret_key=KEY)
        serve_all(app)
        assert len(constant.raw_headers) == size

    def test_constant_request_headers(self) -> None:
        """A server, or a test client, may use one list for all requests of a connection."""
        headers = [(b"cookie", b"session=" + signed_of(3))]
        before = list(headers)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["headers"] is headers
            assert dict(scope["session"]) == content_of(3)
            use(scope["session"])
            await send({"type": "http.response.start", "status": 200, "headers": ()})

        middleware = SessionMiddleware(app, KEY)

        async def run() -> None:
            async def send(message: Any) -> None: ...

            for _ in range(100):
                await middleware({"type": "http", "path": "/", "headers": headers}, None, send)

        asyncio.run(run())
        assert headers == before

    def test_one_middleware_object_in_two_places(self) -> None:
        """Also for requests within requests: a page that is put together from two others."""

        async def inner(scope: Any, receive: Any, send: Any) -> None:
            use(scope["session"])
            await send({"type": "http.response.start", "status": 200, "headers": []})

        part = SessionMiddleware(inner, KEY)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            other = scope["session"]["user"] + 1
            reply = await request(part, other)
            assert reply.saved == expected_of(other)
            use(scope["session"])
            await send({"type": "http.response.start", "status": 200, "headers": []})

        serve_all(SessionMiddleware(outer, KEY), at_once=USERS)
