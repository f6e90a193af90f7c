"""Flask-Login and Flask-WTF, as FastAPI's routes use them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Form, HTTPException, Request, Response
from fastapi.requests import HTTPConnection

from starlette_flask.extensions.flask_login import (
    decode_remember_cookie,
    encode_remember_cookie,
    login_user,
    logout_user,
    protect_session,
    user_id,
)
from starlette_flask.extensions.flask_wtf import CSRFError, validate_csrf

from .catalog import CUSTOMERS
from .keys import CSRF_KEY, FALLBACKS, SECRET_KEY

REMEMBER: dict[str, Any] = {"secure": True, "httponly": True, "samesite": "lax"}  # as Flask's REMEMBER_COOKIE_...


def current_customer(connection: HTTPConnection) -> str | None:
    protect_session(connection.scope, "strong")
    session = connection.session
    if user_id(session) is None and session.get("_remember") != "clear":
        for key in (SECRET_KEY, *FALLBACKS):
            found = decode_remember_cookie(connection.cookies.get("remember_token"), key)
            if found in CUSTOMERS:
                login_user(connection.scope, found, fresh=False, remember=key != SECRET_KEY)
                break
    return user_id(session)


def required_customer(found: Annotated[str | None, Depends(current_customer)]) -> str:
    if found is None:
        raise HTTPException(302, headers={"Location": "/login"})
    return found


def checked_form(request: Request, csrf_token: Annotated[str, Form()] = "") -> None:
    try:
        validate_csrf(request.session, csrf_token, CSRF_KEY)
    except CSRFError as error:
        raise HTTPException(400, str(error)) from None


def log_in(request: Request, response: Response, number: str, remember: bool) -> None:
    login_user(request.scope, number, remember=remember)
    if remember:
        month = int(timedelta(days=30).total_seconds())
        response.set_cookie("remember_token", encode_remember_cookie(number, SECRET_KEY), max_age=month, **REMEMBER)


def log_out(request: Request, response: Response) -> None:
    logout_user(request.scope)
    response.delete_cookie("remember_token", **REMEMBER)
