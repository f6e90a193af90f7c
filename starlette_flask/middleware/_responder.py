"""One request: its session from the Cookie field to the message that can carry a Set-Cookie field."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from itsdangerous import BadData

from ..asgi import ASGIApp, Message, Receive, Scope, Send
from ..contents import Content, Stored, changed_keys, same
from ..cookies import cookie_field, parse_set_cookie, with_cookie_field
from ..session import Session, peek
from ._in_scope import KEY, NO_SESSION, SessionInScope
from ._log import debugs
from ._settlement import settle

if TYPE_CHECKING:
    from .sessions import SessionMiddleware

_SET_COOKIE, _VARY = len("set-cookie"), len("vary")
#: The messages that can carry a cookie to the client, and the one that says that none will.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start", "websocket.close"})
#: Why there was no response where the client has gone or the server stops.
CANCELLED = "the request was cancelled"


class Responder(SessionInScope):
    """The session of one request, and the state of its response.

    Two baselines: whether to save is judged against what the ``client`` has; where an application inside sets this
    cookie, too, both sides are merged from what was ``handed`` on to it.
    """

    #: Whether the message that carries the cookie, or could have, was sent; also where none will be.
    started = False
    #: Why a change after that is lost.
    too_late = "the response had already started"
    #: Whether a save has failed.
    failed = False
    #: What became of the session, for the log.
    outcome = "not saved, as nothing changed"

    def __init__(self, middleware: SessionMiddleware, scope: Scope, send: Send, outer: Responder | None) -> None:
        self.middleware, self.scope, self.outer, self.server_send = middleware, scope, outer, send
        if "session" in scope or "session_handler" in scope:
            self.stand_before(scope.get("session", NO_SESSION))
        headers: list[Any] = scope.get("headers", [])
        if type(headers) is not list:  # perhaps readable only once, and the application is to read them, too
            headers = scope["headers"] = list(headers)
        self.field, several = cookie_field(headers)
        if several:  # WSGI adapters join them with a comma, and Flask would see no session
            scope["headers"] = with_cookie_field(headers, self.field)
        self.session, self.client = middleware.open(self.field)
        self.brought = self.handed = self.client
        self.path: str = scope.get("path", "")  # as it came: routers rewrite it
        scope[KEY], scope["session"] = self, self.session

    # Where an equal middleware stands further in

    def serves(self, other: SessionMiddleware) -> bool:
        """Return whether ``other``, further in, is to share this session: a middleware with equal settings."""
        return self.middleware.identity == other.identity

    def reclaim(self) -> None:
        """Take over what was put in the session's place, and put the session back: others further in look there."""
        self.adopt_replacement()
        self.put_back()

    async def share(self, inner: SessionMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the application of an equal middleware, with what was changed before in its Cookie field."""
        if scope is not self.scope:
            self.copies = (*self.copies, scope)
        self.reclaim()
        app: ASGIApp = inner.app
        if self.is_anothers(scope):  # of one between the two, which is to find it there when the response passes
            app = inner
            scope.pop(KEY)  # so that the inner one has a session of its own
        headers = scope.get("headers", [])
        try:
            self.hand_on(scope, headers)
            await app(scope, receive, send)
        finally:
            scope["headers"], scope[KEY] = headers, self
        if not self.started:  # others further out may still change the session
            self.reclaim()

    def hand_on(self, scope: Scope, headers: Iterable[Any]) -> None:
        """Put the session as it is now into the Cookie field, for those who read it there: a mounted Flask app."""
        try:
            changed = self.is_changed()
            if changed or self.is_foreign():
                middleware, content = self.middleware, self.session._content() if changed else self.client.content()
                serialized = middleware.serialize(content)
                field = middleware.with_session(self.field, content, serialized)
                scope["headers"] = with_cookie_field(headers, field)
                self.handed = Stored(serialized, middleware.deserialize)
            elif self.handed is not self.brought:  # what was handed on before was discarded since
                scope["headers"] = with_cookie_field(headers, self.field)
                self.handed = self.brought
        except Exception:  # as if it was saved now
            self.failed = True
            raise

    # The response

    # Not async itself: it hands on what the server's own send returns, and saves a coroutine per message.
    def send(self, message: Message) -> Awaitable[None]:
        """Send a message to the client; the session goes with the first that can carry it."""
        if not self.started and message["type"] in _STARTS:
            if not isinstance(message.get("headers", ()), (list, tuple)):  # perhaps readable only once
                message = {**message, "headers": list(message["headers"] or ())}
            try:
                message = self.save(message)
            except Exception:
                if not self.failed:  # as in Flask, the request fails
                    self.failed = True
                    raise
                message = self.give_up(message)  # this is the page that answers the error
            self.started = True
            if self.outside is not NO_SESSION:
                return self.send_out(message)
        return self.server_send(message)

    async def send_out(self, message: Message) -> None:
        """Send a message past a session middleware further out, which saves what stands in the scope then."""
        scope, ours = self.scope, self.scope.get("session")
        scope["session"] = self.outside
        try:
            await self.server_send(message)
        finally:
            scope["session"] = ours

    def save(self, message: Message) -> Message:
        """Return the message with what the session adds to its headers.

        The rules are those of ``flask.sessions.SecureCookieSessionInterface.save_session``. The application's
        message and its headers are not touched: frameworks send one constant response to many users.
        """
        if message["type"] != "http.response.start" and (reason := _why_without_headers(message["type"], self.scope)):
            self.too_late, self.outcome = reason, f"not saved, as {reason}"
            return message
        session = self.session
        if self.copies or self.scope.get("session") is not session:
            self.adopt_replacement()
        headers: list[Any] = list(message.get("headers", ()))
        inner: list[Any] = []
        may_vary = False
        for header in headers:  # of every response: in one go, and by length first, a write takes 2 us less
            size = len(header[0])
            if size == _SET_COOKIE and self.is_inner(header):
                inner.append(header)
            elif size == _VARY:
                may_vary = True
        changed, varies = self.is_changed(), session.accessed
        if inner:
            varies = self.merge(headers, inner, changed) or varies
        elif changed or (peek(session, "_permanent") and self.middleware.refreshes and not self.is_foreign()):
            # The application may have replaced a value by another that is stored the same way: {"9": 1} by {9: 1}.
            if changed or session._exposed or session._modified is not None:
                self.set_cookie(headers)
            else:
                headers.append((b"set-cookie", self.middleware.renew(session, self.brought)))
            if not changed:
                self.outcome = "saved again, as it is permanent"
            varies = True
        if session._dirty:
            session._mark_saved()
        if varies:
            if may_vary:
                vary_on_cookie(headers)
            else:
                headers.append((b"vary", b"Cookie"))
            return {**message, "headers": headers}
        return message

    def is_inner(self, header: Any) -> bool:
        """Return whether a header sets this very cookie: an application inside did."""
        return header[0].lower() == b"set-cookie" and self.middleware._cookie.is_set_by(header[1], self.path)

    def is_foreign(self) -> bool:
        """Return whether the cookie is in Starlette's format, which no application inside can read."""
        return self.client.origin == "starlette"

    def is_changed(self) -> bool:
        """Return whether the session differs from what the client has, or has to be rewritten for it."""
        session = self.session
        if session._modified is not None:
            return session._modified
        return (session.accessed and self.is_foreign()) or bool(session._exposed and self.is_changed_in_place())

    def is_changed_in_place(self) -> bool:
        """Return whether a value that the application got hold of differs from what the client has."""
        session, self.client = self.session, self.client.thawed()
        before = self.client.content()
        for key in session._exposed:
            if not same(before.get(key), peek(session, key)):
                return bool(changed_keys(before, self.middleware.as_stored(session._content())))
        return False

    def set_cookie(self, headers: list[Any]) -> None:
        """Add the Set-Cookie field that brings the session to the client."""
        middleware, content = self.middleware, self.session._content()
        serialized = middleware.serialize(content)
        headers.append((b"set-cookie", middleware.render(content, serialized)))
        self.client = Stored(serialized, middleware.deserialize)
        self.outcome = "saved" if content else "deleted"
        if middleware.log.watches_path and content:
            middleware.log.written(self.path, self.scope.get("root_path", ""))

    def merge(self, headers: list[Any], inner: list[Any], changed: bool) -> bool:
        """Settle with an application inside that set this cookie, too. Return whether ours took its place."""
        middleware, ours = self.middleware, self.client
        if changed:
            ours = Stored(middleware.serialize(self.session._content()), middleware.deserialize)
        theirs = parse_set_cookie(inner[-1][1])  # the last one is what the client will keep
        settled = settle(middleware, theirs, self.handed, self.client, ours.content())
        if settled.content is not None:
            field = middleware.render(settled.content, middleware.serialize(settled.content))
            headers[:] = [header for header in headers if header not in inner]
            headers.append((b"set-cookie", field))
        self.client, self.outcome = ours, settled.outcome  # what changes from now on comes too late
        self.warn_lost(settled.reason, settled.lost)
        return settled.content is not None

    def give_up(self, message: Message) -> Message:
        """Return the page that answers a failed save, without a cookie: what the session is now failed as well."""
        self.outcome = "not saved, as it cannot be stored"
        if lost := _unsaved_keys(self.middleware, self.client, self.session):
            self.warn_lost("they cannot be stored", lost)
        self.put_back()  # reported, so not again
        self.session.modified = False
        headers: list[Any] = list(message.get("headers", ()))
        vary_on_cookie(headers)
        return {**message, "headers": headers}

    # The end

    def close(self, unsent: str) -> None:
        """End the request: what is changed from now on cannot be saved.

        ``unsent`` is why there was no response to save the session with, if there was none.
        """
        session = self.session
        if session._dirty or session._exposed or self.copies or self.scope.get("session") is not session:
            self.report_late_changes(unsent)
        if not self.started:
            self.started = True  # as nothing will bring it now
            self.outcome = f"not saved, as {unsent}"
        session._end(partial(_report_after_end, self.middleware, self.path, self.client))
        if debugs():
            self.middleware.log.request(self.path, self.field, self.brought, self.outcome)
        self.leave()

    def report_late_changes(self, unsent: str) -> None:
        """Warn of what was changed after the session had been saved, or with no response to save it in."""
        reason = self.too_late if self.started else unsent
        if reason == CANCELLED:  # which is not an error
            return
        session = self.session
        # Nothing that values of the application's own raise may hide an error of the application.
        try:
            self.adopt_replacement()
        except Exception:
            self.adopt(None)
        try:
            changed = session._dirty or (session._modified is not False and self.is_changed_in_place())
        except Exception:
            changed = True
        if changed:
            self.warn_lost(reason, _unsaved_keys(self.middleware, self.client, self.session))

    def warn_lost(self, reason: str, keys: set[str]) -> None:
        """Report changes that cannot be saved, by their keys; nothing where there are none."""
        self.middleware.log.lost(self.path, reason, keys)


def _why_without_headers(kind: str, scope: Scope) -> str:
    """Return why a message of this kind has no headers to put a cookie in; empty where it has some."""
    if kind == "websocket.close":  # before it was accepted
        return "the connection was refused"
    # The ASGI specification has them since 2.1, and a server that names no version has 2.0: Daphne. (Granian names
    # 2.3, and sends none either.) A scope that says nothing of ASGI is a test client's.
    if kind == "websocket.accept" and "asgi" in scope and scope["asgi"].get("spec_version", "2.0") == "2.0":
        return "this server sends no headers when a WebSocket is accepted"
    return ""


def _unsaved_keys(middleware: SessionMiddleware, client: Stored, session: Session) -> set[str]:
    content: Content = session._content()
    before: Content = {}
    with suppress(BadData, TypeError):  # what cannot be stored is compared as it is
        content = middleware.as_stored(content)
    with suppress(BadData):
        before = client.content()
    return changed_keys(before, content)


def _report_after_end(middleware: SessionMiddleware, path: str, client: Stored, session: Session) -> bool:
    keys = _unsaved_keys(middleware, client, session)
    middleware.log.lost(path, "the request had already ended", keys)
    return bool(keys)


# Tools such as asgiref's adapters warn of a `send` that is no coroutine function.
if sys.version_info >= (3, 12):
    inspect.markcoroutinefunction(Responder.send)
else:  # pragma: no cover  # on Python 3.12 and newer
    Responder.send._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


def vary_on_cookie(headers: list[Any]) -> None:
    """Add ``Cookie`` to the Vary field, as ``response.vary.add`` of Werkzeug does; several fields become one."""
    at = [index for index, header in enumerate(headers) if header[0].lower() == b"vary"]
    if not at:
        headers.append((b"vary", b"Cookie"))
        return
    items = [item.strip() for index in at for item in bytes(headers[index][1]).split(b",") if item.strip()]
    if b"cookie" not in (item.lower() for item in items):
        headers[at[0]] = (b"vary", b", ".join([*items, b"Cookie"]))
        for index in reversed(at[1:]):
            del headers[index]
