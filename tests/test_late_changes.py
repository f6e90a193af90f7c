"""A change after the response started can't be saved: it is logged, once, with the path and the keys."""

from __future__ import annotations

import asyncio
import logging
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from itsdangerous import URLSafeTimedSerializer
from websockets.sync.client import connect

from starlette_flask import SessionMiddleware, TaggedJSONSerializer
from tests.apps.server import serve
from tests.asgi import KEY, app_that, call, signed, wait_for

BEFORE = {"user": "SECRET", "cart": ["SECRET"], "_permanent": False}
Change = Callable[[Any], object]


def nothing(session: Any) -> None:
    """Not even looked at."""


def discard(session: Any) -> None:
    """Whoever takes changes back on purpose does not lose them."""
    session["a"] = 1
    session["cart"].append(2)
    session.modified = False


@pytest.fixture
def lost(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings, of which none shows a value."""

    def warnings() -> list[str]:
        records = [record for record in caplog.records if record.name == "starlette_flask"]
        assert all(record.levelno == logging.WARNING and record.exc_info is None for record in records)
        assert "SECRET" not in caplog.text
        return [record.getMessage() for record in records]

    return warnings


def told(*keys: object, path: str = "/", name: str = "session", why: str = "the response had already started") -> str:
    return (
        f"Changes to session {name!r} were lost on path {path!r} because {why}; "
        f"changed keys: {', '.join(map(repr, keys))}"
    )


def respond(early: Change, late: Change, *, content: Any = BEFORE, path: str = "/", **settings: Any) -> Any:
    cookie = None if content is None else signed(content)
    return call(SessionMiddleware(app_that(early, late=late), KEY, **settings), cookie=cookie, path=path).saved


class TestReport:
    """One warning for each request in which something was lost, and none for any other."""

    @pytest.mark.parametrize(
        ("early", "late", "keys"),
        [
            (nothing, lambda s: s.update(a="SECRET"), ["a"]),
            (nothing, lambda s: s.update(b=1, a=2), ["a", "b"]),
            (nothing, lambda s: s.pop("user"), ["user"]),
            (nothing, lambda s: s.clear(), ["_permanent", "cart", "user"]),
            (nothing, lambda s: s["cart"].append("SECRET"), ["cart"]),
            (nothing, lambda s: setattr(s, "permanent", True), ["_permanent"]),
            (nothing, lambda s: s.update(a=object()), ["a"]),
            (nothing, lambda s: s["cart"].append(object()), ["cart"]),
            (lambda s: s.update(a=1), lambda s: s.update(b=2), ["b"]),
            (lambda s: s.update(a=1), lambda s: s.update(a=True), ["a"]),
            (lambda s: s.update(a=[1]), lambda s: s["a"].append(2), ["a"]),
            (lambda s: s["cart"].append(1), lambda s: s["cart"].append(2), ["cart"]),
            (lambda s: s["cart"].append(1), lambda s: s["cart"].pop(), ["cart"]),
            (lambda s: s.clear(), lambda s: s.update(a=1), ["a"]),
            (lambda s: s.update(a=1), lambda s: s.pop("a"), ["a"]),
            (dict, lambda s: s["cart"].clear(), ["cart"]),
        ],
    )
    def test_names_the_keys(self, early: Change, late: Change, keys: list[str], lost: Any) -> None:
        respond(early, late)
        assert lost() == [told(*keys)]

    @pytest.mark.parametrize(
        ("early", "late"),
        [
            (nothing, nothing),
            (nothing, dict),
            (nothing, lambda s: s["cart"]),
            (nothing, lambda s: s.update(user="SECRET")),
            (nothing, lambda s: s.mark_modified()),
            (nothing, lambda s: (s["cart"].append(1), s["cart"].pop())),
            (nothing, lambda s: (s.update(a=1), s.pop("a"))),
            (lambda s: s.update(a=1), nothing),
            (lambda s: s.update(a=1), lambda s: s.update(a=1)),
            (lambda s: s["cart"].append(1), dict),
            (lambda s: s.clear(), nothing),
            (discard, nothing),
            (discard, lambda s: s["cart"].append(3)),
            (nothing, discard),
        ],
    )
    @pytest.mark.parametrize("permanent", [False, True])
    def test_nothing_lost_nothing_said(self, early: Change, late: Change, permanent: bool, lost: Any) -> None:
        respond(early, late, content={**BEFORE, "_permanent": permanent})
        assert lost() == []

    def test_of_a_session_without_a_cookie(self, lost: Any) -> None:
        assert respond(nothing, lambda s: s.update(a=1), content=None) is None
        assert lost() == [told("a")]

    def test_names_path_and_cookie(self, lost: Any) -> None:
        respond(nothing, lambda s: s.update(a=1), path="/shop/caf\u00e9", session_cookie="basket")
        assert lost() == [told("a", path="/shop/caf\u00e9", name="basket")]

    def test_a_line_break_in_the_path_makes_no_second_line(self, lost: Any) -> None:
        respond(nothing, lambda s: s.update({"a\nb": 1}), path="/x\r\nWARNING forged")
        (text,) = lost()
        assert len(text.splitlines()) == 1

    @pytest.mark.parametrize(
        ("late", "key"), [(lambda s: s.update(a=1), "a"), (lambda s: s["cart"].append(2), "cart")]
    )
    def test_where_an_application_says_that_it_did_not_look(self, late: Change, key: str, lost: Any) -> None:
        respond(nothing, lambda s: (late(s), setattr(s, "accessed", False)))
        assert lost() == [told(key)]

    def test_for_each_request_anew(self, lost: Any) -> None:
        for _ in range(3):
            respond(nothing, lambda s: s.update(a=1))
        assert lost() == [told("a")] * 3

    def test_many_changes_in_one_warning(self, lost: Any) -> None:
        """Also one by one, with messages between them."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(3):
                scope["session"][f"key{number}"] = number
                await send({"type": "http.response.body", "body": b"", "more_body": number < 2})
            scope["session"]["last"] = True

        call(SessionMiddleware(app, KEY))
        assert lost() == [told("key0", "key1", "key2", "last")]

    def test_once_where_two_share_a_session(self, lost: Any) -> None:
        inner = SessionMiddleware(app_that(late=lambda s: s.update(a=1)), KEY)
        call(SessionMiddleware(inner, KEY))
        assert lost() == [told("a")]

    def test_a_nested_value_kept_by_reference(self, lost: Any) -> None:
        """The session itself is not touched again."""
        kept: list[Any] = []
        respond(lambda s: kept.append(s["cart"]), lambda _: kept[0].append("SECRET"))
        respond(lambda s: s.__setitem__("seen", kept), lambda _: kept.append("SECRET"))
        assert lost() == [told("cart"), told("seen")]

    def test_a_session_replaced_too_late(self, lost: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            scope["session"] = {**scope["session"], "a": "SECRET"}

        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
        assert lost() == [told("a")]

    def test_a_session_removed_too_late(self, lost: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            del scope["session"]

        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
        assert lost() == [told("_permanent", "cart", "user")]

    def test_a_session_replaced_in_time(self, lost: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = {"a": [1]}
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if "late" in scope:
                scope["session"]["a"].append(2)

        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
        assert lost() == []
        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE), late=True)
        assert lost() == [told("a")]

    def test_an_app_that_raises_after_the_start(self, lost: Any) -> None:
        """Its error passes, and what it changed before is reported."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            scope["session"]["a"] = 1
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            call(SessionMiddleware(app, KEY))
        assert lost() == [told("a")]

    def test_an_app_that_is_cancelled(self, lost: Any) -> None:
        """The client has gone."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            scope["session"]["a"] = 1
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            call(SessionMiddleware(app, KEY))
        assert lost() == [told("a")]

    def test_an_app_that_raises_before_the_start(self, lost: Any) -> None:
        """Another layer answers, without the session."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["a"] = 1
            raise scope["error"]

        for error in (ZeroDivisionError(), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                call(SessionMiddleware(app, KEY), error=error)
        assert lost() == [told("a", why="an exception was raised before the response started")]

    def test_what_cannot_be_stored_where_another_layer_answers(self, lost: Any) -> None:
        with pytest.raises(TypeError):
            respond(lambda s: s.update({"a": 1, 2: 1}), nothing)
        assert lost() == [told("a", 2, why="an exception was raised before the response started")]

    def test_an_app_that_sends_no_response(self, lost: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["a"] = 1

        call(SessionMiddleware(app, KEY))
        assert lost() == [told("a", why="the application sent no response")]

    def test_a_change_after_the_request_has_ended(self, lost: Any) -> None:
        """Once, by a method of the session; what a handler kept of it holds no scope."""
        for content in ({}, {"cart": [1]}):
            reply = call(SessionMiddleware(app_that(dict), KEY), cookie=signed(content))
            session = reply.scope["session"]
            session["a"] = 1
            session["b"] = 2
            session.get("cart", []).append(2)
        assert lost() == [told("a", why="the request had already ended")] * 2

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            (lambda s: s.setdefault("b", 1), "b"),
            (lambda s: s.update(b=1), "b"),
            (lambda s: operator.ior(s, {"b": 1}), "b"),
            (lambda s: s.pop("a"), "a"),
            (lambda s: s.popitem(), "a"),
            (lambda s: operator.delitem(s, "a"), "a"),
            (lambda s: s.clear(), "a"),
        ],
    )
    def test_each_method_that_changes_it_after_the_request_has_ended(
        self, change: Change, key: str, lost: Any
    ) -> None:
        """The report comes when the change is done: before, there is nothing to see."""
        change(call(SessionMiddleware(app_that(), KEY), cookie=signed({"a": 1})).scope["session"])
        assert lost() == [told(key, why="the request had already ended")]

    def test_a_change_after_the_end_beside_what_was_saved(self, lost: Any) -> None:
        call(SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY)).scope["session"]["b"] = 2
        assert lost() == [told("b", why="the request had already ended")]

    @pytest.mark.parametrize(
        "change",
        [
            lambda s: s.update(cart=[1]),
            lambda s: setattr(s, "modified", True),
            lambda s: setattr(s, "modified", False),
        ],
    )
    def test_what_changes_nothing_after_the_end_hides_no_change_that_follows(self, change: Change, lost: Any) -> None:
        session = call(SessionMiddleware(app_that(), KEY), cookie=signed({"cart": [1]})).scope["session"]
        change(session)
        assert not lost()
        session["cart"].append(2)
        session.modified = True
        session["a"] = 1
        assert lost() == [told("cart", why="the request had already ended")]

    def test_two_threads_that_change_it_after_the_request_has_ended(
        self, lost: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second does so while the first is about to report."""
        session = call(SessionMiddleware(app_that(), KEY)).scope["session"]
        others = [lambda: session.update(b=2)]

        def between(thing: Any, name: str, *default: Any) -> Any:
            found = getattr(thing, name, *default)
            if name == "_report" and others:
                others.pop()()
            return found

        monkeypatch.setattr("starlette_flask.session.getattr", between, raising=False)
        session["a"] = 1
        assert set(lost()) == {told("a", "b", why="the request had already ended")}

    @pytest.mark.parametrize(("value", "keys"), [(5, ["_permanent", "cart", "user"]), ({**BEFORE, "a": 1}, ["a"])])
    def test_a_websocket_that_was_refused_whatever_stands_in_the_sessions_place(
        self, value: Any, keys: list[str], lost: Any
    ) -> None:
        """There is nothing to save it in, so nothing raises."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = value
            await send({"type": "websocket.close", "code": 1000})

        call(SessionMiddleware(app, KEY), kind="websocket", cookie=signed(BEFORE))
        assert lost() == [told(*keys, why="the connection was refused")]

    def test_a_websocket_that_was_refused(self, lost: Any) -> None:
        """`websocket.close` instead of `websocket.accept` has no headers to put a cookie in."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"].update(scope["change"])
            await send({"type": "websocket.close", "code": 1000})

        for change, expected in (({}, []), ({"a": 1}, [told("a", why="the connection was refused")])):
            reply = call(SessionMiddleware(app, KEY), kind="websocket", change=change, cookie=signed(BEFORE))
            assert reply.messages == [{"type": "websocket.close", "code": 1000}]
            assert lost() == expected

    @pytest.mark.parametrize("version", [{}, {"spec_version": "2.0"}, {"spec_version": "2.1"}], ids=repr)
    def test_a_websocket_whose_server_sends_no_headers(self, version: Any, lost: Any) -> None:
        """Daphne says nothing of its version, which stands for 2.0; headers of `websocket.accept` came with 2.1."""
        middleware = SessionMiddleware(app_that(lambda s: s.update(a=1), start="websocket.accept"), KEY)
        permanent = signed({"_permanent": True})
        reply = call(middleware, cookie=permanent, kind="websocket", asgi={"version": "3.0", **version})
        if version == {"spec_version": "2.1"}:
            assert (reply.saved, lost()) == ({"_permanent": True, "a": 1}, [])
        else:
            assert not reply.set_cookies + reply.vary
            assert lost() == [told("a", why="this server sends no headers when a WebSocket is accepted")]

    def test_a_websocket_that_was_refused_after_the_session_was_replaced(self, lost: Any) -> None:
        """Also where a middleware further in has made the session of what was put in its place."""
        inner = SessionMiddleware(app_that(nothing, start="websocket.close"), KEY)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = {"user": "SECRET"}
            await inner(scope, receive, send)

        call(SessionMiddleware(app, KEY), cookie=signed({"a": 1}), kind="websocket")
        assert lost() == [told("a", "user", why="the connection was refused")]

    @pytest.mark.parametrize("content", [BEFORE, {**BEFORE, "_permanent": True}])
    def test_a_websocket_that_was_refused_at_once(self, content: Any, lost: Any) -> None:
        """Nothing is written or compared there: a serializer that encrypts never writes the same twice."""

        class Salted(TaggedJSONSerializer):
            written = 0

            def dumps(self, value: Any) -> str:
                self.written += 1
                return super().dumps(value) + " " * self.written

        serializer = Salted()
        middleware = SessionMiddleware(app_that(nothing, start="websocket.close"), KEY, serializer=serializer)
        written = serializer.written
        call(middleware, cookie=signed(content), kind="websocket")
        assert (lost(), serializer.written) == ([], written)

    def test_a_websocket_that_was_closed_later(self, lost: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["a"] = 1
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})

        assert call(SessionMiddleware(app, KEY), kind="websocket").saved == {"a": 1}
        assert lost() == []


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = FastAPI()

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        request.session["before"] = "SECRET"
        cart = request.session.setdefault("cart", [])

        async def body() -> AsyncIterator[str]:
            for number in range(3):
                cart.append("SECRET")
                yield str(number)
            request.session["streamed"] = "SECRET"

        return StreamingResponse(body())

    @app.get("/background")
    async def background(request: Request, tasks: BackgroundTasks) -> str:
        request.session["before"] = "SECRET"
        tasks.add_task(request.session.update, done="SECRET")
        return "done"

    @app.get("/good")
    async def good(request: Request, tasks: BackgroundTasks) -> str:
        request.session["cart"] = ["SECRET"]
        tasks.add_task(lambda: dict(request.session))
        return "good"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        websocket.session["before"] = "SECRET"
        await websocket.accept()
        websocket.session["received"] = await websocket.receive_text()
        await websocket.close()

    app.add_middleware(SessionMiddleware, secret_key=KEY)
    with serve(app) as url:
        yield url


