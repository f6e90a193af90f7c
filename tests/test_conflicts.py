"""Two applications change one session in one request: an outer one with the middleware, a Flask app mounted inside."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from typing import Any

import flask
import httpx
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from flask_login import LoginManager, UserMixin, login_user, logout_user

from starlette_flask import SessionMiddleware, TaggedJSONSerializer
from tests.apps.server import serve
from tests.asgi import KEY, Reply, app_that, call, opened, signed

BEFORE = {"user": 7, "cart": [1], "theme": "dark"}
DELETION = b"session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Lax"
Change = Callable[[Any], object]


def nothing(session: Any) -> None:
    """Not even looked at."""


def inside(change: Change, outer: Change, *, after: Change = nothing, content: Any = BEFORE, **settings: Any) -> Reply:
    """The reply where a real Flask app does `change`, and around it `outer` is done before and `after` behind."""
    flask_app = flask.Flask("inner")
    flask_app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_SAMESITE="Lax")

    @flask_app.route("/")
    def view() -> flask.Response:
        change(flask.session)
        response = flask.Response("")
        response.set_cookie("other", "kept")
        return response

    mounted: Any = WSGIMiddleware(flask_app)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        outer(scope["session"])

        async def send_after(message: Any) -> None:
            if message["type"] == "http.response.start":
                after(scope["session"])
            await send(message)

        await mounted(scope, receive, send_after)

    middleware = SessionMiddleware(around, KEY, **settings)
    cookie = None if content is None else signed(content)
    reply = call(middleware, cookie=cookie, query_string=b"", scheme="http", http_version="1.1", server=("test", 80))
    assert [cookie for cookie in reply.set_cookies if cookie.startswith("other=")] == ["other=kept; Path=/"]
    return reply


class TestBothSides:
    """One cookie goes out: what the Flask app left, and on it the outer changes, key by key."""

    @pytest.mark.parametrize(
        ("inner", "outer", "expected"),
        [
            (lambda s: s.update(a=1), lambda s: s.update(b=2), {**BEFORE, "a": 1, "b": 2}),
            (lambda s: s.update(a=1), lambda s: s.update(a=2), {**BEFORE, "a": 1}),
            (lambda s: s.update(theme="light"), lambda s: s.update(b=2), {**BEFORE, "theme": "light", "b": 2}),
            (lambda s: s.update(a=1), lambda s: s.update(theme="light"), {**BEFORE, "a": 1, "theme": "light"}),
            (lambda s: s.update(theme=1), lambda s: s.update(theme=2), {**BEFORE, "theme": 1}),
            (lambda s: s.update(a=1), lambda s: s.pop("theme"), {"user": 7, "cart": [1], "a": 1}),
            (lambda s: s.update(theme="light"), lambda s: s.pop("theme"), {**BEFORE, "theme": "light"}),
            (lambda s: s.update(a=1), lambda s: s["cart"].append(2), {**BEFORE, "cart": [1, 2], "a": 1}),
            (lambda s: s.update(a=1), lambda s: s["cart"].__setitem__(0, True), {**BEFORE, "cart": [True], "a": 1}),
            (lambda s: s.update(a=1), lambda s: s.clear(), {"a": 1}),
            (lambda s: s.update(a=True), lambda s: s.update(a=1), {**BEFORE, "a": True}),
            (lambda s: s.pop("cart"), lambda s: s.update(a=1), {"user": 7, "theme": "dark", "a": 1}),
            (lambda s: s.clear(), lambda s: s.update(a=1), {"a": 1}),
        ],
    )
    def test_one_cookie_with_both(self, inner: Change, outer: Change, expected: Any) -> None:
        for before, after in ((outer, nothing), (nothing, outer)):
            reply = inside(inner, before, after=after)
            assert reply.saved == expected
            assert repr(reply.saved["cart"] if "cart" in expected else 0) == repr(expected.get("cart", 0))
            assert reply.vary == ["Cookie"]
            assert len(reply.set_cookies) == 2

    def test_a_first_visit(self) -> None:
        reply = inside(lambda s: s.update(a=1), lambda s: s.update(b=2), content=None)
        assert reply.saved == {"a": 1, "b": 2}

    def test_both_clear(self) -> None:
        reply = inside(lambda s: s.clear(), lambda s: s.clear())
        assert reply.saved == {}
        assert len(reply.set_cookies) == 2

    def test_the_cookie_has_the_outer_attributes(self, time_machine: Any) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        reply = inside(lambda s: s.update(_permanent=True), lambda s: s.update(b=2), permanent_session_lifetime=60)
        (cookie,) = (cookie for cookie in reply.set_cookies if cookie.startswith("session="))
        assert cookie.partition("; ")[2] == "Expires=Sun, 09 Sep 2001 01:47:40 GMT; HttpOnly; Path=/; SameSite=Lax"
        reply = inside(lambda s: s.update(a=1), lambda s: s.update(b=2), max_age=5)
        (cookie,) = (cookie for cookie in reply.set_cookies if cookie.startswith("session="))
        assert cookie.partition("; ")[2] == "Max-Age=5; HttpOnly; Path=/; SameSite=Lax"

    def test_its_name_is_in_lower_case(self) -> None:
        """As ASGI asks."""
        headers = [(b"Set-Cookie", f"session={signed({**BEFORE, 'a': 1})}; Path=/".encode())]
        reply = call(SessionMiddleware(app_that(lambda s: s.update(b=2), headers=headers), KEY), cookie=signed(BEFORE))
        assert [name for name, _ in reply.start["headers"]] == [b"set-cookie", b"vary"]

    def test_a_later_change_is_reported_by_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        headers = [(b"set-cookie", f"session={signed({**BEFORE, 'a': 1})}; Path=/".encode())]
        app = app_that(lambda s: s.update(b=2), headers=headers, late=lambda s: s.update(c=3))
        assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved == {**BEFORE, "a": 1, "b": 2}
        (record,) = [record for record in caplog.records if record.name == "starlette_flask"]
        assert record.getMessage().endswith("the response had already started; changed keys: 'c'")

    def test_what_cannot_be_stored_together_is_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        """By a serializer of the application's own. The page that answers the error sets the inner cookie, too."""

        class Picky(TaggedJSONSerializer):
            def dumps(self, value: Any) -> str:
                if {"a", "b"} <= value.keys():
                    raise TypeError
                return super().dumps(value)

        start = {
            "type": "http.response.start",
            "headers": [(b"set-cookie", f"session={signed(INNER)}; Path=/".encode())],
        }

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["b"] = 2
            with pytest.raises(TypeError):
                await send(start)
            await send(start)

        assert call(SessionMiddleware(app, KEY, serializer=Picky()), cookie=signed(BEFORE)).saved == INNER
        (record,) = [record for record in caplog.records if record.name == "starlette_flask"]
        assert record.getMessage().endswith("because they cannot be stored; changed keys: 'b'")

    def test_a_large_one_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        reply = inside(lambda s: s.update(a=1), lambda s: s.update(b=2), max_cookie_size=50)
        assert reply.saved == {**BEFORE, "a": 1, "b": 2}
        assert "the limit is 50" in caplog.text


