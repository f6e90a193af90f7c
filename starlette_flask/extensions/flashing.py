"""Flask's flashed messages: flash in one application, show in the other.

Flask keeps them in the session as ``_flashes``, a list of ``(category, message)``, newest last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, overload

from ._has_session import HasSession, session_of

__all__ = ["flash", "get_flashed_messages"]


def flash(session: HasSession, message: str, category: str = "message") -> None:
    """Leave a message for the page that is shown next, by either application; as ``flask.flash``.

    A ``Markup`` message comes out as ``Markup``. All messages travel in the session cookie: keep them short.

    :raises RuntimeError: there is no session in the scope.
    """
    session = session_of(session)
    # A new list, put back: also a session that only notices assignments at its top level saves it.
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]


@overload
def get_flashed_messages(
    session: HasSession,
    with_categories: Literal[False] = False,
    category_filter: Iterable[str] = (),
) -> list[str]: ...
@overload
def get_flashed_messages(
    session: HasSession,
    with_categories: Literal[True],
    category_filter: Iterable[str] = (),
) -> list[tuple[str, str]]: ...
@overload
def get_flashed_messages(
    session: HasSession,
    with_categories: bool = False,
    category_filter: Iterable[str] = (),
) -> list[str] | list[tuple[str, str]]: ...
def get_flashed_messages(
    session: HasSession,
    with_categories: bool = False,
    category_filter: Iterable[str] = (),
) -> list[str] | list[tuple[str, str]]:
    """Take the flashed messages out of the session and return them, oldest first.

    Each message is returned once, and only what is returned is taken out. ``flask.get_flashed_messages``
    keeps the messages for the rest of its request, and throws away the categories that nobody asked for; a
    session alone has no request to keep them for. So a page may ask for one category after another, as with
    Flask, but a second call for the same ones returns nothing: keep the list if you need it twice. Categories
    that are not asked for wait for the next page, on either side.

    :param with_categories: return ``(category, message)`` pairs instead of messages.
    :param category_filter: return only these categories; empty for all. A ``str`` is one category.
    :raises RuntimeError: there is no session in the scope.
    """
    session = session_of(session)
    if isinstance(category_filter, str):
        category_filter = [category_filter] if category_filter else []
    wanted = list(category_filter)
    taken: list[tuple[str, str]] = []
    kept: list[tuple[str, str]] = []
    for category, message in session.get("_flashes", ()):
        (taken if not wanted or category in wanted else kept).append((category, message))
    if not kept:
        session.pop("_flashes", None)
    elif taken:
        session["_flashes"] = kept
    return taken if with_categories else [message for _, message in taken]
