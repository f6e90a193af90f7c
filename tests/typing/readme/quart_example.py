from typing import Any

from quart import Quart, session
from quart.sessions import SecureCookieSessionInterface
from starlette_flask import SessionMiddleware


class ScopeSessions(SecureCookieSessionInterface):
    async def open_session(self, app: Quart, request: Any) -> Any:
        return request.scope["session"]

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        """The middleware saves it."""


app = Quart(__name__)
app.session_interface = ScopeSessions()
app.asgi_app = SessionMiddleware(app.asgi_app, secret_key="a long random secret")  # type: ignore[method-assign]


@app.get("/count")
async def count() -> dict[str, Any]:
    session["count"] = session.get("count", 0) + 1
    session.permanent = True
    return dict(session)
