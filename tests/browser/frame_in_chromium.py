"""A page of another site shows the application in a frame: Chromium sends no cookie, and the log says that none came.

Run as ``demo_in_chromium.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI, Request, Response

from starlette_flask import SessionMiddleware
from tests.apps.server import serve

pytest.importorskip("playwright", reason="playwright is not installed")

from .chromium import find_chromium, run_chromium  # after the check that playwright is there

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium")


def create_app(same_site: str) -> FastAPI:
    """An application that logs in, and a page with a frame that shows who is logged in."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="a secret", same_site=same_site)

    @app.get("/login")
    async def login(request: Request) -> None:
        request.session["user"] = "ada"

    @app.get("/user")
    async def user(request: Request) -> str | None:
        user: str | None = request.session.get("user")
        return user

    @app.get("/page")
    async def page(frame: str) -> Response:
        return Response(f"<iframe src='{frame}'></iframe>", media_type="text/html")

    return app


@contextmanager
def page_of(app: FastAPI) -> Iterator[tuple[Page, str]]:
    with serve(app) as url, run_chromium() as browser:
        yield browser.new_page(), url


@pytest.mark.parametrize("same_site", ["lax", "strict"])
def test_in_a_frame(same_site: str, caplog: pytest.LogCaptureFixture) -> None:
    """``localhost`` and ``127.0.0.1`` are two sites; in a page of its own, the frame has the session."""
    caplog.set_level("DEBUG", "starlette_flask")
    with page_of(create_app(same_site)) as (page, url):
        ours = url.replace("127.0.0.1", "localhost")
        page.goto(f"{ours}/login")
        for site, user in ((ours, '"ada"'), (url, "null")):
            page.goto(f"{site}/page?frame={ours}/user")
            assert page.frames[1].locator("body").inner_text() == user
    lines = [message for message in caplog.messages if "'/user'" in message]
    assert [": no cookie;" in line for line in lines] == [False, True]
