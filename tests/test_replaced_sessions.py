"""What an application puts at `scope["session"]` instead of changing the session: it is the session from then on."""

from __future__ import annotations

import asyncio
import logging
from collections import ChainMap, UserDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, get
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.types import Empty
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from starlette_flask import Session, SessionMiddleware
from tests.apps.server import serve
from tests.asgi import KEY, Reply, app_that, call, signed

BEFORE = {"user": 7, "cart": [1]}
AFTER = {"user": 8, "lines": [{"name": "tea", "count": 2}]}


class LineModel(BaseModel):
    name: str
    count: int


class SessionModel(BaseModel):
    user: int
    lines: list[LineModel]


@dataclass
class LineData:
    name: str
    count: int


@dataclass
class SessionData:
    user: int
    lines: list[LineData] = field(default_factory=list)


class SessionStruct(msgspec.Struct):
    user: int
    lines: list[dict[str, Any]]


class EmptyClass:
    """What Litestar's `Empty` was before it was a member of an enumeration."""


REPLACEMENTS: dict[str, Any] = {
    "dict": AFTER,
    "pydantic": SessionModel.model_validate(AFTER),
    "dataclass": SessionData(8, [LineData("tea", 2)]),
    "msgspec": SessionStruct(**AFTER),
}


def replacing(change: Callable[[Any], object], *, late: Callable[[Any], object] = id) -> Callable[..., Any]:
    """An application that does `change` to its scope, answers, and does `late` to it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        change(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        late(scope)
        await send({"type": "http.response.body", "body": b""})

    return app


def replaced(change: Callable[[Any], object], content: Any = BEFORE, **settings: Any) -> Reply:
    cookie = None if content is None else signed(content)
    return call(SessionMiddleware(replacing(change), KEY, **settings), cookie=cookie)


def by(value: Any) -> Callable[[Any], object]:
    return lambda scope: scope.update(session=value)


class TestMapping:
    """Another mapping is the new session."""

    @pytest.mark.parametrize(
        "mapping",
        [
            {"a": 1},
            Session({"a": 1}),
            UserDict({"a": 1}),
            MappingProxyType({"a": 1}),
            ChainMap({"a": 1}, {"a": 2}),
        ],
        ids=lambda mapping: type(mapping).__name__,
    )
    def test_is_saved(self, mapping: Any) -> None:
        for content in (BEFORE, None):
            reply = replaced(by(mapping), content)
            assert reply.saved == {"a": 1}
            assert reply.vary == ["Cookie"]

    def test_of_equal_content_is_no_change(self) -> None:
        for change in (
            by(dict(BEFORE)),
            by(Session(BEFORE)),
            lambda scope: scope.update(session={**scope["session"]}),
        ):
            reply = replaced(change)
            assert reply.set_cookies == []
            assert reply.vary == ["Cookie"]

    def test_that_differs_by_its_types(self) -> None:
        assert repr(replaced(by({"user": True}), {"user": 1}).saved) == "{'user': True}"

    def test_under_a_router_whose_handlers_are_not_litestars(self) -> None:
        reply = replaced(lambda scope: scope.update(session={"a": 1}, route_handler=object()))
        assert reply.saved == {"a": 1}

    def test_in_a_scope_that_was_cleared_of_what_it_does_not_know(self) -> None:
        def change(scope: Any) -> None:
            del scope["starlette_flask.responder"]
            scope["session"] = {"a": 1}

        assert replaced(change).saved == {"a": 1}

    def test_counts_instead_of_an_earlier_change(self) -> None:
        def change(scope: Any) -> None:
            scope["session"]["lost"] = True
            scope["session"] = {"kept": True}

        assert replaced(change).saved == {"kept": True}

    def test_may_be_permanent(self, time_machine: Any) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        (cookie,) = replaced(by({"_permanent": True}), permanent_session_lifetime=60).set_cookies
        assert "; Expires=Sun, 09 Sep 2001 01:47:40 GMT; " in cookie
        assert replaced(by({"_permanent": True}), {"_permanent": True}).saved == {"_permanent": True}
        same = replaced(by({"_permanent": True}), {"_permanent": True}, refresh_each_request=False)
        assert same.set_cookies == []

    def test_the_old_session_put_back_is_what_it_was(self) -> None:
        def change(scope: Any) -> None:
            session = scope["session"]
            scope["session"] = {"a": 1}
            scope["session"] = session

        reply = replaced(change)
        assert (reply.set_cookies, reply.vary) == ([], [])

    def test_under_starlette(self) -> None:
        """`request.session` reads what is there, and handlers put dicts there."""

        def view(request: StarletteRequest) -> PlainTextResponse:
            request.scope["session"] = {**request.session, "a": 1}
            return PlainTextResponse(str(request.session["a"]))

        app = SessionMiddleware(Starlette(routes=[Route("/", view)]), KEY)
        assert call(app, cookie=signed(BEFORE), query_string=b"").saved == {**BEFORE, "a": 1}


class TestCleared:
    """Missing, `None`, a framework's marker and everything that is empty mean that the session is cleared."""

    CLEARED: Any = pytest.mark.parametrize(
        "change",
        [
            lambda scope: scope.pop("session"),
            by(None),
            by(Empty),
            by(EmptyClass),
            by({}),
            by(Session()),
            by(UserDict()),
        ],
        ids=["missing", "None", "Litestar's Empty", "a class", "dict", "Session", "UserDict"],
    )

    @CLEARED
    def test_deletes_the_cookie(self, change: Callable[[Any], object]) -> None:
        reply = replaced(change)
        assert reply.saved == {}
        assert reply.vary == ["Cookie"]

    @CLEARED
    def test_where_there_was_none_it_stays_so(self, change: Callable[[Any], object]) -> None:
        assert replaced(change, None).set_cookies == []

    @CLEARED
    def test_of_a_session_that_was_changed_first(self, change: Callable[[Any], object]) -> None:
        def both(scope: Any) -> None:
            scope["session"]["a"] = 1
            change(scope)

        assert replaced(both).saved == {}


