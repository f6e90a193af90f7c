"""A Quart application: the scope's session, and `quart.session` made the same."""

from __future__ import annotations

from typing import Any, cast

from quart import Quart, request, websocket
from quart.sessions import SecureCookieSessionInterface

from starlette_flask import Session
from starlette_flask.middleware.sessions import SessionMiddleware

app = Quart(__name__)
# mypy takes no assignment to a method, Quart's own way to install any middleware.
app.asgi_app = SessionMiddleware(app.asgi_app, secret_key="a secret")  # type: ignore[method-assign]


@app.post("/log_in")
async def log_in() -> dict[str, bool]:
    session: Session = cast("Any", request.scope)["session"]  # the scope's type is a TypedDict without the key
    session.permanent = True
    return {"new": session.new}


@app.websocket("/socket")
async def socket() -> None:
    scope: Any = websocket.scope
    scope["session"]["socket"] = True
    await websocket.send("accepted")


class ScopeSessionInterface(SecureCookieSessionInterface):
    """Makes `quart.session` the scope's session, which `SessionMiddleware` opens and saves."""

    async def open_session(self, app: Quart, request: Any) -> Any:
        return request.scope["session"]

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        """Nothing is left to do."""


quart_session = Quart(__name__)
quart_session.secret_key = "a secret"
quart_session.asgi_app = SessionMiddleware.from_flask(quart_session.asgi_app, quart_session)  # type: ignore[method-assign]
quart_session.session_interface = ScopeSessionInterface()  # after from_flask, which asks Quart's own

whole = SessionMiddleware(Quart(__name__), secret_key="a secret")
