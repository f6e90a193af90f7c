"""The same small application in each framework, each installed as its users would; and in Flask, for comparison.

`/set` and `/nested` change the session, `/read` answers with one key of it, `/whole` with all of it as JSON,
`/clear` empties it, `/refuse` changes it and then answers 403 by the framework's own exception, `/nothing` leaves
it alone. The WebSocket `/socket` changes it before it accepts, and sends all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, HTTPException
from flask import Flask, abort, session
from litestar import Litestar, MediaType
from litestar import Request as LitestarRequest
from litestar import WebSocket as LitestarSocket
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar import websocket as litestar_websocket
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import DefineMiddleware
from quart import Quart
from quart import abort as quart_abort
from quart import request as quart_request
from quart import session as quart_session
from quart import websocket as quart_websocket
from quart.sessions import SecureCookieSessionInterface
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask import SessionMiddleware

KEY = "the key of both sides"

ASGIApp = Callable[[Any, Any, Any], Any]


def change(content: Any) -> str:
    content["user"] = "ada"
    content["size"] = (3, 4)  # JSON alone would make a list of it
    return "done"


def add_to_cart(content: Any) -> str:
    content["cart"]["items"].append("coffee")
    return "done"


def flask_app() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_SAMESITE="Lax")

    @app.post("/set")
    def set_() -> str:
        return change(session)

    @app.post("/nested")
    def nested() -> str:
        session.modified = True
        return add_to_cart(session)

    @app.get("/read")
    def read() -> str:
        return str(session.get("user"))

    @app.get("/whole")
    def whole() -> dict[str, Any]:
        return dict(session)

    @app.post("/clear")
    def clear() -> str:
        session.clear()
        return "done"

    @app.post("/refuse")
    def refuse() -> str:
        session["refused"] = True
        abort(403)

    @app.get("/nothing")
    def nothing() -> str:
        return "done"

    return app


def starlette_app() -> ASGIApp:
    async def set_(request: Request) -> PlainTextResponse:
        return PlainTextResponse(change(request.session))

    async def nested(request: Request) -> PlainTextResponse:
        return PlainTextResponse(add_to_cart(request.session))

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.session.get("user")))

    async def whole(request: Request) -> JSONResponse:
        return JSONResponse(request.session)

    async def clear(request: Request) -> PlainTextResponse:
        request.session.clear()
        return PlainTextResponse("done")

    async def refuse(request: Request) -> PlainTextResponse:
        request.session["refused"] = True
        raise StarletteHTTPException(403)

    async def nothing(request: Request) -> PlainTextResponse:
        return PlainTextResponse("done")

    async def socket(websocket: WebSocket) -> None:
        websocket.session["socket"] = "open"
        await websocket.accept()
        await websocket.send_json(websocket.session)
        await websocket.close()

    async def denied(websocket: WebSocket) -> None:
        websocket.session["denied"] = True
        await websocket.send_denial_response(PlainTextResponse("no", 403))

    return Starlette(
        routes=[
            Route("/set", set_, methods=["POST"]),
            Route("/nested", nested, methods=["POST"]),
            Route("/read", read),
            Route("/whole", whole),
            Route("/clear", clear, methods=["POST"]),
            Route("/refuse", refuse, methods=["POST"]),
            Route("/nothing", nothing),
            WebSocketRoute("/socket", socket),
            WebSocketRoute("/denied", denied),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key=KEY)],
    )


def fastapi_app() -> ASGIApp:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key=KEY)

    @app.post("/set")
    async def set_(request: Request) -> str:
        return change(request.session)

    @app.post("/nested")
    def nested(request: Request) -> str:  # in a thread, as FastAPI runs what is not async
        return add_to_cart(request.session)

    @app.get("/read")
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.session.get("user")))

    @app.get("/whole")
    async def whole(request: Request) -> dict[str, Any]:
        return request.session

    @app.post("/clear")
    async def clear(request: Request) -> None:
        request.session.clear()

    @app.post("/refuse")
    async def refuse(request: Request) -> None:
        request.session["refused"] = True
        raise HTTPException(403)

    @app.get("/nothing")
    async def nothing() -> str:
        return "done"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        websocket.session["socket"] = "open"
        await websocket.accept()
        await websocket.send_json(websocket.session)
        await websocket.close()

    return app


@litestar_post("/set", status_code=200)
async def litestar_set(request: LitestarRequest[Any, Any, Any]) -> str:
    return change(request.session)


@litestar_post("/nested", status_code=200, sync_to_thread=True)
def litestar_nested(request: LitestarRequest[Any, Any, Any]) -> str:
    return add_to_cart(request.session)


@litestar_get("/read", media_type=MediaType.TEXT)
async def litestar_read(request: LitestarRequest[Any, Any, Any]) -> str:
    return str(request.session.get("user"))


@litestar_get("/whole")
async def litestar_whole(request: LitestarRequest[Any, Any, Any]) -> dict[str, Any]:
    return dict(request.session)  # why not the session itself: TestVary in test_litestar.py


@litestar_post("/clear", status_code=200)
async def litestar_clear(request: LitestarRequest[Any, Any, Any]) -> None:
    request.clear_session()


@litestar_post("/refuse", status_code=200)
async def litestar_refuse(request: LitestarRequest[Any, Any, Any]) -> None:
    request.session["refused"] = True
    raise PermissionDeniedException


@litestar_get("/nothing")
async def litestar_nothing() -> str:
    return "done"


@litestar_websocket("/socket")
async def litestar_socket(socket: LitestarSocket[Any, Any, Any]) -> None:
    socket.session["socket"] = "open"
    await socket.accept()
    await socket.send_json(socket.session)
    await socket.close()


LITESTAR_HANDLERS = [
    litestar_set,
    litestar_nested,
    litestar_read,
    litestar_whole,
    litestar_clear,
    litestar_refuse,
    litestar_nothing,
    litestar_socket,
]


def litestar_app() -> ASGIApp:
    session = DefineMiddleware(SessionMiddleware, secret_key=KEY)
    return Litestar(LITESTAR_HANDLERS, middleware=[session], logging_config=None)


def litestar_wrapped_app() -> ASGIApp:
    return SessionMiddleware(Litestar(LITESTAR_HANDLERS, logging_config=None), secret_key=KEY)


def add_quart_routes(app: Quart, http_session: Callable[[], Any], socket_session: Callable[[], Any]) -> None:
    @app.post("/set")
    async def set_() -> str:
        return change(http_session())

    @app.post("/nested")
    async def nested() -> str:
        return add_to_cart(http_session())

    @app.get("/read")
    async def read() -> str:
        return str(http_session().get("user"))

    @app.get("/whole")
    async def whole() -> dict[str, Any]:
        return dict(http_session())

    @app.post("/clear")
    async def clear() -> str:
        http_session().clear()
        return "done"

    @app.post("/refuse")
    async def refuse() -> str:
        http_session()["refused"] = True
        quart_abort(403)

    @app.get("/nothing")
    async def nothing() -> str:
        return "done"

    @app.websocket("/socket")
    async def socket() -> None:
        content = socket_session()
        content["socket"] = "open"
        await quart_websocket.accept()
        await quart_websocket.send_json(dict(content))
        await quart_websocket.close(1000)


def quart_app() -> Quart:
    """Handlers use the scope's session. Quart has no secret key, so it sets no cookie of its own."""
    app = Quart(__name__)
    app.asgi_app = SessionMiddleware(app.asgi_app, secret_key=KEY)  # type: ignore[method-assign]
    add_quart_routes(app, lambda: quart_request.scope["session"], lambda: quart_websocket.scope["session"])  # type: ignore[typeddict-item]
    return app


