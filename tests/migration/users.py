"""Flask-Login and Flask-WTF, as FastAPI's routes use them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response
from fastapi.requests import HTTPConnection

from starlette_flask.extensions.flask_login import load_user_id, logout_user, remember_cookie
from starlette_flask.extensions.flask_wtf import CSRFError, validate_csrf

from .catalog import CUSTOMERS
from .keys import CSRF_FALLBACKS, CSRF_KEY, FALLBACKS, SECRET_KEY


def current_customer(connection: HTTPConnection) -> str | None:
    """The number of the customer who is logged in. A dependency of every route, before the session is written to."""
    number = load_user_id(connection, SECRET_KEY, secret_key_fallbacks=FALLBACKS, protection="strong")
    if number is not None and number not in CUSTOMERS:
        logout_user(connection)
        return None
    return number


def required_customer(number: Annotated[str | None, Depends(current_customer)]) -> str:
    if number is None:
        raise HTTPException(302, headers={"Location": "/login"})
    return number


async def send_remember_cookie(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Set or delete the remember cookie, as Flask-Login does after a view. A middleware."""
    response = await call_next(request)
    month = timedelta(days=30)
    if cookie := remember_cookie(request, SECRET_KEY, duration=month, https_only=True, same_site="Lax"):
        response.headers.append("Set-Cookie", cookie)
    return response


async def checked_form(request: Request) -> None:
    """What Flask-WTF checks: the token in the form or a header, and over https the page that the form was on."""
    form, headers, url = await request.form(), request.headers, request.url  # of a JSON body, the form is empty
    token = next((value for name, value in form.items() if name.endswith("csrf_token")), None)  # behind a prefix, too
    token = token or headers.get("X-CSRFToken") or headers.get("X-CSRF-Token")
    if url.scheme == "https" and urlsplit(request.headers.get("Referer", ""))[:2] != (url.scheme, url.netloc):
        raise HTTPException(400, "The referrer is missing, or another site.")
    try:
        validate_csrf(request, str(token or ""), CSRF_KEY, secret_key_fallbacks=CSRF_FALLBACKS)
    except CSRFError as error:
        raise HTTPException(400, str(error)) from None
