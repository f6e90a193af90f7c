from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from starlette_flask import Session, SessionMiddleware


def current_session(connection: HTTPConnection) -> Session:  # for routes and WebSockets
    session: Session = connection.scope["session"]
    session.mark_accessed()  # for Vary, as FastAPI's serializer reads it unseen
    return session


app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key="a long random secret")


@app.get("/count")
async def count(session: Annotated[Session, Depends(current_session)]) -> dict[str, Any]:
    session["count"] = session.get("count", 0) + 1
    session.permanent = True
    return session
