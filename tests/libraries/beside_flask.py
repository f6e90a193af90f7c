"""A real Flask application beside the one under test, on the same host, and a browser that visits both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import flask
from a2wsgi import WSGIMiddleware
from starlette.testclient import TestClient

KEY = "a secret key of the tests"
ASGIApp = Callable[..., Awaitable[None]]


def make_flask() -> flask.Flask:
    app = flask.Flask("beside")
    app.secret_key = KEY

    @app.get("/flask/session")
    def show() -> Any:
        return flask.jsonify(dict(flask.session))

    @app.get("/flask/set/<name>/<value>")
    def set_(name: str, value: str) -> str:
        flask.session[name] = value
        return "set"

    @app.get("/flask/clear")
    def clear() -> str:
        flask.session.clear()
        return "cleared"

    return app


def beside(app: ASGIApp, flask_app: flask.Flask) -> ASGIApp:
    """Both applications on one host; what begins with `/flask/` is Flask's. No middleware of `app` is around it."""
    flask_side: Any = WSGIMiddleware(flask_app)

    async def either(scope: Any, receive: Any, send: Any) -> None:
        is_flasks = scope["type"] == "http" and scope["path"].startswith("/flask/")
        await (flask_side if is_flasks else app)(scope, receive, send)

    return either


class Browser(TestClient):
    """Visits `app` and a Flask application beside it, with one set of cookies."""

    def __init__(self, app: ASGIApp, flask_app: flask.Flask) -> None:
        super().__init__(beside(app, flask_app), follow_redirects=False)

    @property
    def flask_session(self) -> dict[str, Any]:
        """The session as Flask sees it."""
        return self.get("/flask/session").json()
