"""Flask-Login's session and remember cookie, from an ASGI application: log in and out, and find the user.

Facts, from Flask-Login 0.6:

* The session holds ``_user_id`` (text), ``_fresh`` (bool) and ``_id``, an identifier of the client that session
  protection compares on each request.
* ``_remember`` is a note to the response: ``"set"`` makes it send the remember cookie (for ``_remember_seconds``, or
  the time in its settings), ``"clear"`` makes it delete that cookie. Flask-Login takes the note out again on every
  response. An ASGI application does so where it calls :func:`remember_cookie`; else the note waits for the next visit
  to Flask, which then sets or deletes the cookie, whatever was done about it by hand since.
* The remember cookie is ``<user id>|<HMAC-SHA512 of the user id, in hex>`` under the bare secret key. Such a value
  never expires: a copy of it logs in until the key is changed.
* A user whom that cookie logs in gets no ``_id`` from Flask-Login. Under strong protection, in a session that is not
  permanent, it therefore logs them out again on their second page. Here they get one: see :func:`load_user_id`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from datetime import timedelta
from hashlib import sha512
from time import time
from typing import Any, Literal, cast
from uuid import UUID

from ..cookies import CookieWriter, quote_value
from . import _remember_token
from ._has_session import HasSession, cookie_of, header_of, scope_of, session_of

__all__ = [
    "decode_remember_cookie",
    "encode_remember_cookie",
    "is_fresh",
    "load_user_id",
    "login_user",
    "logout_user",
    "protect_session",
    "remember_cookie",
    "session_identifier",
    "user_id",
]

logger = logging.getLogger("starlette_flask")
# What strong session protection takes out: flask_login.config.SESSION_KEYS, of which it sets "_remember" anew.
_PROTECTED_KEYS = ("_user_id", "_fresh", "_id", "_remember_seconds", "next")
#: What tells one client from another, and a session alone does not know.
_CLIENT = "the client's address and user agent"


def load_user_id(
    scope: HasSession,
    secret_key: object,
    *,
    secret_key_fallbacks: Iterable[object] | None = (),
    protection: Literal["basic", "strong"] | None = "basic",
    remember_cookie: str = "remember_token",
) -> str | None:
    """The id of this request's user, as text, or ``None``: what Flask-Login does before a view.

    Call it once for each request, before anything else is written to the session: first session protection, then the
    session's user, then the remember cookie, whose user it logs in, not fresh. It does what
    ``flask_login.LoginManager._load_user`` does, except that

    * a user whom the remember cookie logs in gets the ``_id`` that strong protection asks for on the next page; one
      whom Flask-Login logged in without it gets it here, if the request still has their cookie;
    * a session without a user is not protected; Flask-Login would delete the remember cookie without a look;
    * a cookie under a retired key logs in, too, and leaves the note to sign it with the current one.

    Look up whether the user exists; if not, call :func:`logout_user`.

    :param scope: the ASGI scope, or a request or WebSocket.
    :param secret_key: the Flask application's ``SECRET_KEY``.
    :param secret_key_fallbacks: retired keys, oldest first, under which a remember cookie still logs in.
    :param protection: the Flask application's ``SESSION_PROTECTION``, or ``login_manager.session_protection``.
    :param remember_cookie: ``REMEMBER_COOKIE_NAME`` of the Flask application.
    :raises RuntimeError, TypeError, ValueError: no session in the scope; a key or ``protection`` that is not valid.
    """
    if protection is not None:
        _check_protection(protection)
    session = session_of(scope)
    *retired, current = _remember_token.keys(secret_key, secret_key_fallbacks)
    cookie = cookie_of(scope, remember_cookie)
    known = user_id(session)
    unidentified = protection == "strong" and "_id" not in session
    if cookie is not None and session.get("_remember") != "clear" and (known is None or unidentified):
        remembered = _remember_token.unsign(cookie, [current, *retired])
        if remembered is not None and known in (None, remembered):
            session.update(_user_id=remembered, _fresh=False, _id=session_identifier(scope))
            if _remember_token.unsign(cookie, [current]) is None:
                session["_remember"] = "set"
            return remembered
    if protection is not None:
        protect_session(scope, protection)
    return user_id(session)


def user_id(session: HasSession) -> str | None:
    """The id of the user who is logged in, as text, or ``None``.

    It is what the session says. Whether the client is the one that logged in, and whether a user without a session
    has a remember cookie, is for :func:`load_user_id` to find out, earlier in the same request.

    :raises RuntimeError: there is no session in the scope.
    """
    value = session_of(session).get("_user_id")
    return _id_text(value) if _is_id(value) else None


def is_fresh(session: HasSession) -> bool:
    """Whether someone is logged in and gave their credentials in this session (not by the remember cookie).

    Unlike ``flask_login.login_fresh``, it is false without a user. It, too, is for after :func:`load_user_id`.

    :raises RuntimeError: there is no session in the scope.
    """
    session = session_of(session)
    return user_id(session) is not None and bool(session.get("_fresh"))


def login_user(
    scope: HasSession,
    user_id: str | int | UUID,
    *,
    fresh: bool = True,
    remember: bool = False,
    duration: timedelta | None = None,
) -> None:
    """Log a user in, as ``flask_login.login_user`` does. Check that the user is active before.

    Everything else in the session stays, as in Flask: a basket, but also what somebody who could plant their
    own cookie in this browser (from a sibling host, say) put there, such as a CSRF token that they know.
    Where that is possible, call ``session.clear()`` first.

    :param scope: the ASGI scope, or a request or WebSocket object: what ``_id`` identifies is the client.
    :param user_id: what the Flask side's ``get_id()`` returns; a number or UUID is stored as text.
    :param fresh: false for a login without credentials, such as by the remember cookie.
    :param remember: leave the note to send the remember cookie: call :func:`remember_cookie` for this response, or the
        next Flask response to this browser sends it.
    :param duration: how long that cookie lives; by default ``REMEMBER_COOKIE_DURATION`` of the Flask
        application.
    :raises RuntimeError: there is no session in the scope.
    :raises TypeError: ``scope`` is a session; the id is of another type, above all ``None``; so is ``duration``.
    """
    session = session_of(scope)
    new_id = _id_text(user_id)
    identifier = session_identifier(scope)
    if remember:
        if duration is None:
            # Flask-Login would use what an earlier login left here.
            session.pop("_remember_seconds", None)
        else:
            if not isinstance(cast("object", duration), timedelta):
                raise TypeError(f"duration must be a timedelta, not {type(duration).__name__}")
            session["_remember_seconds"] = duration.total_seconds()
        session["_remember"] = "set"
    elif session.get("_user_id") != new_id:
        _forget_pending(session)
    session["_user_id"] = new_id
    session["_fresh"] = fresh
    session["_id"] = identifier


def logout_user(scope: HasSession, *, remember_cookie: str | None = "remember_token") -> None:
    """Log the user out, as ``flask_login.logout_user`` does; everything else in the session stays.

    When the request carries the remember cookie, it leaves the note to delete it: call :func:`remember_cookie` for
    this response. Else the next Flask response deletes the cookie; until then only the session says so, and a browser
    that is closed forgets the session.

    A signed cookie can't be revoked: a copy of the old session cookie stays valid for its lifetime.

    :param scope: the ASGI scope, or a request or WebSocket object; a session, too, if ``remember_cookie`` is ``None``.
    :param remember_cookie: ``REMEMBER_COOKIE_NAME`` of the Flask application; ``None`` to have the cookie
        deleted without looking, for one whose path or domain keeps it from this application's requests.
    :raises RuntimeError: there is no session in the scope.
    :raises TypeError: ``scope`` is a session, and the cookie is to be looked for.
    """
    session = session_of(scope)
    has_cookie = remember_cookie is None or cookie_of(scope, remember_cookie) is not None
    for key in ("_user_id", "_fresh", "_id"):
        session.pop(key, None)
    if has_cookie:
        session["_remember"] = "clear"
        session.pop("_remember_seconds", None)
    else:
        _forget_pending(session)


def remember_cookie(
    session: HasSession,
    secret_key: object,
    *,
    name: str = "remember_token",
    duration: timedelta | float = timedelta(days=365),
    path: str | None = "/",
    domain: str | None = None,
    https_only: bool = False,
    httponly: bool = True,
    same_site: str | None = None,
    refresh_each_request: bool = False,
) -> str | None:
    """The ``Set-Cookie`` field that this response needs, or ``None``: what Flask-Login does after a view.

    It does what the note in the session says, which :func:`login_user`, :func:`logout_user` and :func:`load_user_id`
    leave, and removes it, so Flask leaves that cookie alone. Send the field before the response starts::

        if cookie := remember_cookie(request, SECRET_KEY):
            response.headers.append("set-cookie", cookie)

    The bytes are those of ``flask_login.LoginManager._update_remember_cookie``. A deletion also has ``Secure``,
    ``HttpOnly`` and ``SameSite``, which Flask-Login leaves out there: for some cookies browsers ignore it without.

    :param secret_key: the Flask application's ``SECRET_KEY``. The other settings are its ``REMEMBER_COOKIE_NAME``,
        ``_DURATION`` (or seconds; what :func:`login_user` was told takes precedence), ``_PATH``, ``_DOMAIN``,
        ``_SECURE``, ``_HTTPONLY``, ``_SAMESITE`` and ``_REFRESH_EACH_REQUEST`` (also without a note).
    :raises RuntimeError: there is no session in the scope.
    :raises TypeError, ValueError: a setting is not valid: a key, the duration, a name that browsers would refuse.
    """
    session = session_of(session)
    writer = CookieWriter(
        name, path=path, domain=domain, secure=https_only, httponly=httponly, same_site=same_site, name_setting="name"
    )
    seconds = _seconds(duration)
    (key,) = _remember_token.keys(secret_key)
    note = session.pop("_remember", "set" if refresh_each_request else None)
    if note == "clear":
        return writer.deletion.decode()
    remembered = user_id(session)
    if note != "set" or remembered is None:
        return None
    seconds = session.get("_remember_seconds", seconds)
    return writer.field(quote_value(_remember_token.sign(remembered, key)), expires=int(time() + seconds)).decode()


def protect_session(scope: HasSession, mode: Literal["basic", "strong"] = "basic") -> None:
    """Flask-Login's session protection alone, which :func:`load_user_id` applies before it looks for the user.

    When someone is logged in from another address or user agent than this request's, ``"basic"`` makes the
    login no longer fresh; ``"strong"`` drops it and has the remember cookie deleted, except in a permanent
    session, which it treats as basic. The logger ``starlette_flask`` tells at INFO that it did.

    :param scope: as for :func:`login_user`.
    :raises RuntimeError: there is no session in the scope.
    :raises TypeError: ``scope`` is a session.
    :raises ValueError: the mode is neither ``"basic"`` nor ``"strong"``.
    """
    _check_protection(mode)
    session = session_of(scope)
    connection = scope_of(scope, _CLIENT)
    if user_id(session) is None or session.get("_id") == session_identifier(scope):
        return
    if mode == "basic" or session.get("_permanent"):
        if session.get("_fresh") is not False:
            session["_fresh"] = False
        return
    logger.info(
        "Session protection 'strong' logged the user out on path %r: the client's address or user agent has changed "
        "since the log-in.",
        connection.get("path", ""),
    )
    for key in _PROTECTED_KEYS:
        session.pop(key, None)
    session["_remember"] = "clear"


def _check_protection(mode: str) -> None:
    if mode not in ("basic", "strong"):
        raise ValueError(f"protection must be 'basic' or 'strong', or None in load_user_id, not {mode!r}")


def session_identifier(scope: HasSession) -> str:
    """The ``_id`` that Flask-Login computes for this client: SHA-512 over address and user agent, in hex.

    The address is the first of ``X-Forwarded-For`` if that field is there, else ``scope["client"]``. Both it
    and the user agent are whatever the client sends, so this stops a copied cookie, not somebody who copies
    the headers too. Both applications must see the same address: behind one proxy that sets the field, they
    do.

    :param scope: as for :func:`login_user`.
    :raises TypeError: ``scope`` is a session.
    """
    scope = scope_of(scope, _CLIENT)
    # flask_login.utils._create_identifier puts the repr of UTF-8 bytes, or None, into the text that it
    # hashes, and WSGI hands it header bytes decoded as Latin-1 with equal fields joined by a comma.
    address = header_of(scope, b"x-forwarded-for")
    client = scope.get("client")
    if address is None and client:
        address = client[0]
    origin = None if address is None else address.encode().split(b",")[0].strip()
    user_agent = header_of(scope, b"user-agent")
    agent = None if user_agent is None else user_agent.encode()
    return sha512(f"{origin!r}|{agent!r}".encode()).hexdigest()


def encode_remember_cookie(user_id: str | int | UUID, secret_key: object) -> str:
    """The value of Flask-Login's remember cookie, the same as ``flask_login.encode_cookie``.

    :func:`remember_cookie` gives the whole field. To set the cookie by hand, call :func:`login_user` with
    ``remember=True`` all the same: a note ``"clear"`` that still waits would have Flask delete it.
    Keep to ids in ASCII: frameworks quote other text in cookies in different ways.

    :param secret_key: the Flask application's ``SECRET_KEY``; Flask-Login knows no fallbacks.
    :raises TypeError: the id is of another type.
    :raises TypeError, ValueError: the key is not valid, as for ``SessionMiddleware``, or text outside Latin-1, which
        Flask-Login can't use either.
    """
    (key,) = _remember_token.keys(secret_key)
    return _remember_token.sign(_id_text(user_id), key)


def decode_remember_cookie(
    cookie: str | None, secret_key: object, secret_key_fallbacks: Iterable[object] | None = ()
) -> str | None:
    """The user id in a remember cookie, or ``None`` for a cookie that is missing or wrong in any way.

    :func:`load_user_id` does this and logs in. By hand, log in with ``login_user(scope, user_id, fresh=False)``, but
    not while the session's ``_remember`` is ``"clear"``: that user has logged out, and Flask has not yet deleted the
    cookie.

    :param cookie: the value of the cookie, as the framework decodes it. No value raises.
    :param secret_key_fallbacks: retired keys, oldest first, which open it, too; Flask-Login itself knows none.
    :raises TypeError, ValueError: a key is not valid, as for :func:`encode_remember_cookie`.
    """
    keys = _remember_token.keys(secret_key, secret_key_fallbacks)
    return None if cookie is None else _remember_token.unsign(cookie, reversed(keys))


def _seconds(duration: object) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise TypeError(f"duration must be a timedelta or a number of seconds, not {type(duration).__name__}")
    return duration


def _id_text(value: object) -> str:
    if not _is_id(value):
        # None is the id of a user who was not found: nobody may become the user "None".
        raise TypeError(f"a user id is str, int or UUID, not {type(value).__name__}")
    return str.__str__(value) if isinstance(value, str) else str(value)  # an enum's text, as JSON has it


def _is_id(value: object) -> bool:
    return isinstance(value, (str, int, UUID)) and not isinstance(value, bool)


def _forget_pending(session: MutableMapping[str, Any]) -> None:
    # Flask-Login ends each response without a note. One that is still waiting here belongs to the login
    # before: kept, it would give the next user a remember cookie that they never asked for.
    if session.get("_remember") == "set":
        del session["_remember"]
