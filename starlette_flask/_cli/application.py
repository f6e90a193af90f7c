"""``module:attribute`` -> the application, and the session middleware in it or for it. Imports no framework."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FunctionType
from typing import Any

from ..middleware.flask_settings import Settings, flask_settings
from ..middleware.sessions import SessionMiddleware

_PACKAGE = Path(__file__).parents[1]
_STDLIB = Path(os.__file__).parent
_TARGET = re.compile(r"([^\W\d][\w.]*):([^\W\d][\w.]*)(\(\))?")
_MOST = 1000  # objects to look at: one that makes up its attributes would have no end
#: Where applications and middlewares keep what they wrap; ``__self__`` leads from ``flask_app.wsgi_app`` to its app.
_INNER = ("app", "asgi_app", "__self__")


def load(target: str) -> Any:
    """Return what ``module:attribute`` or ``module:factory()`` names, with the current folder on the import path.

    What the application prints on its way goes to standard error. Raises ``ValueError``, which says what is wrong.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ValueError(
            f"{target!r} does not name an application: write module:attribute, such as shop.main:app, or "
            "shop.main:create_app() for a function without arguments that makes it"
        )
    module, attribute, is_factory = match.groups()
    if module.endswith(".py"):
        raise ValueError(f"{module} is a file: write its module, {module[:-3]}:{attribute}{is_factory or ''}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with redirect_stdout(sys.stderr):
        with told(f"{module} cannot be imported from {here}"):
            thing: Any = importlib.import_module(module)
        for name in attribute.split("."):
            with told(f"{target} cannot be found"):
                thing = getattr(thing, name)
        if is_factory:
            with told(f"{module}:{attribute}() fails"):
                thing = thing()
    return thing


@contextmanager
def told(what: str) -> Generator[None]:
    """Turn whatever an application raises into a ``ValueError`` of one line: what, why, and where."""
    try:
        yield
    except (Exception, SystemExit) as error:
        # Its first line only: what follows may quote settings (pydantic's errors quote each value).
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        frames = reversed(traceback.extract_tb(error.__traceback__))
        where = (f" ({frame.filename}, line {frame.lineno})" for frame in frames if _is_theirs(frame.filename))
        raise ValueError(f"{what}: {why}{next(where, '')}") from error


def _is_theirs(filename: str) -> bool:
    """Return whether a file is neither this package's nor the standard library's."""
    path = Path(filename)
    is_installed = "site-packages" in path.parts  # below the standard library
    is_python_s = filename.startswith("<frozen") or (_STDLIB in path.parents and not is_installed)
    return not is_python_s and _PACKAGE not in path.parents


def find_middleware(target: str, notes: list[str]) -> SessionMiddleware:
    """Return the outermost ``SessionMiddleware`` of an application, or one with the settings of a Flask application.

    Where a framework builds its middlewares only when it starts, one is built from the arguments that it recorded.
    Warnings are added to ``notes``. Raises ``ValueError`` where there is neither.
    """
    application = load(target)
    flask_app = None
    with _noted(notes), told(f"the settings of {target} cannot be read"):
        pending = [application]
        seen: set[int] = set()
        while pending and len(seen) < _MOST:
            thing = pending.pop(0)
            if thing is None or id(thing) in seen:
                continue
            if isinstance(thing, SessionMiddleware):
                return thing
            seen.add(id(thing))
            if flask_app is None and hasattr(thing, "session_interface"):
                flask_app = thing
            pending += _inside(thing)
        if flask_app is not None:
            return SessionMiddleware(_nowhere, **flask_settings(flask_app))
    raise ValueError(_nothing_in(application, target))


def find_flask_settings(target: str, notes: list[str]) -> tuple[Any, Settings]:
    """Return a Flask or Quart application and its session settings, once ``SessionMiddleware`` has taken them.

    Warnings are added to ``notes``. Raises ``ValueError`` for any other application.
    """
    flask_app = load(target)
    if not hasattr(flask_app, "session_interface"):
        raise ValueError(_nothing_in(flask_app, target, "Flask or Quart application"))
    with _noted(notes), told(f"the settings of {target} cannot be read"):
        settings = flask_settings(flask_app)
        SessionMiddleware(_nowhere, **settings)
    return flask_app, settings


def _nothing_in(thing: Any, target: str, wanted: str = "Flask or Quart application and no SessionMiddleware") -> str:
    factory = f"; if it makes the application, write {target}()" if isinstance(thing, FunctionType) else ""
    return f"there is no {wanted} in {target}, which is of type {type(thing).__name__}{factory}"


@contextmanager
def _noted(notes: list[str]) -> Generator[None]:
    """Catch warnings as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    notes += [str(warning.message) for warning in caught]


def _inside(thing: Any) -> list[Any]:
    """Return what is directly inside an application or middleware, the outermost first."""
    # Starlette's and FastAPI's are called user_middleware, Litestar's middleware.
    recorded = [*_list(thing, "user_middleware"), *_list(thing, "middleware")]
    mounted = [getattr(route, "app", None) for route in _list(thing, "routes")]
    return [*map(_built, recorded), *(getattr(thing, name, None) for name in _INNER), *mounted]


def _list(thing: Any, name: str) -> list[Any]:
    """Return an attribute if it is a list; Starlette has a method of such a name."""
    return list(getattr(thing, name)) if isinstance(getattr(thing, name, None), list) else []


def _built(recorded: Any) -> Any:
    """Return the middleware that a framework would build of what it recorded; ``None`` for the others of this world.

    Starlette records ``cls``, ``args`` and ``kwargs``, Litestar ``middleware``, ``args`` and ``kwargs``, or a bare
    class, function or partial. Other classes are not built: who knows what that would start.
    """
    make: Any = getattr(recorded, "cls", None) or getattr(recorded, "middleware", recorded)
    made_by: Any = getattr(make, "func", make)  # of a partial
    owner: Any = getattr(made_by, "__self__", made_by)  # of SessionMiddleware.from_flask
    is_ours = isinstance(owner, type) and issubclass(owner, SessionMiddleware)
    if not (is_ours or isinstance(made_by, FunctionType)):
        return None
    try:
        made: Any = make(_nowhere, *getattr(recorded, "args", ()), **getattr(recorded, "kwargs", {}))
    except Exception:
        if is_ours:
            raise
        return None  # a function that needs a real application
    return made


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Serve as the application of a middleware that is only looked at."""