class TestLogOutInside:
    """What the Flask app removed stays removed, whatever the outer application did to it."""

    @pytest.mark.parametrize(
        ("outer", "expected"),
        [
            (lambda s: s.update(user=7, visits=1), {"visits": 1}),
            (lambda s: s.update(user=8), {}),
            (lambda s: s["cart"].append(2), {}),
            (lambda s: s.mark_modified(), {}),
            (lambda s: s.pop("theme"), {}),
            (lambda s: s.clear(), {}),
        ],
    )
    def test_is_never_undone(self, outer: Change, expected: Any) -> None:
        assert inside(lambda s: s.clear(), outer).saved == expected

    def test_of_a_single_key(self) -> None:
        reply = inside(lambda s: s.pop("user"), lambda s: s.update(user=8, theme="light"))
        assert reply.saved == {"cart": [1], "theme": "light"}

    def test_a_refresh_does_not_undo_it(self) -> None:
        assert inside(lambda s: s.clear(), nothing, content={**BEFORE, "_permanent": True}).saved == {}


class TestUnchangedOutside:
    """The Flask app's cookie passes byte for byte."""

    @pytest.mark.parametrize("outer", [nothing, dict, lambda s: s["cart"], lambda s: s.mark_accessed()])
    @pytest.mark.parametrize("inner", [lambda s: s.update(a=1), lambda s: s.clear(), lambda s: s.pop("user")])
    def test_passes_as_it_is(self, inner: Change, outer: Change, time_machine: Any) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        expected = copy.deepcopy(BEFORE)
        inner(expected)
        reply = inside(inner, outer)
        assert reply.saved == expected
        if expected:
            (cookie,) = (cookie for cookie in reply.set_cookies if cookie.startswith("session="))
            assert cookie == f"session={signed(expected)}; HttpOnly; Path=/; SameSite=Lax"
        assert reply.vary == ["Cookie"]

    def test_a_permanent_session_is_refreshed_by_flask_alone(self) -> None:
        content = {**BEFORE, "_permanent": True}
        reply = inside(lambda s: s.update(a=1), nothing, content=content, permanent_session_lifetime=5)
        assert reply.saved == {**content, "a": 1}
        assert len(reply.set_cookies) == 2

    def test_a_permanent_session_that_nobody_read_outside(self, caplog: pytest.LogCaptureFixture) -> None:
        value = signed({"_permanent": True, "a": 1})
        headers = [(b"set-cookie", f"session={value}; Path=/".encode()), (b"vary", b"Origin")]
        app = SessionMiddleware(app_that(headers=headers), KEY)
        assert call(app, cookie=signed({"_permanent": True})).start["headers"] == headers
        assert [entry for entry in caplog.record_tuples if entry[1] > logging.DEBUG] == []

    def test_the_same_change_on_both_sides(self) -> None:
        change = lambda s: s.update(a=[1])  # noqa: E731
        assert inside(change, change).saved == {**BEFORE, "a": [1]}

    def test_without_a_cookie_from_inside_ours_goes_out(self) -> None:
        assert inside(nothing, lambda s: s.update(b=2)).saved == {**BEFORE, "b": 2}


