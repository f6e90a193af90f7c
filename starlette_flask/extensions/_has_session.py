"""Private: the session, or the ASGI scope and what it says of the request, in what an application has at hand."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, TypeAlias, cast

from ..cookies import read_cookie


class HasScope(Protocol):
    """A request or WebSocket object that keeps its ASGI scope: Starlette's, FastAPI's, Litestar's, Quart's."""

    @property
    def scope(self) -> Any:
        """The ASGI scope."""


#: What every function of the extensions takes: a session, an ASGI scope, or an object that has one. To a type checker
#: the first two are the same, so which it is shows when the program runs.
HasSession: TypeAlias = Mapping[str, Any] | HasScope


def session_of(given: HasSession) -> MutableMapping[str, Any]:
    """Return the session itself.

    Raises ``RuntimeError`` for a scope that has none, ``TypeError`` for what is neither a session nor has a scope.
    """
    scope = _scope_in(given)
    if scope is None:
        return cast("MutableMapping[str, Any]", given)
    session = scope.get("session")
    if not isinstance(session, MutableMapping):
        raise RuntimeError("no session in this scope: SessionMiddleware must come before this code")  # noqa: TRY004
    return cast("MutableMapping[str, Any]", session)


def scope_of(given: HasSession, wanted: str) -> Mapping[str, Any]:
    """Return the ASGI scope. Raises ``TypeError`` for a session alone, and says what is ``wanted``."""
    scope = _scope_in(given)
    if scope is None:
        raise TypeError(f"{wanted} are needed, which a session does not know: pass the request or its ASGI scope")
    return scope


def header_of(scope: Mapping[str, Any], name: bytes) -> str | None:
    """Return the value of a header field, as WSGI servers hand it to Flask: equal fields are joined by a comma."""
    values = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
    return ",".join(values) if values else None


def cookie_of(given: HasSession, name: str) -> str | None:
    """Return the value that Flask reads for the cookie ``name``. Raises ``TypeError`` for a session alone."""
    headers = scope_of(given, "the request's cookies")["headers"]
    fields = [(b"cookie", value) for key, value in headers if key.lower() == b"cookie"]
    value = read_cookie(fields, name.encode())
    return None if value is None else value.decode()


def _scope_in(given: HasSession) -> Mapping[str, Any] | None:
    # A session may have keys of any name, so first what shows otherwise: the sessions of this package, Starlette,
    # Flask and Quart know whether they were modified, and a request object has a scope. Of plain mappings, the one
    # that has both the type and the headers of a connection is a scope.
    if hasattr(given, "modified"):
        return None
    scope: object = getattr(given, "scope", None)
    if isinstance(scope, Mapping):
        return cast("Mapping[str, Any]", scope)
    if not isinstance(given, Mapping):
        raise TypeError(f"a session, an ASGI scope or a request is needed, not {type(given).__name__}")
    is_scope = given.get("type") in ("http", "websocket") and "headers" in given
    return given if is_scope else None
