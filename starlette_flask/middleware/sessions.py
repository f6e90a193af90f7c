"""The ASGI callable: the life of a session from the request's Cookie to the response's Set-Cookie."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import sys
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from enum import Enum
from time import time
from typing import TYPE_CHECKING, Any, cast
from warnings import warn

from itsdangerous import BadData, BadPayload

from ..asgi import ASGIApp, Message, Scope, Send
from ..codec import SessionCodec, is_current
from ..contents import EMPTY, Content, Stored, changed_keys, merge, same, stored
from ..cookies import CookieWriter, is_cookie_value, parse_set_cookie, read_cookie
from ..session import Session
from ..starlette_format import StarletteFormat
from ..tagged_json import is_dict
from ..verified import VerifiedValues
from .flask_settings import Settings, flask_settings

if sys.version_info >= (3, 11):
    from typing import Self, Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self, Unpack

logger = logging.getLogger("starlette_flask")

#: Where a scope has the innermost responder of this package.
_KEY = "starlette_flask.responder"
_SCOPES = frozenset({"http", "websocket"})
#: The messages that can carry a cookie to the client, and the one that says that none will.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start", "websocket.close"})
#: The scope of a responder whose request has ended.
_ENDED: Scope = {}
_LONGEST = timedelta(days=365 * 1000)  # keeps Expires a date with a four-digit year
_CACHE_SIZE = 16 << 20


class SessionMiddleware:
    """Gives an ASGI application Flask's session, as the dict ``scope["session"]``.

    The settings up to ``partitioned`` have the order and the meaning of ``starlette.middleware.sessions``; the
    others can be given by name only. :meth:`from_flask` takes all of them from a Flask application.

    :param app: the ASGI application to wrap.
    :param secret_key: Flask's ``SECRET_KEY``: ``str``, ``bytes``, or an object that reveals one
        (see :func:`starlette_flask.codec.reveal_secret`).
    :param session_cookie: the cookie's name, ``SESSION_COOKIE_NAME``.
    :param max_age: seconds. ``None`` is Flask's rule: a cookie for the browser session, or with ``Expires`` once
        ``session.permanent`` is set, and no signature older than ``permanent_session_lifetime`` opens. A number is
        Starlette's rule: every cookie has that ``Max-Age``, and no signature older than that opens.
    :param path: ``SESSION_COOKIE_PATH``. ``None`` leaves the attribute out.
    :param same_site: ``"lax"``, ``"strict"``, ``"none"`` in any case, or ``None`` for no attribute, which is
        Flask's default: ``SESSION_COOKIE_SAMESITE``. ``"none"`` without Secure is warned about, browsers drop it.
    :param https_only: the attribute Secure, ``SESSION_COOKIE_SECURE``.
    :param domain: ``SESSION_COOKIE_DOMAIN``; ``None`` for this host alone.
    :param partitioned: ``SESSION_COOKIE_PARTITIONED``; implies Secure, as in Werkzeug.
    :param secret_key_fallbacks: retired keys, oldest first: they open, ``secret_key`` signs.
    :param permanent_session_lifetime: a ``timedelta`` or seconds.
    :param refresh_each_request: whether a permanent session's cookie is set by every response.
    :param httponly: ``SESSION_COOKIE_HTTPONLY``, keeps scripts from reading the cookie.
    :param salt: the salt of the Flask application's session interface, where it has one of its own.
    :param signer_kwargs: likewise its ``key_derivation`` and ``digest_method``, added to Flask's.
    :param serializer: likewise its ``serializer``.
    :param max_cookie_size: bytes of the Set-Cookie field above which a warning is logged; 0 for never.
    :param leeway: seconds by which a signature may lie in the future, for servers whose clocks differ.
    :param allow_path_regex: only paths that match from their start have a session; the others pass untouched.
    :param accept_starlette_cookies: open cookies that Starlette's middleware signed with these keys, too, and
        write them in Flask's format with that very response.

    What a value holds is kept once it verified, in 16 MiB of memory at most, unless ``serializer`` is given.

    Raises ``TypeError`` or ``ValueError`` for a setting that cannot work or is not safe, never showing a secret.
    """

    def __init__(
        self,
        app: ASGIApp,
        secret_key: object,
        session_cookie: str = "session",
        max_age: int | None = None,
        path: str | None = "/",
        same_site: str | None = "lax",
        https_only: bool = False,
        domain: str | None = None,
        partitioned: bool = False,
        *,
        secret_key_fallbacks: Iterable[object] | None = (),
        permanent_session_lifetime: timedelta | float = timedelta(days=31),
        refresh_each_request: bool = True,
        httponly: bool = True,
        salt: str | bytes = "cookie-session",
        signer_kwargs: Mapping[str, Any] | None = None,
        serializer: Any = None,
        max_cookie_size: int = 4093,
        leeway: int = 0,
        allow_path_regex: str | re.Pattern[str] | None = None,
        accept_starlette_cookies: bool = False,
    ) -> None:
        self.app = app
        self._codec = SessionCodec(
            secret_key,
            secret_key_fallbacks=secret_key_fallbacks,
            salt=salt,
            signer_kwargs=signer_kwargs,
            serializer=serializer,
        )
        if not is_cookie_value(self._codec.dumps({})):  # also shows here, not at a request, that the digest exists
            raise ValueError("signer_kwargs: what is signed with this 'sep' cannot stand in a cookie")
        self._cookie = CookieWriter(
            session_cookie,
            path=path,
            domain=domain,
            secure=https_only,
            httponly=httponly,
            same_site=same_site,
            partitioned=partitioned,
        )
        if same_site is not None and same_site.lower() == "none" and not (https_only or partitioned):
            warn("same_site='none' without https_only=True: browsers will reject the cookie", stacklevel=2)
        self._name = self._cookie.name
        self._max_age = _whole_number("max_age", max_age, least=1) if max_age is not None else None
        self._lifetime = _seconds("permanent_session_lifetime", permanent_session_lifetime)
        self._opens_for = int(self._lifetime) if self._max_age is None else self._max_age
        self._refresh = bool(refresh_each_request)
        self._max_cookie_size = _whole_number("max_cookie_size", max_cookie_size)
        self._leeway = _whole_number("leeway", leeway)
        self._allowed = None if allow_path_regex is None else _pattern("allow_path_regex", allow_path_regex)
        self._has_own_serializer = serializer is not None  # it is asked each time, and may answer otherwise then
        self._verified = VerifiedValues(_CACHE_SIZE)
        self._starlette = StarletteFormat(self._codec.secret_keys) if accept_starlette_cookies else None
        # What two middlewares must have in common to be one; the codec's part shows no key.
        self._identity = (
            self._codec.identity,
            self._cookie.deletion,
            (
                self._max_age,
                self._lifetime,
                self._refresh,
                self._leeway,
                self._allowed,
                accept_starlette_cookies,
            ),
        )

    @classmethod
    def from_flask(cls, app: ASGIApp, flask_app: Any, **overrides: Unpack[Settings]) -> Self:
        """Wrap ``app`` with the session settings of a Flask or Quart application, read now.

        ``overrides`` are settings of :class:`SessionMiddleware` that count instead of the application's. Raises
        ``TypeError`` or ``ValueError`` for an application whose sessions this class cannot match, saying why.
        A session class of its own is warned about: on this side, the session is a :class:`starlette_flask.Session`.
        See :func:`starlette_flask.middleware.flask_settings.flask_settings` for what is asked of the application.
        """
        return cls(app, **flask_settings(flask_app, **overrides))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ``http`` or ``websocket`` connection with a session; pass any other on untouched."""
        if scope["type"] not in _SCOPES or (self._allowed and not self._allowed.match(scope.get("path", ""))):
            await self.app(scope, receive, send)
            return
        outer: _Responder | None = scope.get(_KEY)
        if outer is not None and outer.serves(self):
            outer.adopt_replacement(scope)
            scope["session"] = outer.session
            await self.app(scope, receive, send)
            return
        responder = _Responder(self, scope, send)
        try:
            await self.app(scope, receive, responder.send)
        finally:
            responder.close()

    # What a responder asks for: from the cookie's value to the session, and back.

    def open(self, headers: list[tuple[bytes, bytes]]) -> tuple[Session, Stored]:
        """Return the session that a request brings, and what its client has; empty ones where nothing opens."""
        value = read_cookie(headers, self._name)
        if not value:
            return Session(), EMPTY
        found = self._verified.get(value)
        if found is not None and is_current(found.signed_at, self._opens_for, self._leeway):
            return Session._opened(found.content()), found
        opened = self._verify(value)
        return (Session(), EMPTY) if opened is None else (Session._opened(opened[0]), opened[1])

    def _verify(self, value: bytes) -> tuple[Content, Stored] | None:
        """Open a value that was not seen before. Where it is rejected, say why in the log."""
        reason = "BadSignature"
        try:
            opened = self._codec.open(value, self._opens_for, self._leeway)
            if opened is not None:
                content, serialized, signed_at = opened
                if not is_dict(content):  # Flask answers such a request with 500
                    raise BadPayload("The payload is not an object")
                if self._has_own_serializer:  # whose tags may give what marshal does not: a bytearray becomes bytes
                    return content, Stored(serialized, self.deserialize, signed_at)
                found = stored(content, serialized, self.deserialize, signed_at)
                self._verified.add(value, found)
                return content, found
        except BadData as error:
            reason = type(error).__name__  # not its text, which quotes parts of the value
            if (cause := getattr(error, "original_error", None)) is not None:
                reason += f" from {type(cause).__name__}"
        if self._starlette is not None and (foreign := self._open_starlette(self._starlette, value)) is not None:
            return foreign
        logger.debug("Cookie %r did not open, the session is empty: %s", self._cookie.name.decode(), reason)
        return None

    def _open_starlette(self, starlette: StarletteFormat, value: bytes) -> tuple[Content, Stored] | None:
        opened = starlette.open(value)
        if opened is None or not is_current(opened[1], self._opens_for, self._leeway):
            return None
        content, signed_at = opened
        try:
            serialized = self._codec.serialize(content)
        except Exception:  # a serializer of the application's own may refuse anything
            return None
        return content, stored(content, serialized, self.deserialize, signed_at, "starlette")

    def serialize(self, content: Content) -> bytes:
        """Return the serialized content. Raises ``TypeError``, which names the key, where it cannot be stored."""
        try:
            return self._codec.serialize(content)
        except Exception as error:  # as in Flask, the request fails; here it says which key is to blame
            vars(error).pop("__notes__", None)  # since Python 3.14 the json module quotes nested keys there
            keys = [repr(key) for key in content if not self._can_store(content, key)]
            where = f"key {', '.join(keys)}" if keys else "keys of different types"
            raise TypeError(f"The session cannot be stored because of {where}: {error}") from error

    def _can_store(self, content: Content, key: str) -> bool:
        try:
            self._codec.serialize({key: content[key]})
        except Exception:
            return False
        return True

    def deserialize(self, serialized: bytes) -> Content:
        """Return content as it comes back from a cookie: an int key is text by then."""
        content: Content = self._codec.deserialize(serialized)
        return content

    def render(self, content: Content, serialized: bytes) -> bytes:
        """Return the Set-Cookie field that brings this content to the client."""
        if not content:
            return self._cookie.deletion
        now = time()
        return self._field(self._codec.sign(self._codec.pack(serialized), int(now)), now, content)

    def renew(self, content: Content, serialized: bytes) -> bytes:
        """Return the Set-Cookie field that gives the client what it has, dated anew.

        Every response does so for a permanent session, and the client's next request brings that value.
        """
        now = time()
        value = self._codec.sign(self._codec.repack(serialized), int(now))
        if not self._has_own_serializer and self._verified.get(value) is None:
            with suppress(BadData):  # what could be written may be nested too deeply to be read
                renewed = self.deserialize(serialized)  # of its own, and with its keys as they will come
                self._verified.add(value, stored(renewed, serialized, self.deserialize, int(now)))
        return self._field(value, now, content)

    def _field(self, value: bytes, now: float, content: Content) -> bytes:
        expires = int(now + self._lifetime) if self._max_age is None and content.get("_permanent") else None
        field = self._cookie.field(value, expires=expires, max_age=self._max_age)
        if self._max_cookie_size and len(field) > self._max_cookie_size:
            logger.warning(
                "Cookie %r is too large: its Set-Cookie field has %d bytes, the limit is %d. Browsers may drop it.",
                self._cookie.name.decode(),
                len(field),
                self._max_cookie_size,
            )
        return field

    def inner_cookies(self, headers: Iterable[Any], path: str) -> list[Any]:
        """Return the headers that set this very cookie already: an application mounted inside did."""
        return [
            header
            for header in headers
            if header[0].lower() == b"set-cookie" and self._cookie.is_set_by(header[1], path)
        ]

    def warn_lost(self, path: str, reason: str, keys: Iterable[str]) -> None:
        """Report changes that cannot be saved, by their keys."""
        logger.warning(
            "Changes to session %r were lost on path %r because %s; changed keys: %s",
            self._cookie.name.decode(),
            path,
            reason,
            ", ".join(sorted(map(repr, keys))),
        )


