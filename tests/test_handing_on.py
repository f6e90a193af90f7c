"""An equal middleware further in: what was changed before it is in the Cookie field that its application reads."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import flask
import pytest
from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from fastapi import FastAPI, Request
from flask_login import LoginManager, UserMixin, current_user, logout_user
from hypercorn.middleware import AsyncioWSGIMiddleware, ProxyFixMiddleware
from werkzeug.sansio.http import parse_cookie

from starlette_flask import SessionMiddleware
from starlette_flask.extensions.flask_login import login_user
from tests.asgi import KEY, ASGIApp, Reply, app_that, call, opened, signed
from tests.test_starlette_cookies import by_starlette

BEFORE = {"user": 7, "cart": [1]}
WSGI_SCOPE: dict[str, Any] = {
    "query_string": b"", "scheme": "http", "http_version": "1.1", "server": ("test", 80), "root_path": ""
}  # fmt: skip
Change = Callable[[Any], object]


def nothing(session: Any) -> None:
    """Not even looked at."""


def taken_back(session: Any) -> None:
    session["x"] = 1
    session.modified = False


def flask_app(view: Callable[[], Any]) -> flask.Flask:
    app = flask.Flask("inside")
    app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_SAMESITE="Lax")
    app.add_url_rule("/", "view", lambda: view() or "")
    return app


def around(app: ASGIApp, before: Change, after: Change = nothing) -> ASGIApp:
    """A layer that does `before` to its session, and `after` once the response comes."""

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        before(scope["session"])

        async def send_after(message: Any) -> None:
            if message["type"] == "http.response.start":
                after(scope["session"])
            await send(message)

        await app(scope, receive, send_after)

    return layer


class Mounted:
    """A Flask app inside an equal middleware that writes `y`, and what it saw before."""

    seen: Any = None

    def __call__(self, before: Change, after: Change = nothing, *, cookie: str | None, **settings: Any) -> Reply:
        def view() -> None:
            self.seen = dict(flask.session)
            flask.session["y"] = 1

        app = flask_app(view)
        inside = SessionMiddleware.from_flask(WSGIMiddleware(app), app, **settings)
        middleware = SessionMiddleware.from_flask(around(inside, before, after), app, **settings)
        return call(middleware, cookie=cookie, **WSGI_SCOPE)


@pytest.fixture
def mounted() -> Mounted:
    return Mounted()


class TestFlaskInside:
    """It sees the session as it is, in the same request; what it saves is merged with what happens outside after."""

    def test_who_was_logged_in_by_a_layer_of_fastapi(self) -> None:
        class User(UserMixin):
            def __init__(self, name: str) -> None:
                self.id = name

        flask_side = flask_app(lambda: current_user.get_id() if current_user.is_authenticated else "nobody")
        LoginManager(flask_side).user_loader(User)
        flask_side.add_url_rule("/logout", "log_out", lambda: f"{logout_user()}")
        app = FastAPI()
        app.mount("/shop", SessionMiddleware.from_flask(WSGIMiddleware(flask_side), flask_side))

        @app.middleware("http")
        async def single_sign_on(request: Request, call_next: Any) -> Any:
            login_user(request, "ada")
            return await call_next(request)

        app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_side)
        client = {**WSGI_SCOPE, "client": ("127.0.0.1", 1)}
        reply = call(app, path="/shop/", **client)
        assert b"".join(message.get("body", b"") for message in reply.messages) == b"ada"
        assert reply.saved["_user_id"] == "ada"
        reply = call(app, path="/shop/logout", **client)
        assert "_user_id" not in reply.saved, "a log-out inside is not undone"

    @pytest.mark.parametrize(
        ("before", "after", "seen", "saved"),
        [
            (nothing, nothing, BEFORE, {**BEFORE, "y": 1}),
            (lambda s: s.update(x=1), nothing, {**BEFORE, "x": 1}, {**BEFORE, "x": 1, "y": 1}),
            (lambda s: s["cart"].append(2), nothing, {**BEFORE, "cart": [1, 2]}, {**BEFORE, "cart": [1, 2], "y": 1}),
            (lambda s: s.clear(), nothing, {}, {"y": 1}),
            (lambda s: s.pop("user"), lambda s: s.update(z=1), {"cart": [1]}, {"cart": [1], "y": 1, "z": 1}),
            # taken back once it was handed on
            (lambda s: s.update(x=1), lambda s: s.pop("x"), {**BEFORE, "x": 1}, {**BEFORE, "y": 1}),
            (lambda s: s["cart"].append(2), lambda s: s["cart"].pop(), {**BEFORE, "cart": [1, 2]}, {**BEFORE, "y": 1}),
            (lambda s: s.update(x=1), taken_back, {**BEFORE, "x": 1}, {**BEFORE, "y": 1}),
            # discarded before
            (taken_back, nothing, BEFORE, {**BEFORE, "y": 1}),
        ],
    )
    @pytest.mark.parametrize("by", [signed, by_starlette], ids=["Flask's format", "Starlette's"])
    def test_sees_and_saves(
        self, before: Change, after: Change, seen: Any, saved: Any, by: Any, mounted: Mounted
    ) -> None:
        reply = mounted(before, after, cookie=by(BEFORE), accept_starlette_cookies=True)
        assert mounted.seen == seen
        assert reply.saved == saved


def test_in_starlettes_format_it_is_merged_as_what_flask_could_not_read() -> None:
    """However the session was looked at before."""

    def look(session: Any) -> None:
        assert session["cart"] == [1]
        session.accessed = False

    app = flask_app(lambda: flask.session.update(y=1))
    middleware = SessionMiddleware.from_flask(around(WSGIMiddleware(app), look), app, accept_starlette_cookies=True)
    assert call(middleware, cookie=by_starlette(BEFORE), **WSGI_SCOPE).saved == {**BEFORE, "y": 1}


class TestHeaders:
    """Inside, a new list with one pair of the name at most; outside, the old list again."""

    @pytest.mark.parametrize(
        ("change", "inside"),
        [
            (nothing, None),
            (lambda s: s.update(a=1), {**BEFORE, "a": 1}),
            (lambda s: s.clear(), {}),
        ],
    )
    def test_of_the_scope(self, change: Change, inside: Any) -> None:
        lists: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            lists.append(scope["headers"])
            scope["routed"] = True
            await app_that()(scope, receive, send)

        async def outside(scope: Any, receive: Any, send: Any) -> None:
            lists.append(scope["headers"])
            await around(SessionMiddleware(app, KEY), change)(scope, receive, send)
            lists.append(scope["headers"])
            assert scope["routed"]

        old = f"a=1; session={signed(BEFORE)}; session={signed({'old': 1})}; b=2"
        call(SessionMiddleware(outside, KEY), headers=[(b"x", b"y"), (b"cookie", old.encode()), (b"z", b"")])
        before, within, after = lists
        assert after is before
        assert [value.decode() for name, value in before if name == b"cookie"] == [old]
        if inside is None:
            assert within is before
            return
        assert [header for header in within if header[0] != b"cookie"] == [(b"x", b"y"), (b"z", b"")]
        cookies = parse_cookie(dict(within)[b"cookie"].decode()).to_dict(flat=False)
        values = cookies.pop("session", [])
        assert cookies == {"a": ["1"], "b": ["2"]}
        assert [opened(value) for value in values] == ([inside] if inside else [])

    def test_of_the_scope_after_an_error(self) -> None:
        """Who answers it finds the old list, too."""

        async def fail(scope: Any, receive: Any, send: Any) -> None:
            raise ConnectionError

        async def outside(scope: Any, receive: Any, send: Any) -> None:
            before = scope["headers"]
            with pytest.raises(ConnectionError):
                await around(SessionMiddleware(fail, KEY), lambda s: s.update(a=1))(scope, receive, send)
            assert scope["headers"] is before
            await app_that()(scope, receive, send)

        assert call(SessionMiddleware(outside, KEY), cookie=signed(BEFORE)).saved == {**BEFORE, "a": 1}

    def test_what_was_handed_on_and_then_discarded(self) -> None:
        """A second application inside sees what the client has."""
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(opened(parse_cookie(dict(scope["headers"])[b"cookie"].decode())["session"]))

        def discard(session: Any) -> None:
            session.modified = False

        async def last(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            await SessionMiddleware(around(SessionMiddleware(app, KEY), discard), KEY)(scope, receive, send)
            await app_that()(scope, receive, send)

        inside = SessionMiddleware(last, KEY)
        reply = call(SessionMiddleware(around(inside, lambda s: s.update(x=1)), KEY), cookie=signed({"user": 7}))
        assert seen == [{"user": 7, "x": 1}, {"user": 7}]
        assert reply.set_cookies == []

    @pytest.mark.parametrize(
        ("key", "change"),
        [("x", lambda s: s.update(x=object())), ("cart", lambda s: s["cart"].append(object()))],
        ids=["at the top", "nested"],
    )
    def test_what_cannot_be_stored_fails_once(
        self, key: str, change: Change, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As at the response: the page that answers the error goes out, and the loss is reported."""
        inside = SessionMiddleware(app_that(), KEY)

        async def page(scope: Any, receive: Any, send: Any) -> None:
            change(scope["session"])
            with pytest.raises(TypeError, match=f"'{key}'"):
                await inside(scope, receive, send)
            await send({"type": "http.response.start", "status": 500})

        reply = call(SessionMiddleware(page, KEY), cookie=signed(BEFORE))
        assert (reply.start["status"], reply.set_cookies) == (500, [])
        (text,) = caplog.messages
        assert text.endswith(f"because they cannot be stored; changed keys: {key!r}")


