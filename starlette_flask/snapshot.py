"""A session's content at one moment, frozen: cheap to share, to thaw and to compare.

Most sessions hold nothing that can change in place, and then the dict itself is the snapshot. What holds a list or
a dict is written by ``marshal``, in a fifth of the time that tagged JSON takes, and read in two thirds of it.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from .codec import SessionCodec
from .tagged_json import Markup

#: The types of values that never change in place, when the type is exactly this.
_CONSTANT = frozenset({str, int, float, bool, type(None), bytes, datetime, UUID, Markup})

_ITEM_SIZE = 175


class Picture(NamedTuple):
    """Content as bytes that differ where it does, in types and in the order of keys, too; and what reads them."""

    data: bytes
    loads: Callable[[bytes], Any]


def take_picture(content: dict[str, Any], codec: SessionCodec) -> Picture | None:
    """Return a picture of the content; ``None`` where nothing in it can change in place.

    What ``marshal`` does not know (a datetime in a list) is serialized. Its format 0 has no references, which would
    depend on who else holds an object.
    """
    if _CONSTANT.issuperset(map(type, content.values())):
        return None
    try:
        return Picture(marshal.dumps(content, 0), marshal.loads)
    except ValueError:
        try:
            return Picture(codec.serialize(content), codec.deserialize)
        except Exception:  # whatever a value's own methods raise
            return Picture(b"", marshal.loads)  # like nothing that was ever loaded


class Snapshot:
    """What a cookie's value holds. It never changes, so any number of requests may begin with it."""

    __slots__ = ("_flat", "payload", "picture", "size")

    def __init__(self, content: dict[str, Any], length: int, codec: SessionCodec) -> None:
        """Freeze ``content``, which must not be changed from now on; ``length`` is that of its serialized form."""
        self.picture = picture = take_picture(content, codec)
        self._flat = content if picture is None else {}
        #: About how many bytes of memory it takes. A key and its value are two objects beside their text.
        self.size = length + _ITEM_SIZE * len(content) if picture is None else len(picture.data)
        #: The payload that this is written as, once it was.
        self.payload: bytes | None = None

    def thaw(self) -> Any:
        """Return the content; not to be changed before it is copied."""
        return self._flat if self.picture is None else self.picture.loads(self.picture.data)