class _Responder:
    """One request's session, from its Cookie field to the message that can carry a Set-Cookie field."""

    __slots__ = ("client", "failed", "middleware", "path", "scope", "server_send", "session", "started")

    def __init__(self, middleware: SessionMiddleware, scope: Scope, send: Send) -> None:
        self.middleware, self.scope, self.server_send = middleware, scope, send
        headers: list[Any] = scope.get("headers", [])
        if type(headers) is not list:  # perhaps readable only once, and the application is to read them, too
            headers = scope["headers"] = list(headers)
        #: The session, and what the client has of it.
        self.session, self.client = middleware.open(headers)
        self.path = scope.get("path", "")  # as it came: routers rewrite it
        #: The type of the message that did or could have brought the cookie, once it was sent.
        self.started = ""
        self.failed = False
        scope["session"], scope[_KEY] = self.session, self

    def serves(self, other: SessionMiddleware) -> bool:
        """Return whether ``other``, further in, is to share this session: a middleware with equal settings."""
        return self.scope is not _ENDED and self.middleware._identity == other._identity

    # Not async itself: it hands on what the server's own send returns, and saves a coroutine per message.
    def send(self, message: Message) -> Awaitable[None]:
        """Send a message to the client; the session goes with the first that can carry it."""
        if not self.started and message["type"] in _STARTS:
            if self.failed:  # the page that answers the error
                headers: list[Any] = list(message.get("headers") or ())
                _vary_on_cookie(headers)
                message = {**message, "headers": headers}
            else:
                self.failed = True
                message = self.save(message)
                self.failed = False
                self.started = message["type"]
        return self.server_send(message)

    def save(self, message: Message) -> Message:
        """Return the message with what the session adds to its headers.

        The rules are those of ``flask.sessions.SecureCookieSessionInterface.save_session``. The application's
        message and its headers are not touched: frameworks send one constant response to many users.
        """
        if message["type"] == "websocket.close":  # refused before it was accepted: no headers to put a cookie in
            return message
        session = self.session
        if self.scope.get("session") is not session:
            self.adopt_replacement(self.scope)
        changed = self.is_changed()
        saves = changed or (self.middleware._refresh and bool(session._get("_permanent")))
        if not (saves or session.accessed):
            return message
        headers: list[Any] = list(message.get("headers") or ())
        varies = self.set_cookie(headers, changed) if saves else False
        session._mark_saved()
        if varies or session.accessed:
            _vary_on_cookie(headers)
        return {**message, "headers": headers}

    def is_changed(self) -> bool:
        """Return whether the session is another one than the client has."""
        session = self.session
        if session._modified is not None:
            return session._modified
        return self.client.format == "starlette" or bool(session._exposed and self.changed_in_place())

    def changed_in_place(self) -> bool:
        """Return whether a value that the application got hold of is another one than the client has."""
        session, self.client = self.session, self.client.thawed()
        before = self.client.content()
        for key in session._exposed:
            if not same(before.get(key), session._get(key)):
                after = self.middleware.deserialize(self.middleware.serialize(session._content()))
                return bool(changed_keys(before, after))
        return False

    def set_cookie(self, headers: list[Any], changed: bool) -> bool:
        """Add the Set-Cookie field, and return whether there is one.

        Where an application inside set this cookie, both are merged.
        """
        middleware, content = self.middleware, self.session._content()
        inner = middleware.inner_cookies(headers, self.path)
        if inner and not changed:
            return False
        serialized = middleware.serialize(content)
        if inner:
            self.merge(headers, inner, middleware.deserialize(serialized))
        else:
            field = (middleware.render if changed else middleware.renew)(content, serialized)
            headers.append((b"set-cookie", field))
        self.client = Stored(serialized, middleware.deserialize)
        return True

    def merge(self, headers: list[Any], inner: list[Any], ours: Content) -> None:
        """Put one cookie for the changes of both sides in the place of the inner one.

        Both sides began with the same session. The result is the inner one with the outer changes applied key by
        key, except that what the inner application removed stays removed: a log-out is never undone.
        """
        middleware, before = self.middleware, self.client.content()
        cookie = parse_set_cookie(inner[-1][1], self.path)  # the last one is what the client will keep
        theirs: Any = {}
        if not (cookie.deletes or not cookie.value):
            try:
                # What is too old stays so. From the future it may be: the server behind a proxy has its own clock.
                theirs = middleware._codec.loads(cookie.value, middleware._opens_for, leeway=middleware._opens_for)
            except BadData:
                theirs = None
            if not is_dict(theirs):  # to overwrite what we cannot read might undo a log-out, too
                reason = "the response sets a cookie of that name which does not open"
                middleware.warn_lost(self.path, reason, changed_keys(before, ours))
                return
        # In a cookie of Starlette's format the inner application saw nothing: what it did not set, it did not remove.
        onto = {**before, **theirs} if self.client.format == "starlette" and theirs else theirs
        merged = merge(before, ours, onto)
        if changed_keys(theirs, merged):
            headers[:] = [header for header in headers if header not in inner]
            headers.append((b"set-cookie", middleware.render(merged, middleware.serialize(merged))))

    def close(self) -> None:
        """End the request: what is changed from now on cannot be saved."""
        session = self.session
        if session._dirty or session._exposed or self.scope.get("session") is not session:
            self.report_late_changes()
        self.scope = _ENDED  # the scope holds this responder: the circle would be left to the garbage collector

    def report_late_changes(self) -> None:
        """Warn of what was changed after the session had been saved, or with no response to save it in."""
        session, current = self.session, self.scope.get("session")
        replaced = current is not session and not self.saves_itself(current)
        if not self.started or session._modified is False:
            return
        try:
            if not (replaced or session._dirty or self.changed_in_place()):
                return
            content = _as_content(current) if replaced else session._content()
        except Exception:  # whatever its own methods raise: this must not hide an error of the application
            content = {} if replaced else session._content()
        try:
            before = self.client.content()
        except BadData:
            before = {}
        with suppress(BadData, TypeError):  # what cannot be stored is compared as it is
            content = self.middleware.deserialize(self.middleware.serialize(content))
        if changed := changed_keys(before, content):
            reason = "the connection was refused" if self.started == "websocket.close" else "the response had begun"
            self.middleware.warn_lost(self.path, reason, changed)

    # What the application put at scope["session"]

    def adopt_replacement(self, scope: Scope) -> None:
        """Take over what the application put there instead of changing the session."""
        current = scope.get("session")
        if current is self.session or self.saves_itself(current):
            return
        content = _as_content(current)
        self.session._replace(content)
        self.session.accessed = True
        try:
            changed = bool(changed_keys(self.client.content(), content))
        except BadData:  # what opened at the top of the stack may not open again from deep within
            changed = True
        if changed:
            self.session.mark_modified()

    def saves_itself(self, current: object) -> bool:
        """Return whether this is the session of another middleware further in, Starlette's or one of ours."""
        if isinstance(current, Session):
            innermost = self.scope.get(_KEY)
            return innermost is not self and innermost is not None and innermost.session is current
        return hasattr(type(current), "mark_modified")


