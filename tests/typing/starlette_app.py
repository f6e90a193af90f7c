"""A Starlette application: the middleware in the constructor and added later, in HTTP and WebSocket handlers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from typing_extensions import assert_type

from starlette_flask import Session
from starlette_flask.middleware.sessions import SessionMiddleware


async def whole(request: Request) -> Response:
    assert_type(request.session, dict[str, Any])
    request.session["visits"] = request.session.get("visits", 0) + 1
    request.session.setdefault("cart", []).append("tea")
    return JSONResponse(request.session)


async def log_in(request: Request) -> Response:
    session: Session = request.scope["session"]
    session.permanent = True
    return JSONResponse(session.new)


async def socket(websocket: WebSocket) -> None:
    websocket.session["socket"] = True
    await websocket.accept()
    await websocket.send_json(websocket.session)
    await websocket.close()


app = Starlette(
    routes=[Route("/", whole), Route("/log_in", log_in), WebSocketRoute("/socket", socket)],
    middleware=[Middleware(SessionMiddleware, secret_key="a secret", https_only=True)],
)

added = Starlette(routes=[Route("/", whole)])
added.add_middleware(
    SessionMiddleware,
    secret_key=Secret("a secret"),
    session_cookie="session",
    max_age=None,
    path="/",
    same_site="lax",
    https_only=False,
    domain="example.org",
    partitioned=False,
    secret_key_fallbacks=["an old secret", b"an older one"],
    permanent_session_lifetime=timedelta(days=7),
    refresh_each_request=False,
    httponly=True,
    salt="cookie-session",
    signer_kwargs={"key_derivation": "hmac"},
    serializer=None,
    max_cookie_size=0,
    leeway=5,
    allow_path_regex=re.compile("/shop/"),
    accept_starlette_cookies=True,
    cache_size=1024 * 1024,
)

# As Starlette's own middleware takes them: by position.
wrapped = SessionMiddleware(added, "a secret", "session", 3600, "/", "strict", True, None, False)
assert_type(wrapped, SessionMiddleware)
SessionMiddleware(wrapped, b"another secret", "other", permanent_session_lifetime=3600.0, allow_path_regex="/other/")
