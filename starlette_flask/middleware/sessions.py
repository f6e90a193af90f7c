"""The ASGI callable: the life of a session from the request's Cookie to the response's Set-Cookie."""

from __future__ import annotations

import logging
import re
import sys
from base64 import b64decode
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import timedelta
from enum import Enum
from json import loads as json_loads
from time import time
from typing import TYPE_CHECKING, Any, cast
from warnings import warn

from itsdangerous import BadData, BadPayload, TimestampSigner

from ..asgi import ASGIApp, Message, Scope, Send
from ..codec import SessionCodec
from ..cookies import CookieWriter, is_cookie_value, parse_set_cookie, read_cookie
from ..session import Session
from ..snapshot import Snapshot, take_picture
from ..tagged_json import is_dict
from .flask_settings import Settings, flask_settings

if sys.version_info >= (3, 11):
    from typing import Self, Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self, Unpack

logger = logging.getLogger("starlette_flask")

#: Where a scope has the innermost session of this class, whatever the application put in its place.
_OURS = "starlette_flask.session"
_SCOPES = frozenset({"http", "websocket"})
#: The messages that can carry a cookie to the client, and the one that says that none will.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start", "websocket.close"})
#: How many values are remembered at most, and in how many bytes each, half of them for its renewed form.
_REMEMBERED_VALUES, _REMEMBERED_SIZE = 1024, 12_000
_LONGEST = timedelta(days=365 * 1000)  # keeps Expires a date with a four-digit year


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

    What a value holds is remembered once it verified, for 1024 values and in 16 MB at most, unless ``serializer`` is
    given. The look-up tells an attacker nothing: it compares salted hashes of whole values.

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
        # A serializer of an application's own is asked each time: it may write or open otherwise the next time, and
        # marshal, which snapshots are made with, turns what its tags may give (a bytearray) into plain bytes.
        self._may_remember = serializer is None
        #: A value that verified -> when it was signed, and what it holds. A browser sends one cookie with many
        #: requests, and to verify and parse it again would take two thirds of a request's time.
        self._remembered: dict[bytes, tuple[int, bytes | Snapshot]] = {}
        self._starlette = TimestampSigner(self._codec.secret_keys) if accept_starlette_cookies else None
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
        if (
            scope["type"] not in _SCOPES
            or (self._allowed is not None and not self._allowed.match(scope.get("path", "")))
            or (_OURS in scope and self._shares(scope))
        ):
            await self.app(scope, receive, send)
            return
        scope["session"] = scope[_OURS] = session = self._open(scope)
        begun: str | None = None  # the type of the message that did or could have brought the cookie
        server_send: Send = send

        # Not async itself: it hands on what the server's own send returns, and saves a coroutine per message.
        def send_with_session(message: Message) -> Awaitable[None]:
            nonlocal begun
            if not begun and message["type"] in _STARTS:
                if begun is None:
                    begun = ""  # should saving fail, its error says it all
                    if session.accessed or session._may_save or scope.get("session") is not session:
                        message = self._save(scope, session, message)
                    begun = message["type"]
                else:  # the page that answers such an error
                    message = {**message, "headers": _vary_on_cookie(list(message.get("headers") or ()))}
            return server_send(message)

        try:
            await self.app(scope, receive, send_with_session)
        finally:
            session._ended = True
            if begun and (
                scope.get("session") is not session
                or session._unsaved
                or (session._picture is not None and session._track_nested and "accessed" in vars(session))
            ):
                self._report_late_changes(scope, session, begun)

    def _shares(self, scope: Scope) -> bool:
        """Say whether a middleware further out has equal settings; its session is then the one in here, too."""
        outer: Session = scope[_OURS]
        if outer._ended or not isinstance(outer._owner, SessionMiddleware) or outer._owner._identity != self._identity:
            return False
        if scope.get("session") is not outer:
            self._adopt(scope, outer)
            scope["session"] = outer
        return True

    # Request to session

    def _open(self, scope: Scope) -> Session:
        """Return the session that the request brings, an empty one where it brings none that opens."""
        headers: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
        if not isinstance(headers, list):  # perhaps readable only once, and the application is to read them, too
            headers = scope["headers"] = list(headers)
        value = read_cookie(headers, self._name)
        session = self._load(value) if value else None
        if session is None:
            session = Session()
            session._saved = session._picture = None
            session._new, session._may_save = True, False
        session._owner = self
        session._path = scope.get("path", "")  # as it came: routers rewrite it
        session._unsaved = session._ended = False
        return session

    def _load(self, value: bytes) -> Session | None:
        """Return the session that a cookie's value holds, ``None`` where it does not open."""
        saved: bytes | Snapshot
        remembered = self._remembered.get(value)
        try:
            if remembered is None or not -self._leeway <= int(time()) - remembered[0] <= self._opens_for:
                opened = self._codec.open(value, self._opens_for, self._leeway)
                if opened is None:
                    return self._load_otherwise(value, None)
                content, serialized, signed_at = opened
                if not is_dict(content):  # Flask answers such a request with 500
                    raise BadPayload("The payload is not an object")
                self._remember(value, signed_at, serialized)
                saved = serialized
            else:
                signed_at, saved = remembered
                if isinstance(saved, bytes):
                    content = self._codec.deserialize(saved)
                    with suppress(ValueError):
                        saved = Snapshot(content)
                        self._remember(value, signed_at, saved)
                else:
                    content = saved.thaw()
        except BadData as error:
            return self._load_otherwise(value, error)
        session = Session(content)
        session._new = session._may_save = False
        session._saved = saved
        session._picture = saved.picture if isinstance(saved, Snapshot) else take_picture(content, self._codec)
        if self._refresh and content.get("_permanent"):
            session._refreshes = session._may_save = True
        return session

    def _remember(self, value: bytes, signed_at: int, saved: bytes | Snapshot) -> None:
        """Keep what a value holds for the next request that brings it, if both are small.

        The first time it is kept as it came; a snapshot is made when it comes again, which many values never do.
        """
        size = len(value) + (len(saved) if isinstance(saved, bytes) else saved.size)
        if self._may_remember and 2 * size <= _REMEMBERED_SIZE:  # twice: it may come to be kept renewed, too
            if value not in self._remembered and len(self._remembered) >= _REMEMBERED_VALUES:
                self._remembered.clear()
            self._remembered[value] = (signed_at, saved)

    def _load_otherwise(self, value: bytes, error: BadData | None) -> Session | None:
        """Return the session of a cookie in Starlette's format, modified so that it is rewritten, or ``None``."""
        if self._starlette is not None and not isinstance(error, BadPayload):
            with suppress(Exception):  # nothing that Starlette wrote, either; the first error says why
                text, signed_at = self._starlette.unsign(value, return_timestamp=True)
                data = json_loads(b64decode(text))
                age = int(time()) - int(signed_at.timestamp())
                if is_dict(data) and -self._leeway <= age <= self._opens_for:
                    session = Session(data)
                    session._new = False
                    session._saved = self._codec.serialize(data)
                    session._picture = take_picture(data, self._codec)
                    session._modified = session._may_save = session._is_foreign = True
                    return session
        if not logger.isEnabledFor(logging.DEBUG):
            return None
        # Not the error's text: it quotes parts of the value.
        reason = "BadSignature" if error is None else type(error).__name__
        if (cause := getattr(error, "original_error", None)) is not None:
            reason += f" from {type(cause).__name__}"
        logger.debug("Cookie %r did not open, the session is empty: %s", self._cookie.name.decode(), reason)
        return None

    # Session to response

    def _save(self, scope: Scope, session: Session, message: Message) -> Message:
        """Return the message with what the session adds to its headers.

        The rules are those of ``flask.sessions.SecureCookieSessionInterface.save_session``. The application's
        message and its headers are not touched: frameworks send one constant response to many users.
        """
        if message["type"] == "websocket.close":  # refused before it was accepted: no headers to put a cookie in
            return message
        if scope.get("session") is not session:
            self._adopt(scope, session)
        varies, changed = session.accessed, session._modified
        # Whether it is permanent is looked up again only after `modified = False`: 0.06 us less for a read.
        saves = changed or (session._refreshes if session._track_nested else self._refresh and session._is_permanent())
        content = session._content() if saves or session._picture is not None else {}
        # Not `varies`: an application may have set `accessed = False` after it changed something.
        if (changed or session._picture is not None) and "accessed" in vars(session):
            picture, session._picture = session._picture, take_picture(content, self._codec)
            if not changed and session._track_nested and picture != session._picture:
                changed = self._is_new(session, content)
                saves = saves or changed
        session._unsaved = False
        headers: list[Any] = list(message.get("headers") or ())
        names = [header[0].lower() for header in headers]
        if saves:
            inner = self._inner_cookies(session, headers) if b"set-cookie" in names else None
            if not inner:
                as_it_came = session._track_nested and not changed and self._may_remember
                headers.append((b"set-cookie", (self._render_again if as_it_came else self._render)(session, content)))
                varies = True
            elif changed:
                headers = self._merge(session, content, headers, inner)
                varies = True
        if varies and b"vary" not in names:  # most responses; _vary_on_cookie takes 0.5 us more
            headers.append((b"vary", b"Cookie"))
        elif varies:
            _vary_on_cookie(headers)
        return {**message, "headers": headers}

    def _render(self, session: Session, content: dict[str, Any]) -> bytes:
        """Return the Set-Cookie field that brings this content to the client."""
        if not content:
            session._saved = None
            return self._cookie.deletion
        session._saved = serialized = self._serialize(content)
        now = time()
        return self._field(self._codec.sign(self._codec.pack(serialized), int(now)), now, content)

    def _render_again(self, session: Session, content: dict[str, Any]) -> bytes:
        """Return the Set-Cookie field that gives the client what it has, dated anew.

        Every response does so for a permanent session. The payload is made once, and the client's next request finds
        the new value remembered, which together take two thirds off the time.
        """
        saved = session._saved
        renewed = saved.written() if isinstance(saved, Snapshot) else None
        if renewed is not None:
            session._saved, payload = renewed, cast("bytes", renewed.payload)
        else:
            # Of what was remembered, never of this request's content: others will begin with it.
            again = saved.thaw() if isinstance(saved, Snapshot) else content
            session._saved = serialized = self._serialize(again)
            payload = self._codec.pack(serialized)
            with suppress(ValueError, BadData):
                session._saved = renewed = Snapshot(self._codec.deserialize(serialized))  # keys as they will come
                renewed.payload = payload
                if isinstance(saved, Snapshot):
                    saved.renewed = renewed
        now = time()
        value = self._codec.sign(payload, int(now))
        self._remember(value, int(now), session._saved)
        return self._field(value, now, content)

    def _field(self, value: bytes, now: float, content: dict[str, Any]) -> bytes:
        """Return the Set-Cookie field of a signed value."""
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

    def _is_new(self, session: Session, content: dict[str, Any]) -> bool:
        """Say whether the content is another one than the client has; the order of keys is no change."""
        return self._serialize(self._content_of(session._saved)) != self._serialize(content)

    def _serialize(self, content: dict[str, Any]) -> bytes:
        try:
            return self._codec.serialize(content)
        except Exception as error:  # as in Flask, the request fails; here it says which key is to blame
            vars(error).pop("__notes__", None)  # since Python 3.14 the json module quotes nested keys there
            keys = [repr(key) for key in content if self._one(content, key) is None]
            where = f"key {', '.join(keys)}" if keys else "keys of different types"
            raise TypeError(f"The session cannot be stored because of {where}: {error}") from error

    # The rare paths

    def _adopt(self, scope: Scope, session: Session) -> None:
        """Take over what the application put at ``scope["session"]`` instead of changing the session."""
        current = scope.get("session")
        if _saves_itself(current) and not getattr(current, "_ended", False):  # as one kept from another request has
            return
        content = _as_content(current)
        session._replace(content)
        session.accessed = True
        try:
            changed = bool(self._changed_keys(self._content_of(session._saved), content))
        except BadData:  # what opened at the top of the stack may not open again from deep within
            changed = True
        if changed:
            session.mark_modified()

    def _inner_cookies(self, session: Session, headers: list[Any]) -> list[Any]:
        """Return the headers that set this very cookie already: an application mounted inside did."""
        return [
            header
            for header in headers
            if header[0].lower() == b"set-cookie" and self._cookie.is_set_by(header[1], session._path)
        ]

    def _merge(self, session: Session, content: dict[str, Any], headers: list[Any], inner: list[Any]) -> list[Any]:
        """Return the headers with one cookie for the changes of both sides, or as they are where it says all.

        Both sides began with the same session. The result is the inner one with the outer changes applied key by
        key, except that what the inner application removed stays removed: a log-out is never undone.
        """
        cookie = parse_set_cookie(inner[-1][1], session._path)  # the last one is what the client will keep
        deletes = cookie.deletes or not cookie.value
        before = self._content_of(session._saved)
        session._saved = serialized = self._serialize(content)
        ours = self._content_of(serialized)  # with its keys as they come back from a cookie
        changed = self._changed_keys(before, ours)
        theirs: Any = {}
        if not deletes:
            try:
                # What is too old stays so. From the future it may be: the server behind a proxy has its own clock.
                theirs = self._codec.loads(cookie.value, self._opens_for, leeway=self._opens_for)
            except BadData:
                theirs = None
            if not is_dict(theirs):  # to overwrite what we cannot read might undo a log-out, too
                self._report_lost("the response sets a cookie of that name which does not open", session, changed)
                return headers
        # In a cookie of Starlette's format the inner application saw nothing: what it did not set, it did not remove.
        merged = {**before, **theirs} if session._is_foreign and not deletes else dict(theirs)
        for key in changed:
            if key not in ours:
                merged.pop(key, None)
            elif key in merged or key not in before:
                merged[key] = ours[key]
        if not self._changed_keys(theirs, merged):
            return headers
        field = self._render(session, merged)
        session._saved = serialized  # of what the client has, our part alone: what changes from now on comes too late
        return [*(header for header in headers if header not in inner), (b"set-cookie", field)]

    def _report_late_changes(self, scope: Scope, session: Session, begun: str) -> None:
        """Warn of what was changed after the session had been saved, or with no response to save it in."""
        current = scope.get("session")
        if current is session or _saves_itself(current):
            content = session._content()
            if not session._unsaved and session._picture == take_picture(content, self._codec):
                return
        else:
            try:
                content = _as_content(current)
            except Exception:  # whatever its own methods raise: this must not hide an error of the application
                content = {}
        try:
            before = self._content_of(session._saved)
        except BadData:
            before = {}
        changed = self._changed_keys(before, content)
        if changed:
            reason = "the connection was refused" if begun == "websocket.close" else "the response had begun"
            self._report_lost(reason, session, changed)

    def _report_lost(self, reason: str, session: Session, keys: Iterable[str]) -> None:
        logger.warning(
            "Changes to session %r were lost on path %r because %s; changed keys: %s",
            self._cookie.name.decode(),
            session._path,
            reason,
            ", ".join(sorted(map(repr, keys))),
        )

    def _content_of(self, saved: Any) -> dict[str, Any]:
        """Return the content of a session as the client has it, not to be changed."""
        if isinstance(saved, Snapshot):
            return cast("dict[str, Any]", saved.thaw())
        return {} if saved is None else self._codec.deserialize(saved)

    def _changed_keys(self, before: dict[str, Any], after: dict[str, Any]) -> set[str]:
        """Return the keys that were added, removed or changed, by their serialized form: it tells 1 from True."""
        return {
            key
            for key in before.keys() | after.keys()
            if (key in before) != (key in after) or self._one(before, key) != self._one(after, key)
        }

    def _one(self, content: dict[str, Any], key: str) -> bytes | None:
        """Return one value of the content serialized, ``None`` where it cannot be stored."""
        try:
            return self._codec.serialize({key: content[key]})
        except Exception:
            return None


def _saves_itself(current: object) -> bool:
    """Say whether this is the session of another middleware further in, Starlette's or one of ours."""
    if isinstance(current, Session):
        return hasattr(current, "_owner")
    return hasattr(type(current), "mark_modified")


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


def _vary_on_cookie(headers: list[Any]) -> list[Any]:
    """Add ``Cookie`` to the Vary field, as ``response.vary.add`` of Werkzeug does; several fields become one."""
    at = [index for index, header in enumerate(headers) if header[0].lower() == b"vary"]
    items = [item.strip() for index in at for item in headers[index][1].split(b",") if item.strip()]
    if not at:
        headers.append((b"vary", b"Cookie"))
    elif b"cookie" not in (item.lower() for item in items):
        headers[at[0]] = (b"vary", b", ".join([*items, b"Cookie"]))
        for index in reversed(at[1:]):
            del headers[index]
    return headers


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
