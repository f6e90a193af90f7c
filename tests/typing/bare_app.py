"""ASGI callables without a framework, with the types of this package, with Starlette's, and with dicts and `Any`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import ASGIApp as StarletteApp
from starlette.types import Receive as StarletteReceive
from starlette.types import Scope as StarletteScope
from starlette.types import Send as StarletteSend

from starlette_flask.asgi import ASGIApp, Receive, Scope, Send
from starlette_flask.middleware.sessions import SessionMiddleware


async def ours(scope: Scope, receive: Receive, send: Send) -> None:
    scope["session"]["user"] = "ada"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def starlettes(scope: StarletteScope, receive: StarletteReceive, send: StarletteSend) -> None:
    scope["session"].clear()


async def with_dicts(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    scope["session"].clear()


class AnInstance:
    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope["session"].clear()


app: ASGIApp = SessionMiddleware(ours, secret_key="a secret")
for_starlette: StarletteApp = SessionMiddleware(starlettes, secret_key="a secret")
SessionMiddleware(with_dicts, secret_key="a secret")
SessionMiddleware(AnInstance(), secret_key="a secret")
SessionMiddleware(SessionMiddleware(app, secret_key="a secret"), secret_key="a secret", session_cookie="outer")