class ScopeSessionInterface(SecureCookieSessionInterface):
    """Makes `quart.session` the scope's session, which `SessionMiddleware` opens and saves."""

    async def open_session(self, app: Quart, request: Any) -> Any:
        return request.scope["session"]

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        """Nothing is left to do."""


def quart_session_app() -> Quart:
    """Handlers use `quart.session`, as they always have."""
    app = Quart(__name__)
    app.session_interface = ScopeSessionInterface()
    app.asgi_app = SessionMiddleware(app.asgi_app, secret_key=KEY)  # type: ignore[method-assign]
    add_quart_routes(app, lambda: quart_session, lambda: quart_session)
    return app


def bare_app() -> ASGIApp:
    """No framework: the three callables of the ASGI specification."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await answer(scope, send)
        elif scope["type"] == "websocket":
            await receive()
            scope["session"]["socket"] = "open"
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": json.dumps(scope["session"])})
            await send({"type": "websocket.close"})
        else:
            await live(receive, send)

    async def answer(scope: Any, send: Any) -> None:
        status, body = 200, "done"
        if scope["path"] == "/set":
            change(scope["session"])
        elif scope["path"] == "/nested":
            add_to_cart(scope["session"])
        elif scope["path"] == "/read":
            body = str(scope["session"].get("user"))
        elif scope["path"] == "/whole":
            body = json.dumps(dict(scope["session"]))
        elif scope["path"] == "/clear":
            scope["session"].clear()
        elif scope["path"] == "/refuse":
            scope["session"]["refused"] = True
            status = 403
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body.encode()})

    async def live(receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    return SessionMiddleware(app, secret_key=KEY)


#: Since 0.23, Quart marks `quart.session` as read in every request, so every response says `Vary: Cookie`.
ALWAYS_VARY = {"Quart, session"} if tuple(map(int, version("quart").split(".")[:2])) >= (0, 23) else set[str]()

FRAMEWORKS: dict[str, Callable[[], ASGIApp]] = {
    "Starlette": starlette_app,
    "FastAPI": fastapi_app,
    "Litestar": litestar_app,
    "Litestar, wrapped": litestar_wrapped_app,
    "Quart, scope": quart_app,
    "Quart, session": quart_session_app,
    "bare": bare_app,
}
