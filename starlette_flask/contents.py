"""What a session holds, as plain values: frozen and thawed, compared by structure and type, merged. Private.

Facts that the code below stands on:

- Equal is not the same: ``1 == True == 1.0`` and ``0.0 == -0.0``, but each is another text in the cookie, and NaN is
  not even equal to itself. Two sessions are compared as they come back from the codec, where an int key is text and
  an enum member its value, and never by their serialized text: a serializer may write otherwise each time.
- An application can build a value that contains itself. ``marshal`` in format 0 then takes exponential time (on
  Python 3.13 and older), so it sees only values that were found to be finite: by the codec, which made them, or by a
  comparison with a finite value.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from math import copysign
from sys import getsizeof
from typing import Any, cast
from uuid import UUID

from .tagged_json import Markup, is_dict

Content = dict[str, Any]

#: The types of values that nothing changes in place, where the type is exactly this.
IMMUTABLE: frozenset[type] = frozenset({str, int, float, bool, type(None), bytes, datetime, UUID, Markup})

_MISSING: Any = object()


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal in structure and type. One of them must be finite."""
    if type(a) is not type(b):
        return False
    with suppress(Exception):  # there may be what marshal does not know, or an `__eq__` of the application's
        # Nearly always equal, and then two calls in C settle it: 1.6 us for a small basket, 14 us in Python.
        if a == b and marshal.dumps(a, 0) == marshal.dumps(b, 0):
            return True
    if is_dict(a):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, (list, tuple)):
        items = cast("Sequence[Any]", a)
        return len(items) == len(b) and all(map(same, items, b))
    if isinstance(a, float):
        return (a == b and copysign(1, a) == copysign(1, b)) or (a != a and b != b)
    try:
        return bool(a == b)
    except Exception:
        return False


def changed_keys(before: Content, after: Content) -> set[str]:
    """Return the keys that were added, removed or changed."""
    return {
        key for key in before.keys() | after.keys() if not same(before.get(key, _MISSING), after.get(key, _MISSING))
    }


def merge(base: Content, ours: Content, theirs: Content) -> Content:
    """Return ``theirs`` with our changes since ``base`` applied key by key; what they removed stays removed."""
    merged = dict(theirs)
    for key in changed_keys(base, ours):
        if key not in ours:
            merged.pop(key, None)
        elif key in merged or key not in base:
            merged[key] = ours[key]
    return merged


def freeze(content: Content) -> bytes:
    """Return bytes that :func:`thaw` makes the same content of. Raises ``ValueError`` for what ``marshal`` lacks."""
    # Format 4 refers back to the keys that JSON shares: half the bytes of format 0, thawed in half the time.
    return marshal.dumps(content, 4)


def thaw(frozen: bytes) -> Content:
    """Return the content that was frozen, as objects of its own."""
    content: Content = marshal.loads(frozen)  # noqa: S302  # our own bytes
    return content


class Stored:
    """What a client's cookie holds. It never changes, so any number of requests may start from it."""

    __slots__ = ("_get", "_held", "format", "signed_at")

    def __init__(self, held: Any, get: Callable[[Any], Content], signed_at: int = 0, format: str = "flask") -> None:  # noqa: A002
        self._held, self._get = held, get
        #: Unix seconds.
        self.signed_at = signed_at
        #: ``"flask"`` or ``"starlette"``: who wrote it.
        self.format = format

    def content(self) -> Content:
        """Return the content; to be copied before its keys are changed. Nested values are the caller's own."""
        return self._get(self._held)

    def thawed(self) -> Stored:
        """Return the same with objects that nobody changes, for one request to compare with more than once."""
        return Stored(self.content(), _itself, self.signed_at, self.format)

    def size(self) -> int:
        """Return the bytes of memory that it takes, at most."""
        held = self._held
        parts: tuple[Any, ...] = (held, *held, *held.values()) if is_dict(held) else (held,)
        return _OVERHEAD + sum(map(getsizeof, parts))


#: The object itself, its number and what the garbage collector adds.
_OVERHEAD = 150


def _itself(content: Content) -> Content:
    return content


def stored(
    content: Content,
    serialized: bytes,
    parse: Callable[[bytes], Content],
    signed_at: int = 0,
    format: str = "flask",  # noqa: A002
) -> Stored:
    """Return what a cookie holds, from its ``content`` and the ``serialized`` text that ``parse`` reads it from."""
    if IMMUTABLE.issuperset(map(type, content.values())):
        return Stored(content, _itself, signed_at, format)  # most sessions: 1.0 us less than to thaw
    try:
        return Stored(freeze(content), thaw, signed_at, format)
    except ValueError:  # a datetime in a list
        return Stored(serialized, parse, signed_at, format)


EMPTY = Stored({}, _itself)
