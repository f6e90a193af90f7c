"""The session: a `dict[str, Any]` and what it has beside that."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, MutableMapping, ValuesView
from typing import Any

from starlette.requests import Request
from typing_extensions import assert_type

from starlette_flask import Session


def takes_a_dict(content: dict[str, Any]) -> None: ...


def takes_a_mapping(content: MutableMapping[str, Any]) -> None: ...


def narrowed(request: Request) -> None:
    session = request.session
    assert isinstance(session, Session)
    session.permanent = True


session = Session(user="ada")
takes_a_dict(session)
takes_a_mapping(session)

assert_type(session.modified, bool)
assert_type(session.accessed, bool)
assert_type(session.permanent, bool)
assert_type(session.new, bool)
session.modified = True
session.accessed = True
session.permanent = True
session.mark_modified()
session.mark_accessed()

assert_type(session["user"], Any)
assert_type(session.get("user"), Any)
assert_type(session.get("user", "nobody"), Any)
assert_type(session.setdefault("cart", []), Any)
assert_type(session.pop("cart"), Any)
assert_type(session.pop("cart", None), Any)
assert_type(session.keys(), KeysView[str])
assert_type(session.values(), ValuesView[Any])
assert_type(session.items(), ItemsView[str, Any])
assert_type(session.copy(), dict[str, Any])
assert_type(dict(session), dict[str, Any])
assert_type({**session}, dict[str, Any])
assert_type("user" in session, bool)

session["user"] = "grace"
session.update({"size": (3, 4)}, color="red")
session.update([("size", (3, 4))])
session |= {"size": (5, 6)}
assert_type(session, Session)
del session["size"]
for key in session:
    assert_type(key, str)
for key, value in session.items():
    assert_type((key, value), tuple[str, Any])