@pytest.mark.parametrize("adapter", [WSGIMiddleware, WsgiToAsgi, AsyncioWSGIMiddleware])
def test_several_cookie_fields_are_one_for_a_flask_app_behind_an_adapter(adapter: Any) -> None:
    """HTTP/2 splits them, and adapters join them with a comma."""
    seen: list[Any] = []
    app = flask_app(lambda: seen.append((flask.request.cookies["a"], dict(flask.session))))
    middleware = SessionMiddleware.from_flask(adapter(app), app)
    fields = [
        (b"cookie", b"a=1"),
        (b"x", b"y"),
        (b"cookie", f"session={signed(BEFORE)}".encode()),
        (b"cookie", b"b=2"),
    ]
    reply = call(middleware, headers=fields, **WSGI_SCOPE)
    assert reply.start["status"] == 200
    assert seen == [("1", BEFORE)]


def copying(app: ASGIApp, by: Callable[[Any], Any] = dict) -> ASGIApp:
    """A layer that hands a copy of the scope on."""

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        await app(by(scope), receive, send)

    return layer


def replacing(value: Any) -> ASGIApp:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = value
        await send({"type": "http.response.start", "status": 200})

    return app


class TestCopiedScope:
    """It has the same session; what an application inside an equal middleware puts there counts, too."""

    @pytest.mark.parametrize("layer", [copying, ProxyFixMiddleware])
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    def test_what_is_changed_without_one(self, layer: Any, kind: str) -> None:
        """`ProxyFixMiddleware` makes a deep copy."""
        start = {"http": "http.response.start", "websocket": "websocket.accept"}[kind]
        app = SessionMiddleware(layer(app_that(lambda s: s["cart"].append(2), start=start)), KEY)
        for outside, scope in ((app, {}), (SessionMiddleware(app, KEY, "other"), {}), (app, {"session": {}})):
            assert call(outside, cookie=signed(BEFORE), kind=kind, **scope).saved == {"user": 7, "cart": [1, 2]}

    @pytest.mark.parametrize("by", [dict, copy.copy, copy.deepcopy])
    @pytest.mark.parametrize(("value", "saved"), [({"new": 1}, {"new": 1}), (None, {}), (dict(BEFORE), None)])
    def test_what_is_put_there(self, value: Any, saved: Any, by: Any) -> None:
        inside = SessionMiddleware(replacing(value), KEY)
        assert call(SessionMiddleware(copying(inside, by), KEY), cookie=signed(BEFORE)).saved == saved

    def test_what_is_changed_in_a_deep_copy(self) -> None:
        inside = SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY)
        reply = call(SessionMiddleware(copying(inside, copy.deepcopy), KEY), cookie=signed(BEFORE))
        assert reply.saved == {**BEFORE, "a": 1}

    def test_the_inner_one_counts_where_both_have_another(self) -> None:
        inside = copying(SessionMiddleware(replacing({"inner": 1}), KEY))

        async def both(scope: Any, receive: Any, send: Any) -> None:
            async def send_late(message: Any) -> None:
                scope["session"] = {"outer": 1}
                await send(message)

            await inside(scope, receive, send_late)

        assert call(SessionMiddleware(both, KEY)).saved == {"inner": 1}

    def test_put_there_between_two_equal_ones_further_in(self) -> None:
        async def silent(scope: Any, receive: Any, send: Any) -> None:
            """It leaves the response to the layer outside."""

        async def between(scope: Any, receive: Any, send: Any) -> None:
            await SessionMiddleware(silent, KEY)(scope, receive, send)
            await replacing({"new": 1})(scope, receive, send)

        inside = copying(SessionMiddleware(between, KEY))
        assert call(SessionMiddleware(inside, KEY), cookie=signed(BEFORE)).saved == {"new": 1}