def answered(
    *fields: str, outer: Change = lambda s: s.update(b=2), path: str = "/", settings: dict[str, Any] | None = None
) -> Reply:
    """The reply where the inner application answers with these Set-Cookie fields."""
    headers = [(b"x", b"y"), *((b"set-cookie", field.encode()) for field in fields)]
    middleware = SessionMiddleware(app_that(outer, headers=headers), KEY, **(settings or {}))
    reply = call(middleware, cookie=signed(BEFORE), path=path)
    assert reply.fields("x") == ["y"]
    return reply


def sessions_of(reply: Reply) -> list[Any]:
    """The content of each cookie named `session`, in their order; the attributes' text for one without a value."""
    pairs = (cookie.split("; ", 1) for cookie in reply.set_cookies if cookie.startswith("session="))
    return [opened(value[8:]) if value[8:] else rest for value, rest in pairs]


INNER = {**BEFORE, "a": 1}
BOTH = {**INNER, "b": 2}


class TestOddCookies:
    """What else an inner application may answer with."""

    def test_two_of_that_name(self) -> None:
        """A browser keeps the last one: so it is the one that counts."""
        first, last = signed({"first": True}), signed(INNER)
        reply = answered(f"session={first}; Path=/", "other=1", f"session={last}; Path=/")
        assert sessions_of(reply) == [BOTH]
        assert reply.set_cookies[0] == "other=1"
        fields = [f"session={first}; Path=/", f"session={last}; Path=/"]
        assert answered(*fields, outer=nothing).set_cookies == fields

    @pytest.mark.parametrize(
        "attributes",
        [
            "Path=/; Max-Age=0",
            "Max-Age=-1; Path=/",
            "Path=/; max-age=00",
            "Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
            "Path=/; EXPIRES = Sun, 06 Nov 1994 08:49:37 GMT",
            "Path=/; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
        ],
    )
    @pytest.mark.parametrize("value", ["", "null", signed(INNER)], ids=["empty", "null", "signed"])
    def test_a_deletion(self, attributes: str, value: str) -> None:
        """It goes out with our attributes, so that a browser obeys it; nothing but a new key revives a session."""
        field = f"session={value}; {attributes}"
        assert sessions_of(answered(field)) == [{"b": 2}]
        for outer in (
            nothing,
            lambda s: s.update(user=8),
            lambda s: s.clear(),
            lambda s: setattr(s, "permanent", True),
        ):
            reply = answered(field, outer=outer, settings={"session_cookie": "session", "https_only": True})
            assert reply.set_cookies == [
                "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Lax"
            ]

    @pytest.mark.parametrize(
        "attributes",
        [
            "Path=/",
            "Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "Path=/; Max-Age=soon",
            "Path=/; Max-Age=",
            "Path=/; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "Path=/; Expires=never",
            "Path=/; Secure; HttpOnly; SameSite=Strict",
            "path=/",
            "Path=/x; Path=/",
            "Path=",
            "Path=x",
            "Domain=; Path=/",
            "",
        ],
    )
    def test_no_deletion_of_this_cookie(self, attributes: str) -> None:
        assert sessions_of(answered(f"session={signed(INNER)}; {attributes}")) == [BOTH]

    def test_an_empty_value(self) -> None:
        assert sessions_of(answered("session=; Path=/")) == [{"b": 2}]
        assert sessions_of(answered('session=""; Path=/')) == [{"b": 2}]

    @pytest.mark.parametrize("text", ['session="{}"; Path=/', " session = {} ; Path=/", "session={};Path=/"])
    def test_other_spellings(self, text: str) -> None:
        reply = answered(text.format(signed(INNER)))
        assert len(reply.set_cookies) == 1
        assert sessions_of(reply) == [BOTH]

    @pytest.mark.parametrize(
        "field",
        [
            "session={}; Path=/shop",
            "session={}; Path=/; Path=/shop",
            "session={}; Domain=example.com; Path=/",
            "session={}; Path=/; Secure; Partitioned",
            "sessions={}; Path=/",
            "Session={}; Path=/",
            "xsession={}; Path=/",
            "session.={}; Path=/",
        ],
    )
    def test_another_cookie(self, field: str) -> None:
        """Another name, path, domain or partition: the browser keeps both, so both go out."""
        field = field.format(signed(INNER))
        reply = answered(field)
        assert reply.set_cookies[0] == field
        assert len(reply.set_cookies) == 2
        assert opened(reply.set_cookies[1].partition(";")[0].partition("=")[2]) == {**BEFORE, "b": 2}

    @pytest.mark.parametrize(
        ("field", "settings"),
        [
            ("session={}; Path=/shop", {"path": "/shop"}),
            ("session={}; Path=/caf%C3%A9", {"path": "/caf\u00e9"}),
            ("session={}; Domain=example.com; Path=/", {"domain": ".example.com"}),
            ("session={}; Domain=.EXAMPLE.com; Path=/", {"domain": "example.com"}),
            ("session={}; Path=/; Secure; Partitioned", {"partitioned": True}),
            ("session={}", {"path": None}),
        ],
    )
    def test_the_same_cookie(self, field: str, settings: dict[str, Any]) -> None:
        field = field.format(signed(INNER))
        reply = answered(field, settings=settings)
        assert sessions_of(reply) == [BOTH]
        assert answered(field, outer=nothing, settings=settings).set_cookies == [field]

    @pytest.mark.parametrize(
        ("path", "default"),
        [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/", "/a/b"), ("*", "/")],
    )
    def test_the_default_path(self, path: str, default: str) -> None:
        """A cookie without a path is for the request's directory (RFC 6265 5.1.4)."""
        field = f"session={signed(INNER)}"
        assert len(answered(field, path=path).set_cookies) == (1 if default == "/" else 2)
        assert sessions_of(answered(field, path=path, settings={"path": default})) == [BOTH]

    def test_another_field_that_looks_like_it(self) -> None:
        value = f"session={signed(INNER)}; Path=/".encode()
        headers = [(b"x-a-cookie", value), (b"set-cookie", b"other=1")]  # a name as long
        reply = call(SessionMiddleware(app_that(lambda s: s.update(b=2), headers=headers), KEY), cookie=signed(BEFORE))
        assert reply.start["headers"][:2] == headers
        assert sessions_of(reply) == [{**BEFORE, "b": 2}]

    def test_upper_case_names(self) -> None:
        headers = [(b"Set-Cookie", f"session={signed(INNER)}; Path=/".encode())]
        reply = call(SessionMiddleware(app_that(lambda s: s.update(b=2), headers=headers), KEY), cookie=signed(BEFORE))
        assert sessions_of(reply) == [BOTH]

    def test_on_a_websocket(self) -> None:
        headers = [(b"set-cookie", f"session={signed(INNER)}; Path=/".encode())]
        for start in ("websocket.accept", "websocket.http.response.start"):
            app = app_that(lambda s: s.update(b=2), headers=headers, start=start)
            reply = call(SessionMiddleware(app, KEY), cookie=signed(BEFORE), kind="websocket")
            assert sessions_of(reply) == [BOTH]

    def test_the_applications_headers_are_not_touched(self) -> None:
        headers = [[b"set-cookie", f"session={signed(INNER)}; Path=/".encode()], [b"vary", b"Origin"]]
        message = {"type": "http.response.start", "status": 200, "headers": headers}
        before = copy.deepcopy(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["b"] = 2
            await send(message)

        assert sessions_of(call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))) == [BOTH]
        assert message == before


