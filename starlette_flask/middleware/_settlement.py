"""Two cookies of our name in one response, ours and one set further in: which goes out, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..contents import Content, Stored, changed_keys, merge
from ..cookies import SetCookie

if TYPE_CHECKING:
    from .sessions import SessionMiddleware


class Settlement(NamedTuple):
    """What the client gets: the merged ``content`` in our cookie, or with ``None`` the one that was set further in."""

    content: Content | None
    outcome: str  #: for the log
    reason: str  #: why keys of ours are lost
    lost: set[str]


def settle(
    middleware: SessionMiddleware, cookie: SetCookie, handed: Stored, client: Stored, ours: Content
) -> Settlement:
    """Settle with the ``cookie`` of an application inside, which began with what was ``handed`` on to it."""
    before = handed.content()
    deleted = cookie.deletes or not cookie.value
    theirs = {} if deleted else middleware.open_inner(cookie.value)
    if theirs is None:
        reason = "an application inside set a cookie of that name that was rejected"
        passing = middleware.open_starlette(cookie.value)
        lost = _lost_to({} if passing is None else passing.content(), client.content(), ours)
        return Settlement(None, f"not saved, as {reason}", reason, lost)
    if handed.origin == "starlette" and not deleted:
        theirs, _ = merge({}, before, theirs)  # they saw no session, so they removed nothing from it
    merged, lost = merge(before, ours, theirs)
    reason = "an application inside changed them, too"
    if merged and client.origin != "starlette" and not changed_keys(theirs, merged):
        again = "" if changed_keys(client.content(), theirs) else " again"
        return Settlement(None, f"saved{again} by an application inside", reason, lost)
    outcome = "saved, merged with what an application inside set" if merged else "deleted"
    return Settlement(merged, outcome, reason, lost)


def _lost_to(passing: Content, before: Content, ours: Content) -> set[str]:
    """Return the keys that are lost where the client gets a cookie that we could not merge with."""
    return {key for key in changed_keys(passing, ours) if key not in passing or key in changed_keys(before, ours)}