class TestRealServer:
    """The same from a FastAPI app in a server; what was changed in time is saved there."""

    @pytest.mark.parametrize(
        ("path", "keys"), [("/stream", ["cart", "streamed"]), ("/background", ["done"]), ("/good", [])]
    )
    def test_http(self, url: str, path: str, keys: list[str], lost: Any) -> None:
        with httpx.Client(base_url=url, trust_env=False) as client:
            response = client.get(path)
            assert response.is_success
            assert len(response.headers.get_list("set-cookie")) == 1
        assert (wait_for(lost) if keys else lost()) == ([told(*keys, path=path)] if keys else [])

    def test_after_a_websocket_was_accepted(self, url: str, lost: Any) -> None:
        with connect(f"{url.replace('http', 'ws')}/socket") as websocket:
            websocket.send("SECRET")
            for _ in websocket:
                raise AssertionError("nothing is sent")
        assert wait_for(lost) == [told("received", path="/socket")]


class Broken:
    """A value whose own method fails."""

    def __html__(self) -> str:
        raise KeyError("SECRET")


@pytest.mark.parametrize("value", [Broken(), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))])
def test_a_value_that_breaks_is_reported_and_masks_no_error(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a late value raises when it is looked at, the application's own error is the one that comes out."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["session"]["cart"] = [value]
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
    (text,) = [entry[2] for entry in caplog.record_tuples if entry[0] == "starlette_flask"]
    assert text.endswith("changed keys: 'cart'")


def test_a_date_that_cannot_be_written_again_can_be_read() -> None:
    """One who has the key may sign it; no request fails for having it in its session."""
    signing = URLSafeTimedSerializer(KEY, "cookie-session", signer_kwargs={"key_derivation": "hmac"})
    value = signing.dumps({"a": [{" d": "31 Dec 9999 23:59:59 -2359"}]})
    seen: list[Any] = []
    reply = call(SessionMiddleware(app_that(lambda session: seen.append(session["a"])), KEY), cookie=value)
    assert (len(seen), reply.set_cookies) == (1, [])
