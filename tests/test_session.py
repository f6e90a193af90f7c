"""The change-tracking dict, beside Werkzeug's ``CallbackDict``, which is what Flask's session is made of."""

from __future__ import annotations

import copy
import json
import pickle
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

import flask.sessions
import msgspec
import pydantic_core
import pytest
from flask.sessions import SecureCookieSession
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import CallbackDict

from starlette_flask import Session, SessionMiddleware

from .asgi import KEY, app_that, call
from .builds import orjson_dumps

CONTENT: dict[str, Any] = {"user": "ada", "cart": [1, (2,)], "_permanent": True}

#: What reads: every way marks the session accessed, and none modified.
READS: dict[str, Callable[[Any], Any]] = {
    "__getitem__": lambda d: d["user"],
    "__getitem__ of a missing key": lambda d: d["missing"],
    "get": lambda d: d.get("user"),
    "get of a missing key": lambda d: (d.get("missing"), d.get("missing", 1)),
    "__contains__": lambda d: ("user" in d, "missing" in d, 5 in d),
    "__contains__ of what cannot be a key": lambda d: [] in d,
    "__len__": lambda d: (len(d), bool(d)),
    "__iter__": lambda d: [key for key in d],  # noqa: C416  # list() asks for the length, too
    "list": list,
    "__reversed__": lambda d: list(reversed(d)),
    "keys": lambda d: list(d.keys()),
    "values": lambda d: list(d.values()),
    "items": lambda d: list(d.items()),
    "copy": lambda d: d.copy(),
    "__eq__": lambda d: (d == CONTENT, d == {}, d == 5),
    "__ne__": lambda d: (d != CONTENT, d != {}, d != 5),
    "__or__": lambda d: d | {"user": "eve", "x": 1},
    "__or__ with no dict": lambda d: d | [("x", 1)],
    "__ror__": lambda d: {"user": "eve", "x": 1} | d,
    "__ror__ with no dict": lambda d: [("x", 1)] | d,
    "unpacking": lambda d: {**d},
    "unpacking as arguments": lambda d: dict(**d),
    "unpacking as a list": lambda d: [*d],
    "dict": dict,
    "update of another": lambda d: {}.update(d),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "match": lambda d: _match(d),
}

#: What writes, once on a full and once on an empty session.
WRITES: dict[str, Callable[[Any], Any]] = {
    "__setitem__": lambda d: d.__setitem__("x", 1),
    "__setitem__ of the same value": lambda d: d.__setitem__("user", "ada"),
    "__setitem__ of what cannot be a key": lambda d: d.__setitem__([], 1),
    "__delitem__": lambda d: d.__delitem__("user"),
    "clear": lambda d: d.clear(),
    "popitem": lambda d: d.popitem(),
    "update": lambda d: d.update({"x": 1}),
    "update with nothing": lambda d: d.update(),
    "update with an empty dict": lambda d: d.update({}),
    "update by name": lambda d: d.update(x=1, user="eve"),
    "update with both": lambda d: d.update([("x", 1)], y=2),
    "update with what is no mapping": lambda d: d.update(5),
    "update that breaks off": lambda d: d.update([("x", 1), 5]),
    "__ior__": lambda d: d.__ior__({"x": 1}),
    "__ior__ with pairs": lambda d: d.__ior__([("x", 1)]),
    "__ior__ with nothing": lambda d: d.__ior__({}),
    "__ior__ with what is no mapping": lambda d: d.__ior__(5),
    "pop": lambda d: d.pop("user"),
    "pop of a missing key": lambda d: d.pop("missing"),
    "pop with a default": lambda d: d.pop("user", None),
    "pop of a missing key with a default": lambda d: (d.pop("missing", None), d.pop("missing", 1)),
    "setdefault": lambda d: d.setdefault("x", []),
    "setdefault of nothing": lambda d: d.setdefault("x"),
    "setdefault of a key that is there": lambda d: d.setdefault("user", 1),
}


def _match(session: object) -> object:
    match session:
        case {"user": user, **rest}:
            return user, rest
    return None


class Recorder(CallbackDict[str, Any]):
    """Werkzeug's dict, with ``modified`` set as ``flask.sessions.SecureCookieSession`` sets it."""

    def __init__(self, initial: dict[str, Any]) -> None:
        def on_update(recorder: Recorder) -> None:  # type: ignore[misc]
            recorder.modified = True

        super().__init__(initial, on_update)  # type: ignore[arg-type]
        self.modified = False


