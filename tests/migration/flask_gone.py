"""FastAPI alone."""

from .fastapi_shop import shop
from .login_moved import api, app

__all__ = ["app"]

api.include_router(shop)
