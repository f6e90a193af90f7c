"""FastAPI beside Flask, with the log-in."""

from .beside import api, app
from .fastapi_shop import login

__all__ = ["app"]

api.include_router(login)