def test_in_the_scope_of_a_middleware_that_serves_a_copy_of_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            scope["session"] = {"a": 1}
            await send(message)

        await SessionMiddleware(replacing(id), KEY)({**scope}, receive, sending)

    assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved == {"a": 1}


def test_in_a_copy_of_the_scope_for_an_equal_middleware() -> None:
    sessions: list[Any] = []
    inner = SessionMiddleware(replacing(lambda scope: sessions.append(dict(scope["session"]))), KEY)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "session": {"a": 1}}, receive, send)

    assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved == {"a": 1}
    assert sessions == [{"a": 1}]


def test_behind_a_middleware_further_in_that_has_ended() -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await SessionMiddleware(nothing, KEY, session_cookie="other")(scope, receive, send)
        await replacing(by({"a": 1}))(scope, receive, send)

    assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved == {"a": 1}


def test_an_equal_middleware_shares_ours_behind_one_of_another_name_that_has_ended() -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None: ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1
        await SessionMiddleware(nothing, KEY, session_cookie="other")(scope, receive, send)
        await SessionMiddleware(app_that(lambda session: session.update(b=session["a"])), KEY)(scope, receive, send)

    assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved == {**BEFORE, "a": 1, "b": 1}


def test_before_a_middleware_further_in_under_another_name() -> None:
    """Its own session stands there when the response starts."""
    inner = SessionMiddleware(app_that(lambda session: session.update(b=2)), KEY, session_cookie="other")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = {"a": 1}
        await inner(scope, receive, send)

    reply = call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
    assert (reply.saved, len(reply.set_cookies)) == ({"a": 1}, 2)


