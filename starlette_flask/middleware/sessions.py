"""The ASGI callable: the life of a session from the request's Cookie to the response's Set-Cookie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from time import time
from typing import Any, cast
from warnings import warn

from itsdangerous import BadData, SignatureExpired

from ..asgi import ASGIApp
from ..codec import SessionCodec, is_current, retired_keys
from ..contents import ABSENT, Content, Stored, freeze, nothing, stored, thaw
from ..cookies import CookieWriter, is_cookie_value, read_value, with_pair
from ..session import Session
from ..starlette_format import StarletteFormat
from ..tagged_json import is_dict
from ..verified import VerifiedValues
from ._checks import amount, duration, flag, pattern, seconds
from ._from_flask import FromFlask
from ._in_scope import KEY
from ._log import Log
from ._responder import CANCELLED, Responder

_SCOPES = frozenset({"http", "websocket"})


class SessionMiddleware:
    """Gives an ASGI application Flask's session, as the dict ``scope["session"]``.

    The settings up to ``partitioned`` have the order and the meaning of ``starlette.middleware.sessions``; the
    others can be given by name only. :meth:`from_flask` takes all of them from a Flask application.

    :param app: the ASGI application to wrap.
    :param secret_key: Flask's ``SECRET_KEY``: ``str``, ``bytes``, or an object that reveals one
        (see :func:`starlette_flask.codec.reveal_secret`).
    :param session_cookie: the cookie's name, ``SESSION_COOKIE_NAME``.
    :param max_age: seconds. ``None`` is Flask's rule: a cookie for the browser session, or with ``Expires`` once
        ``session.permanent`` is set, and no signature older than ``permanent_session_lifetime`` opens. A number, 0
        and below too, is Starlette's rule: every cookie has that ``Max-Age``, and no signature older than that opens.
    :param path: ``SESSION_COOKIE_PATH``. ``None`` leaves the attribute out.
    :param same_site: ``"lax"``, ``"strict"``, ``"none"`` in any case, or ``None`` for no attribute, which is
        Flask's default: ``SESSION_COOKIE_SAMESITE``. ``"none"`` without Secure is warned about, browsers drop it.
    :param https_only: the attribute Secure, ``SESSION_COOKIE_SECURE``.
    :param domain: ``SESSION_COOKIE_DOMAIN``; ``None`` for this host alone.
    :param partitioned: ``SESSION_COOKIE_PARTITIONED``; implies Secure, as in Werkzeug.
    :param secret_key_fallbacks: older keys, oldest first, whose signatures are accepted; only ``secret_key`` signs.
    :param permanent_session_lifetime: a ``timedelta`` or seconds.
    :param refresh_each_request: whether a permanent session's cookie is set by every response.
    :param httponly: ``SESSION_COOKIE_HTTPONLY``, keeps scripts from reading the cookie.
    :param salt: the ``salt`` of the Flask application's session interface, if customized.
    :param signer_kwargs: its ``key_derivation`` and ``digest_method``, if customized; added to Flask's.
    :param serializer: its ``serializer``, if customized.
    :param max_cookie_size: bytes of the Set-Cookie field above which a warning is logged; 0 for never.
    :param leeway: seconds by which a signature may lie in the future, for servers whose clocks differ.
    :param allow_path_regex: only paths that match from their start have a session; the others pass untouched.
    :param accept_starlette_cookies: open cookies that Starlette's middleware signed with these keys, too, and
        rewrite them in Flask's format where a request reads or writes the session.
    :param cache_size: bytes of memory, at most, for what verified values hold, so that a browser's next request is
        cheaper; 0: nothing is kept, nor is it where ``serializer`` is given.

    Raises ``TypeError`` or ``ValueError`` for a setting that cannot work or is not safe, never showing a secret.
    """

    from_flask = FromFlask()

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
        cache_size: int = 16 * 1024 * 1024,
    ) -> None:
        https_only, partitioned = flag("https_only", https_only), flag("partitioned", partitioned)
        accepts_starlette = flag("accept_starlette_cookies", accept_starlette_cookies)
        retired = retired_keys(secret_key_fallbacks)
        self.app = app
        self._codec = SessionCodec(
            secret_key,
            secret_key_fallbacks=retired,
            salt=salt,
            signer_kwargs=signer_kwargs,
            serializer=serializer,
        )
        empty = cast("object", self._codec.serialize({}))  # whatever an own serializer gives
        if not isinstance(empty, bytes):
            raise TypeError(f"serializer: dumps() must return a str or bytes, not {type(empty).__name__}")
        if not is_cookie_value(self._codec.sign(self._codec.pack(empty), 0).decode()):
            raise ValueError("signer_kwargs: 'sep' is not allowed in cookie values")
        self._cookie = CookieWriter(
            session_cookie,
            path=path,
            domain=domain,
            secure=https_only,
            httponly=flag("httponly", httponly),
            same_site=same_site,
            partitioned=partitioned,
        )
        self.log = Log(self._codec, self._cookie)
        if same_site is not None and same_site.lower() == "none" and not (https_only or partitioned):
            warn("same_site='none' without https_only=True: browsers will reject the cookie", stacklevel=2)
        self._name = self._cookie.name
        self._max_age = seconds("max_age", max_age)
        self._lifetime = duration("permanent_session_lifetime", permanent_session_lifetime)
        self._opens_for = int(self._lifetime) if self._max_age is None else self._max_age
        self.refreshes = flag("refresh_each_request", refresh_each_request)
        self._max_cookie_size = amount("max_cookie_size", max_cookie_size, "bytes")
        self._leeway = amount("leeway", leeway, "seconds")
        self._allowed = None if allow_path_regex is None else pattern("allow_path_regex", allow_path_regex)
        self._has_own_serializer = serializer is not None  # it is asked each time, and may answer otherwise then
        self._verified = VerifiedValues(amount("cache_size", cache_size, "bytes"))
        self._starlette = StarletteFormat([*retired, secret_key]) if accepts_starlette else None
        # What two middlewares must have in common to be one; the codec's part shows no key.
        self.identity = (
            self._codec.identity,
            self._cookie.deletion,
            (self._max_age, self._lifetime, self.refreshes, self._leeway, self._allowed, accepts_starlette),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ``http`` or ``websocket`` connection with a session; pass any other on untouched."""
        if scope["type"] not in _SCOPES or (self._allowed and not self._allowed.match(scope.get("path", ""))):
            await self.app(scope, receive, send)
            return
        outer: Responder | None = scope.get(KEY)
        if outer is not None and outer.has_ended():  # a scope that is used again
            outer = None
        if outer is not None:
            if outer.serves(self):
                await outer.share(self, scope, receive, send)
                return
            outer.reclaim()
        responder = Responder(self, scope, send, outer)
        unsent = CANCELLED
        try:
            await self.app(scope, receive, responder.send)
            unsent = "the application sent no response"
        except Exception:
            unsent = "an exception was raised before the response started"
            raise
        finally:
            responder.close(unsent)

    # What a responder asks for: from the cookie's value to the session, and back.

    def open(self, field: bytes) -> tuple[Session, Stored]:
        """Return the session that a Cookie field brings, and what its client has."""
        value = read_value(field, self._name)
        if not value:
            return Session(), ABSENT
        found = self._verified.get(value)
        if found is not None and is_current(found.signed_at, self._opens_for, self._leeway):
            try:
                return Session._opened(found.content()), found
            except BadData:  # what opened at the top of the stack may not open again from deep within
                pass
        opened = self._verify(value)
        if isinstance(opened, str):
            return Session(), nothing(f"rejected: {opened}")
        content, found = opened
        return Session._opened(content), found

    def _verify(self, value: bytes) -> tuple[Content, Stored] | str:
        """Open a value that was not seen before. Return why it is rejected, if it is."""
        reason = "BadSignature"
        try:
            opened = self._codec.open(value, self._opens_for, self._leeway)
            if opened is not None:
                content, serialized, signed_at = opened
                if not is_dict(content):  # Flask answers such a request with 500
                    return "BadPayload"
                if self._has_own_serializer:  # whose tags may give what marshal does not: a bytearray becomes bytes
                    return content, Stored(serialized, self.deserialize, signed_at, value=value)
                found = stored(content, serialized, self.deserialize, signed_at, value)
                self._verified.add(found)
                return content, found
        except BadData as error:
            text = f": {error.message}" if isinstance(error, SignatureExpired) else ""  # others quote the value
            reason = f"{type(error).__name__}{text}"
            if (cause := getattr(error, "original_error", None)) is not None:
                reason += f" from {type(cause).__name__}"
        if (foreign := self.open_starlette(value)) is not None:
            return foreign.content(), foreign
        return reason

    def open_starlette(self, value: bytes) -> Stored | None:
        """Return what a value in Starlette's format holds; ``None`` where it does not open, or is not to be opened."""
        opened = None if self._starlette is None else self._starlette.open(value)
        if opened is None or not is_current(opened[1], self._opens_for, self._leeway):
            return None
        content, signed_at = opened
        try:
            self._codec.serialize(content)  # else it could not be rewritten
            frozen = freeze(content)
        except Exception:  # a serializer of the application's own may refuse anything, and depth has its limits
            return None
        return Stored(frozen, thaw, signed_at, "starlette")

    def open_inner(self, value: bytes) -> Content | None:
        """Return what a cookie holds that an application inside set; ``None`` where it does not open.

        A signature that is too old is rejected, one from the future is not: a server behind a proxy has its own clock.
        """
        try:
            content = self._codec.loads(value, self._opens_for, leeway=self._opens_for)
        except BadData:
            return None
        return content if is_dict(content) else None

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
        """Return the content that :meth:`serialize` made this of."""
        content: Content = self._codec.deserialize(serialized)
        return content

    def as_stored(self, content: Content) -> Content:
        """Return content as it comes back from a cookie: an int key is text by then, an enum member its value."""
        return self.deserialize(self.serialize(content))

    def render(self, content: Content, serialized: bytes) -> bytes:
        """Return the Set-Cookie field that brings this content to the client."""
        if not content:
            return self._cookie.deletion
        now = time()
        value = self._codec.sign(self._codec.pack(serialized), int(now))
        return self._field(value, now, bool(content.get("_permanent")))

    def renew(self, session: Session, client: Stored) -> bytes:
        """Return the Set-Cookie field that gives the client of a permanent session what it has, with a new date."""
        now, (payload, *_) = time(), client.value.rsplit(b".", 2)
        if not client.canonical:
            written = self._codec.pack(self.serialize(session._content()))
            # Else its keys will come in another order, or its own serializer may write otherwise the next time.
            client.canonical = written == payload and not self._has_own_serializer
            payload = written
        value = self._codec.sign(payload, int(now))
        if client.canonical and self._verified.get(value) is None:  # the client's next request will bring it
            self._verified.add(client.renewed(value, int(now)))
        return self._field(value, now, permanent=True)

    def _field(self, value: bytes, now: float, permanent: bool) -> bytes:
        expires = int(now + self._lifetime) if permanent and self._max_age is None else None
        field = self._cookie.field(value, expires=expires, max_age=self._max_age)
        if self._max_cookie_size and len(field) > self._max_cookie_size:
            self.log.too_large(len(field), self._max_cookie_size)
        return field

    def with_session(self, field: bytes, content: Content, serialized: bytes) -> bytes:
        """Return a Cookie field that brings this content instead of what it brought."""
        value = self._codec.sign(self._codec.pack(serialized), int(time())) if content else None
        return with_pair(field, self._name, value)
