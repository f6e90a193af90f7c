"""sse-starlette: the session is saved as the stream starts, and can be read while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from starlette_flask import SessionMiddleware

from .beside_flask import Browser, make_flask


def make_browser(changes_late: bool) -> Browser:
    async def events(request: Request) -> EventSourceResponse:
        request.session["streams"] = request.session.get("streams", 0) + 1

        async def stream() -> AsyncIterator[dict[str, Any]]:
            for number in range(2):
                yield {"data": f"{request.session['user']} {number}"}
            if changes_late:
                request.session["late"] = True

        return EventSourceResponse(stream())

    flask_app = make_flask()
    middleware = [Middleware(SessionMiddleware.from_flask, flask_app=flask_app)]
    return Browser(Starlette(routes=[Route("/events", events)], middleware=middleware), flask_app)


def test_what_changed_before_the_stream_is_saved(caplog: Any) -> None:
    browser = make_browser(changes_late=False)
    browser.get("/flask/set/user/ada")
    response = browser.get("/events")
    assert response.text.split() == ["data:", "ada", "0", "data:", "ada", "1"]
    assert browser.flask_session == {"streams": 1, "user": "ada"}
    assert [record for record in caplog.records if record.name == "starlette_flask"] == []


def test_what_changed_while_it_ran_is_reported(caplog: Any) -> None:
    browser = make_browser(changes_late=True)
    browser.get("/flask/set/user/ada")
    browser.get("/events")
    assert browser.flask_session == {"streams": 1, "user": "ada"}
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "starlette_flask"]
    assert "'late'" in warning
    assert "/events" in warning
