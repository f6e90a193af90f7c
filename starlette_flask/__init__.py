"""Flask's session cookie, byte for byte, for Starlette, FastAPI, Litestar, Quart, and any other ASGI application."""

from .codec import SessionCodec
from .middleware.flask_settings import flask_settings
from .middleware.sessions import SessionMiddleware
from .session import Session
from .tagged_json import JSONTag, TaggedJSONSerializer

__all__ = ["JSONTag", "Session", "SessionCodec", "SessionMiddleware", "TaggedJSONSerializer", "flask_settings"]
