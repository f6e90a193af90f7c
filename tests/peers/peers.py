"""The peers, each set up as its users would, around one small application that does what a point asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import flask
import quart
from a2wsgi import WSGIMiddleware
from flask.sessions import SecureCookieSessionInterface
from litestar import Litestar, asgi
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.types import Empty
from quart.sessions import SecureCookieSessionInterface as QuartSessionInterface
from quart.utils import run_sync
from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware
from starlette.responses import Response

from starlette_flask import SessionMiddleware

from .published import load_published

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Change = Callable[[Any], object]
SECRET_KEY = "a secret key of thirty-two bytes"  # Litestar wants just so many


class NotOfferedError(Exception):
    """The peer has no such setting."""


class DoesNotApplyError(Exception):
    """The point is none for this peer."""


def nothing(session: Any) -> None:
    """Leave the session alone."""


@dataclass
class View:
    """What one request does."""

    change: Change = nothing
    #: Done while the body is streamed.
    late: Change | None = None
    #: A WSGI application mounted here, whose response is the response.
    mounted: flask.Flask | None = None
    #: An ASGI application mounted here, likewise.
    inside: ASGIApp | None = None
    #: The response also deletes the cookie of this name, as `response.delete_cookie(name)` does.
    deletes: str = ""
    #: An error is raised, and there is no response.
    fails: bool = False
    #: Done to the ASGI scope.
    replace: Change | None = None
    #: Between two middlewares, to the session of the outer one.
    between: Change = nothing
    #: The WebSocket is denied instead of accepted.
    denies: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Do it as an ASGI application."""
        self.change(scope["session"])
        if self.replace:
            self.replace(scope)
        if self.fails:
            raise RuntimeError("the view fails")
        if self.inside:
            await self.inside(scope, receive, send)
        elif self.mounted:
            await WSGIMiddleware(self.mounted)(scope, receive, send)  # type: ignore[arg-type]
        elif scope["type"] == "websocket" and not self.denies:
            await send({"type": "websocket.accept", "headers": []})
        else:
            kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
            headers = deletion(self.deletes) if self.deletes else []
            await send({"type": f"{kind}.start", "status": 403 if self.denies else 200, "headers": headers})
            if self.late:
                self.late(scope["session"])
            await send({"type": f"{kind}.body", "body": b""})


def deletion(name: str) -> list[tuple[bytes, bytes]]:
    """What `response.delete_cookie(name)` adds to the headers."""
    response = Response()
    response.delete_cookie(name)
    return [header for header in response.raw_headers if header[0] == b"set-cookie"]


class Peer:
    """A session middleware or framework: how it is called, and an ASGI application that has its sessions."""

    name = ""
    #: What `scope["session"]` is set to for an emptied session; for a framework without one, why it has none.
    cleared: Any = None
    no_scope = ""

    def app(self, view: View, *settings: dict[str, Any]) -> ASGIApp:
        """Return the application with one middleware for each `settings`, the outermost first.

        Settings are Starlette's names, `digest_method`, and `allow_path_regex`, `leeway` and
        `accept_starlette_cookies` where there is anything like them. Raises `NotOfferedError` for one there is not.
        """
        raise NotImplementedError


def refuse(settings: Iterable[str], offered: Iterable[str]) -> None:
    """Raise for a setting that is not offered."""
    for setting in settings:
        if setting not in offered:
            raise NotOfferedError(f"has no `{setting}`")


class Middleware(Peer):
    """An ASGI middleware."""

    offered: frozenset[str] = frozenset(
        {"secret_key", "session_cookie", "path", "same_site", "https_only", "partitioned"}
    )

    def wrap(self, app: ASGIApp, settings: dict[str, Any]) -> ASGIApp:
        """Return one middleware around the application."""
        raise NotImplementedError

    def app(self, view: View, *settings: dict[str, Any]) -> ASGIApp:
        """Return the view with a middleware around it, or more."""
        app: ASGIApp = view
        for number, each in enumerate(reversed(settings or ({},))):
            refuse(each, self.offered)
            if number:
                app = before(view.between, app)
            app = self.wrap(app, {"secret_key": SECRET_KEY, **each})
        return app


def before(change: Change, app: ASGIApp) -> ASGIApp:
    async def changing(scope: Any, receive: Any, send: Any) -> None:
        change(scope["session"])
        await app(scope, receive, send)

    return changing


class Starlette(Middleware):
    """Starlette's own."""

    name = f"Starlette {version('starlette')}"

    def wrap(self, app: ASGIApp, settings: dict[str, Any]) -> ASGIApp:
        return StarletteMiddleware(app, **settings)


class Published(Middleware):
    """This package as it was."""

    name = "0.1.0"
    offered = Middleware.offered - {"partitioned"} | {"digest_method"}

    def __init__(self) -> None:
        self.middleware = load_published().SessionMiddleware

    def wrap(self, app: ASGIApp, settings: dict[str, Any]) -> ASGIApp:
        if digest_method := settings.pop("digest_method", None):
            settings["signer_kwargs"] = {"key_derivation": "hmac", "digest_method": digest_method}
        middleware: ASGIApp = self.middleware(app, **settings)
        return middleware


class Ours(Middleware):
    """This package."""

    name = "starlette-flask 1.0"
    offered = Middleware.offered | {"digest_method", "allow_path_regex", "leeway", "accept_starlette_cookies"}

    def wrap(self, app: ASGIApp, settings: dict[str, Any]) -> ASGIApp:
        if digest_method := settings.pop("digest_method", None):
            settings["signer_kwargs"] = {"digest_method": digest_method}
        return SessionMiddleware(app, **settings)


