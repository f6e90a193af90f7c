"""A Litestar application: the middleware defined inside it and wrapped around it, and its own session methods."""

from __future__ import annotations

from typing import Any, cast

from flask import Flask
from litestar import Litestar, Request, Router, WebSocket, get, post, websocket
from litestar.middleware import DefineMiddleware
from typing_extensions import assert_type

from starlette_flask import Session, flask_settings
from starlette_flask.middleware.sessions import SessionMiddleware

AnyRequest = Request[Any, Any, Any]


class MarkingRequest(AnyRequest):
    """Any use of `request.session` counts as reading it: a response made of it then varies on the cookie."""

    @property
    def session(self) -> dict[str, Any]:
        session = super().session
        cast("Session", session).mark_accessed()
        return session


@get("/whole")
async def whole(request: AnyRequest) -> dict[str, Any]:
    assert_type(request.session, dict[str, Any])
    return dict(request.session)


@post("/clear")
async def clear(request: AnyRequest) -> None:
    request.clear_session()


@post("/log_in")
async def log_in(request: AnyRequest) -> bool:
    session = cast("Session", request.session)
    session.permanent = True
    return session.new


@websocket("/socket")
async def socket(socket: WebSocket[Any, Any, Any]) -> None:
    socket.session["socket"] = True
    await socket.accept()
    await socket.close()


flask_app = Flask(__name__)
flask_app.secret_key = "a secret"

app = Litestar(
    [whole, clear, log_in, socket],
    middleware=[DefineMiddleware(SessionMiddleware, secret_key="a secret")],
    request_class=MarkingRequest,
)
from_flask = Litestar([whole], middleware=[DefineMiddleware(SessionMiddleware.from_flask, flask_app=flask_app)])
router = Router(
    "/shop",
    route_handlers=[whole],
    middleware=[DefineMiddleware(SessionMiddleware, **flask_settings(flask_app))],
)
wrapped = SessionMiddleware(Litestar([whole]), secret_key="a secret")