# Tools such as asgiref's adapters warn of a `send` that is no coroutine function.
if sys.version_info >= (3, 12):
    inspect.markcoroutinefunction(_Responder.send)
else:
    _Responder.send._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


def _as_content(current: Any) -> dict[str, Any]:
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


def _vary_on_cookie(headers: list[Any]) -> None:
    """Add ``Cookie`` to the Vary field, as ``response.vary.add`` of Werkzeug does; several fields become one."""
    at = [index for index, header in enumerate(headers) if header[0].lower() == b"vary"]
    if not at:
        headers.append((b"vary", b"Cookie"))
        return
    items = [item.strip() for index in at for item in headers[index][1].split(b",") if item.strip()]
    if b"cookie" not in (item.lower() for item in items):
        headers[at[0]] = (b"vary", b", ".join([*items, b"Cookie"]))
        for index in reversed(at[1:]):
            del headers[index]


def _pattern(setting: str, value: Any) -> re.Pattern[str]:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise ValueError(f"{setting}={value!r} is no regular expression: {error}") from error
    except TypeError:
        pattern = None
    if pattern is None or not isinstance(pattern.pattern, str):
        raise TypeError(f"{setting} must be a str or a pattern of str, not {type(value).__name__}")
    return pattern


def _whole_number(setting: str, value: object, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{setting} must be a whole number, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{setting}={value} must be {least} or more")
    return int(value)


def _seconds(setting: str, value: object) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{setting} must be a timedelta or seconds, not {type(value).__name__}")
    if not 0 <= value <= _LONGEST.total_seconds():
        raise ValueError(f"{setting}={value} must be from 0 to {_LONGEST.days} days, in seconds")
    return value