def test_what_an_equal_one_put_there_without_a_response_is_seen_further_out() -> None:
    sessions: list[Any] = []

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = {"new": 1}

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        await copying(SessionMiddleware(silent, KEY))(scope, receive, send)
        sessions.append(dict(scope["session"]))

    call(SessionMiddleware(layer, KEY), cookie=signed(BEFORE))
    assert sessions == [{"new": 1}]


def test_a_cookie_set_beside_a_change_that_was_handed_on_and_taken_back() -> None:
    theirs = [(b"set-cookie", f"session={signed({'b': 1})}; Path=/".encode())]

    async def silent(scope: Any, receive: Any, send: Any) -> None: ...

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["x"] = 1
        await SessionMiddleware(silent, KEY)(scope, receive, send)
        scope["session"].modified = False
        await SessionMiddleware(app_that(headers=theirs), KEY)(scope, receive, send)

    assert call(SessionMiddleware(layer, KEY), cookie=signed(BEFORE)).saved == {"b": 1}


def test_an_equal_one_receives_messages_and_needs_no_headers() -> None:
    received: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        received.append(await receive())
        await send({"type": "http.response.start", "status": 200})

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        del scope["headers"]
        scope["session"]["a"] = 1
        await SessionMiddleware(inside, KEY)(scope, receive, send)

    assert call(SessionMiddleware(layer, KEY)).saved == {"a": 1}
    assert received == [{"type": "http.request"}]


