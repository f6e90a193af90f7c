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
from datetime import datetime
from functools import cache
from math import copysign
from sys import getsizeof
from typing import Any, TypeAlias, cast
from uuid import UUID

from .tagged_json import Markup, is_dict

Content: TypeAlias = dict[str, Any]

#: The types of values that nothing changes in place, where the type is exactly this.
IMMUTABLE: frozenset[type] = frozenset({str, int, float, bool, type(None), bytes, datetime, UUID, Markup})

_MISSING: Any = object()


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal in structure and type. One of them must be finite."""
    if type(a) is not type(b):
        return False
    try:
        # Nearly always equal, and then two calls in C settle it: 1.6 us for a small basket, 14 us in Python.
        if a == b and marshal.dumps(a, 0) == marshal.dumps(b, 0):
            return True
    except Exception:  # noqa: S110  # what marshal does not know, or an `__eq__` of the application's
        pass
    return _same_parts(a, b)


def _same_parts(a: Any, b: Any) -> bool:
    """Do as :func:`same`, part by part; without recursion, as JSON may be read deeper than that goes."""
    pairs = [(a, b)]
    while pairs:
        a, b = pairs.pop()
        if type(a) is not type(b):
            return False
        if is_dict(a):
            if a.keys() != b.keys():
                return False
            pairs.extend((value, b[key]) for key, value in a.items())
        elif isinstance(a, (list, tuple)):
            if len(cast("Sequence[Any]", a)) != len(b):
                return False
            pairs.extend(zip(cast("Sequence[Any]", a), b, strict=True))
        elif isinstance(a, float):
            if not (a == b and copysign(1, a) == copysign(1, b)) and not (a != a and b != b):
                return False
        elif not _equal(a, b):
            return False
    return True


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # an `__eq__` of the application's
        return False


def changed_keys(before: Content, after: Content) -> set[str]:
    """Return the keys that were added, removed or changed."""
    return {
        key for key in before.keys() | after.keys() if not same(before.get(key, _MISSING), after.get(key, _MISSING))
    }


#: What Flask-Login keeps in a session. Half of one log-in and half of another is nobody's.
LOGIN = frozenset({"_user_id", "_fresh", "_id", "_remember", "_remember_seconds"})


def merge(base: Content, ours: Content, theirs: Content) -> tuple[Content, set[str]]:
    """Return ``theirs`` with our changes since ``base`` applied to it, and the keys of our changes that were lost.

    Both sides began with ``base``. The unit is the top-level key, however deep its value: merging deeper could give
    the rights of one user to another. Where both sides changed one to something different, ``theirs`` wins. Three
    exceptions: messages that both flashed are all kept; Flask-Login's keys are one unit; that a session is permanent
    does not revive one that they emptied.
    """
    merged, lost = dict(theirs), set[str]()
    our_changes, their_changes = changed_keys(base, ours), changed_keys(base, theirs)
    touched = their_changes | LOGIN if their_changes & LOGIN else their_changes
    for key in our_changes:
        if same(ours.get(key, _MISSING), theirs.get(key, _MISSING)):
            continue
        if key == "_flashes" and key in touched and _are_lists(base, ours, theirs):
            merged[key] = _merge_flashes(base.get(key, []), ours.get(key, []), theirs.get(key, []))
            if not merged[key]:
                del merged[key]
        elif key in touched:
            lost.add(key)
        elif key in ours:
            merged[key] = ours[key]
        else:
            del merged[key]
    if base and not theirs and merged.keys() <= {"_permanent"}:
        return {}, lost
    return merged, lost


def _are_lists(*contents: Content) -> bool:
    return all(isinstance(content.get("_flashes", []), list) for content in contents)


def _merge_flashes(base: list[Any], ours: list[Any], theirs: list[Any]) -> list[Any]:
    """Return their messages, followed by those that we added after the common start."""
    start = 0
    while start < min(len(base), len(ours)) and same(base[start], ours[start]):
        start += 1
    if same(theirs[: len(base)], base):  # they only added some, so what we showed is not to be shown again
        theirs = base[:start] + theirs[len(base) :]
    return theirs + ours[start:]


def freeze(content: Content) -> bytes:
    """Return bytes that :func:`thaw` makes the same content of. Raises ``ValueError`` for what ``marshal`` lacks."""
    # The newest format refers back to the keys that JSON shares: half the bytes of format 0, thawed in half the time.
    return marshal.dumps(content)


def thaw(frozen: bytes) -> Content:
    """Return the content that was frozen, as objects of its own."""
    content: Content = marshal.loads(frozen)  # noqa: S302  # our own bytes
    return content


class Stored:
    """What a client's cookie holds. That never changes, so any number of requests may start from it."""

    __slots__ = ("_get", "_held", "_size", "canonical", "origin", "signed_at", "value")

    def __init__(
        self,
        held: Any,
        get: Callable[[Any], Content],
        signed_at: int = 0,
        origin: str = "flask",
        value: bytes = b"",
        canonical: bool = False,
    ) -> None:
        self._held, self._get, self._size = held, get, 0
        #: Unix seconds.
        self.signed_at = signed_at
        #: Whose format the cookie has, ``"flask"`` or ``"starlette"``; else why there is none that opens.
        self.origin = origin
        #: The cookie's value as it came, if it came in one.
        self.value = value
        #: Whether this value has the payload that we would write; found out when it is first renewed.
        self.canonical = canonical

    def content(self) -> Content:
        """Return the content; to be copied before its keys are changed. Nested values are the caller's own."""
        return self._get(self._held)

    def thawed(self) -> Stored:
        """Return the same with objects that nobody changes, for one request to compare with more than once."""
        return self if self._get is _itself else Stored(self.content(), _itself, self.signed_at, self.origin)

    def renewed(self, value: bytes, signed_at: int) -> Stored:
        """Return the same, as a ``value`` holds it that was written of it with a new date."""
        renewed = Stored(self._held, self._get, signed_at, self.origin, value, self.canonical)
        renewed._size = self._size  # for the value is as long
        return renewed

    def size(self) -> int:
        """Return the bytes of memory that it takes at most, with its value."""
        if not self._size:
            held = self._held
            parts: tuple[Any, ...] = (held, *held, *held.values()) if is_dict(held) else (held,)
            size = _OVERHEAD + getsizeof(self.value) + sum(map(getsizeof, parts))
            for part in parts:  # what it does not count; a function for it takes 1 us more
                if isinstance(part, str):
                    if not part.isascii():  # as soon as a serializer in C asks for its UTF-8, the text keeps that
                        size += len(part.encode(errors="surrogatepass")) + 1
                elif type(part) in _WITH_PARTS:
                    size += 100
            self._size = size
        return self._size


#: The object itself, its numbers and what the garbage collector adds.
_OVERHEAD = 210
#: Types of values that lead to another object: a number, a time zone.
_WITH_PARTS: frozenset[type] = frozenset({UUID, datetime})


def _itself(content: Content) -> Content:
    return content


def stored(
    content: Content, serialized: bytes, parse: Callable[[bytes], Content], signed_at: int, value: bytes
) -> Stored:
    """Return what a ``value`` holds, from its ``content`` and the ``serialized`` text that ``parse`` reads it from."""
    if IMMUTABLE.issuperset(map(type, content.values())):
        return Stored(content, _itself, signed_at, value=value)  # most sessions: 1.0 us less than to thaw
    try:
        return Stored(freeze(content), thaw, signed_at, value=value)
    except ValueError:  # a datetime in a list
        return Stored(serialized, parse, signed_at, value=value)


@cache  # for each reason, one object serves all requests
def nothing(origin: str) -> Stored:
    """Return what a client has that brings no cookie that opens."""
    return Stored({}, _itself, origin=origin)


ABSENT = nothing("no cookie")
