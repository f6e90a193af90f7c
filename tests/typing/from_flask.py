"""Settings taken from a Flask application, in each way to install the middleware."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from typing_extensions import Self, assert_type

from starlette_flask.asgi import ASGIApp
from starlette_flask.middleware.sessions import SessionMiddleware

flask_app = Flask(__name__)
flask_app.secret_key = "a secret"

starlette_app = Starlette(middleware=[Middleware(SessionMiddleware.from_flask, flask_app=flask_app)])
starlette_app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)

fastapi_app = FastAPI(middleware=[Middleware(SessionMiddleware.from_flask, flask_app=flask_app, leeway=2)])
fastapi_app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
fastapi_app.add_middleware(
    SessionMiddleware.from_flask,
    flask_app=flask_app,
    https_only=True,
    permanent_session_lifetime=timedelta(hours=1),
    allow_path_regex="/shop/",
)

assert_type(SessionMiddleware.from_flask(fastapi_app, flask_app), SessionMiddleware)
assert_type(SessionMiddleware.from_flask(app=fastapi_app, flask_app=flask_app, leeway=2), SessionMiddleware)


class ShopSessions(SessionMiddleware):
    """A subclass, whose class methods make it."""

    @classmethod
    def of_shop(cls, app: ASGIApp) -> Self:
        return cls.from_flask(app, flask_app, path="/shop")


assert_type(ShopSessions.from_flask(fastapi_app, flask_app), ShopSessions)
assert_type(ShopSessions.of_shop(fastapi_app), ShopSessions)
assert_type(ShopSessions(fastapi_app, "key").from_flask(fastapi_app, flask_app), ShopSessions)
