"""Authlib's OAuth clients: the flow begins in one framework and ends in either, since its state is in the session."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import flask
import httpx
import pytest
from authlib.integrations.flask_client import OAuth as FlaskOAuth
from authlib.integrations.starlette_client import OAuth as StarletteOAuth
from authlib.integrations.starlette_client import OAuthError
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse

from starlette_flask import SessionMiddleware
from tests.apps.server import serve

from .beside_flask import Browser, make_flask


def make_provider() -> FastAPI:
    """An authorization server where everybody is Ada: the code flow with PKCE (RFC 6749, RFC 7636)."""
    app = FastAPI()
    challenges: dict[str, str] = {}

    @app.get("/authorize")
    async def authorize(redirect_uri: str, state: str, code_challenge: str) -> RedirectResponse:
        code = secrets.token_urlsafe()
        challenges[code] = code_challenge
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}")

    @app.post("/token")
    async def token(code: str = Form(), code_verifier: str = Form()) -> dict[str, Any]:
        digest = hashlib.sha256(code_verifier.encode()).digest()
        if challenges.pop(code, "") != urlsafe_b64encode(digest).rstrip(b"=").decode():
            raise HTTPException(400)
        return {"access_token": "ada's", "token_type": "Bearer", "expires_in": 3600}

    @app.get("/user")
    async def user(request: Request) -> dict[str, str]:
        return {"name": {"Bearer ada's": "ada"}[request.headers["authorization"]]}

    return app


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with serve(make_provider()) as url:
        yield url


@pytest.fixture
def browser(provider: str) -> Browser:
    registration: dict[str, Any] = {
        "client_id": "shop",
        "client_secret": "shop's secret",
        "authorize_url": f"{provider}/authorize",
        "access_token_url": f"{provider}/token",
        "api_base_url": provider,
        "client_kwargs": {"code_challenge_method": "S256"},
    }
    flask_app = make_flask()
    flask_oauth = FlaskOAuth(flask_app)
    flask_oauth.register("provider", **registration)

    @flask_app.get("/flask/log-in/<side>")
    def flask_starts(side: str) -> Any:
        return flask_oauth.provider.authorize_redirect(f"http://testserver/{side}/callback")

    @flask_app.get("/flask/callback")
    def flask_finishes() -> str:
        flask_oauth.provider.authorize_access_token()
        flask.session["user"] = flask_oauth.provider.get("/user").json()["name"]
        return "welcome"

    app = FastAPI()
    oauth = StarletteOAuth()
    oauth.register("provider", **registration)

    @app.get("/fastapi/log-in/{side}")
    async def fastapi_starts(request: Request, side: str) -> Any:
        return await oauth.provider.authorize_redirect(request, f"http://testserver/{side}/callback")

    @app.get("/fastapi/callback")
    async def fastapi_finishes(request: Request) -> str:
        token = await oauth.provider.authorize_access_token(request)
        request.session["user"] = (await oauth.provider.get("/user", token=token)).json()["name"]
        return "welcome"

    @app.get("/fastapi/session")
    async def show(request: Request) -> dict[str, Any]:
        return request.session

    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
    return Browser(app, flask_app)


@pytest.mark.parametrize("start", ["flask", "fastapi"])
@pytest.mark.parametrize("finish", ["flask", "fastapi"])
def test_each_side_finishes_what_either_started(browser: Browser, start: str, finish: str) -> None:
    browser.get("/flask/set/cart/tea")
    at_provider = httpx.get(browser.get(f"/{start}/log-in/{finish}").headers["location"])
    state = parse_qs(urlsplit(at_provider.headers["location"]).query)["state"][0]
    assert list(browser.flask_session) == ["_state_provider_" + state, "cart"]
    assert browser.get(at_provider.headers["location"]).status_code == 200
    assert browser.flask_session == {"cart": "tea", "user": "ada"}
    assert browser.get("/fastapi/session").json() == browser.flask_session


def test_a_callback_without_the_session_that_started_is_refused(browser: Browser) -> None:
    at_provider = httpx.get(browser.get("/flask/log-in/fastapi").headers["location"])
    browser.cookies.clear()
    with pytest.raises(OAuthError, match="mismatching_state"):
        browser.get(at_provider.headers["location"])
