"""What Litestar's users do with a session: its own methods, its response cache, and responses made of the session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest
from flask import Flask
from flask.json.tag import JSONTag
from flask.json.tag import TaggedJSONSerializer as FlaskSerializer
from flask.sessions import SecureCookieSessionInterface
from litestar import Controller, Litestar, MediaType, Request, Response, Router, get, post
from litestar.middleware import DefineMiddleware
from litestar.testing import TestClient

from starlette_flask import Session, SessionMiddleware, TaggedJSONSerializer, flask_settings

from .apps import KEY, flask_app
from .visitor import flask_makes, flask_opens

AnyRequest = Request[Any, Any, Any]

SESSION = DefineMiddleware(SessionMiddleware, secret_key=KEY)


FLASK = flask_app()
OWN = TaggedJSONSerializer()


class Complex(JSONTag):
    """A tag of the Flask application's own."""

    key = " c"

    def check(self, value: Any) -> bool:
        return isinstance(value, complex)

    def to_json(self, value: Any) -> Any:
        return [value.real, value.imag]


def flask_app_with_a_tag() -> Flask:
    app = flask_app()
    serializer = FlaskSerializer()
    serializer.register(Complex)
    app.session_interface = SecureCookieSessionInterface()
    app.session_interface.serializer = serializer  # type: ignore[misc]
    return app


class Page(msgspec.Struct):
    content: dict[str, Any]


class Visitor(msgspec.Struct):
    user: str


@get("/session")
async def session_itself(request: AnyRequest) -> dict[str, Any]:
    return request.session


@get("/msgpack", media_type=MediaType.MESSAGEPACK)
async def as_msgpack(request: AnyRequest) -> dict[str, Any]:
    return request.session


@get("/nested")
async def inside_a_dict(request: AnyRequest) -> dict[str, Any]:
    return {"content": request.session}


@get("/struct")
async def inside_a_struct(request: AnyRequest) -> Page:
    return Page(request.session)


@get("/response")
async def inside_a_response(request: AnyRequest) -> Response[dict[str, Any]]:
    return Response(request.session)


