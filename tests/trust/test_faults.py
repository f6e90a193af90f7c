"""What goes wrong in one request, on either end of it, is over with it: the next one is as if nothing had been."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from starlette_flask import SessionMiddleware
from tests.apps.server import serve
from tests.asgi import KEY, STARTS, Reply, app_that, call, signed, wait_for

NOW = 1_700_000_000
ADA: dict[str, Any] = {"cart": [1], "user": "ada"}
EVE: dict[str, Any] = {"cart": [], "user": "eve"}


class Fault(Exception):  # noqa: N818
    """What the application raises."""


class Ended(BaseException):
    """As what a server raises where it stops: no ``Exception``."""


def harm(session: Any) -> None:
    """What an application may have done to its session when it fails."""
    session["cart"].append("harm")
    session["user"] = "mallory"
    session.permanent = True
    session.new  # noqa: B018


async def start(send: Any, **message: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [], **message})


async def before_the_response(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    raise Fault


async def before_it_touched_anything(scope: Any, receive: Any, send: Any) -> None:
    raise Fault


async def after_the_start(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    harm(scope["session"])
    raise Fault


async def in_the_middle_of_the_body(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    await start(send)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise Fault


async def after_the_response(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    await start(send)
    await send({"type": "http.response.body", "body": b""})
    harm(scope["session"])
    raise Fault


async def with_a_base_exception(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    await start(send)
    raise Ended


async def when_it_is_cancelled(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    raise asyncio.CancelledError


async def with_what_cannot_be_stored(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    scope["session"]["cart"] = {object()}
    await start(send)


async def with_what_contains_itself(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    scope["session"]["cart"].append(scope["session"])
    await start(send)


async def with_no_session(scope: Any, receive: Any, send: Any) -> None:
    scope["session"] = 5
    await start(send)


async def with_its_own_dict_broken(scope: Any, receive: Any, send: Any) -> None:
    dict.clear(scope["session"])
    del scope["session"]
    await start(send, headers=None)
    raise Fault


async def with_odd_headers(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])
    await start(send, headers=[b"no pair"])
    raise Fault


async def when_the_client_has_gone(scope: Any, receive: Any, send: Any) -> None:
    """The server's ``send`` raises (ASGI 2.4), and the application goes on."""
    harm(scope["session"])
    with suppress(OSError):
        await start(send, gone=True)
    await send({"type": "http.response.body", "body": b"", "gone": True})


async def when_it_sends_nothing(scope: Any, receive: Any, send: Any) -> None:
    harm(scope["session"])


FAULTS = [
    before_the_response,
    before_it_touched_anything,
    after_the_start,
    in_the_middle_of_the_body,
    after_the_response,
    with_a_base_exception,
    when_it_is_cancelled,
    with_what_cannot_be_stored,
    with_what_contains_itself,
    with_no_session,
    with_its_own_dict_broken,
    with_odd_headers,
    when_the_client_has_gone,
    when_it_sends_nothing,
]


def visit(session: Any) -> None:
    session["visits"] = session.get("visits", 0) + 1
    session.setdefault("cart", []).append("mine")


def send_to(app: Any, cookie: str) -> Reply:
    """As `call`, with a `send` that raises for messages which say that nobody is there."""

    async def sending(scope: Any, receive: Any, send: Any) -> None:
        async def gone(message: Any) -> None:
            if message.get("gone"):
                raise OSError("the client has gone")
            await send(message)

        await app(scope, receive, gone)

    return call(sending, cookie=cookie)


