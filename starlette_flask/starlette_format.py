"""The signed value of Starlette's own middleware -> the session's content; to read only. Private."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from itsdangerous import TimestampSigner

from .tagged_json import is_dict


def signing_key(key: object, revealed: bytes) -> bytes:
    """Return what Starlette signs with where it is given ``key``: ``str(key)``, which of bytes is ``b'...'``."""
    return repr(key).encode() if isinstance(key, bytes) else revealed


class StarletteFormat:
    """Opens what ``starlette.middleware.sessions`` signed: base64 of plain JSON, behind it the time and an HMAC-SHA1.

    As with Flask's, an attacker may hand any bytes to it, and nothing is parsed before a known key's signature.

    :param secret_keys: what it signs with (see :func:`signing_key`), the current key last.
    """

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        self._signer = TimestampSigner(secret_keys)

    def open(self, value: bytes) -> tuple[dict[str, Any], int] | None:
        """Return the content and when it was signed, in Unix seconds; ``None`` for what Starlette did not write."""
        try:
            text, signed_at = self._signer.unsign(value, return_timestamp=True)
            content = json.loads(b64decode(text))
        except Exception:  # also for a date beyond the calendar, or JSON nested too deeply
            return None
        return (content, int(signed_at.timestamp())) if is_dict(content) else None