class TestEnd:
    """A request that has ended has no part in the next one, nor in anything that outlives it."""

    @pytest.fixture(autouse=True)
    def nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Any:
        yield
        assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []

    @pytest.mark.parametrize("kept", [lambda scope: scope, dict], ids=["same", "copy"])
    def test_a_scope_that_is_used_again(self, kept: Callable[[Any], Any]) -> None:
        scopes: list[Any] = []
        sessions: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(kept(scope))
            sessions.append(scope["session"])
            await app_that()(scope, receive, send)

        middleware = SessionMiddleware(app, KEY)
        call(middleware, cookie=signed(BEFORE))
        assert call(middleware, cookie=signed({"user": 8}), reply=Reply(scopes[0])).set_cookies == []
        assert [*map(dict, sessions)] == [BEFORE, {"user": 8}]

    def test_a_response_that_comes_too_late(self) -> None:
        sends: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"].get("user")
            sends.append(send)

        reply = call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
        message = {"type": "http.response.start", "status": 200}
        asyncio.run(sends[0](message))
        assert reply.messages == [message]

    def test_those_outside_find_the_session_that_they_had(self) -> None:
        """Here another one of ours: a layer between the two changes its session after the inner request."""
        inside = SessionMiddleware(app_that(lambda s: s.update(b=1)), "another key", "other")

        async def between(scope: Any, receive: Any, send: Any) -> None:
            held: list[Any] = []

            async def hold(message: Any) -> None:
                held.append(message)

            await inside(scope, receive, hold)
            scope["session"]["after"] = True
            for message in held:
                await send(message)

        assert call(SessionMiddleware(between, KEY), cookie=signed(BEFORE)).saved == {**BEFORE, "after": True}

    @pytest.mark.parametrize(
        "app",
        [
            app_that(lambda s: s.get("cart")),
            app_that(lambda s: s.update(a=1)),
            SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY),
            copying(SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY)),
            SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY, "other"),
            replacing({"a": 1}),
        ],
        ids=["read", "written", "shared", "shared in a copy", "beside another", "replaced"],
    )
    def test_frees_its_objects_without_the_garbage_collector(self, app: ASGIApp) -> None:
        """Also where the server's send leads to the scope, as uvicorn's does."""

        class Cycle:
            def __init__(self) -> None:
                self.scope: dict[str, Any] = {"type": "http", "path": "/", "headers": []}
                self.scope["headers"] += [(b"cookie", f"session={signed(BEFORE)}".encode())]

            async def send(self, message: Any) -> None: ...

        async def request() -> tuple[Any, Any]:
            cycle = Cycle()
            responders: list[Any] = []

            async def watched(scope: Any, receive: Any, send: Any) -> None:
                responders.append(weakref.ref(scope["session"]))
                await app(scope, receive, send)

            await SessionMiddleware(watched, KEY)(cycle.scope, None, cycle.send)
            return weakref.ref(cycle), responders[0]

        gc.collect()
        gc.disable()
        try:
            cycle, session = asyncio.run(request())
            assert (cycle(), session()) == (None, None)
        finally:
            gc.enable()
