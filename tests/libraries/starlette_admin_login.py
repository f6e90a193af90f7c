"""starlette-admin: it brings no session; its log-in uses the application's. Its flashes have a cookie of their own."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette_admin.auth import AdminUser, AuthProvider
from starlette_admin.contrib.sqla import Admin, ModelView

from starlette_flask import Session, SessionMiddleware

from .beside_flask import KEY, Browser, make_flask


class Base(DeclarativeBase):
    pass


class Tea(Base):
    __tablename__ = "tea"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class LogIn(AuthProvider):
    async def login(self, username: str, password: str, remember_me: bool, request: Request) -> None:
        session: Session = request.scope["session"]
        session["user"] = username
        session.permanent = remember_me

    async def logout(self, request: Request) -> None:
        request.session.clear()

    async def authenticate(self, request: Request) -> AdminUser | None:
        name = request.session.get("user")
        return AdminUser(username=name) if name else None


@pytest.fixture
def browser() -> Browser:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    flask_app = make_flask()
    app = Starlette(middleware=[Middleware(SessionMiddleware.from_flask, flask_app=flask_app)])
    admin = Admin(engine, auth_provider=LogIn(), secret_key=KEY)
    admin.add_view(ModelView(Tea))
    admin.mount_to(app)
    return Browser(app, flask_app)


def post(browser: Browser, path: str, page: str, **fields: str) -> None:
    """Send a form with the CSRF token that its page has."""
    token = re.search(r'name="([^"]*csrf[^"]*)"[^>]*value="([^"]+)"', browser.get(page).text)
    assert token
    response = browser.post(path, data={token[1]: token[2], **fields})
    assert response.status_code == 303, response.text


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/admin/tea/list").status_code == 200


def test_a_log_in_on_either_side_counts_on_both(browser: Browser) -> None:
    assert not is_logged_in(browser)
    post(browser, "/admin/login", "/admin/login", username="ada", password="x", remember_me="on")
    assert is_logged_in(browser)
    assert browser.flask_session == {"_permanent": True, "user": "ada"}
    browser.get("/flask/clear")
    assert not is_logged_in(browser)
    browser.get("/flask/set/user/eve")
    assert is_logged_in(browser)
    post(browser, "/admin/logout", "/admin/tea/list")
    assert browser.flask_session == {}
