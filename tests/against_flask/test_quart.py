"""A Quart application's sessions: its settings through ``from_flask``, its cookies to the byte."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SessionMixin

from starlette_flask import SessionMiddleware

from .harness import drive, frozen
from .test_from_flask import Complex, Reversed, tagged

quart = pytest.importorskip("quart", reason="no Quart goes with this Flask")
quart_sessions = pytest.importorskip("quart.sessions")


def make_quart(**config: Any) -> Any:
    app = quart.Quart("quart_app", static_folder=None)
    app.config.update({"SECRET_KEY": "a secret key", **config})

    @app.get("/write")
    async def write() -> str:
        quart.session["b"] = (1, "ü")
        quart.session["a"] = {"z": b"x", "y": None}
        quart.session.permanent = True
        return "ok"

    @app.get("/read")
    async def read() -> str:
        return repr(dict(quart.session))

    @app.get("/clear")
    async def clear() -> str:
        quart.session.clear()
        return "ok"

    return app


async def like_quart(scope: Any, receive: Any, send: Any) -> None:
    """Do what the routes of the Quart application do."""
    session, body = scope["session"], b"ok"
    if scope["path"] == "/write":
        session["b"] = (1, "ü")
        session["a"] = {"z": b"x", "y": None}
        session.permanent = True
    elif scope["path"] == "/read":
        body = repr(dict(session)).encode()
    else:
        session.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def ask_quart(app: Any, path: str, cookie: str | None) -> tuple[list[str], str]:
    async def ask() -> tuple[list[str], str]:
        client = app.test_client(use_cookies=False)
        response = await client.get(path, headers={"Cookie": cookie} if cookie else {})
        return response.headers.getlist("Set-Cookie"), await response.get_data(as_text=True)

    return asyncio.run(ask())


def ask_ours(middleware: SessionMiddleware, path: str, cookie: str | None) -> tuple[list[str], str]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError("nobody asks for the body")

    headers = [(b"cookie", cookie.encode())] if cookie else []
    drive(middleware({"type": "http", "path": path, "headers": headers}, receive, send))
    fields = [value.decode() for name, value in messages[0]["headers"] if name == b"set-cookie"]
    return fields, messages[1]["body"].decode()


class TestQuart:
    """A Quart application's cookies are read and written as it does, with its keys in the order they were set."""

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"SESSION_COOKIE_NAME": "q", "SESSION_COOKIE_PATH": "/a b", "SESSION_COOKIE_DOMAIN": ".example.com"},
            {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "strict", "SESSION_COOKIE_HTTPONLY": False},
            {"PERMANENT_SESSION_LIFETIME": 60, "SESSION_REFRESH_EACH_REQUEST": False},
            {"SECRET_KEY": b"\xff\x00"},
        ],
    )
    def test_the_same_cookies(self, config: dict[str, Any]) -> None:
        app = make_quart(**config)
        middleware = SessionMiddleware.from_flask(like_quart, app)
        with frozen():
            written, _ = theirs = ask_quart(app, "/write", None)
            assert ask_ours(middleware, "/write", None) == theirs
            assert len(written) == 1
            cookie = written[0].partition(";")[0]
            for path in ("/read", "/write", "/clear"):
                assert ask_ours(middleware, path, cookie) == ask_quart(app, path, cookie)
            assert "'z': b'x'" in ask_ours(middleware, "/read", cookie)[1]

    def test_what_json_lacks_becomes_text_as_in_quart(self) -> None:
        app = make_quart()
        signing = app.session_interface.get_signing_serializer(app)
        middleware = SessionMiddleware.from_flask(decimal, app)
        with frozen():
            expected = signing.dumps({"price": Decimal("1.50")})
            assert ask_ours(middleware, "/", None)[0][0].startswith(f"session={expected};")

    def test_keys_keep_their_order_where_a_flask_application_is_current(self) -> None:
        """Flask's tags write through ``current_app.json``, which sorts keys; Quart has no such application."""
        middleware = SessionMiddleware.from_flask(like_quart, make_quart())
        with frozen():
            alone = ask_ours(middleware, "/write", None)
            with Flask("another").app_context():
                assert ask_ours(middleware, "/write", None) == alone

    @pytest.mark.parametrize("serializer", [json, tagged(Complex), Reversed()])
    def test_a_serializer_of_its_own(self, serializer: Any) -> None:
        app = make_quart()
        app.session_interface = quart_sessions.SecureCookieSessionInterface()  # all applications share the default one
        app.session_interface.serializer = serializer
        signing = app.session_interface.get_signing_serializer(app)
        middleware = SessionMiddleware.from_flask(complex_or_not, app)
        with frozen():
            expected = signing.dumps({"b": 1, "a": [1]})
            assert ask_ours(middleware, "/", None)[0][0].startswith(f"session={expected};")
            assert ask_ours(middleware, "/", f"session={expected}") == ([], "{'b': 1, 'a': [1]}")

    def test_a_rule_of_its_own_is_refused(self) -> None:
        class OwnInterface(quart_sessions.SecureCookieSessionInterface):
            def should_set_cookie(self, app: Any, session: SessionMixin) -> bool:
                return True

        app = make_quart()
        app.session_interface = OwnInterface()
        with pytest.raises(TypeError, match=r"OwnInterface\.should_set_cookie"):
            SessionMiddleware.from_flask(like_quart, app)

    def test_no_secret_key(self) -> None:
        with pytest.raises(ValueError, match="SECRET_KEY"):
            SessionMiddleware.from_flask(like_quart, make_quart(SECRET_KEY=None))


async def decimal(scope: Any, receive: Any, send: Any) -> None:
    """Store what neither JSON nor a tag can carry."""
    scope["session"]["price"] = Decimal("1.50")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def complex_or_not(scope: Any, receive: Any, send: Any) -> None:
    """Write to an empty session, show another."""
    body = repr(dict(scope["session"])).encode()
    if not scope["session"]:
        scope["session"].update(b=1, a=[1])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
