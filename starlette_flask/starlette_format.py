"""The signed value of Starlette's own middleware -> the session's content; to read only. Private."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from itsdangerous import TimestampSigner, want_bytes

from .codec import reveal_secret
from .tagged_json import is_dict


class StarletteFormat:
    """Opens what ``starlette.middleware.sessions`` signed: base64 of plain JSON, behind it the time and an HMAC-SHA1.

    As with Flask's, an attacker may hand any bytes to it, and nothing is parsed before a known key's signature.

    :param secret_keys: as the middleware takes them, the current key last.
    """

    def __init__(self, secret_keys: Sequence[object]) -> None:
        # Starlette signs with str(key): of bytes that is the text "b'...'".
        self._signer = TimestampSigner(
            [repr(key).encode() if isinstance(key, bytes) else want_bytes(reveal_secret(key)) for key in secret_keys]
        )

    def open(self, value: bytes) -> tuple[dict[str, Any], int] | None:
        """Return the content and when it was signed, in Unix seconds; ``None`` for what Starlette did not write."""
        try:
            text, signed_at = self._signer.unsign(value, return_timestamp=True)
            content = json.loads(b64decode(text))
        except Exception:  # also for a date beyond the calendar, or JSON nested too deeply
            return None
        return (content, int(signed_at.timestamp())) if is_dict(content) else None
