"""Gradio: it brings Starlette's session middleware only for a `LoginButton`, and its cookie is always `session`.

So there the cookie of Flask and of this package has another name: `SESSION_COOKIE_NAME`. Without the button, Gradio
asks `auth_dependency`, which reads Flask's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio
import gradio.oauth
import pytest
from fastapi import FastAPI, Request

from starlette_flask import SessionMiddleware
from tests.apps.server import serve

from .beside_flask import Browser, make_flask


def make_browser(blocks: gradio.Blocks, cookie: str, **settings: Any) -> Browser:
    flask_app = make_flask()
    flask_app.config["SESSION_COOKIE_NAME"] = cookie
    app = FastAPI()
    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
    gradio.mount_gradio_app(app, blocks, path="/gradio", ssr_mode=False, **settings)
    browser = Browser(app, flask_app)
    browser.base_url = "https://testserver"
    return browser


def test_auth_dependency_reads_flasks_session() -> None:
    def user(request: Request) -> str | None:
        return request.session.get("user")

    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.Markdown("tea")
    browser = make_browser(blocks, "session", auth_dependency=user)
    assert browser.get("/gradio/config").status_code == 401
    browser.get("/flask/set/user/ada")
    assert browser.get("/gradio/config").status_code == 200
    assert browser.get("/gradio/config").json()["username"] == "ada"


@pytest.fixture
def provider() -> Iterator[str]:
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    async def configuration(request: Request) -> dict[str, str]:
        return {"issuer": str(request.base_url), "authorization_endpoint": f"{request.base_url}authorize"}

    with serve(app) as url:
        yield url


def test_a_log_in_of_gradios_own_never_mixes_with_flasks(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLIENT_ID": "shop", "CLIENT_SECRET": "its secret", "SCOPES": "openid"}.items():
        monkeypatch.setattr(gradio.oauth, f"OAUTH_{name}", value)
    monkeypatch.setattr(gradio.oauth, "OPENID_PROVIDER_URL", provider)
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "ada/shop")
    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.LoginButton()
    browser = make_browser(blocks, "flask-session")
    browser.get("/flask/set/user/ada")
    assert browser.get("/gradio/login/huggingface").headers["location"].startswith(f"{provider}/authorize?")
    assert sorted(browser.cookies) == ["flask-session", "session"]
    assert browser.flask_session == {"user": "ada"}
