"""A session's content at one moment, frozen: cheap to share, to thaw and to compare.

Most sessions hold nothing that can change in place, and then the dict itself is the snapshot. What holds a list or
a dict, or is large, is written by ``marshal``, in a fifth of the time that tagged JSON takes, and read in two thirds
of it.
"""

from __future__ import annotations

import marshal
from datetime import datetime
from sys import getsizeof
from typing import Any
from uuid import UUID

from .codec import SessionCodec
from .tagged_json import Markup

#: The types of values that never change in place, when the type is exactly this.
_CONSTANT = frozenset({str, int, float, bool, type(None), bytes, datetime, UUID, Markup})

#: Bytes of memory above which content is frozen whatever it holds: 60 short texts take a seventh of it, as marshal's.
_LARGE = 4_000


def take_picture(content: dict[str, Any], codec: SessionCodec) -> bytes | None:
    """Return bytes that differ where the content does, in types and in the order of keys, too.

    ``None`` where nothing in it can change in place. What ``marshal`` does not know (a datetime in a list) is
    serialized, and there the order of keys shows no more.
    """
    try:
        return _freeze(content)
    except ValueError:
        try:
            return codec.serialize(content)
        except Exception:  # whatever a value's own methods raise
            return b""  # like nothing that was ever loaded


def _freeze(content: dict[str, Any]) -> bytes | None:
    if _CONSTANT.issuperset(map(type, content.values())):
        return None
    return marshal.dumps(content, 0)  # format 0 has no references, which would depend on who else holds an object


class Snapshot:
    """What a cookie's value holds. It never changes, so any number of requests may begin with it."""

    __slots__ = ("_flat", "_frozen", "payload", "picture", "renewed", "size")

    def __init__(self, content: dict[str, Any]) -> None:
        """Freeze ``content``, which must not be changed from now on.

        Raises ``ValueError`` for what ``marshal`` does not know: JSON would give it back in another order of keys.
        """
        self.picture = frozen = _freeze(content)
        size = 0 if frozen is not None else sum(map(getsizeof, (content, *content, *content.values())))
        if size > _LARGE:
            frozen = marshal.dumps(content, 0)
        self._frozen, self._flat = frozen, content if frozen is None else {}
        #: How many bytes of memory its content takes.
        self.size = size if frozen is None else len(frozen)
        #: The payload that this is written as; ``None`` where its keys may be in an order of somebody else's.
        self.payload: bytes | None = None
        #: The same with its keys in our order and a payload, once it was written again.
        self.renewed: Snapshot | None = None

    def written(self) -> Snapshot | None:
        """Return the same with a payload, if it was ever written."""
        return self if self.payload is not None else self.renewed

    def thaw(self) -> Any:
        """Return the content; not to be changed before it is copied."""
        return self._flat if self._frozen is None else marshal.loads(self._frozen)  # noqa: S302  # our own bytes
