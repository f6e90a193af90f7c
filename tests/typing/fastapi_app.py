"""A FastAPI application, with the session as a dependency that has the type of the real thing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, WebSocket
from pydantic import SecretStr
from starlette.middleware import Middleware
from typing_extensions import assert_type

from starlette_flask import Session
from starlette_flask.middleware.sessions import SessionMiddleware

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=SecretStr("a secret"), max_age=3600)

in_constructor = FastAPI(middleware=[Middleware(SessionMiddleware, secret_key="a secret")])


def session_of(request: Request) -> Session:
    session: Session = request.scope["session"]
    return session


@app.get("/whole")
async def whole(request: Request) -> dict[str, Any]:
    assert_type(request.session, dict[str, Any])
    return request.session


@app.post("/remember")
async def remember(session: Annotated[Session, Depends(session_of)]) -> bool:
    session.permanent = True
    session["user"] = "ada"
    return session.new


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    websocket.session["socket"] = True
    await websocket.accept()
    await websocket.close()