def outcome(call: Callable[[Any], Any], target: Any) -> object:
    """What a call returns, and what it leaves behind; of an error, its type."""
    try:
        result = call(target)
    except Exception as error:
        result = type(error)
    if result is target:
        result = "itself"
    return type(result), result, list(dict.items(target)), target.modified


class TestTracking:
    """A session notices what is done to it, and is otherwise a dict."""

    def test_every_method_of_dict_is_in_the_tables(self) -> None:
        others = {"__class_getitem__", "fromkeys"}  # no method of one dict
        assert set(dir(dict)) - set(dir(object)) - others <= READS.keys() | WRITES.keys()

    @pytest.mark.parametrize("content", [CONTENT, {}], ids=["full", "empty"])
    @pytest.mark.parametrize("name", [*READS, *WRITES])
    def test_results_and_modified_are_werkzeug_s(self, name: str, content: dict[str, Any]) -> None:
        call = {**READS, **WRITES}[name]
        ours, theirs = outcome(call, Session(content)), outcome(call, Recorder(content))
        if name.startswith("copy"):  # Werkzeug's copies call back, too, and for another dict; ours are plain
            assert ours[0] is dict  # type: ignore[index]
            ours, theirs = ours[1:], theirs[1:]  # type: ignore[index]
        elif name == "pickle":  # Werkzeug's cannot be
            assert ours[:2] == (dict, content)  # type: ignore[index]
            return
        assert ours == theirs

    @pytest.mark.parametrize("content", [CONTENT, {}], ids=["full", "empty"])
    @pytest.mark.parametrize("name", READS)
    def test_reading_marks_accessed_only(self, name: str, content: dict[str, Any]) -> None:
        session = Session(content)
        assert session.accessed is False
        with suppress(KeyError, TypeError):
            READS[name](session)
        assert session.accessed is True
        assert session.modified is False

    @pytest.mark.parametrize("content", [CONTENT, {}], ids=["full", "empty"])
    @pytest.mark.parametrize("name", WRITES)
    def test_writing_marks_accessed_even_where_it_fails(self, name: str, content: dict[str, Any]) -> None:
        """An error such as KeyError tells what the session holds, so the response depends on the cookie."""
        session = Session(content)
        with suppress(KeyError, TypeError):
            WRITES[name](session)
        assert session.accessed

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from([*READS, *WRITES]), max_size=8))
    def test_any_sequence(self, names: list[str]) -> None:
        ours, theirs = Session(CONTENT), Recorder(CONTENT)
        for name in names:
            if name.startswith("copy") or name == "pickle":
                continue
            call = {**READS, **WRITES}[name]
            assert outcome(call, ours) == outcome(call, theirs)
            ours.modified = theirs.modified = False

    def test_a_new_one_is_neither_accessed_nor_modified(self) -> None:
        for session in (Session(), Session(CONTENT), Session(user="ada"), Session([("user", "ada")])):
            assert session.accessed is False
            assert session.modified is False

    def test_one_session_s_marks_are_not_another_s(self) -> None:
        marked, other = Session(), Session()
        marked["x"] = 1
        assert other.accessed is False
        assert (other.modified, other == {}) == (False, True)


