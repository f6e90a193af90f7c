"""NiceGUI: its storage brings Starlette's session middleware, whose cookie is named `session`, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nicegui
import pytest
from fastapi import FastAPI, Request
from nicegui import ui

from starlette_flask import SessionMiddleware

from .beside_flask import Browser, make_flask


@contextmanager
def visit(**settings: Any) -> Iterator[Browser]:
    """A FastAPI application with NiceGUI on top, which has one application for each process."""
    nicegui.app.user_middleware.clear()
    nicegui.app.middleware_stack = None
    flask_app = make_flask()
    app = FastAPI()
    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)

    @app.get("/user")
    async def user(request: Request) -> Any:
        return request.session.get("user")

    ui.run_with(app, **settings)
    with Browser(app, flask_app) as browser:
        yield browser


@pytest.fixture(autouse=True)
def _storage(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nicegui.storage.Storage, "path", tmp_path)


def test_without_a_storage_secret_a_page_has_flasks_session() -> None:
    @ui.page("/who")
    def who(request: Request) -> None:
        request.session["seen"] = True
        ui.label(f"it is {request.session.get('user')}")

    with visit() as browser:
        browser.get("/flask/set/user/ada")
        assert "it is ada" in browser.get("/who").text
        assert browser.flask_session == {"seen": True, "user": "ada"}
        assert list(browser.cookies) == ["session"]


def test_with_another_cookie_name_the_two_never_mix(caplog: Any) -> None:
    """`ui.run_with(app, storage_secret=..., session_middleware_kwargs={"session_cookie": "nicegui"})`"""

    @ui.page("/visits")
    def visits() -> None:
        user = nicegui.app.storage.user
        user["visits"] = user.get("visits", 0) + 1
        ui.label(f"visits: {user['visits']}")

    with visit(storage_secret="nicegui's", session_middleware_kwargs={"session_cookie": "nicegui"}) as browser:
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
