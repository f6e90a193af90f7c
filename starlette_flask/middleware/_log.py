"""What the logger ``starlette_flask`` says of one cookie's sessions: paths, keys and reasons, never values."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from functools import partial
from time import time

from ..codec import SessionCodec
from ..contents import Stored
from ..cookies import CookieWriter, count_pairs

logger = logging.getLogger("starlette_flask")
#: Whether :meth:`Log.request` is to be called.
debugs = partial(logger.isEnabledFor, logging.DEBUG)


class Log:
    """The lines of one middleware: at WARNING what users lose, at DEBUG one line a request."""

    def __init__(self, codec: SessionCodec, cookie: CookieWriter) -> None:
        self._codec, self._cookie = codec, cookie
        self._name = cookie.name.decode()
        #: The values that requests brought which changed their session, to see two that did so side by side.
        self._superseded: deque[bytes] = deque(maxlen=64)
        #: Whether :meth:`written` has anything to say; it does so once.
        self.watches_path = not cookie.covers("/")

    def lost(self, path: str, reason: str, keys: Iterable[str]) -> None:
        """Report changes that cannot be saved, by their keys; nothing where there are none."""
        if names := ", ".join(sorted(map(repr, keys))):
            logger.warning(
                "Changes to session %r were lost on path %r because %s; changed keys: %s",
                self._name,
                path,
                reason,
                names,
            )

    def too_large(self, size: int, limit: int) -> None:
        """Report a Set-Cookie field of ``size`` bytes."""
        logger.warning(
            "Cookie %r is too large: its Set-Cookie field has %d bytes, the limit is %d. Browsers may drop it.",
            self._name,
            size,
            limit,
        )

    def written(self, path: str, root_path: str) -> None:
        """Report, once, a session that was written where the browser does not send its cookie back."""
        if self._cookie.covers(path) or self._cookie.covers(root_path + path):
            return
        self.watches_path = False
        logger.warning(
            "Session %r was written on path %r, which its cookie's path does not cover: the browser does not send it "
            "back there. Set path to '/', unless a proxy strips a prefix.",
            self._name,
            path,
        )

    def request(self, path: str, field: bytes, brought: Stored, outcome: str) -> None:
        """Say what the Cookie ``field`` of a request brought, and what became of the session."""
        origin, age = brought.origin, int(time()) - brought.signed_at
        if origin == "flask":
            number = self._codec.key_number(brought.value)
            origin = f"opened with {f'fallback key {number}' if number else 'the current key'}, signed {age} s ago"
        elif origin == "starlette":
            origin = f"opened in Starlette's format, signed {age} s ago"
        if (pairs := count_pairs(field, self._cookie.name)) > 1:
            origin += f" ({pairs} cookies of this name, the first counts)"
        if brought.value and outcome.startswith(("saved", "deleted")):
            if brought.value in self._superseded:
                outcome += "; another request with the same cookie was saved, too: the last response to arrive wins"
            elif not outcome.startswith("saved again"):  # with nothing new; but that may undo what is
                self._superseded.append(brought.value)
        logger.debug("Session %r on path %r: %s; %s", self._name, path, origin, outcome)