class TestDict:
    """It is a real dict with its content inside, also for what reads it in C."""

    def test_it_takes_attributes_and_weak_references(self) -> None:
        """As Flask's does: extensions hang what they need on it."""
        for session in (SecureCookieSession(), Session()):
            session.sid = "7"  # type: ignore[union-attr]
            assert vars(session)["sid"] == "7"
            assert weakref.ref(session)() is session

    def test_it_is_a_mapping_of_every_kind(self) -> None:
        for kind in (dict, MutableMapping, Mapping):
            assert isinstance(Session(), kind)
        with pytest.raises(TypeError, match="unhashable"):
            hash(Session())

    @pytest.mark.parametrize(
        "dumps",
        [
            lambda d: json.dumps(d, separators=(",", ":")).encode(),
            orjson_dumps,
            msgspec.json.encode,
            pydantic_core.to_json,
        ],
        ids=["json", "orjson", "msgspec", "pydantic-core"],
    )
    def test_serializers_read_the_content(self, dumps: Callable[[object], bytes]) -> None:
        content = {"user": "ada", "cart": [1, {"x": None}]}
        assert dumps(Session(content)) == dumps(content) == b'{"user":"ada","cart":[1,{"x":null}]}'
        assert dumps({"session": Session()}) == b'{"session":{}}'

    def test_so_do_converters(self) -> None:
        assert pydantic_core.to_jsonable_python(Session(CONTENT)) == {**CONTENT, "cart": [1, [2]]}
        assert msgspec.to_builtins(Session(a=(1,))) == {"a": (1,)}
        assert msgspec.convert(Session(a=1), dict[str, int]) == {"a": 1}

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles_hold_a_plain_dict_and_need_no_class_of_ours(self, protocol: int) -> None:
        session = Session(CONTENT)
        session["x"] = 1
        pickled = pickle.dumps(session, protocol)
        assert b"starlette_flask" not in pickled
        assert (type(pickle.loads(pickled)), pickle.loads(pickled)) == (dict, {**CONTENT, "x": 1})

    @pytest.mark.parametrize(
        "make", [lambda s: s.copy(), copy.copy, copy.deepcopy, lambda s: s | {}, lambda s: {} | s, lambda s: {**s}]
    )
    def test_copies_are_plain_dicts_of_their_own(self, make: Callable[[Session], dict[str, Any]]) -> None:
        session = Session(CONTENT)
        made = make(session)
        assert (type(made), made, list(made)) == (dict, CONTENT, list(CONTENT))
        made["x"] = 1
        assert ("x" in session, session.modified) == (False, False)

    def test_only_a_deep_copy_takes_the_values_along(self) -> None:
        session = Session(CONTENT)
        assert copy.copy(session)["cart"] is session.copy()["cart"] is CONTENT["cart"]
        assert copy.deepcopy(session)["cart"] is not CONTENT["cart"]

    def test_two_sessions_are_equal_where_their_content_is(self) -> None:
        assert Session(CONTENT) == Session(CONTENT)
        assert not Session(CONTENT) != Session(CONTENT)  # noqa: SIM202  # another method
        assert Session(CONTENT) != Session()
        assert not Session(CONTENT) == Session()  # noqa: SIM201

    def test_two_sessions_joined_are_a_dict(self) -> None:
        one, two = Session(a=1, b=1), Session(b=2)
        joined = one | two
        assert (type(joined), joined) == (dict, {"a": 1, "b": 2})
        assert one.accessed
        assert two.accessed

    @pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, "%r".__mod__])
    def test_what_it_shows_has_no_content(self, show: Callable[[object], str]) -> None:
        session = Session({"user": "ada", "password": ["hunter2"]})
        assert show({"session": session}) == "{'session': <Session: 2 keys>}"
        assert session.accessed is False
        session["token"] = "t"
        assert show([session]) == "[<Session: 3 keys, modified>]"

    def test_a_subclass_shows_its_own_name(self) -> None:
        class Mine(Session):
            pass

        assert repr(Mine()) == "<Mine: 0 keys>"


class TestUpdate:
    """Methods take what Werkzeug's take."""

    def test_default_by_name(self) -> None:
        session, recorder = Session(a=1), CallbackDict[str, Any]({"a": 1}, lambda _: None)
        for each in (session, recorder):
            assert each.pop("b", default=None) is None
            assert each.pop("a", default=None) == 1
            assert each.setdefault("n", default=[]) == []
        assert dict(session) == dict(recorder) == {"n": []}

    def test_none(self) -> None:
        session, recorder = Session(), CallbackDict[str, Any]({}, lambda _: None)
        recorder.update(None, a=1)
        session.update(None, a=1)
        assert (dict(session), session.modified) == (dict(recorder), True)


