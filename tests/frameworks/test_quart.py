"""Quart has sessions of its own: what becomes of them and of their cookie under the middleware."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flask.json.tag import JSONTag, TaggedJSONSerializer
from quart import Quart, current_app, flash, get_flashed_messages, request, session
from quart.sessions import SecureCookieSessionInterface
from quart.typing import TestClientProtocol as QuartClient
from werkzeug.datastructures import Headers

from starlette_flask import SessionMiddleware

from .apps import KEY, ScopeSessionInterface
from .visitor import flask_opens


def quart_app(**config: Any) -> Quart:
    app = Quart(__name__)
    app.config.update(config)
    app.asgi_app = SessionMiddleware(app.asgi_app, secret_key=KEY)  # type: ignore[method-assign]
    add_routes(app)
    return app


def add_routes(app: Quart) -> None:
    @app.post("/both")
    async def both() -> str:
        session["quart"] = (1, 2)
        request.scope["session"]["scope"] = (3, 4)  # type: ignore[typeddict-item]
        return "done"

    @app.post("/scope")
    async def scope() -> str:
        request.scope["session"]["scope"] = (3, 4)  # type: ignore[typeddict-item]
        return "done"

    @app.post("/flash")
    async def leave() -> str:
        await flash("Hello from Quart", "info")
        return "done"

    @app.get("/flash")
    async def read() -> list[Any]:
        return get_flashed_messages(with_categories=True)

    @app.post("/sign-out")
    async def sign_out() -> str:
        session.clear()
        return "done"


def post(app: Quart, *paths: str) -> tuple[int, Headers, QuartClient]:
    async def visit() -> tuple[int, Headers, QuartClient]:
        client = app.test_client()
        for path in paths:
            response = await client.post(path)
        return response.status_code, response.headers, client

    return asyncio.run(visit())


def cookies_of(client: QuartClient) -> dict[str, str]:
    return {cookie.name: cookie.value or "" for cookie in client.cookie_jar or ()}


class TestWithoutSecretKey:
    """Without a secret key, Quart sets no cookie, and says so to a handler that writes to `quart.session`."""

    def test_the_scope_is_saved(self) -> None:
        status, headers, client = post(quart_app(), "/scope")
        assert (status, len(headers.getlist("Set-Cookie"))) == (200, 1)
        assert flask_opens(cookies_of(client)["session"]) == {"scope": (3, 4)}

    def test_its_own_session_is_refused(self) -> None:
        assert post(quart_app(), "/both")[0] == 500


class TestSameSecretKey:
    """With the same key and cookie name, the two sessions come back as one cookie, which Flask opens."""

    def test_one_cookie_with_both_changes(self) -> None:
        _, headers, client = post(quart_app(SECRET_KEY=KEY), "/both")
        assert len(headers.getlist("Set-Cookie")) == 1
        assert flask_opens(cookies_of(client)["session"]) == {"quart": (1, 2), "scope": (3, 4)}

    def test_each_sees_what_the_other_did_before(self) -> None:
        _, _, client = post(quart_app(SECRET_KEY=KEY), "/scope", "/flash", "/scope")
        content = flask_opens(cookies_of(client)["session"])
        assert content == {"scope": (3, 4), "_flashes": [("info", "Hello from Quart")]}

    def test_cleared_by_quart_is_cleared(self) -> None:
        _, headers, client = post(quart_app(SECRET_KEY=KEY), "/both", "/sign-out")
        assert len(headers.getlist("Set-Cookie")) == 1
        assert "session" not in cookies_of(client)


class TestOtherCookieName:
    """Under a cookie name of its own, Quart's session and Flask's don't meet."""

    def test_two_cookies(self) -> None:
        app = quart_app(SECRET_KEY="quart's own", SESSION_COOKIE_NAME="quart_session")
        _, headers, client = post(app, "/both", "/both")
        assert len(headers.getlist("Set-Cookie")) == 2
        cookies = cookies_of(client)
        assert flask_opens(cookies["session"]) == {"scope": (3, 4)}
        serializer = app.session_interface.get_signing_serializer(app)
        assert serializer
        assert serializer.loads(cookies["quart_session"]) == {"quart": (1, 2)}


class TestOtherSecretKey:
    """With another key under the same cookie name, Quart's cookie stands, and what was lost is said."""

    def test_it_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        _, headers, _ = post(quart_app(SECRET_KEY="quart's own"), "/both")
        assert len(headers.getlist("Set-Cookie")) == 1
        assert "changed keys: 'scope'" in caplog.text


class TestScopeSessionInterface:
    """A session interface of five lines makes `quart.session`, and so all of Quart, use the scope's session."""

    def test_one_session(self) -> None:
        app = quart_app()
        app.session_interface = ScopeSessionInterface()
        _, headers, client = post(app, "/both")
        assert len(headers.getlist("Set-Cookie")) == 1
        assert flask_opens(cookies_of(client)["session"]) == {"quart": (1, 2), "scope": (3, 4)}

    def test_flash(self) -> None:
        app = quart_app()
        app.session_interface = ScopeSessionInterface()
        _, _, client = post(app, "/flash")
        assert flask_opens(cookies_of(client)["session"]) == {"_flashes": [("info", "Hello from Quart")]}

        async def read() -> Any:
            return await (await client.get("/flash")).json

        assert asyncio.run(read()) == [["info", "Hello from Quart"]]
        assert "session" not in cookies_of(client)

    @pytest.mark.parametrize("own_serializer", [False, True])
    def test_what_asks_the_application(self, own_serializer: bool) -> None:
        """A tag or serializer of its own, in which ``current_app`` is known as in Quart's requests."""

        class Tag(JSONTag):
            key = " c"

            def check(self, value: Any) -> bool:
                return isinstance(value, complex)

            def to_json(self, value: Any) -> Any:
                return [current_app.name, value.real, value.imag]

            def to_python(self, value: Any) -> Any:
                assert value[0] == current_app.name
                return complex(*value[1:])

        class Serializer(TaggedJSONSerializer):
            def dumps(self, value: Any) -> str:
                assert current_app.name == "shop"
                return super().dumps(value)

        app = Quart("shop")
        app.config.update(SECRET_KEY=KEY)
        interface: Any = SecureCookieSessionInterface()
        app.session_interface = interface
        interface.serializer = Serializer() if own_serializer else TaggedJSONSerializer()
        interface.serializer.register(Tag)

        @app.post("/")
        async def write() -> str:
            session["z"] = 1 + 2j
            return "done"

        _, _, client = post(app, "/")
        cookie = cookies_of(client)["session"]
        codec = SessionMiddleware.from_flask(app.asgi_app, app)._codec
        assert codec.loads(cookie) == {"z": 1 + 2j}
        assert codec.dumps({"z": 1 + 2j}).split(".")[0] == cookie.split(".")[0]
        with pytest.raises(RuntimeError):
            _ = current_app.name

    def test_settings_of_quart(self) -> None:
        app = Quart(__name__)
        app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_NAME="shop", SESSION_COOKIE_SAMESITE="Strict")
        app.asgi_app = SessionMiddleware.from_flask(app.asgi_app, app)  # type: ignore[method-assign]
        app.session_interface = ScopeSessionInterface()  # after from_flask, which asks Quart's own
        add_routes(app)
        _, headers, client = post(app, "/both")
        (field,) = headers.getlist("Set-Cookie")
        assert field.split("; ", 1)[1] == "HttpOnly; Path=/; SameSite=Strict"
        assert flask_opens(cookies_of(client)["shop"]) == {"quart": (1, 2), "scope": (3, 4)}