@get("/copied")
async def copied(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@get("/marked")
async def marked(request: AnyRequest) -> dict[str, Any]:
    cast("Session", request.session).mark_accessed()
    return request.session


@get("/read")
async def read_before(request: AnyRequest) -> dict[str, Any]:
    return request.session if "user" in request.session else {}


@get("/nothing")
async def nothing() -> None:
    return None


@post("/set")
async def set_session(request: AnyRequest) -> None:
    request.set_session({"user": "grace", "size": (1, 2)})


@post("/struct")
async def set_struct(request: AnyRequest) -> None:
    request.set_session(Visitor("grace"))


@post("/clear")
async def clear_session(request: AnyRequest) -> None:
    request.clear_session()


@get("/cached", cache=True)
async def cached(request: AnyRequest) -> str:
    request.session["seen"] = request.session.get("user")
    return "the same for everybody"


UNSAFE = [session_itself, as_msgpack, inside_a_dict, inside_a_struct, inside_a_response]
SAFE = [copied, marked, read_before]
OTHERS = [nothing, set_session, set_struct, clear_session, cached]
UNSAFE_PATHS = ["/session", "/msgpack", "/nested", "/struct", "/response"]


class MarkingRequest(AnyRequest):
    """Any use of `request.session` counts as reading it, as in Starlette."""

    @property
    def session(self) -> dict[str, Any]:
        session = super().session
        cast("Session", session).mark_accessed()
        return session


def client_of(app: Litestar, **content: Any) -> TestClient[Litestar]:
    client = TestClient(app)
    if cookie := flask_makes(**content):
        client.cookies.set("session", cookie, domain="testserver.local")
    return client


@pytest.fixture(scope="module")
def app() -> Litestar:
    return Litestar([*UNSAFE, *SAFE, *OTHERS], middleware=[SESSION], logging_config=None)


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    with client_of(app, user="ada", cart={"items": ["tea"]}) as client:
        yield client


class TestVary:
    """A response made of the session says `Vary: Cookie` if anything but the serializer has read the session.

    Litestar hands out the session without a word to it, and msgspec reads a dict's memory. So a handler returns
    a copy, or the application takes a request class that marks the session as read.
    """

    @pytest.mark.parametrize("path", UNSAFE_PATHS)
    def test_the_serializer_alone_is_not_noticed(self, client: TestClient[Litestar], path: str) -> None:
        response = client.get(path)
        assert b"ada" in response.content
        assert "vary" not in response.headers

    @pytest.mark.parametrize("path", ["/copied", "/marked", "/read"])
    def test_what_a_handler_can_do(self, client: TestClient[Litestar], path: str) -> None:
        response = client.get(path)
        assert response.json() == {"user": "ada", "cart": {"items": ["tea"]}}
        assert response.headers["vary"] == "Cookie"

    @pytest.mark.parametrize("path", UNSAFE_PATHS)
    def test_what_an_application_can_do(self, path: str) -> None:
        app = Litestar(UNSAFE, middleware=[SESSION], request_class=MarkingRequest, logging_config=None)
        for content in ({"user": "ada"}, {}):
            with client_of(app, **content) as client:
                response = client.get(path)
            assert (b"ada" in response.content) == bool(content)
            assert response.headers["vary"] == "Cookie"
            assert "set-cookie" not in response.headers

    def test_the_request_class_marks_nothing_by_itself(self) -> None:
        app = Litestar([nothing], middleware=[SESSION], request_class=MarkingRequest, logging_config=None)
        with client_of(app, user="ada") as client:
            assert "vary" not in client.get("/nothing").headers


class TestMethods:
    """Litestar's own `set_session` and `clear_session` replace and empty the session that Flask sees."""

    def test_set_session(self, client: TestClient[Litestar]) -> None:
        client.post("/set")
        assert flask_opens(client.cookies["session"]) == {"user": "grace", "size": (1, 2)}

    def test_set_session_to_a_struct(self, client: TestClient[Litestar]) -> None:
        client.post("/struct")
        assert flask_opens(client.cookies["session"]) == {"user": "grace"}

    def test_clear_session(self, client: TestClient[Litestar]) -> None:
        response = client.post("/clear")
        assert "Max-Age=0" in response.headers["set-cookie"]
        assert "session" not in client.cookies

    def test_clear_session_without_one(self, app: Litestar) -> None:
        with client_of(app) as client:
            assert "set-cookie" not in client.post("/clear").headers


class TestResponseCache:
    """A response that Litestar caches is given to others without the cookie that its first visitor got."""

    def test_the_cookie_stays_out_of_the_cache(self) -> None:
        app = Litestar([cached], middleware=[SESSION], logging_config=None)
        with client_of(app, user="ada") as client:
            assert "set-cookie" in client.get("/cached").headers
            client.cookies.clear()  # another visitor
            response = client.get("/cached")
        assert response.text == "the same for everybody"
        assert "set-cookie" not in response.headers


class TestLayers:
    """Middleware on a layer gives its handlers a session, and no others.

    Litestar copies deeply what stands below its application layer, and a Flask application cannot be copied.
    """

    @pytest.mark.parametrize("layer", ["application", "router", "controller", "handler"])
    @pytest.mark.parametrize(
        "session",
        [
            DefineMiddleware(SessionMiddleware, secret_key=KEY, allow_path_regex=re.compile("/"), serializer=OWN),
            DefineMiddleware(SessionMiddleware, **flask_settings(FLASK)),
            DefineMiddleware(SessionMiddleware, **flask_settings(flask_app_with_a_tag())),
            lambda app: SessionMiddleware.from_flask(app, FLASK),
        ],
        ids=["each kind of setting", "flask_settings", "flask_settings and a tag", "from_flask in a function"],
    )
    def test_each_layer(self, session: Any, layer: str) -> None:
        here = {layer: [session]}

        class Shop(Controller):
            middleware = here.get("controller", [])

            @get("/copied", middleware=here.get("handler", []))
            async def copied(self, request: AnyRequest) -> dict[str, Any]:
                request.session["seen"] = True
                return dict(request.session)

        router = Router("/shop", route_handlers=[Shop], middleware=here.get("router", []))
        app = Litestar([router], middleware=here.get("application", []), logging_config=None)
        with client_of(app, user="ada") as client:
            client.get("/shop/copied")
            assert client.get("/shop/copied").json() == {"user": "ada", "seen": True}
            assert flask_opens(client.cookies["session"]) == {"user": "ada", "seen": True}

    def test_router(self) -> None:
        router = Router("/shop", route_handlers=[copied], middleware=[SESSION])
        app = Litestar([router, nothing], logging_config=None)
        with client_of(app, user="ada", _permanent=True) as client:
            assert client.get("/shop/copied").json() == {"user": "ada", "_permanent": True}
            assert "set-cookie" not in client.get("/nothing").headers
            assert "set-cookie" in client.get("/shop/copied").headers
