"""Another session middleware beside this one, under a cookie name of its own: each keeps its session to itself."""

from __future__ import annotations

import asyncio
import json
import warnings
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
import starlette.middleware.sessions
from asgi_sessions import Session as AsgiSession
from asgi_sessions import SessionMiddleware as AsgiSessions
from litestar import Litestar, Request, get
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.memory import MemoryStore
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.routing import Mount
from starsessions import InMemoryStore, load_session
from starsessions import SessionMiddleware as Starsessions

from starlette_flask import SessionMiddleware
from tests.asgi import ASGIApp, opened, signed

from .apps import KEY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it prefers another HTTP client
    from starlette.testclient import TestClient

OURS = {"user": 7, "cart": [1]}
CARD = {"card": "4111-1111"}
ACTIONS = ["untouched", "read", "write", "replace", "clear"]


def act(action: str, session: Any) -> dict[str, Any]:
    if action == "write":
        for key, value in CARD.items():  # asgi-sessions takes no notice of update()
            session[key] = value
    elif action == "clear":
        session.clear()
    return dict(session)


def endpoint(kind: Callable[[dict[str, Any]], Any], *, loads: bool = False) -> ASGIApp:
    """An application that does what its path says; in the session's place it puts one of this `kind`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        action = scope["path"].rpartition("/")[2]
        found = {}
        if action != "untouched":
            if loads:
                await load_session(StarletteRequest(scope))
            if action == "replace":
                scope["session"] = kind(CARD)
            found = act(action, scope["session"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(found).encode()})

    return app


class AlteredSession(starlette.middleware.sessions.Session):
    modified = True


def litestar(*middleware: Any, store: Any = None) -> ASGIApp:
    @get("/{action:str}")
    async def view(request: Request[Any, Any, Any]) -> str:
        action = request.path_params["action"]
        if action == "untouched":
            return "{}"
        if action == "replace":
            request.set_session(dict(CARD))
        elif action == "clear":
            request.clear_session()
            return "{}"
        return repr(act(action, request.session))

    return Litestar(
        [view], middleware=middleware, stores={"sessions": store}, openapi_config=None, logging_config=None
    )


def held_back(app: ASGIApp) -> ASGIApp:
    """A middleware that sends nothing before the application has ended, as one that computes an ETag."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        held: list[Any] = []

        async def keep(message: Any) -> None:
            held.append(message)

        await app(scope, receive, keep)
        for message in held:
            await send(message)

    return middleware


def our_own() -> ASGIApp:
    return SessionMiddleware(endpoint(dict), "another key", "theirs")


PEERS: dict[str, Callable[[], ASGIApp]] = {
    "Litestar, server side": lambda: litestar(ServerSideSessionConfig(key="theirs").middleware, store=MemoryStore()),
    "Litestar, client side": lambda: litestar(CookieBackendConfig(b"0123456789abcdef", key="theirs").middleware),
    "starsessions": lambda: Starsessions(
        endpoint(dict, loads=True), InMemoryStore(), cookie_name="theirs", cookie_https_only=False, cookie_path="/"
    ),
    "Starlette": lambda: starlette.middleware.sessions.SessionMiddleware(endpoint(AlteredSession), "k", "theirs"),
    "asgi-sessions": lambda: AsgiSessions(endpoint(lambda c: AsgiSession(**c)), "k", cookie_name="theirs"),
    "ours": our_own,
    "ours, held back": lambda: held_back(our_own()),
}


def visitor(app: ASGIApp, *, mounted: bool, touch: bool) -> TestClient:
    """A client with a session of ours, for `app` inside this middleware, and a layer between that may change ours."""

    async def between(scope: Any, receive: Any, send: Any) -> None:
        if touch:
            scope["session"]["visits"] = 1
        await app(scope, receive, send)

    inner: Any = Starlette(routes=[Mount("/sub", between)]) if mounted else between
    base = "http://test.local/sub/" if mounted else "http://test.local/"
    client = TestClient(SessionMiddleware(inner, KEY), base_url=base)
    client.cookies.set("session", signed(OURS, key=KEY), domain="test.local", path="/")
    return client


