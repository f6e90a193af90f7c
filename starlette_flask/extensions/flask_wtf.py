"""Flask-WTF's CSRF token, for a form that one application shows and the other receives.

Facts, from Flask-WTF 1.3: the session holds a random text as ``csrf_token``; the token in the page is that
text, signed and dated by itsdangerous under the salt ``wtf-csrf-token``. A token is valid for one session
only, any number of times until it expires.

Flask-WTF takes the token from the form field ``csrf_token``, else from one whose name ends so, else from the header
``X-CSRFToken`` or ``X-CSRF-Token``. Over HTTPS its ``CSRFProtect`` also compares ``Referer`` with ``Host``; nothing
here does.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer, want_bytes

from ..codec import reveal_secrets
from ._has_session import HasSession, session_of

__all__ = ["CSRFError", "generate_csrf", "validate_csrf"]


class CSRFError(ValueError):
    """A request without a valid CSRF token. The text says why, holds nothing secret, and may be shown."""


def generate_csrf(session: HasSession, secret_key: object, *, field_name: str = "csrf_token") -> str:
    """A token for a form of this session, dated now, that Flask-WTF accepts as its own.

    It is ASCII, and safe in HTML and URLs as it is.

    :param session: gets ``field_name`` if it has none; that is a change, which sets the session cookie.
    :param secret_key: ``WTF_CSRF_SECRET_KEY`` of the Flask application, by default its ``SECRET_KEY``.
        Flask-WTF knows no fallbacks: before its ``SECRET_KEY`` is rotated, give the old one to
        ``WTF_CSRF_SECRET_KEY``, or the forms that are open then are refused on its side.
    :param field_name: ``WTF_CSRF_FIELD_NAME`` of the Flask application.
    :raises TypeError, ValueError: the key is not valid, as for ``SessionMiddleware``.
    :raises RuntimeError: there is no session in the scope.
    """
    session = session_of(session)
    serializer = _serializer(secret_key)
    if not isinstance(session.get(field_name), str):
        session[field_name] = secrets.token_hex(20)
    return serializer.dumps(session[field_name])


def validate_csrf(
    session: HasSession,
    token: object,
    secret_key: object,
    time_limit: int | None = 3600,
    *,
    field_name: str = "csrf_token",
    secret_key_fallbacks: Iterable[object] | None = (),
) -> None:
    """Return if the token was made for this session, by either side, and is not too old.

    :param token: what the request brought, of whatever type: the client chooses it.
    :param secret_key: as for :func:`generate_csrf`.
    :param time_limit: age in seconds up to which a token is valid, as ``WTF_CSRF_TIME_LIMIT``; ``None`` for
        as long as its session. With a limit, a token dated in the future is not valid either.
    :param field_name: as for :func:`generate_csrf`.
    :param secret_key_fallbacks: retired keys, oldest first, under which a form that was open when the key was rotated
        is still accepted.
    :raises CSRFError: a ``ValueError``, like the ``ValidationError`` that Flask-WTF raises.
    :raises TypeError, ValueError: a key is not valid, as for ``SessionMiddleware``.
    :raises RuntimeError: there is no session in the scope.
    """
    session = session_of(session)
    serializer = _serializer(secret_key, secret_key_fallbacks)
    if not token:
        raise CSRFError("The request has no CSRF token.")
    expected = session.get(field_name)
    if not isinstance(expected, str):
        raise CSRFError("The session has no CSRF token.")
    if not isinstance(token, str):  # an uploaded file, or any JSON
        raise CSRFError("The CSRF token is not valid.")
    try:
        value = serializer.loads(token, max_age=time_limit)
    except SignatureExpired as error:
        raise CSRFError("The CSRF token is too old.") from error
    except (BadData, ValueError, OverflowError) as error:
        # ValueError: a lone surrogate does not encode. Both: itsdangerous 2.0 on a date beyond the calendar.
        raise CSRFError("The CSRF token is not valid.") from error
    if not isinstance(value, str) or not hmac.compare_digest(expected.encode(), value.encode()):
        raise CSRFError("The CSRF token belongs to another session.")


def _serializer(secret_key: object, secret_key_fallbacks: Iterable[object] | None = ()) -> URLSafeTimedSerializer:
    keys = [want_bytes(key) for key in reveal_secrets(secret_key, secret_key_fallbacks)]
    return URLSafeTimedSerializer(keys, salt="wtf-csrf-token")
