"""The new application: three routers, which move one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request, WebSocket
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import is_fresh, login_user, logout_user, user_id
from starlette_flask.extensions.flask_wtf import generate_csrf

from .catalog import CUSTOMERS, add_to_basket
from .keys import CSRF_KEY
from .users import checked_form, required_customer

account, login, shop = APIRouter(), APIRouter(), APIRouter()
templates = Jinja2Templates(Path(__file__).parent / "templates")
checked = [Depends(checked_form)]


def page(request: Request, title: str) -> Any:
    number = user_id(request)  # current_customer has run, for every route
    context = {
        "side": "FastAPI",
        "title": title,
        "user": CUSTOMERS[number] if number else None,
        "session": request.session,
        "messages": get_flashed_messages(request),
        "csrf_token": lambda: generate_csrf(request, CSRF_KEY),
    }
    return templates.TemplateResponse(request, "page.html", context)


@account.api_route("/account", methods=["GET", "HEAD"], dependencies=[Depends(required_customer)])
def show_account(request: Request) -> Any:
    return page(request, "account")


@account.post("/account", dependencies=[*checked, Depends(required_customer)])
def save_account(request: Request, name: Annotated[str, Form()]) -> Any:
    request.session["name"] = name
    flash(request, "saved by FastAPI")
    return RedirectResponse("/account", 302)


@account.post("/account/crash", dependencies=checked)
def crash(request: Request) -> None:
    request.session["name"] = "before the crash"
    raise RuntimeError("a page that crashes")


@account.websocket("/account/live")
async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(websocket.session["name"])


@login.get("/login")
def show_login(request: Request) -> Any:
    return page(request, "login")


@login.post("/login", dependencies=checked)
def log_in(request: Request, user: Annotated[str, Form()], remember: Annotated[str | None, Form()] = None) -> Any:
    if user not in CUSTOMERS:
        return RedirectResponse("/login", 302)
    login_user(request, user, remember=remember is not None)
    flash(request, f"FastAPI greets {CUSTOMERS[user]}")
    return RedirectResponse("/", 302)


@login.post("/logout", dependencies=checked)
def log_out(request: Request) -> Any:
    logout_user(request)
    flash(request, "logged out by FastAPI")
    return RedirectResponse("/", 302)


@shop.get("/")
def show_shop(request: Request) -> Any:
    return page(request, "shop")


@shop.post("/basket", dependencies=checked)
def add(request: Request, item: Annotated[str, Form()]) -> Any:
    add_to_basket(request.session, item, "FastAPI")
    return RedirectResponse("/", 302)


@shop.get("/password")
def password(request: Request) -> Any:
    if not is_fresh(request):
        raise HTTPException(401)
    return page(request, "password")