class TestTheNextRequest:
    """After any fault, the same middleware answers byte for byte as a new one."""

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
    def test_is_as_if_nothing_had_been(self, fault: Any, time_machine: Any) -> None:
        time_machine.move_to(NOW, tick=False)
        cookies = [signed(ADA), signed(EVE), signed({**ADA, "_permanent": True}), "broken", None]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (fault if scope["path"] == "/fault" else app_that(visit))(scope, receive, send)

        def answers(middleware: Any) -> list[Any]:
            replies = [call(middleware, cookie=cookie) for cookie in cookies]
            return [(reply.messages, dict(reply.scope["session"])) for reply in replies]

        expected = answers(SessionMiddleware(app, KEY))
        middleware = SessionMiddleware(app, KEY)
        for _ in range(2):
            for cookie in (signed(ADA), signed(EVE)):
                failing = lambda scope, *channels: middleware({**scope, "path": "/fault"}, *channels)  # noqa: E731
                with suppress(Fault, Ended, asyncio.CancelledError, TypeError, AttributeError, OSError):
                    send_to(failing, cookie)
                    assert fault in (when_it_sends_nothing, with_its_own_dict_broken)
            assert answers(middleware) == expected

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
    def test_the_error_is_the_applications_own(self, fault: Any) -> None:
        expected: dict[Any, Any] = {
            with_a_base_exception: Ended,
            when_it_is_cancelled: asyncio.CancelledError,
            with_what_cannot_be_stored: TypeError,
            with_what_contains_itself: TypeError,
            with_no_session: TypeError,
            with_odd_headers: TypeError,
            when_the_client_has_gone: OSError,
        }
        if fault is when_it_sends_nothing:
            assert send_to(SessionMiddleware(fault, KEY), signed(ADA)).messages == []
            return
        with pytest.raises(expected.get(fault, Fault)):
            send_to(SessionMiddleware(fault, KEY), signed(ADA))

    def test_what_failed_before_the_response_is_not_saved_by_the_error_page(self) -> None:
        """The handler of errors is further out: the server's 500 has no cookie of a request that half happened."""

        async def with_error_page(scope: Any, receive: Any, send: Any) -> None:
            try:
                await SessionMiddleware(before_the_response, KEY)(scope, receive, send)
            except Fault:
                await start(send, status=500)

        reply = call(with_error_page, cookie=signed(ADA))
        assert (reply.start["status"], reply.set_cookies, reply.vary) == (500, [], [])

    def test_what_failed_further_in_is_saved_with_the_error_page(self) -> None:
        """Where the application answers its own error, that is its response: as in Flask."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            with suppress(Fault):
                await before_the_response(scope, receive, send)
            await start(send, status=500)

        saved = call(SessionMiddleware(app, KEY), cookie=signed(ADA)).saved
        assert saved == {"_permanent": True, "cart": [1, "harm"], "user": "mallory"}


class TestCancelled:
    """A task that is cancelled wherever it waits leaves nothing behind, and stays cancelled."""

    def test_at_every_step(self) -> None:
        steps = 6

        async def app(scope: Any, receive: Any, send: Any) -> None:
            session = scope["session"]
            visit(session)
            for _ in range(2):
                await asyncio.sleep(0)
            await start(send)
            session["cart"].append("late")
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b""})

        middleware = SessionMiddleware(app, KEY)

        async def run(cancelled_after: int) -> Reply:
            reply = Reply({"type": "http", "path": "/", "headers": [(b"cookie", f"session={signed(ADA)}".encode())]})

            async def send(message: Any) -> None:
                reply.messages.append(message)
                await asyncio.sleep(0)

            task = asyncio.ensure_future(middleware(reply.scope, None, send))
            for _ in range(cancelled_after):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return reply

        sent = []
        for after in range(steps):
            reply = asyncio.run(run(after))
            sent.append(len(reply.messages))
            assert not reply.messages or reply.saved == {"cart": [1, "mine"], "user": "ada", "visits": 1}
            assert call(middleware, cookie=signed(EVE)).saved == {"cart": ["mine"], "user": "eve", "visits": 1}
        assert set(sent) == {0, 1, 2}


class TestOddScopes:
    """What servers may send within the specification: all of it brings the same session."""

    value = f"session={signed(ADA)}".encode()
    fields = ((b"host", b"test"), (b"cookie", value), (b"x-a", b"1"))

    @pytest.mark.parametrize(
        "headers",
        [
            list(fields),
            fields,
            [list(field) for field in fields],
            tuple(list(field) for field in fields),
            iter(fields),
            (field for field in fields),
            dict(fields).items(),
            map(tuple, fields),
            [(b"cookie", b"a=1"), *fields, (b"cookie", b"b=2")],
            [(b"cookie", b""), (b"cookie", b";;;"), *fields],
            [(b"cookie", b'a="unfinished'), *fields[:1], (b"cookie", value)],
            [*fields, (b"cookie", b"session=another")],
            [(b"cookie", value + b"; a=1; session=another")],
        ],
        ids=lambda headers: type(headers).__name__,
    )
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    def test_any_kind_of_headers(self, headers: Iterable[Any], kind: str, time_machine: Any) -> None:
        again: Any = headers if isinstance(headers, (list, tuple)) else self.fields
        scope: dict[str, Any] = {"type": kind, "path": "/", "headers": headers}
        if iter(headers) is headers:  # can be read once, and the other kind of scope has had it
            scope["headers"] = iter(self.fields)
        found: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            found.append(dict(scope["session"]))
            found.append([tuple(field) for field in scope["headers"]])
            found.append([tuple(field) for field in scope["headers"]])

        asyncio.run(SessionMiddleware(app, KEY)(scope, None, None))  # type: ignore[arg-type]
        assert found[0] == ADA
        expected = [tuple(field) for field in again]
        cookies = [value for name, value in expected if name == b"cookie"]
        if len(cookies) > 1:  # they become one
            at = expected.index((b"cookie", cookies[0]))
            expected = [field for field in expected if field[0] != b"cookie"]
            expected.insert(at, (b"cookie", b"; ".join(cookies)))
        assert found[1] == found[2] == expected

    @pytest.mark.parametrize("scope", [{}, {"headers": []}, {"headers": ()}, {"headers": [(b"cookie", b"")]}])
    def test_no_cookie_at_all(self, scope: dict[str, Any]) -> None:
        reply = Reply({"type": "http", "path": "/", **scope})

        async def run() -> None:
            async def send(message: Any) -> None:
                reply.messages.append(message)

            await SessionMiddleware(app_that(visit), KEY)(reply.scope, None, send)

        asyncio.run(run())
        assert reply.saved == {"cart": ["mine"], "visits": 1}

    @pytest.mark.parametrize("type_", STARTS)
    @pytest.mark.parametrize(
        "headers",
        [
            [(b"x", b"1")],
            ((b"x", b"1"),),
            [[b"x", b"1"]],
            iter([(b"x", b"1")]),
            {b"x": b"1"}.items(),
            [(b"X", b"1")],
        ],
        ids=lambda headers: type(headers).__name__,
    )
    def test_any_kind_of_response_headers(self, headers: Any, type_: str) -> None:
        if iter(headers) is headers:
            headers = iter([(b"x", b"1")])

        async def app(scope: Any, receive: Any, send: Any) -> None:
            visit(scope["session"])
            await send({"type": type_, "headers": headers})

        reply = call(SessionMiddleware(app, KEY), cookie=signed(ADA), kind=type_.partition(".")[0])
        assert reply.fields("x") == ["1"]
        assert reply.saved == {"cart": [1, "mine"], "user": "ada", "visits": 1}
        assert reply.vary == ["Cookie"]


class TestJumpingClock:
    """A clock that is set forwards and backwards between requests misleads none of them."""

    def test_each_request_is_as_with_a_new_middleware(self, time_machine: Any) -> None:
        time_machine.move_to(NOW, tick=False)
        rng = random.Random(7)
        settings: list[dict[str, Any]] = [{}, {"max_age": 60}, {"leeway": 30}, {"permanent_session_lifetime": 60}]
        shared = [SessionMiddleware(app_that(visit), KEY, **each) for each in settings]
        cookies = [signed({**ADA, "_permanent": permanent}) for permanent in (True, False)]
        opened = []
        for _ in range(200):
            jump = rng.choice([0, 0.999, 1, -1, 20, -20, 59, -59, 60, 61, 3600, -3600, 40 * 86400, -40 * 86400])
            time_machine.move_to(NOW + jump, tick=False)
            cookie, place = rng.choice(cookies), rng.randrange(len(settings))
            ours = call(shared[place], cookie=cookie)
            fresh = call(SessionMiddleware(app_that(visit), KEY, **settings[place]), cookie=cookie)
            assert ours.messages == fresh.messages
            opened.append(not ours.scope["session"].new)
            if opened[-1]:
                cookies.append(ours.set_cookies[0].partition(";")[0].partition("=")[2])
        assert 20 < sum(opened) < 180

    def test_a_clock_that_is_back_does_not_log_in_again(self, time_machine: Any) -> None:
        """What was too old, and was refused, opens again only where it is not too old any more."""
        time_machine.move_to(NOW, tick=False)
        middleware = SessionMiddleware(app_that(), KEY, max_age=60)
        cookie = signed(ADA)
        for age, opens in ((0, True), (61, False), (60, True), (3600, False), (-1, False), (0, True)):
            time_machine.move_to(NOW + age, tick=False)
            assert bool(call(middleware, cookie=cookie).scope["session"]) is opens


def faulty_app(noticed: list[str]) -> FastAPI:
    app = FastAPI()

    @app.get("/count")
    async def count(request: Request) -> dict[str, Any]:
        visit(request.session)
        return dict(request.session)

    @app.get("/before")
    async def before(request: Request) -> None:
        request.session["user"] = "mallory"
        raise Fault

    @app.get("/during")
    async def during(request: Request) -> StreamingResponse:
        visit(request.session)

        async def body() -> Any:
            yield "half"
            request.session["user"] = "mallory"
            raise Fault

        return StreamingResponse(body())

    @app.get("/endless")
    async def endless(request: Request) -> StreamingResponse:
        visit(request.session)

        async def body() -> Any:
            try:
                while True:
                    yield "x" * 10_000
                    await asyncio.sleep(0.001)
            finally:
                request.session["user"] = "mallory"
                noticed.append("gone")

        return StreamingResponse(body())

    app.add_middleware(SessionMiddleware, secret_key=KEY)
    return app


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
class TestRealServers:
    """The same in a server, whose client sees whole responses, half ones and none."""

    @pytest.fixture
    def noticed(self) -> list[str]:
        return []

    @pytest.fixture
    def url(self, server: Literal["uvicorn", "hypercorn"], noticed: list[str]) -> Iterator[str]:
        logging.disable(logging.ERROR)  # the server's own words on the faults
        try:
            with serve(faulty_app(noticed), server=server) as url:
                yield url
        finally:
            logging.disable(logging.NOTSET)

    def test_a_history_with_faults_in_it(self, url: str, noticed: list[str]) -> None:
        # A connection each: a server may close the one that a fault came over when the next request is on its way.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=url, trust_env=False, limits=limits) as client:

            def visits() -> int:
                session = client.get("/count").json()
                assert session == {"cart": ["mine"] * session["visits"], "visits": session["visits"]}
                return session["visits"]

            assert visits() == 1
            response = client.get("/before")
            assert (response.status_code, "set-cookie" in response.headers) == (500, False)
            assert visits() == 2
            with suppress(httpx.TransportError):  # how the end of it looks depends on how far it had come
                client.get("/during")
            # The start of that response, with its cookie, had been sent; the client may or may not have kept it.
            before = visits()
            assert before in (3, 4)
            cookie = client.cookies["session"]
            with client.stream("GET", "/endless") as response:
                next(response.iter_bytes())
            assert wait_for(lambda: noticed) == ["gone"]
            client.cookies.clear()
            client.cookies["session"] = cookie
            assert visits() == before + 1

    def test_clients_that_go_at_any_time(self, url: str, noticed: list[str]) -> None:
        host, port = url.removeprefix("http://").split(":")
        request = f"GET /endless HTTP/1.1\r\nHost: x\r\nCookie: session={signed(ADA)}\r\n\r\n".encode()
        complete = 0
        for cut in (1, 20, len(request) - 1, *[len(request)] * 5):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(request[:cut])
                if cut == len(request):
                    complete += bool(connection.recv(10))
        assert complete == 5
        wait_for(lambda: len(noticed) == 5)
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get("/count").json() == {"cart": ["mine"], "visits": 1}
