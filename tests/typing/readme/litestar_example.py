from typing import Any, cast

from litestar import Litestar, Request, get
from litestar.middleware import DefineMiddleware
from starlette_flask import Session, SessionMiddleware


@get("/count")
async def count(request: Request[Any, Any, Any]) -> dict[str, Any]:
    session = cast("Session", request.session)
    session["count"] = session.get("count", 0) + 1
    session.permanent = True
    return dict(session)


app = Litestar([count], middleware=[DefineMiddleware(SessionMiddleware, secret_key="a long random secret")])
