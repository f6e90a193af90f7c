from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.requests import HTTPConnection
from starlette_flask import SessionMiddleware
from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import load_user_id, login_user, logout_user, remember_cookie
from starlette_flask.extensions.flask_wtf import CSRFError, generate_csrf, validate_csrf

SECRET_KEY = "a long random secret"


def current_user(connection: HTTPConnection) -> str | None:
    return load_user_id(connection, SECRET_KEY, protection="strong")  # Flask-Login's SESSION_PROTECTION


def checked_form(request: Request, csrf_token: Annotated[str, Form()] = "") -> None:
    try:
        validate_csrf(request, csrf_token, SECRET_KEY)
    except CSRFError as error:
        raise HTTPException(400, str(error)) from None


def remember(request: Request, response: Response) -> None:
    if cookie := remember_cookie(request, SECRET_KEY, https_only=True):  # and Flask's other REMEMBER_COOKIE_ settings
        response.headers.append("set-cookie", cookie)


app = FastAPI(dependencies=[Depends(current_user)])  # every route, before anything is written to the session
app.add_middleware(SessionMiddleware, secret_key=SECRET_KEY)


@app.get("/form")
async def form(request: Request, user: Annotated[str | None, Depends(current_user)]) -> dict[str, object]:
    return {"user": user, "csrf_token": generate_csrf(request, SECRET_KEY), "messages": get_flashed_messages(request)}


@app.post("/login", dependencies=[Depends(checked_form)])
async def login(request: Request, response: Response, name: Annotated[str, Form()]) -> str:
    # Here the password is checked.
    login_user(request, name, remember=True)
    remember(request, response)
    flash(request, f"Hello, {name}")
    return "in"


@app.post("/logout", dependencies=[Depends(checked_form)])
async def logout(request: Request, response: Response) -> str:
    logout_user(request)
    remember(request, response)
    return "out"
