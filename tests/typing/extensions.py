"""The extensions: users, forms and messages of a FastAPI application, and what each framework has at hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import litestar
import quart
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response, WebSocket
from fastapi.requests import HTTPConnection
from litestar.types import Scope as LitestarScope
from pydantic import SecretStr
from starlette.datastructures import Secret
from starlette.types import Scope
from typing_extensions import assert_type

from starlette_flask import Session, SessionMiddleware
from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import (
    decode_remember_cookie,
    encode_remember_cookie,
    is_fresh,
    load_user_id,
    login_user,
    logout_user,
    protect_session,
    remember_cookie,
    session_identifier,
    user_id,
)
from starlette_flask.extensions.flask_wtf import CSRFError, generate_csrf, validate_csrf

KEY = SecretStr("a long random secret")
RETIRED: list[str] = []


def current_user(connection: HTTPConnection) -> str | None:
    return load_user_id(connection, KEY, secret_key_fallbacks=RETIRED, protection="strong")


app = FastAPI(dependencies=[Depends(current_user)])
app.add_middleware(SessionMiddleware, secret_key=KEY, secret_key_fallbacks=RETIRED)

User = Annotated[str | None, Depends(current_user)]


def checked_form(request: Request, csrf_token: Annotated[str, Form()] = "") -> None:
    try:
        validate_csrf(request, csrf_token, KEY, secret_key_fallbacks=RETIRED)
    except CSRFError as error:
        raise HTTPException(400, str(error)) from None


def send_remember_cookie(request: Request, response: Response) -> None:
    if cookie := remember_cookie(request, KEY, https_only=True, same_site="lax", duration=timedelta(days=30)):
        response.headers.append("set-cookie", cookie)


@app.get("/")
async def page(request: Request, user: User) -> dict[str, object]:
    assert_type(get_flashed_messages(request), list[str])
    assert_type(get_flashed_messages(request, with_categories=True), list[tuple[str, str]])
    return {"user": user, "fresh": is_fresh(request), "csrf_token": generate_csrf(request, KEY)}


@app.post("/login", dependencies=[Depends(checked_form)])
async def log_in(
    request: Request, response: Response, name: Annotated[str, Form()], remember: Annotated[bool, Form()] = False
) -> None:
    login_user(request, name, remember=remember)
    send_remember_cookie(request, response)
    flash(request, f"Hello, {name}")


@app.post("/logout", dependencies=[Depends(checked_form)])
async def log_out(request: Request, response: Response) -> None:
    logout_user(request)
    send_remember_cookie(request, response)


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(user_id(websocket))
    await websocket.close()


def in_starlette(request: Request, scope: Scope, session: Session, content: dict[str, Any]) -> None:
    for given in (request, request.scope, request.session, scope, session, content):
        assert_type(user_id(given), str | None)
        flash(given, "hello", "info")
        generate_csrf(given, b"a key", field_name="check")
        logout_user(given, remember_cookie=None)
    login_user(scope, 7, fresh=False, duration=timedelta(days=1))
    login_user(scope, UUID(int=7))
    protect_session(scope, "basic")
    assert_type(session_identifier(request), str)


def in_litestar(request: litestar.Request[Any, Any, Any], socket: litestar.WebSocket[Any, Any, Any]) -> None:
    login_user(request, "ada", remember=True)
    flash(request, "hello")
    flash(request.scope, "hello")
    scope: LitestarScope = socket.scope
    assert_type(user_id(scope), str | None)
    assert_type(load_user_id(socket, Secret("a key"), protection=None), str | None)


def in_quart() -> None:
    login_user(quart.request, "ada")
    flash(quart.session, "hello")
    assert_type(user_id(quart.websocket), str | None)
    assert_type(remember_cookie(quart.request, KEY, domain="example.com", path=None, duration=3600), str | None)


assert_type(decode_remember_cookie(encode_remember_cookie(7, KEY), "a key", [KEY, b"another"]), str | None)
