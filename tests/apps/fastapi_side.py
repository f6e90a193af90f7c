"""The FastAPI side of the demo: the same pages, on the session that `SessionMiddleware` provides."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.templating import Jinja2Templates

from starlette_flask import SessionCodec
from starlette_flask.extensions.flashing import flash, get_flashed_messages
from starlette_flask.extensions.flask_login import load_user_id, login_user, logout_user, remember_cookie
from starlette_flask.extensions.flask_wtf import generate_csrf, validate_csrf
from tests.apps import shop

templates = Jinja2Templates(shop.TEMPLATES)


def secret_key(request: Request) -> str:
    return request.app.state.secret_key


SecretKey = Annotated[str, Depends(secret_key)]


async def load_customer(request: Request, key: SecretKey) -> str | None:
    """Before anything else: the name of whom the session or the remember cookie says this is."""
    customer_id = load_user_id(request, key)
    if customer_id is None:
        return None
    if customer_id not in shop.CUSTOMERS:
        logout_user(request)
    return shop.CUSTOMERS.get(customer_id)


async def checked_form(request: Request, key: SecretKey) -> dict[str, str]:
    """The fields of the form, once its CSRF token has proved to be of this session."""
    fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
    validate_csrf(request, fields.get("csrf_token"), key)
    return fields


Customer = Annotated[str | None, Depends(load_customer)]
Form = Annotated[dict[str, str], Depends(checked_form)]

router = APIRouter(dependencies=[Depends(load_customer)])


@router.get("/")
async def page(request: Request, key: SecretKey, customer: Customer) -> HTMLResponse:
    content = shop.page("FastAPI", "")
    content["cookie"] = shop.received(request.cookies.get(shop.COOKIE), SessionCodec(key))
    content["basket"] = request.session.get("basket", [])
    content["customer"] = customer
    content["messages"] = get_flashed_messages(request, with_categories=True)
    content["csrf_token"] = generate_csrf(request, key)
    return templates.TemplateResponse(request, "page.html", content)


async def refuse_form(request: Request, error: Exception) -> HTMLResponse:
    """The page that answers a `CSRFError`."""
    content = {**shop.page("FastAPI", ""), "reason": str(error)}
    return templates.TemplateResponse(request, "refused.html", content, status_code=400)


@router.get("/debug/session", response_model=None)
async def debug_session(request: Request) -> dict[str, Any]:
    return {"side": "FastAPI", "session": shop.describe(dict(request.session))}


@router.post("/sign-in")
async def sign_in(request: Request, form: Form) -> RedirectResponse:
    if form.get("customer") not in shop.CUSTOMERS:
        raise HTTPException(400)
    request.session.pop("csrf_token")  # the basket stays; a token that somebody may have planted does not
    login_user(request, form["customer"], remember="remember" in form)
    return back(request)


@router.post("/sign-out")
async def sign_out(request: Request, form: Form) -> RedirectResponse:
    logout_user(request)
    return back(request)


@router.post("/basket/add")
async def basket_add(request: Request, form: Form) -> RedirectResponse:
    basket = request.session.setdefault("basket", [])
    if not shop.put(basket, form.get("name", ""), "FastAPI"):  # in place: the middleware notices
        flash(request, "There is no room for that in the basket.", "error")
    return back(request)


@router.post("/basket/remove")
async def basket_remove(request: Request, form: Form) -> RedirectResponse:
    shop.take_out(request.session.setdefault("basket", []), form.get("id", ""))
    return back(request)


@router.post("/flash")
async def leave_message(request: Request, form: Form) -> RedirectResponse:
    flash(request, form.get("message", "")[: shop.LONGEST_TEXT], "from FastAPI")
    return RedirectResponse("/flask/", 303)  # to who is to read it


@router.post("/forget")
async def forget(request: Request, form: Form) -> RedirectResponse:
    request.session.clear()
    return back(request)


def back(request: Request) -> RedirectResponse:
    """To this side's page, with the remember cookie if a log-in or log-out has asked for it."""
    response = RedirectResponse("/", 303)
    if cookie := remember_cookie(request, secret_key(request)):
        response.headers.append("set-cookie", cookie)
    return response
