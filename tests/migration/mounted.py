"""Flask mounted in FastAPI, at the root, so that every URL stays."""

from a2wsgi import WSGIMiddleware
from fastapi import Depends, FastAPI

from starlette_flask import SessionMiddleware

from .fastapi_shop import account
from .flask_shop import app as flask_app
from .users import current_customer, send_remember_cookie

api = FastAPI(openapi_url=None, dependencies=[Depends(current_customer)])
api.middleware("http")(send_remember_cookie)
api.include_router(account)
api.mount("/", WSGIMiddleware(flask_app))
app = SessionMiddleware.from_flask(api, flask_app)
