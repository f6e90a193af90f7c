"""What stands at ``scope["session"]``: whose it is, what it holds, and what the session takes over of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any, TypeAlias, cast

from itsdangerous import BadData

from ..asgi import Scope
from ..contents import Content, Stored, changed_keys
from ..session import Session

#: Where a scope has the innermost responder of this package.
KEY = "starlette_flask.responder"
#: What stands further out where there is no session.
NO_SESSION: Any = object()

Traces: TypeAlias = tuple[object, bool]


class SessionInScope:
    """A session at its place, ``scope["session"]``, and in copies of the scope."""

    scope: Scope
    session: Session
    #: What the client has.
    client: Stored
    #: The responder of a middleware of this package further out.
    outer: SessionInScope | None
    #: The session of a middleware further out.
    outside: Any = NO_SESSION
    #: What session middlewares further out left in the scope.
    traces: Traces = (None, False)
    #: Copies of the scope in which equal middlewares further in serve.
    copies: tuple[Scope, ...] = ()

    def stand_before(self, outside: Any) -> None:
        """Note what stands at ``scope["session"]`` of a middleware further out, before ours takes the place."""
        self.outside, self.traces = outside, traces_of(self.scope)
        self.scope.pop("session", None)  # so that ours comes behind the responder, as a deep copy needs it

    def __deepcopy__(self, memo: dict[int, Any]) -> SessionInScope:
        """Keep a deep copy of the scope, as hypercorn's ``ProxyFixMiddleware`` makes, to this request and session."""
        memo[id(self.session)] = self.session  # which comes behind, and counts as copied by then
        return self

    def has_ended(self) -> bool:
        """Return whether the request is over: a scope may be used again, or outlive it."""
        return not self.scope

    def is_anothers(self, scope: Scope) -> bool:
        """Return whether another middleware's session stands there: of this package, or somebody else's."""
        if scope.get("session") is self.session:
            return False
        return scope.get(KEY, self) is not self or is_another_middlewares(scope, self.traces)

    def standing(self) -> Any:
        """Return what the application put in the session's place, the innermost first; the session if it did not."""
        for scope in (*reversed(self.copies), self.scope):
            if scope.get("session") is not self.session and not self.is_anothers(scope):
                return scope.get("session")
        return self.session

    def adopt_replacement(self) -> None:
        """Take over what the application put there instead of changing the session; further in counts first."""
        current = self.standing()
        if current is not self.session:
            self.adopt(current)

    def adopt(self, current: Any) -> None:
        """Let the session hold what ``current`` holds; it is modified if the client has something else."""
        content = as_content(current)
        self.session._replace(content)
        self.session.mark_accessed()
        try:
            changed = bool(changed_keys(self.client.content(), content))
        except BadData:  # what opened at the top of the stack may not open again from deep within
            changed = True
        if changed:
            self.session.mark_modified()

    def put_back(self) -> None:
        """Put the session back where something else stands, unless another middleware's does."""
        for scope in (*self.copies, self.scope):
            if not self.is_anothers(scope):
                scope["session"] = self.session

    def leave(self) -> None:
        """Leave the scope to those outside as they had it, but for the session of the outermost.

        Neither it nor the session leads here from then on: the server's send often leads to the scope, and a circle
        would wait for the garbage collector.
        """
        scope = self.scope
        if self.outer is None:
            scope.pop(KEY, None)
        else:
            scope[KEY] = self.outer
        if self.outside is not NO_SESSION:
            scope["session"] = self.outside
        self.scope, self.copies = {}, ()


def traces_of(scope: Scope) -> Traces:
    """Return what session middlewares further out left in a scope, for :func:`is_another_middlewares`."""
    # Where Litestar called this middleware, its own may stand outside; then there is one of its sessions already.
    is_litestars = "route_handler" in scope and not issubclass(_kind(scope), (type(None), Session))
    return scope.get("session_handler"), is_litestars


def is_another_middlewares(scope: Scope, traces: Traces) -> bool:
    """Return whether another session middleware further in put it there, and saves it itself.

    ``traces`` are those of the scope as it came to this middleware; what was added since tells. Nothing is asked of
    the session but its type: any use of one that starsessions has not loaded raises.

    - Starlette's (1.0 and newer) and asgi-sessions' are dicts of a class that tracks changes, as ours.
    - starsessions adds ``scope["session_handler"]``.
    - Litestar's two leave a plain dict, and no trace that stays: its middlewares are asked of the route handler.
    """
    kind = _kind(scope)
    if issubclass(kind, dict) and not issubclass(kind, Session) and hasattr(cast("Any", kind), "modified"):
        return True
    handler_outside, litestars_is_outside = traces
    if scope.get("session_handler") is not handler_outside:
        return True
    handler = scope.get("route_handler")
    return handler is not None and not litestars_is_outside and any(map(_is_litestars, _middlewares(handler)))


def _kind(scope: Scope) -> type[Any]:
    return cast("type[Any]", type(scope.get("session")))


def _middlewares(handler: Any) -> Iterable[Any]:
    """Return the middlewares of all layers that a route handler of Litestar has."""
    try:
        return cast("Iterable[Any]", handler.resolve_middleware())
    except Exception:  # it may be anybody's, and anything
        return ()


def _is_litestars(middleware: Any) -> bool:
    kind = getattr(middleware, "middleware", middleware)  # of a DefineMiddleware
    return isinstance(kind, type) and any(
        base.__module__ == "litestar.middleware.session.base" for base in kind.__mro__
    )


def as_content(current: Any) -> Content:
    """Return what an application put at ``scope["session"]`` as the content of a session.

    ``None``, a class or enum member (Litestar's ``Empty``) and whatever is false stand for an emptied session. Raises
    ``TypeError`` for what holds no keys.
    """
    if isinstance(current, Mapping):
        return dict(cast("Mapping[str, Any]", current))
    if not current or isinstance(current, (type, Enum)):
        return {}
    if is_dataclass(current):
        return asdict(cast("Any", current))
    if hasattr(current, "model_dump"):  # pydantic
        return dict(current.model_dump())
    if hasattr(current, "__struct_fields__"):  # msgspec
        return {name: getattr(current, name) for name in current.__struct_fields__}
    raise TypeError(f"scope['session'] must be a mapping or None, not {type(current).__name__}")
