"""FastAPI beside Flask, in a process of its own, which does not import Flask."""

from fastapi import Depends, FastAPI

from starlette_flask import SessionMiddleware

from .fastapi_shop import account
from .keys import FALLBACKS, SECRET_KEY
from .users import current_customer, send_remember_cookie

api = FastAPI(openapi_url=None, dependencies=[Depends(current_customer)])
api.middleware("http")(send_remember_cookie)
api.include_router(account)
app = SessionMiddleware(
    api,
    secret_key=SECRET_KEY,
    secret_key_fallbacks=FALLBACKS,
    https_only=True,
    same_site="Lax",
)