def test_whoever_could_not_send_the_response_finds_the_session_as_it_was() -> None:
    """And not that of a middleware further out, which it passes: the client has gone, the application goes on."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ours = scope["session"]
        with pytest.raises(ConnectionError):
            await send({"type": "http.response.start", "status": 200})
        assert scope["session"] is ours

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        async def gone(message: Any) -> None:
            raise ConnectionError

        await SessionMiddleware(app, KEY, session_cookie="other")(scope, receive, gone)

    call(SessionMiddleware(outside, KEY), cookie=signed(BEFORE))


@pytest.mark.parametrize("outside", [None, {"their": 1}])
def test_those_outside_find_what_they_left(outside: Any) -> None:
    scope = call(SessionMiddleware(replacing(by({"a": 1})), KEY), session=outside).scope
    assert scope["session"] is outside
    assert scope.keys() == {"type", "method", "path", "headers", "session"}


DEFINED = ServerSideSessionConfig().middleware
HANDLER = SimpleNamespace(resolve_middleware=lambda: [DEFINED])


@pytest.mark.parametrize("middleware", [DEFINED, DEFINED.middleware], ids=["defined", "a class"])
def test_litestars_own_further_in_saves_what_it_put_there(middleware: Any) -> None:
    handler = SimpleNamespace(resolve_middleware=lambda: [middleware])
    assert replaced(lambda scope: scope.update(session={"a": 1}, route_handler=handler)).set_cookies == []


@pytest.mark.parametrize(
    "trace", [{"route_handler": HANDLER}, {"session_handler": object()}], ids=["of Litestar", "of starsessions"]
)
def test_inside_another_session_middleware_it_is_ours_to_save(trace: dict[str, Any]) -> None:
    app = SessionMiddleware(replacing(by({"a": 1})), KEY)
    assert call(app, cookie=signed(BEFORE), session={"their": 1}, **trace).saved == {"a": 1}


def test_inside_starsessions_without_a_session_ours_stays_for_those_outside() -> None:
    reply = call(SessionMiddleware(app_that(lambda session: session.update(a=1)), KEY), session_handler=object())
    assert (reply.scope["session"], reply.saved) == ({"a": 1}, {"a": 1})


def test_an_equal_middleware_shares_ours_until_litestars_own_begins() -> None:
    sessions: list[Any] = []
    inner = SessionMiddleware(replacing(lambda scope: sessions.append(scope["session"])), KEY)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route_handler"] = HANDLER
        sessions.append(scope["session"])
        await inner(scope, receive, send)

    call(SessionMiddleware(app, KEY), cookie=signed(BEFORE))
    assert sessions[0] is sessions[1]


class TestAnythingElse:
    """What holds no keys is an error in the application, which its developer sees."""

    @pytest.mark.parametrize("value", [5, "text", object(), ["a"]], ids=lambda value: type(value).__name__)
    def test_is_an_error(self, value: Any) -> None:
        with pytest.raises(TypeError, match=rf"scope\['session'\].* {type(value).__name__}$"):
            replaced(by(value))


def litestar_app(**middleware: Any) -> Any:
    @get("/set")
    async def set_session(request: Request[Any, Any, Any]) -> dict[str, Any]:
        before = dict(request.session)
        request.set_session(REPLACEMENTS[request.query_params["kind"]])
        return before

    @get("/clear")
    async def clear_session(request: Request[Any, Any, Any]) -> None:
        request.clear_session()

    @get("/read")
    async def read(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return dict(request.session)

    @get("/nothing")
    async def nothing() -> None: ...

    @get("/clear-and-set")
    async def clear_and_set(request: Request[Any, Any, Any]) -> None:
        request.clear_session()
        request.set_session({"new": True})

    return Litestar(
        [set_session, clear_session, read, nothing, clear_and_set],
        **middleware,
        openapi_config=None,
        logging_config=None,
    )


@pytest.fixture(scope="module", params=["in its list", "around it"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "in its list":
        app = litestar_app(middleware=[DefineMiddleware(SessionMiddleware, secret_key=KEY)])
    else:
        app = SessionMiddleware(litestar_app(), KEY)
    with serve(app) as url:
        yield url


class TestLitestar:
    """`request.set_session` and `request.clear_session` do what Litestar's documentation says of them."""

    @pytest.fixture
    def client(self, url: str) -> Iterator[httpx.Client]:
        """A client whose session is `BEFORE`."""
        with httpx.Client(base_url=url, trust_env=False) as client:
            client.cookies.set("session", signed(BEFORE), domain="127.0.0.1", path="/")
            yield client

    @pytest.fixture(autouse=True)
    def nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        yield
        assert [entry for entry in caplog.record_tuples if entry[1] >= logging.WARNING] == []

    @pytest.mark.parametrize("kind", REPLACEMENTS)
    def test_set_session(self, client: httpx.Client, kind: str) -> None:
        assert client.get(f"/set?kind={kind}").json() == BEFORE
        response = client.get("/read")
        assert response.json() == AFTER
        assert "set-cookie" not in response.headers
        assert client.get(f"/set?kind={kind}").headers.get_list("set-cookie") == [], "it is the same again"

    def test_clear_session(self, client: httpx.Client) -> None:
        assert client.get("/clear").is_success
        assert "session" not in client.cookies
        assert client.get("/read").json() == {}
        response = client.get("/clear")
        assert response.is_success
        assert "set-cookie" not in response.headers

    def test_clear_and_set(self, client: httpx.Client) -> None:
        assert client.get("/clear-and-set").is_success
        assert client.get("/read").json() == {"new": True}

    def test_nothing(self, client: httpx.Client) -> None:
        response = client.get("/nothing")
        assert response.is_success
        assert "set-cookie" not in response.headers
        assert "vary" not in response.headers


def test_a_middleware_of_another_name_that_still_runs_has_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Its session stands in the scope when ours ends, and is no replacement of ours."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        waits = asyncio.Event()

        async def inner(scope: Any, receive: Any, send: Any) -> None:
            waits.set()
            await asyncio.sleep(3600)

        scope["task"] = asyncio.create_task(SessionMiddleware(inner, KEY, "other")(scope, receive, send))
        await waits.wait()
        assert scope["session"] == {}
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert call(SessionMiddleware(app, KEY), cookie=signed(BEFORE)).saved is None
    assert caplog.messages == []