class TestInnerCookieThatDoesNotOpen:
    """It may be a log-out in a way that we do not know: it passes as it is, and what is lost is logged."""

    @pytest.mark.parametrize(
        "value",
        ["nonsense", signed(INNER, key="another key"), signed([1]), "null", '"'],
        ids=["nonsense", "another key", "no object", "null", "quote"],
    )
    def test_is_not_overwritten(self, value: str, caplog: pytest.LogCaptureFixture) -> None:
        field = f"session={value}; Path=/"
        reply = answered(field, outer=lambda s: (s.update(b="VALUE"), s["cart"].append(2)), path="/shop")
        assert reply.set_cookies == [field]
        assert reply.vary == ["Cookie"]
        ((logger, level, text),) = (entry for entry in caplog.record_tuples if entry[1] > logging.DEBUG)
        assert (logger, level) == ("starlette_flask", logging.WARNING)
        assert text == (
            "Changes to session 'session' were lost on path '/shop' because an application inside set a cookie of "
            "that name that was rejected; changed keys: 'b', 'cart', 'theme', 'user'"
        )
        assert value == '"' or value not in text

    @pytest.mark.parametrize("outer", [nothing, dict, lambda s: (s.update(b=1), setattr(s, "modified", False))])
    def test_the_session_that_it_replaces_is_lost(self, outer: Change, caplog: pytest.LogCaptureFixture) -> None:
        """A library that brings a session middleware of its own, under the same name."""
        field = "session=nonsense; Path=/"
        assert answered(field, outer=outer).set_cookies == [field]
        (text,) = (entry[2] for entry in caplog.record_tuples if entry[1] > logging.DEBUG)
        assert text.endswith("that was rejected; changed keys: 'cart', 'theme', 'user'")

    def test_is_not_logged_where_nothing_is_lost(self, caplog: pytest.LogCaptureFixture) -> None:
        field = "session=nonsense; Path=/"
        app = app_that(headers=[(b"set-cookie", field.encode())])
        assert call(SessionMiddleware(app, KEY)).set_cookies == [field]
        assert [entry for entry in caplog.record_tuples if entry[1] > logging.DEBUG] == []

    def test_age_is_no_reason(self) -> None:
        """It was made for this very response, whatever the clock of whoever made it says."""
        assert sessions_of(answered(f"session={signed(INNER, age=-60)}; Path=/")) == [BOTH]

    def test_a_later_change_is_reported_by_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        app = app_that(
            lambda s: s.update(b=2), headers=[(b"set-cookie", b"session=x; Path=/")], late=lambda s: s.update(c=3)
        )
        call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
        lost, late = (entry[2] for entry in caplog.record_tuples if entry[1] > logging.DEBUG)
        assert lost.endswith("changed keys: 'b', 'cart', 'theme', 'user'")
        assert late.endswith("changed keys: 'c'")


