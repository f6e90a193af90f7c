"""starsessions: with `cookie_name="starsession"` and further in, two sessions that never mix."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starsessions import InMemoryStore, SessionAutoloadMiddleware
from starsessions import SessionMiddleware as StarsessionsMiddleware

from starlette_flask import SessionMiddleware

from .beside_flask import Browser, make_flask


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return JSONResponse(request.session["count"])


async def clear(request: Request) -> Response:
    request.session.clear()
    return JSONResponse("cleared")


async def untouched(request: Request) -> Response:
    return JSONResponse("untouched")


@pytest.fixture
def browser() -> Browser:
    flask_app = make_flask()
    theirs = Middleware(
        StarsessionsMiddleware, store=InMemoryStore(), cookie_name="starsession", cookie_https_only=False
    )
    app = Starlette(
        routes=[
            Mount(
                "/theirs",
                routes=[Route("/count", count), Route("/clear", clear)],
                middleware=[theirs, Middleware(SessionAutoloadMiddleware)],
            ),
            Mount("/guarded", routes=[Route("/untouched", untouched)], middleware=[theirs]),
            Route("/ours/count", count),
        ],
        middleware=[Middleware(SessionMiddleware.from_flask, flask_app=flask_app)],
    )
    return Browser(app, flask_app)


def test_they_never_mix(browser: Browser, caplog: Any) -> None:
    browser.get("/flask/set/user/ada")
    assert [browser.get("/theirs/count").json() for _ in range(2)] == [1, 2]
    assert browser.flask_session == {"user": "ada"}
    assert browser.get("/guarded/untouched").json() == "untouched"
    assert browser.get("/ours/count").json() == 1
    assert browser.get("/theirs/count").json() == 3
    assert browser.get("/theirs/clear").json() == "cleared"
    assert browser.flask_session == {"count": 1, "user": "ada"}
    assert [record for record in caplog.records if record.name == "starlette_flask"] == []