class TestProperties:
    """``modified``, ``permanent``, ``new`` and the two ``mark_`` methods are as in Flask and Starlette."""

    def test_mark_accessed(self) -> None:
        session = Session()
        session.mark_accessed()
        assert session.accessed is True
        assert session.modified is False

    def test_mark_modified(self) -> None:
        session = Session()
        session.mark_modified()
        assert session.accessed is True
        assert session.modified is True

    @pytest.mark.parametrize("name", ["modified", "permanent", "new"])
    def test_reading_one_is_to_use_the_session(self, name: str) -> None:
        session = Session()
        getattr(session, name)
        assert session.accessed is True

    def test_modified_may_be_set(self) -> None:
        for value, kept in ((True, True), (1, True), (False, False), (None, False)):
            session = Session()
            session.modified = value  # type: ignore[assignment]
            assert session.accessed is True
            assert session.modified is kept

    def test_modified_may_be_taken_back(self) -> None:
        session = Session()
        session["x"] = 1
        session.modified = False
        assert session.modified is False
        session["x"] = 2
        assert session.modified is True

    @pytest.mark.parametrize("content", [{}, {"_permanent": True}, {"_permanent": False}, {"_permanent": 1}])
    def test_permanent_is_flask_s(self, content: dict[str, Any]) -> None:
        ours, theirs = Session(content), SecureCookieSession(content)
        assert (ours.permanent, ours.modified) == (theirs.permanent, theirs.modified)
        for value in (True, 1, "yes", False, 0, None):
            ours = Session(content)
            ours.permanent = theirs.permanent = value  # type: ignore[assignment]
            assert dict(ours) == dict(theirs)
            assert type(ours["_permanent"]) is bool
            assert (ours.permanent, ours.modified) == (theirs.permanent, theirs.modified) == (bool(value), True)

    def test_new_cannot_be_set(self) -> None:
        session = Session()
        assert session.new is True
        with pytest.raises(AttributeError):
            session.new = False  # type: ignore[misc]

    def test_flask_s_own_session_has_the_same_names(self) -> None:
        theirs = flask.sessions.SecureCookieSession()
        for name in ("accessed", "modified", "permanent"):
            assert getattr(Session(), name) == getattr(theirs, name)


def serve(use: Callable[[Any], object], cookie: str | None = None, **options: Any) -> str | None:
    """Let an application use the session of one request; return the cookie that the response sets."""
    fields = call(SessionMiddleware(app_that(use), KEY, **options), cookie=cookie).set_cookies
    assert len(fields) < 2
    return fields[0].removeprefix("session=") if fields else None


def stored(field: str | None) -> dict[str, Any]:
    """What a cookie brings back in the next request."""
    found: dict[str, Any] = {}
    serve(found.update, None if field is None else field.partition(";")[0])
    return found


class TestInTheMiddleware:
    """What the marks are for: they decide what a response says of the session."""

    @pytest.fixture
    def cookie(self) -> str:
        field = serve(lambda session: session.update(cart=[1], user="ada"))
        assert field is not None
        return field.partition(";")[0]

    @pytest.fixture
    def scalar(self) -> str:
        field = serve(lambda session: session.update(visits=1, user="ada", none=None, on=True, price=1.5))
        assert field is not None
        return field.partition(";")[0]

    def test_new_says_whether_a_cookie_opened(self, cookie: str) -> None:
        seen: list[bool] = []
        for value in (cookie, None, "", "broken", cookie[:-2]):
            serve(lambda session: seen.append(session.new), value)
        assert seen == [False, True, True, True, True]

    def test_a_change_inside_a_value_is_saved(self, cookie: str) -> None:
        assert stored(serve(lambda session: session["cart"].append(2), cookie)) == {"cart": [1, 2], "user": "ada"}

    def test_one_that_is_called_unmodified_is_not(self, cookie: str) -> None:
        def change(session: Session) -> None:
            session["cart"].append(2)
            session["user"] = "eve"
            session.modified = False

        assert serve(change, cookie) is None

    def test_reading_saves_nothing(self, cookie: str, scalar: str) -> None:
        for value in (cookie, scalar):
            assert serve(lambda session: session.mark_accessed(), value) is None
            assert serve(dict, value) is None
            assert serve(lambda session: session["user"], value) is None

    def test_a_session_called_modified_is_saved_as_it_is(self, scalar: str) -> None:
        assert stored(serve(lambda session: session.mark_modified(), scalar))["visits"] == 1

    def test_content_put_in_its_place_is_the_session(self, cookie: str) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = content
            await send({"type": "http.response.start", "status": 200})

        for content in ({"user": "eve"}, {"user": "ada", "cart": [1, 2]}, {}):
            assert call(SessionMiddleware(app, KEY), cookie=cookie).saved == content
        content = {"user": "ada", "cart": [1]}
        assert call(SessionMiddleware(app, KEY), cookie=cookie).saved is None

    def test_a_permanent_one_expires_and_is_refreshed(self) -> None:
        field = serve(lambda session: setattr(session, "permanent", True))
        assert field is not None
        assert "; Expires=" in field
        value = field.partition(";")[0]
        assert serve(lambda session: None, value) is not None
        assert serve(lambda session: None, value, refresh_each_request=False) is None

    def test_one_that_is_not_permanent_is_neither(self, scalar: str) -> None:
        assert serve(lambda session: None, scalar) is None
        field = serve(lambda session: setattr(session, "permanent", False), scalar)
        assert field is not None
        assert "Expires" not in field
