"""Users who come and go between FastAPI and Flask; Flask-Admin and Flask-JWT-Extended, mounted in FastAPI."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import flask
import flask_admin
import flask_jwt_extended as jwt
import flask_login
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from starlette_flask import SessionCodec, SessionMiddleware
from starlette_flask.extensions.flask_login import login_user, logout_user
from tests.typing import extensions as recipe

BROWSER = {"user-agent": "Mozilla/5.0", "x-forwarded-for": "203.0.113.7"}


class OnlyForUsers(flask_admin.AdminIndexView):
    """The admin's first page, for those who are logged in."""

    def is_accessible(self) -> bool:
        return flask_login.current_user.is_authenticated

    def inaccessible_callback(self, name: str, **kwargs: object) -> flask.Response:
        return flask.Response("log in first", 401)


def make_flask() -> flask.Flask:
    app = flask.Flask(__name__)
    app.config.update(
        SECRET_KEY="a long random secret",
        JWT_SECRET_KEY="another long random secret, of thirty-two bytes",
        JWT_TOKEN_LOCATION=["cookies"],
        SESSION_PROTECTION="strong",
    )
    flask_login.LoginManager(app).user_loader(make_user)
    flask_admin.Admin(app, index_view=OnlyForUsers())
    jwt.JWTManager(app)

    @app.post("/token")
    def token() -> flask.Response:
        response = flask.jsonify(done=True)
        jwt.set_access_cookies(response, jwt.create_access_token("ada"))
        flask.session["tokens"] = flask.session.get("tokens", 0) + 1
        return response

    @app.get("/who")
    @jwt.jwt_required()
    def who() -> str:
        return jwt.get_jwt_identity()

    return app


def make_user(user_id: str) -> flask_login.UserMixin:
    user = flask_login.UserMixin()
    user.id = user_id
    return user


@pytest.fixture
def client() -> Iterator[TestClient]:
    flask_app = make_flask()
    app = FastAPI()
    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)

    @app.post("/login")
    async def login(request: Request) -> None:
        login_user(request.scope, "ada")

    @app.post("/logout")
    async def logout(request: Request) -> None:
        logout_user(request.scope)

    @app.get("/tokens")
    async def tokens(request: Request) -> int:
        return request.session.get("tokens", 0)

    app.mount("/flask", WSGIMiddleware(flask_app))
    with TestClient(app, headers=BROWSER) as client:
        yield client


class TestFlaskAdmin:
    """Its pages open to who logged in on FastAPI's side, and close again."""

    def test_behind_flask_login(self, client: TestClient) -> None:
        assert client.get("/flask/admin/").status_code == 401
        client.post("/login")
        page = client.get("/flask/admin/")
        assert (page.status_code, "Home" in page.text) == (200, True)
        client.post("/logout")
        assert client.get("/flask/admin/").status_code == 401


class TestFlaskJWTExtended:
    """Its cookies go through as they are, beside a session that both sides change."""

    def test_cookies_of_its_own(self, client: TestClient) -> None:
        assert client.get("/flask/who").status_code == 401
        answer = client.post("/flask/token")
        names = {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")}
        assert names == {"access_token_cookie", "csrf_access_token", "session"}
        token = client.cookies["access_token_cookie"]
        assert client.get("/flask/who").text == "ada"
        client.post("/login")
        client.post("/logout")
        assert client.cookies["access_token_cookie"] == token
        assert client.get("/flask/who").text == "ada"
        assert client.get("/tokens").json() == 1


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # Flask-Login's, since Python 3.12
class TestUsers:
    """FastAPI's users are Flask-Login's, under strong protection, with FastAPI as in the recipe."""

    @pytest.fixture
    def browser(self) -> Iterator[TestClient]:
        flask_app = flask.Flask(__name__)
        flask_app.config.update(
            SECRET_KEY=recipe.KEY.get_secret_value(),
            SESSION_PROTECTION="strong",
            REMEMBER_COOKIE_SECURE=True,
            REMEMBER_COOKIE_SAMESITE="lax",
            REMEMBER_COOKIE_DURATION=timedelta(days=30),
        )
        flask_login.LoginManager(flask_app).user_loader(make_user)

        @flask_app.get("/flask")
        def who() -> dict[str, Any]:
            return {"user": flask_login.current_user.get_id(), "fresh": flask_login.login_fresh()}

        flask_side = WSGIMiddleware(flask_app)

        async def both(scope: Any, receive: Any, send: Any) -> None:
            side: Any = flask_side if scope.get("path") == "/flask" else recipe.app
            await side(scope, receive, send)

        with TestClient(both, headers=BROWSER, base_url="https://testserver") as browser:
            yield browser

    def users(self, browser: TestClient, *paths: str) -> list[Any]:
        return [browser.get(path).json()["user"] for path in paths]

    def post(self, browser: TestClient, path: str, **form: str) -> Any:
        return browser.post(path, data={"csrf_token": browser.get("/").json()["csrf_token"], **form})

    def session(self, browser: TestClient) -> dict[str, Any]:
        return SessionCodec(recipe.KEY).loads(browser.cookies["session"])

    def test_remembered_they_stay_whichever_side_they_come_to(self, browser: TestClient) -> None:
        assert self.post(browser, "/login", name="ann", remember="true").status_code == 200
        assert "_remember" not in self.session(browser)
        answer = browser.get("/flask")
        assert answer.json() == {"user": "ann", "fresh": True}
        assert "set-cookie" not in answer.headers  # no note has waited
        for paths in (("/", "/flask", "/flask", "/"), ("/flask", "/", "/flask", "/flask", "/")):
            del browser.cookies["session"]
            assert self.users(browser, *paths) == ["ann"] * len(paths)
            assert browser.get("/").json()["fresh"] is browser.get("/flask").json()["fresh"] is False

    def test_logged_out_they_stay_out(self, browser: TestClient) -> None:
        self.post(browser, "/login", name="ann", remember="true")
        self.post(browser, "/logout")
        assert "remember_token" not in browser.cookies
        assert self.users(browser, "/flask", "/", "/flask") == [None, None, None]
        self.post(browser, "/login", name="bob")
        assert self.users(browser, "/flask", "/") == ["bob", "bob"]
        assert "remember_token" not in browser.cookies
        del browser.cookies["session"]
        assert self.users(browser, "/flask", "/") == [None, None]

    def test_logged_in_again_before_flask_saw_the_log_out(self, browser: TestClient) -> None:
        for name in ("ann", "bob"):
            self.post(browser, "/login", name=name, remember="true")
            self.post(browser, "/logout")
        self.post(browser, "/login", name="eve", remember="true")
        del browser.cookies["session"]
        assert self.users(browser, "/flask", "/") == ["eve", "eve"]

    def test_a_form_needs_its_token(self, browser: TestClient) -> None:
        answer = browser.post("/login", data={"name": "ann", "csrf_token": "x"})
        assert (answer.status_code, answer.json()) == (400, {"detail": "The session has no CSRF token."})
        assert self.users(browser, "/flask") == [None]