def flask_shop() -> flask.Flask:
    """A Flask app with Flask-Login, whose views change the session."""
    app = flask.Flask("shop")
    app.config.update(SECRET_KEY=KEY)

    class User(UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    LoginManager(app).user_loader(User)

    @app.route("/login/<name>")
    def log_in(name: str) -> str:
        login_user(User(name))
        return "in"

    @app.route("/logout")
    def log_out() -> str:
        logout_user()
        return "out"

    @app.route("/clear")
    def clear() -> str:
        flask.session.clear()
        return "cleared"

    @app.route("/buy/<int:item>")
    def buy(item: int) -> str:
        flask.session["cart"] = [*flask.session.get("cart", []), item]
        flask.flash(f"bought {item}")
        return "bought"

    @app.route("/session")
    def whole() -> dict[str, Any]:
        return dict(flask.session)

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = FastAPI()
    flask_app = flask_shop()
    app.mount("/shop", WSGIMiddleware(flask_app))

    @app.middleware("http")
    async def count(request: Request, call_next: Any) -> Any:
        if request.url.path != "/shop/session":
            request.session["visits"] = request.session.get("visits", 0) + 1
        if "seen" in request.session:
            request.session["seen"].append(request.url.path)
        response = await call_next(request)
        if "after" in request.query_params:
            request.session["after"] = True
        return response

    @app.get("/history")
    async def keep_history(request: Request) -> None:
        request.session["seen"] = []

    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
    with serve(app) as url:
        yield url


class TestRealServer:
    """A Flask app mounted in a FastAPI app whose middleware changes the session at each request."""

    @pytest.fixture
    def client(self, url: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield client

    def test_a_visit(self, client: httpx.Client) -> None:
        def step(path: str) -> dict[str, Any]:
            response = client.get(path)
            assert response.status_code == 200
            assert len(response.headers.get_list("set-cookie")) == 1
            assert response.headers.get_list("vary") == ["Cookie"]
            session: dict[str, Any] = client.get("/shop/session").json()
            return session

        session = step("/shop/login/ada")
        assert (session["_user_id"], session["visits"]) == ("ada", 1)
        session = step("/shop/buy/1")
        assert (session["_user_id"], session["visits"], session["cart"]) == ("ada", 2, [1])
        session = step("/history")
        assert (session["_user_id"], session["visits"], session["seen"]) == ("ada", 3, [])
        session = step("/shop/buy/2?after")
        assert session["cart"] == [1, 2]
        assert session["visits"] == 4
        assert session["after"] is True
        assert session["seen"][0] == "/shop/session"
        assert [message for _, message in session["_flashes"]] == ["bought 1", "bought 2"]
        session = step("/shop/logout")
        assert "_user_id" not in session
        assert (session["visits"], session["cart"]) == (5, [1, 2])
        session = step("/shop/clear?after")
        assert session.keys() <= {"after"}, "the visits were there before, and the Flask app removed them"

    def test_two_users_at_once(self, url: str) -> None:
        """Nothing of one visitor's session gets into another's."""
        with (
            httpx.Client(base_url=url, trust_env=False) as ada,
            httpx.Client(base_url=url, trust_env=False) as ben,
        ):
            for client, name in ((ada, "ada"), (ben, "ben")):
                client.get(f"/shop/login/{name}")
            for item in range(3):
                ada.get(f"/shop/buy/{item}")
                ben.get(f"/shop/buy/{item + 10}")
            for client, name, cart in ((ada, "ada", [0, 1, 2]), (ben, "ben", [10, 11, 12])):
                session = client.get("/shop/session").json()
                assert (session["_user_id"], session["cart"]) == (name, cart)
