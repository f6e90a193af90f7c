"""NiceGUI: its storage brings Starlette's session middleware, whose cookie is named `session`, too.

With `session_middleware_kwargs={"session_cookie": "nicegui"}` there are two sessions that never mix. Without
`storage_secret`, NiceGUI brings no middleware, and a page's `request.session` is Flask's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nicegui
import pytest
from fastapi import FastAPI, Request
from nicegui import ui

from starlette_flask import SessionMiddleware

from .beside_flask import Browser, make_flask


@pytest.fixture
def browser(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr(nicegui.storage.Storage, "path", tmp_path)
    flask_app = make_flask()
    app = FastAPI()

    @app.get("/user")
    async def user(request: Request) -> Any:
        return request.session.get("user")

    @ui.page("/visits")
    def visits() -> None:
        nicegui.app.storage.user["visits"] = nicegui.app.storage.user.get("visits", 0) + 1
        ui.label(f"visits: {nicegui.app.storage.user['visits']}")

    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
    ui.run_with(app, storage_secret="nicegui's secret", session_middleware_kwargs={"session_cookie": "nicegui"})
    with Browser(app, flask_app) as browser:
        yield browser


def test_they_never_mix(browser: Browser, caplog: Any) -> None:
    assert "visits: 1" in browser.get("/visits").text
    browser.get("/flask/set/user/ada")
    assert "visits: 2" in browser.get("/visits").text
    assert browser.get("/user").json() == "ada"
    assert browser.flask_session == {"user": "ada"}
    assert sorted(browser.cookies) == ["nicegui", "session"]
    browser.get("/flask/clear")
    assert "visits: 3" in browser.get("/visits").text
    assert browser.flask_session == {}
    assert [record for record in caplog.records if record.name == "starlette_flask"] == []