@pytest.mark.parametrize("mounted", [False, True], ids=["alone", "mounted"])
@pytest.mark.parametrize("peer", PEERS)
class TestFurtherIn:
    """Ours is neither changed nor deleted by it, and holds nothing of theirs."""

    @pytest.mark.parametrize("action", ACTIONS)
    def test_leaves_ours_alone(self, peer: str, action: str, mounted: bool) -> None:
        for touch, saved in ((False, None), (True, {**OURS, "visits": 1})):
            client = visitor(PEERS[peer](), mounted=mounted, touch=touch)
            assert client.get("write").status_code == 200
            fields = client.get(action).headers.get_list("set-cookie")
            ours = [field.partition(";")[0].partition("=")[2] for field in fields if field.startswith("session=")]
            assert [opened(value, key=KEY) for value in ours] == ([] if saved is None else [saved])

    def test_keeps_its_own(self, peer: str, mounted: bool) -> None:
        client = visitor(PEERS[peer](), mounted=mounted, touch=False)
        assert [client.get(action).text for action in ("read", "write", "read")] == ["{}", repr(CARD), repr(CARD)]
        assert client.get("clear").text == "{}"
        if peer != "asgi-sessions":  # which takes a session that was cleared for one that did not change
            assert client.get("read").text == "{}"


class Between:
    """A layer that changes the session that stands in the scope there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["theirs"] = 1
        await self.app(scope, receive, send)


OUR_LAYER = DefineMiddleware(SessionMiddleware, secret_key=KEY)


class TestFurtherOut:
    """It saves what it had, not what stands in the scope while the application runs, which is ours."""

    def test_starlettes(self) -> None:
        ours = SessionMiddleware(endpoint(dict), KEY)
        theirs = starlette.middleware.sessions.SessionMiddleware(Between(ours), "k", "theirs")
        client = TestClient(theirs, base_url="http://test.local")
        client.get("/write")
        assert opened(client.cookies["session"], key=KEY) == CARD
        assert json.loads(b64decode(client.cookies["theirs"].partition(".")[0])) == {"theirs": 1}

    def test_litestars(self) -> None:
        theirs, store = ServerSideSessionConfig(key="theirs").middleware, MemoryStore()
        client = TestClient(litestar(theirs, Between, OUR_LAYER, store=store), base_url="http://test.local")
        client.get("/write")
        assert opened(client.cookies["session"], key=KEY) == CARD
        assert json.loads(asyncio.run(store.get(client.cookies["theirs"])) or b"") == {"theirs": 1}

    def test_starsessions_behind_a_layer_that_hides_its_session(self) -> None:
        """What it left in the scope besides is no sign of one further in."""
        ours = SessionMiddleware(endpoint(dict), KEY)

        async def between(scope: Any, receive: Any, send: Any) -> None:
            await ours({key: value for key, value in scope.items() if key != "session"}, receive, send)

        client = TestClient(Starsessions(between, InMemoryStore(), cookie_name="theirs"))
        client.get("/replace")
        assert opened(client.cookies["session"], key=KEY) == CARD

    def test_between_two_equal_ones_of_ours(self) -> None:
        """As where a Flask application is mounted with one. It reads what was changed before either of them."""
        inside = SessionMiddleware(endpoint(dict), KEY)
        theirs = starlette.middleware.sessions.SessionMiddleware(Between(inside), "k", "theirs")

        async def outside(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["visits"] = 1
            await theirs(scope, receive, send)

        client = TestClient(SessionMiddleware(outside, KEY), base_url="http://test.local")
        assert client.get("/write").text == repr({"visits": 1, **CARD})
        assert opened(client.cookies["session"], key=KEY) == {"visits": 1, **CARD}
        assert json.loads(b64decode(client.cookies["theirs"].partition(".")[0])) == {"theirs": 1}


@pytest.mark.parametrize(
    "around",
    [
        lambda app: app,
        lambda app: SessionMiddleware(app, "another key", "outer"),
        lambda app: SessionMiddleware(app, KEY),
    ],
    ids=["alone", "another of ours outside", "an equal one outside"],
)
def test_in_a_litestar_application_with_a_session_of_its_own_further_in(around: Callable[[ASGIApp], Any]) -> None:
    app = litestar(OUR_LAYER, ServerSideSessionConfig(key="theirs").middleware, store=MemoryStore())
    client = TestClient(around(app), base_url="http://test.local")
    client.get("/write")
    assert client.get("/read").text == repr(CARD)
    assert list(client.cookies) == ["theirs"]
