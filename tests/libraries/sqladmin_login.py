"""sqladmin: its authentication brings Starlette's session middleware, whose cookie is named `session`, too."""

from __future__ import annotations

from typing import Any

import pytest
from sqladmin import Admin, ModelView
from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request

from starlette_flask import SessionMiddleware

from .beside_flask import KEY, Browser, make_flask


class Base(DeclarativeBase):
    pass


class Tea(Base):
    __tablename__ = "tea"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class TeaView(ModelView, model=Tea):
    column_list = (Tea.name,)


class LogIn(AuthenticationBackend):
    async def login(self, request: Request) -> bool:
        form = await request.form()
        request.session["user_id"] = form["username"]
        return True

    async def logout(self, request: Request) -> bool:
        request.session.clear()
        return True

    async def authenticate(self, request: Request) -> bool:
        return "user_id" in request.session


def make_browser(backend: LogIn) -> Browser:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    flask_app = make_flask()
    app = Starlette(middleware=[Middleware(SessionMiddleware.from_flask, flask_app=flask_app)])
    Admin(app, engine, authentication_backend=backend).add_view(TeaView)
    return Browser(app, flask_app)


def log_in(browser: Browser) -> None:
    response = browser.post("/admin/login", data={"username": "ada", "password": "x"})
    assert response.status_code == 302
    assert "error" not in response.headers["location"]


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/admin/tea/list").status_code == 200


class TestOneSession:
    """`backend.middlewares = []`: sqladmin's session is Flask's."""

    @pytest.fixture
    def browser(self) -> Browser:
        backend = LogIn(secret_key="unused")
        backend.middlewares = []
        return make_browser(backend)

    def test_a_log_in_on_either_side_counts_on_both(self, browser: Browser) -> None:
        assert not is_logged_in(browser)
        log_in(browser)
        assert is_logged_in(browser)
        assert browser.flask_session == {"user_id": "ada"}
        browser.get("/flask/clear")
        assert not is_logged_in(browser)
        browser.get("/flask/set/user_id/eve")
        assert is_logged_in(browser)

    def test_a_log_out_keeps_nothing(self, browser: Browser) -> None:
        browser.get("/flask/set/cart/tea")
        log_in(browser)
        browser.get("/admin/logout")
        assert browser.flask_session == {}
        assert list(browser.cookies) == []


class TestASessionOfItsOwn:
    """`session_cookie="admin"`, which sqladmin hands to Starlette's middleware: two sessions that never mix."""

    @pytest.fixture
    def browser(self) -> Browser:
        return make_browser(LogIn(secret_key=KEY, session_cookie="admin"))

    def test_they_never_mix(self, browser: Browser, caplog: Any) -> None:
        browser.get("/flask/set/cart/tea")
        log_in(browser)
        assert is_logged_in(browser)
        assert sorted(browser.cookies) == ["admin", "session"]
        assert browser.flask_session == {"cart": "tea"}
        browser.get("/admin/logout")
        assert not is_logged_in(browser)
        assert browser.flask_session == {"cart": "tea"}
        assert [record for record in caplog.records if record.name == "starlette_flask"] == []
