from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette_flask import Session, SessionMiddleware


async def count(request: Request) -> JSONResponse:
    session: Session = request.scope["session"]
    session["count"] = session.get("count", 0) + 1
    session.permanent = True
    return JSONResponse(session)


app = Starlette(
    routes=[Route("/count", count)],
    middleware=[Middleware(SessionMiddleware, secret_key="a long random secret")],
)
