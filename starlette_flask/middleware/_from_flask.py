"""``SessionMiddleware.from_flask``, a class method that tools can patch. Private."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..asgi import ASGIApp
from .flask_settings import Settings, read_settings

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

if TYPE_CHECKING:
    from .sessions import SessionMiddleware

Middleware = TypeVar("Middleware", bound="SessionMiddleware")


class FromFlask:
    """Binds ``from_flask`` to the class that it is asked of, as ``classmethod`` does.

    Instrumentations such as Sentry's assign to ``__call__`` of what an application gives to ``add_middleware``. A
    bound class method refuses that; the object that this gives does not.
    """

    def __get__(self, instance: object, owner: type[Middleware]) -> BoundFromFlask[Middleware]:
        return BoundFromFlask(owner)


class BoundFromFlask(Generic[Middleware]):
    """Wrap an application with the session settings of a Flask or Quart application, read when it is called."""

    __name__ = "from_flask"

    def __init__(self, middleware: type[Middleware]) -> None:
        self.__self__ = middleware  # as a bound method has it

    def __call__(self, app: ASGIApp, flask_app: Any, **overrides: Unpack[Settings]) -> Middleware:
        """Wrap ``app`` with the session settings of a Flask or Quart application, read now.

        ``overrides`` are settings of :class:`SessionMiddleware` that count instead of the application's. Raises
        ``TypeError`` or ``ValueError`` for an application whose sessions this class cannot match, saying why.
        A session class of its own is warned about: on this side, the session is a :class:`starlette_flask.Session`.
        See :func:`starlette_flask.middleware.flask_settings.flask_settings` for what is asked of the application.
        """
        return self.__self__(app, **read_settings(flask_app, overrides))
