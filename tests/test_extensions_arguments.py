"""What every function of the extensions takes: the session, the scope or a request alike, and keys of every kind."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import fastapi
import litestar
import pytest
import quart
from flask.sessions import SecureCookieSession
from pydantic import SecretStr
from starlette.datastructures import Secret
from starlette.middleware.sessions import Session as StarletteSession
from starlette.requests import HTTPConnection, Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocket
from werkzeug.datastructures import Headers

from starlette_flask import Session, SessionMiddleware
from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import (
    decode_remember_cookie,
    encode_remember_cookie,
    is_fresh,
    load_user_id,
    login_user,
    logout_user,
    protect_session,
    remember_cookie,
    session_identifier,
    user_id,
)
from starlette_flask.extensions.flask_wtf import CSRFError, generate_csrf, validate_csrf

KEY = "a long random secret"


async def nothing(*_: Any, **__: Any) -> Any: ...


def scope_of(session: Any, kind: str = "http") -> dict[str, Any]:
    return {
        "type": kind,
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"user-agent", b"x"), (b"cookie", b"remember_token=x")],
        "client": ("1.2.3.4", 5),
        "session": session,
    }


def quart_request(session: Any) -> quart.Request:
    scope: Any = scope_of(session)
    return quart.Request("GET", "http", "/", b"", Headers(), "", "1.1", scope, send_push_promise=nothing)


FROM_SESSION: dict[str, Callable[[Any], Any]] = {
    "scope": scope_of,
    "scope of a WebSocket": lambda session: scope_of(session, "websocket"),
    "read-only scope": lambda session: MappingProxyType(scope_of(session)),
    "Starlette request": lambda session: Request(scope_of(session)),
    "Starlette connection": lambda session: HTTPConnection(scope_of(session)),
    "Starlette WebSocket": lambda session: WebSocket(scope_of(session, "websocket"), nothing, nothing),
    "FastAPI request": lambda session: fastapi.Request(scope_of(session)),
    "Litestar request": lambda session: litestar.Request(scope_of(session)),  # type: ignore[arg-type]
    "Litestar WebSocket": lambda session: litestar.WebSocket(scope_of(session, "websocket")),  # type: ignore[arg-type]
    "Quart request": quart_request,
}


@pytest.mark.parametrize("kind", FROM_SESSION)
class TestScopesAndRequests:
    """Each function reads and writes the session inside, and nothing else."""

    def test_every_function(self, kind: str) -> None:
        session = Session()
        given = FROM_SESSION[kind](session)
        before = dict(given) if isinstance(given, dict) else None
        login_user(given, "ann", remember=True)
        assert (session["_user_id"], session["_id"]) == ("ann", session_identifier(given))
        assert (user_id(given), is_fresh(given), load_user_id(given, KEY)) == ("ann", True, "ann")
        assert remember_cookie(given, KEY) is not None
        protect_session(given, "strong")
        token = generate_csrf(given, KEY)
        validate_csrf(given, token, KEY)
        flash(given, "hello")
        assert session["_flashes"] == [("message", "hello")]
        assert get_flashed_messages(given) == ["hello"]
        logout_user(given)
        assert dict(session) == {"csrf_token": session["csrf_token"], "_remember": "clear"}
        assert before is None or given == before

    @pytest.mark.parametrize("session", [None, "text", object()])
    def test_without_a_session_each_says_so(self, kind: str, session: Any) -> None:
        given = FROM_SESSION[kind](session)
        for function in (
            user_id,
            is_fresh,
            get_flashed_messages,
            protect_session,
            logout_user,
            lambda given: login_user(given, "ann"),
            lambda given: load_user_id(given, KEY),
            lambda given: remember_cookie(given, KEY),
            lambda given: flash(given, "hello"),
            lambda given: generate_csrf(given, KEY),
            lambda given: validate_csrf(given, "x", KEY),
        ):
            with pytest.raises(RuntimeError, match=r"^no session in this scope: SessionMiddleware must come before"):
                function(given)


TREACHEROUS: dict[str, Any] = {"type": "http", "headers": [], "session": {"_user_id": "eve"}, "scope": {"session": {}}}


@pytest.mark.parametrize("session_class", [Session, StarletteSession, SecureCookieSession])
def test_a_session_stays_one_whatever_its_keys(session_class: Any) -> None:
    session = session_class({**TREACHEROUS, "_user_id": "ann"})
    assert user_id(session) == "ann"
    flash(session, "hello")
    assert session.pop("_flashes") == [("message", "hello")]
    assert session == {**TREACHEROUS, "_user_id": "ann"}


@pytest.mark.parametrize("missing", ["type", "headers"])
def test_so_does_a_plain_mapping_unless_it_has_type_and_headers_of_a_connection(missing: str) -> None:
    session = {"_user_id": "ann", **TREACHEROUS}
    del session[missing]
    assert user_id(session) == "ann"
    assert user_id({"_user_id": "ann", **TREACHEROUS, "type": "lamp"}) == "ann"


@pytest.mark.parametrize("given", [None, "text", 5, [("_user_id", "ann")], SimpleNamespace(scope="x"), dict])
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^a session, an ASGI scope or a request is needed, not {type(given).__name__}$"
    ):
        user_id(given)


@pytest.mark.parametrize("session", [{}, {"_user_id": "ann"}, Session()])
def test_what_needs_more_than_a_session_says_what_and_writes_nothing(session: Any) -> None:
    before = dict(session)
    client = r"^the client's address and user agent are needed, which a session does not know: pass the request or its"
    cookies = r"^the request's cookies are needed, which a session does not know: pass the request or its ASGI scope$"
    for function, message in (
        (lambda: login_user(session, "ann"), client),
        (lambda: session_identifier(session), client),
        (lambda: protect_session(session), client),
        (lambda: load_user_id(session, KEY), cookies),
        (lambda: logout_user(session), cookies),
    ):
        with pytest.raises(TypeError, match=message):
            function()
        assert session == before
    logout_user(session, remember_cookie=None)
    assert session == {"_remember": "clear"}


BY_KEY: dict[str, Callable[[Any], object]] = {
    "encode_remember_cookie": lambda key: encode_remember_cookie("ann", key),
    "decode_remember_cookie": lambda key: decode_remember_cookie("ann|x", key),
    "no remember cookie": lambda key: decode_remember_cookie(None, key),
    "a retired key of the remember cookie": lambda key: decode_remember_cookie("ann|x", KEY, [key]),
    "load_user_id": lambda key: load_user_id(scope_of({}), key),
    "a retired key of load_user_id": lambda key: load_user_id(scope_of({}), KEY, secret_key_fallbacks=[key]),
    "remember_cookie": lambda key: remember_cookie({}, key),
    "generate_csrf": lambda key: generate_csrf({}, key),
    "validate_csrf": lambda key: validate_csrf({"csrf_token": "x"}, generate_csrf({"csrf_token": "x"}, KEY), key),
    "a retired key of validate_csrf": lambda key: validate_csrf({}, None, KEY, secret_key_fallbacks=[key]),
}


@pytest.mark.parametrize("function", BY_KEY)
class TestKeys:
    """Secret keys are taken as the middleware takes them."""

    @pytest.mark.parametrize("key", ["", b"", "**********", str(SecretStr(KEY)), None, "None", 5, [KEY]])
    def test_a_key_that_protects_nothing_is_refused(self, function: str, key: Any) -> None:
        setting = r"secret_key_fallbacks\[0\]" if "retired" in function else "secret_key"
        with pytest.raises((TypeError, ValueError), match=rf"^{setting} ") as caught:
            BY_KEY[function](key)
        assert not isinstance(caught.value, CSRFError)

    def test_an_object_that_reveals_one_is_as_good_as_its_text(self, function: str) -> None:
        results = []
        for key in (KEY, KEY.encode(), SecretStr(KEY), Secret(KEY)):
            try:
                results.append(repr(BY_KEY[function](key)))
            except CSRFError as error:  # of no token at all
                results.append(str(error))
        if function != "generate_csrf":  # random
            assert results == results[:1] * 4
        else:
            assert len(results) == 4


def test_secrets_open_what_their_text_signed() -> None:
    cookie = encode_remember_cookie("ann", KEY)
    session: dict[str, Any] = {}
    token = generate_csrf(session, KEY)
    for key in (SecretStr(KEY), Secret(KEY), KEY.encode()):
        assert encode_remember_cookie("ann", key) == cookie
        assert decode_remember_cookie(cookie, key) == decode_remember_cookie(cookie, "new", [key]) == "ann"
        validate_csrf(session, token, key)
        validate_csrf(session, token, "new", secret_key_fallbacks=[key])


def test_in_an_application() -> None:
    """What was written through the scope or the request is in the cookie, and there for the next request."""
    app = fastapi.FastAPI()
    app.add_middleware(SessionMiddleware, secret_key=KEY)

    @app.get("/in")
    async def log_in(request: fastapi.Request) -> None:
        login_user(request, "ann")
        flash(request.scope, "hello")

    @app.get("/who")
    async def who(request: fastapi.Request) -> list[Any]:
        return [user_id(request.scope), user_id(request), get_flashed_messages(request.scope)]

    @app.websocket("/socket")
    async def socket(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(user_id(websocket))
        await websocket.close()

    client = TestClient(app)
    client.get("/in")
    assert client.get("/who").json() == ["ann", "ann", ["hello"]]
    with client.websocket_connect("/socket") as connection:
        assert connection.receive_json() == "ann"
