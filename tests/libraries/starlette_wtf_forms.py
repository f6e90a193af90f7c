"""Starlette-WTF: its CSRF token is Flask-WTF's, so a form that one side rendered can be sent to the other."""

from __future__ import annotations

import flask_wtf
import flask_wtf.csrf
import pytest
import starlette_wtf
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette_wtf import CSRFProtectMiddleware, csrf_protect, csrf_token
from wtforms import StringField

from starlette_flask import SessionMiddleware

from .beside_flask import KEY, Browser, make_flask


class StarletteForm(starlette_wtf.StarletteForm):
    name = StringField()


class FlaskForm(flask_wtf.FlaskForm):
    name = StringField()


async def token(request: Request) -> Response:
    return PlainTextResponse(csrf_token(request))


@csrf_protect
async def send(request: Request) -> Response:
    form = await StarletteForm.from_formdata(request)
    return PlainTextResponse(form.name.data if await form.validate() else str(form.errors))


@pytest.fixture
def browser() -> Browser:
    flask_app = make_flask()

    @flask_app.get("/flask/token")
    def flask_token() -> str:
        return flask_wtf.csrf.generate_csrf()

    @flask_app.post("/flask/send")
    def flask_send() -> str:
        form = FlaskForm()
        return form.name.data if form.validate_on_submit() else str(form.errors)

    app = Starlette(
        routes=[Route("/starlette/token", token), Route("/starlette/send", send, methods=["POST"])],
        middleware=[
            Middleware(SessionMiddleware.from_flask, flask_app=flask_app),
            Middleware(CSRFProtectMiddleware, csrf_secret=KEY),
        ],
    )
    return Browser(app, flask_app)


@pytest.mark.parametrize("rendered_by", ["flask", "starlette"])
@pytest.mark.parametrize("sent_to", ["flask", "starlette"])
def test_a_form_of_either_side_can_be_sent_to_both(browser: Browser, rendered_by: str, sent_to: str) -> None:
    token = browser.get(f"/{rendered_by}/token").text
    assert browser.post(f"/{sent_to}/send", data={"name": "ada", "csrf_token": token}).text == "ada"
    assert list(browser.flask_session) == ["csrf_token"]


def test_a_token_of_another_session_is_refused(browser: Browser) -> None:
    token = browser.get("/flask/token").text
    browser.cookies.clear()
    browser.get("/flask/token")
    assert browser.post("/starlette/send", data={"name": "ada", "csrf_token": token}).status_code == 403
