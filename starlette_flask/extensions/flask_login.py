"""Log in and out of Flask-Login's session from an ASGI application, and read and write its remember cookie.

Facts, from Flask-Login 0.6:

* The session holds ``_user_id`` (text), ``_fresh`` (bool) and ``_id``, an identifier of the client that
  session protection compares on each request.
* ``_remember`` is a note to the next Flask response: ``"set"`` makes it send the remember cookie (for
  ``_remember_seconds``, or the time in its settings), ``"clear"`` makes it delete that cookie. Flask-Login
  takes the note out again on every response. An ASGI response does not, so a note written here waits for the
  next visit to Flask.
* The remember cookie is ``<user id>|<HMAC-SHA512 of the user id, in hex>`` under the bare secret key. Nothing
  in it ages: a copy of it logs in until the key is changed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from hashlib import sha512
from typing import Any, Literal
from uuid import UUID

__all__ = [
    "decode_remember_cookie",
    "encode_remember_cookie",
    "is_fresh",
    "login_user",
    "logout_user",
    "protect_session",
    "session_identifier",
    "user_id",
]

# flask_login.config.SESSION_KEYS: what strong session protection takes out.
_PROTECTED_KEYS = ("_user_id", "_fresh", "_id", "_remember", "_remember_seconds", "next")


def user_id(session: Mapping[str, Any]) -> str | None:
    """The id of the user who is logged in, as text, or ``None``.

    It is what the session says. Flask-Login also compares the client with the one that logged in; call
    :func:`protect_session` first for that. Whether the user still exists is for the application to look up.
    """
    value = session.get("_user_id")
    return _id_text(value) if _is_id(value) else None


def is_fresh(session: Mapping[str, Any]) -> bool:
    """Whether someone is logged in and gave their credentials in this session (not by the remember cookie).

    Unlike ``flask_login.login_fresh``, it is false without a user. As for :func:`user_id`, call
    :func:`protect_session` first.
    """
    return user_id(session) is not None and bool(session.get("_fresh"))


def login_user(
    scope: Mapping[str, Any],
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

    :param scope: the ASGI scope, or a Starlette or FastAPI request; ``session``, ``headers`` and ``client``
        are read.
    :param user_id: what the Flask side's ``get_id()`` returns; a number or UUID is stored as text.
    :param fresh: false for a login without credentials, such as by the remember cookie.
    :param remember: let the next Flask response to this browser send the remember cookie.
    :param duration: how long that cookie lives; by default ``REMEMBER_COOKIE_DURATION`` of the Flask
        application.
    :raises RuntimeError: there is no session in the scope.
    :raises TypeError: the id is of another type; above all ``None``.
    """
    session = _session(scope)
    new_id = _id_text(user_id)
    if remember:
        if duration is None:
            # Flask-Login would use what an earlier login left here.
            session.pop("_remember_seconds", None)
        else:
            session["_remember_seconds"] = duration.total_seconds()
        session["_remember"] = "set"
    elif session.get("_user_id") != new_id:
        _forget_pending(session)
    session["_user_id"] = new_id
    session["_fresh"] = fresh
    session["_id"] = session_identifier(scope)


def logout_user(scope: Mapping[str, Any], *, remember_cookie: str | None = "remember_token") -> None:
    """Log the user out, as ``flask_login.logout_user`` does; everything else in the session stays.

    When the request carries the remember cookie, the next Flask response deletes it. Until then only the
    session says so, and a browser that is closed forgets the session: delete the cookie on your own response
    too, with ``response.delete_cookie("remember_token")`` and the path and domain that Flask gives it.

    A signed cookie can't be revoked: a copy of the old session cookie stays valid for its lifetime.

    :param scope: as for :func:`login_user`.
    :param remember_cookie: ``REMEMBER_COOKIE_NAME`` of the Flask application; ``None`` to have the cookie
        deleted without looking, for one whose path or domain keeps it from this application's requests.
    :raises RuntimeError: there is no session in the scope.
    """
    session = _session(scope)
    for key in ("_user_id", "_fresh", "_id"):
        session.pop(key, None)
    if remember_cookie is None or _has_cookie(scope, remember_cookie):
        session["_remember"] = "clear"
        session.pop("_remember_seconds", None)
    else:
        _forget_pending(session)


def protect_session(scope: Mapping[str, Any], mode: Literal["basic", "strong"] = "basic") -> None:
    """Flask-Login's session protection, which it applies before it looks for the user; call it likewise.

    When someone is logged in from another address or user agent than this request's, ``"basic"`` makes the
    login no longer fresh; ``"strong"`` drops it and has the remember cookie deleted, except in a permanent
    session, which it treats as basic.

    :raises RuntimeError: there is no session in the scope.
    """
    session = _session(scope)
    if user_id(session) is None or session.get("_id") == session_identifier(scope):
        return
    if mode == "basic" or session.get("_permanent"):
        if session.get("_fresh"):
            session["_fresh"] = False
        return
    for key in _PROTECTED_KEYS:
        session.pop(key, None)
    session["_remember"] = "clear"


