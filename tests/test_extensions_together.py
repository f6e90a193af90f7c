"""Flask-Admin behind Flask-Login, and Flask-JWT-Extended's cookies, in a Flask application mounted in FastAPI."""

from __future__ import annotations

from collections.abc import Iterator

import flask
import flask_admin
import flask_jwt_extended as jwt
import flask_login
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from starlette_flask import SessionMiddleware
from starlette_flask.extensions.flask_login import login_user, logout_user

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
