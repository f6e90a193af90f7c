"""The FastAPI side of the demo: the same pages, on the session that `SessionMiddleware` provides."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.templating import Jinja2Templates

from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import login_user, logout_user, user_id
from starlette_flask.extensions.flask_wtf import CSRFError, generate_csrf, validate_csrf
from tests.apps import shop

router = APIRouter()
templates = Jinja2Templates(shop.TEMPLATES)


async def checked_form(request: Request) -> dict[str, str]:
    """The fields of the form, once its CSRF token has proved to be of this session."""
    fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
    try:
        validate_csrf(request.session, fields.get("csrf_token"), request.app.state.secret_key)
    except CSRFError as error:
        raise HTTPException(400, str(error)) from None
    return fields


Form = Annotated[dict[str, str], Depends(checked_form)]


@router.get("/")
async def page(request: Request) -> HTMLResponse:
    session = request.session
    content = shop.page("FastAPI", "", session)
    content["customer"] = shop.CUSTOMERS.get(user_id(session) or "")
    content["messages"] = get_flashed_messages(session, with_categories=True)
    content["csrf_token"] = generate_csrf(session, request.app.state.secret_key)
    return templates.TemplateResponse(request, "page.html", content)


@router.get("/debug/session", response_model=None)
async def debug_session(request: Request) -> dict[str, Any]:
    return {"side": "FastAPI", "session": shop.describe(dict(request.session))}


@router.post("/sign-in")
async def sign_in(request: Request, form: Form) -> RedirectResponse:
    if form.get("customer") not in shop.CUSTOMERS:
        raise HTTPException(400)
    login_user(request.scope, form["customer"], remember="remember" in form)
    return back()


@router.post("/sign-out")
async def sign_out(request: Request, form: Form) -> RedirectResponse:
    logout_user(request.scope)
    return back()


@router.post("/basket/add")
async def basket_add(request: Request, form: Form) -> RedirectResponse:
    basket = request.session.setdefault("basket", [])
    if not shop.put(basket, form.get("name", ""), "FastAPI"):  # in place: the middleware notices
        flash(request.session, "There is no room for that in the basket.", "error")
    return back()


@router.post("/basket/remove")
async def basket_remove(request: Request, form: Form) -> RedirectResponse:
    shop.take_out(request.session.setdefault("basket", []), form.get("id", ""))
    return back()


@router.post("/flash")
async def leave_message(request: Request, form: Form) -> RedirectResponse:
    flash(request.session, form.get("message", "")[: shop.LONGEST_TEXT], "from FastAPI")
    return RedirectResponse("/flask/", 303)  # to who is to read it


@router.post("/forget")
async def forget(request: Request, form: Form) -> RedirectResponse:
    request.session.clear()
    return back()


def back() -> RedirectResponse:
    return RedirectResponse("/", 303)