def session_identifier(scope: Mapping[str, Any]) -> str:
    """The ``_id`` that Flask-Login computes for this client: SHA-512 over address and user agent, in hex.

    The address is the first of ``X-Forwarded-For`` if that field is there, else ``scope["client"]``. Both it
    and the user agent are whatever the client sends, so this stops a copied cookie, not somebody who copies
    the headers too. Both applications must see the same address: behind one proxy that sets the field, they
    do.
    """
    # flask_login.utils._create_identifier puts the repr of UTF-8 bytes, or None, into the text that it
    # hashes, and WSGI hands it header bytes decoded as Latin-1 with equal fields joined by a comma.
    address = _header(scope, b"x-forwarded-for", ",")
    client = scope.get("client")
    if address is None and client:
        address = client[0]
    origin = None if address is None else address.encode().split(b",")[0].strip()
    user_agent = _header(scope, b"user-agent", ",")
    agent = None if user_agent is None else user_agent.encode()
    return sha512(f"{origin!r}|{agent!r}".encode()).hexdigest()


def encode_remember_cookie(user_id: str | int | UUID, secret_key: str | bytes) -> str:
    """The value of Flask-Login's remember cookie, the same as ``flask_login.encode_cookie``.

    Send it as ``remember_token``, ``HttpOnly`` and ``Secure``, with the path and domain that Flask gives it.
    Keep to ids in ASCII: frameworks quote other text in cookies in different ways.

    :param secret_key: the Flask application's ``SECRET_KEY``; Flask-Login knows no fallbacks.
    :raises TypeError: the id or the key is of another type.
    :raises ValueError: the key is empty or ``None``, or text outside Latin-1, which Flask-Login can't use
        either.
    """
    payload = _id_text(user_id)
    return f"{payload}|{_digest(payload.encode(), secret_key)}"


def decode_remember_cookie(cookie: str | None, secret_key: str | bytes) -> str | None:
    """The user id in a remember cookie, or ``None`` for a cookie that is missing or wrong in any way.

    Log in with ``login_user(scope, user_id, fresh=False)``, but not while the session's ``_remember`` is
    ``"clear"``: that user has logged out, and Flask has not yet deleted the cookie.

    :param cookie: the value of the cookie, as the framework decodes it. No value raises.
    :raises TypeError, ValueError: the key can't be used, as for :func:`encode_remember_cookie`.
    """
    payload, separator, digest = (cookie or "").rpartition("|")
    try:
        # As bytes: compare_digest refuses text outside ASCII, which whoever sends the cookie may choose.
        signed, given = payload.encode(), digest.encode()
    except UnicodeEncodeError:
        return None
    valid = hmac.compare_digest(_digest(signed, secret_key).encode(), given)
    return payload if valid and separator else None


def _session(scope: Mapping[str, Any]) -> MutableMapping[str, Any]:
    session: MutableMapping[str, Any] | None = scope.get("session")
    if not isinstance(session, MutableMapping):
        raise RuntimeError("no session in this scope: SessionMiddleware must come before this code")  # noqa: TRY004
    return session


def _is_id(value: object) -> bool:
    return isinstance(value, str | int | UUID) and not isinstance(value, bool)


def _id_text(value: object) -> str:
    if not _is_id(value):
        # None is the id of a user who was not found: nobody may become the user "None".
        raise TypeError(f"a user id is str, int or UUID, not {type(value).__name__}")
    return str(value)


def _forget_pending(session: MutableMapping[str, Any]) -> None:
    # Flask-Login ends each response without a note. One that is still waiting here belongs to the login
    # before: kept, it would give the next user a remember cookie that they never asked for.
    if session.get("_remember") == "set":
        del session["_remember"]


def _digest(payload: bytes, secret_key: str | bytes) -> str:
    # flask_login.utils._cookie_digest. An empty key would sign for everybody.
    key = secret_key.encode("latin-1") if isinstance(secret_key, str) else secret_key
    if not key:
        raise ValueError("the secret key is empty")
    return hmac.new(key, payload, sha512).hexdigest()


def _header(scope: Mapping[str, Any], name: bytes, separator: str) -> str | None:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
    return separator.join(values) if values else None


def _has_cookie(scope: Mapping[str, Any], name: str) -> bool:
    # Finds at least every cookie that Werkzeug's parse_cookie does, which starts each at a semicolon.
    pairs = (_header(scope, b"cookie", ";") or "").split(";")
    return any(pair.partition("=")[0].strip(" \t") == name for pair in pairs)
