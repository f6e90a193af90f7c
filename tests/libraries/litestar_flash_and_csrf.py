"""Litestar's flash messages and CSRF protection on this session.

`FlashPlugin` asks for a session middleware of Litestar's own and registers one template function; registered by hand,
it works on this session. The CSRF token has a cookie of its own.
"""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar, Request, get, post
from litestar.config.csrf import CSRFConfig
from litestar.middleware import DefineMiddleware
from litestar.plugins.flash import flash, get_flashes
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template import TemplateConfig

from starlette_flask import SessionMiddleware

from .beside_flask import Browser, make_flask

AnyRequest = Request[Any, Any, Any]


@get("/page")
async def page(request: AnyRequest) -> Template:
    return Template(
        template_str="{% for each in get_flashes() %}{{ each.category }}: {{ each.message }}. {% endfor %}"
    )


@post("/order", status_code=200)
async def order(request: AnyRequest) -> str:
    flash(request, f"thank you, {request.session['user']}", "good")
    flash(request, "it will take a week", "bad")
    return "ordered"


@pytest.fixture
def browser(tmp_path: Any) -> Browser:
    flask_app = make_flask()
    templates: TemplateConfig[Any] = TemplateConfig(directory=tmp_path, engine=JinjaTemplateEngine)
    engine: Any = templates.engine_instance
    engine.register_template_callable("get_flashes", get_flashes)
    app = Litestar(
        [page, order],
        middleware=[DefineMiddleware(SessionMiddleware.from_flask, flask_app=flask_app)],
        template_config=templates,
        csrf_config=CSRFConfig(secret="litestar's secret"),
    )
    return Browser(app, flask_app)


def test_messages_wait_in_the_session_until_they_are_shown(browser: Browser) -> None:
    browser.get("/flask/set/user/ada")
    assert browser.post("/order").status_code == 403
    browser.get("/page")
    token = browser.cookies["csrftoken"]
    assert browser.post("/order", headers={"x-csrftoken": token}).text == "ordered"
    assert len(browser.flask_session["_messages"]) == 2
    assert browser.get("/page").text == "good: thank you, ada. bad: it will take a week. "
    assert browser.get("/page").text == ""
    assert browser.flask_session == {"user": "ada"}
