"""A cache of values whose signature was verified, so that a browser's next request is cheaper. Private."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contents import Stored

#: Bytes that an entry takes in the table beside its key and what the value holds, at most.
_ENTRY = 280
#: The part of the room that one value may take at most.
_LARGEST = 1 / 64


class VerifiedValues:
    """Keeps what values hold in ``room`` bytes of memory; the least recently seen goes first.

    The look-up tells an attacker nothing: it compares salted hashes of whole values.
    """

    def __init__(self, room: int) -> None:
        self._room, self._taken = room, 0
        self._values: OrderedDict[bytes, Stored] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[VerifiedValues], tuple[int]]:
        """Let a copy start empty: it belongs to another middleware, and neither lock nor entries can be copied."""
        return VerifiedValues, (self._room,)

    def get(self, value: bytes) -> Stored | None:
        """Return what ``value`` holds, if it is kept. Its age is for the caller to check."""
        found = self._values.get(value)
        if found is not None:
            try:  # noqa: SIM105  # a context manager takes 0.3 us
                self._values.move_to_end(value)
            except KeyError:  # another thread just removed it
                pass
        return found

    def add(self, stored: Stored) -> None:
        """Keep what a value holds, unless it would take more than a small part of the room."""
        size = _ENTRY + stored.size()
        if size > self._room * _LARGEST:
            return
        with self._lock:
            if stored.value in self._values:  # another thread was here before
                return
            self._values[stored.value] = stored
            self._taken += size
            while self._taken > self._room:
                _, gone = self._values.popitem(last=False)
                self._taken -= _ENTRY + gone.size()