class LitestarCookies(Peer):
    """Litestar's client-side sessions, in a Litestar application."""

    name = f"Litestar {version('litestar')}"
    cleared = Empty

    def app(self, view: View, *settings: dict[str, Any]) -> ASGIApp:
        middleware: list[Any] = []
        for each in settings or ({},):
            refuse(each, Middleware.offered - {"partitioned"} | {"allow_path_regex", "digest_method"})
            secret = each.get("secret_key", SECRET_KEY)
            config = CookieBackendConfig(
                secret=secret.encode() if isinstance(secret, str) else secret,
                key=each.get("session_cookie", "session"),
                path=each.get("path", "/"),
                secure=each.get("https_only", False),
                samesite=each.get("same_site", "lax"),
                exclude=f"^(?!{each['allow_path_regex']})" if "allow_path_regex" in each else None,
            )
            if middleware:
                middleware.append(lambda app: before(view.between, app))
            middleware.append(config.middleware)

        @asgi("/", is_mount=True, copy_scope=False)
        async def handler(scope: Any, receive: Any, send: Any) -> None:
            await view(scope, receive, send)

        app: Any = Litestar([handler], middleware=middleware, openapi_config=None, logging_config=None)
        return app  # type: ignore[no-any-return]


FLASK_SETTINGS = {
    "secret_key": "SECRET_KEY",
    "session_cookie": "SESSION_COOKIE_NAME",
    "path": "SESSION_COOKIE_PATH",
    "https_only": "SESSION_COOKIE_SECURE",
    "same_site": "SESSION_COOKIE_SAMESITE",
    "partitioned": "SESSION_COOKIE_PARTITIONED",
}


def configure(app: Any, interface: type[Any], view: View, settings: tuple[dict[str, Any], ...]) -> None:
    """Give a Flask or Quart application these settings."""
    if len(settings) > 1:
        raise DoesNotApplyError("one session for an app")
    if view.inside:
        raise DoesNotApplyError("mounts no ASGI app")
    app.config["PROPAGATE_EXCEPTIONS"] = not view.fails
    given = {"secret_key": SECRET_KEY, **(settings[0] if settings else {})}
    refuse(given, {*FLASK_SETTINGS, "digest_method"})
    app.config.update({FLASK_SETTINGS[name]: value for name, value in given.items() if name in FLASK_SETTINGS})
    if digest_method := given.get("digest_method"):
        app.session_interface = type("Interface", (interface,), {"digest_method": staticmethod(digest_method)})()


class Flask(Peer):
    """Flask, over a2wsgi."""

    name = f"Flask {version('flask')}"
    no_scope = "`flask.session` can't be replaced"

    def app(self, view: View, *settings: dict[str, Any]) -> ASGIApp:
        app = flask.Flask("peer")
        configure(app, SecureCookieSessionInterface, view, settings)

        @app.route("/")
        @app.route("/<path:path>")
        def respond(path: str = "") -> flask.Response:
            view.change(flask.session)
            if view.fails:
                raise RuntimeError("the view fails")
            if view.mounted:
                return flask.Response.from_app(view.mounted.wsgi_app, flask.request.environ)

            @flask.stream_with_context
            def body() -> Any:
                yield b""
                if view.late:
                    view.late(flask.session)

            response = flask.Response(body())
            if view.deletes:
                response.delete_cookie(view.deletes)
            return response

        wrapped: Any = WSGIMiddleware(app)
        return wrapped  # type: ignore[no-any-return]


class Quart(Peer):
    """Quart."""

    name = f"Quart {version('quart')}"
    no_scope = "`quart.session` can't be replaced"

    def app(self, view: View, *settings: dict[str, Any]) -> ASGIApp:
        app = quart.Quart("peer")
        configure(app, QuartSessionInterface, view, settings)

        @app.route("/")
        @app.route("/<path:path>")
        async def respond(path: str = "") -> Any:
            view.change(quart.session)
            if view.fails:
                raise RuntimeError("the view fails")
            if view.mounted:
                environ = {"HTTP_COOKIE": "; ".join(quart.request.headers.getlist("Cookie"))}
                mounted = view.mounted.test_client(use_cookies=False)
                response = await run_sync(lambda: mounted.get("/", environ_overrides=environ))()
                return quart.Response(response.data, response.status_code, response.headers)

            @quart.stream_with_context
            async def body() -> Any:
                yield b""
                if view.late:
                    view.late(quart.session)

            response = quart.Response(body())
            if view.deletes:
                response.delete_cookie(view.deletes)
            return response

        @app.websocket("/")
        async def socket() -> None:
            view.change(quart.session)
            if view.denies:
                quart.abort(403)
            await quart.websocket.accept()

        return app  # type: ignore[return-value]


def flask_inside(change: Change) -> flask.Flask:
    """A Flask application to mount, which does `change` to its session."""
    app = flask.Flask("inside")
    app.config["SECRET_KEY"] = SECRET_KEY

    @app.route("/")
    def respond() -> flask.Response:
        change(flask.session)
        response = flask.Response("")
        response.set_cookie("other", "kept")
        return response

    return app


def server_side_inside(change: Change) -> ASGIApp:
    """A Litestar application to mount, which does `change` to its server-side session, under a name of its own."""

    @asgi("/", is_mount=True, copy_scope=False)
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await View(change)(scope, receive, send)

    middleware = ServerSideSessionConfig(key="inner").middleware
    app: Any = Litestar([handler], middleware=[middleware], openapi_config=None, logging_config=None)
    return app  # type: ignore[no-any-return]
