"""Private: a user id <-> the signed value of Flask-Login's remember cookie. A client may choose every byte of it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha512

from ..codec import reveal_secrets


def keys(secret_key: object, secret_key_fallbacks: Iterable[object] | None = ()) -> list[bytes]:
    """Return the keys in bytes as Flask-Login makes them (``flask_login.utils._secret_key``), the current one last."""
    revealed = reveal_secrets(secret_key, secret_key_fallbacks)
    try:
        return [key.encode("latin-1") if isinstance(key, str) else key for key in revealed]
    except UnicodeEncodeError:
        # Not from this error, which shows a part of the key.
        raise ValueError(
            "secret_key or secret_key_fallbacks: Flask-Login cannot sign with a key with characters outside Latin-1"
        ) from None


def sign(user_id: str, key: bytes) -> str:
    """Return the value for a user id."""
    return f"{user_id}|{_digest(user_id.encode(), key)}"


def unsign(value: str, keys: Iterable[bytes]) -> str | None:
    """Return the user id that one of the keys signed, or ``None``. Raises nothing."""
    user_id, separator, digest = value.rpartition("|")
    try:
        # As bytes: compare_digest refuses text outside ASCII.
        signed, given = user_id.encode(), digest.encode()
    except UnicodeEncodeError:
        return None
    valid = any(hmac.compare_digest(_digest(signed, key).encode(), given) for key in keys)
    return user_id if valid and separator else None


def _digest(payload: bytes, key: bytes) -> str:
    return hmac.new(key, payload, sha512).hexdigest()  # flask_login.utils._cookie_digest
