"""A log-out that also calls `response.delete_cookie(name)` logs out in Chromium, over https.

Such a deletion has neither Secure nor the right SameSite, and browsers ignore it for some cookies. Run as
``demo_in_chromium.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import flask
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, Response

from starlette_flask import SessionMiddleware
from tests.apps.server import serve

pytest.importorskip("playwright", reason="playwright is not installed")

import trustme

from .chromium import find_chromium, run_chromium  # after the check that playwright is there

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium")

#: The cookie's settings, and what applications give `delete_cookie` for it beside the name.
COOKIES: dict[str, tuple[dict[str, Any], Literal["lax", "none"]]] = {
    "__Host-": ({"session_cookie": "__Host-session"}, "lax"),
    "SameSite=None": ({"same_site": "none"}, "none"),
}


def create_app(settings: dict[str, Any], same_site: Literal["lax", "none"]) -> FastAPI:
    """FastAPI and, below `/flask`, Flask, which both log in and out; below `/without` there is no session."""
    name = settings.get("session_cookie", "session")
    flask_app = flask.Flask(__name__)
    flask_app.config.update(SECRET_KEY="a secret", SESSION_COOKIE_NAME=name)
    app = FastAPI()
    app.add_middleware(
        SessionMiddleware.from_flask,
        flask_app=flask_app,
        https_only=True,
        allow_path_regex="(?!/without)",
        **settings,
    )

    @app.get("/user")
    async def user(request: Request) -> Any:
        return request.session.get("user")

    @app.get("/login")
    async def login(request: Request) -> None:
        request.session["user"] = "ada"

    @app.get("/logout")
    async def logout(request: Request, response: Response) -> None:
        request.session.clear()
        response.delete_cookie(name, samesite=same_site)

    @app.get("/delete")
    @app.get("/without/delete")
    async def delete(response: Response) -> None:
        response.delete_cookie(name, samesite=same_site)

    @flask_app.get("/logout")
    def flask_logout() -> flask.Response:
        flask.session.clear()
        response = flask.Response("out")
        response.delete_cookie(name, samesite=same_site)
        return response

    app.mount("/flask", WSGIMiddleware(flask_app))
    return app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="module", params=COOKIES)
def url(request: pytest.FixtureRequest, certificate: str) -> Iterator[str]:
    with serve(create_app(*COOKIES[request.param]), certificate=certificate) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(ignore_https_errors=True)
    yield context.new_page()
    context.close()


def visit(page: Page, url: str) -> str:
    page.goto(url)
    return page.inner_text("body")


@pytest.mark.parametrize("path", ["/logout", "/flask/logout", "/delete"])
def test_the_user_is_out(page: Page, url: str, path: str) -> None:
    visit(page, f"{url}/login")
    assert visit(page, f"{url}/user") == '"ada"'
    visit(page, f"{url}{path}")
    assert visit(page, f"{url}/user") == "null"
    assert page.context.cookies() == []


def test_chromium_ignores_the_applications_own_deletion(page: Page, url: str) -> None:
    visit(page, f"{url}/login")
    visit(page, f"{url}/without/delete")
    assert visit(page, f"{url}/user") == '"ada"'
