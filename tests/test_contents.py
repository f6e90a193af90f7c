"""What a session holds: frozen and thawed, compared by structure and type."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from itertools import combinations
from math import inf, nan
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from starlette_flask import SessionCodec
from starlette_flask.contents import ABSENT, LOGIN, Stored, changed_keys, freeze, merge, same, stored, thaw

CODEC = SessionCodec("a key")
DATE = datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc)
#: No two of these are the same, though many are equal.
DIFFERENT: list[Any] = [
    1, True, 1.0, "1", b"1", 0, False, 0.0, -0.0, nan, inf, None, "", b"", DATE, UUID(int=5), UUID(int=6),
    "<b>", Markup("<b>"), [], (), {}, [1], [True], [1.0], (1,), [[1]], [(1,)], [-0.0], [0.0], [nan], [None],
    [DATE], [UUID(int=5)], [Markup("<b>")], ["<b>"], [1, 2], [2, 1], {"a": 1}, {"a": True}, {"b": 1}, {"a": [1]},
    {"a": 1, "b": 2}, {"a": DATE}, [{"a": nan}], [{"a": 1.5}],
]  # fmt: skip
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.uuids()
    | st.datetimes(datetime(1970, 1, 1), timezones=st.just(timezone.utc)).map(lambda date: date.replace(microsecond=0))
    | st.text().map(Markup)
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
)
contents = st.dictionaries(st.text(), values, max_size=4)


def reordered(value: Any) -> Any:
    """The same with the keys of every dict the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [*map(reordered, value)] if isinstance(value, list) else value


def looping(branches: int) -> Any:
    """A tree whose children know their parent."""
    parent: dict[str, Any] = {"children": []}
    parent["children"] += [{"parent": parent} for _ in range(branches)]
    return parent


class TestSame:
    """Structure and type count; the order of a dict's keys and who else holds an object do not."""

    def test_tells_apart_what_differs(self) -> None:
        for one, other in combinations(DIFFERENT, 2):
            assert not same(one, other), (one, other)

    @pytest.mark.parametrize("value", DIFFERENT, ids=repr)
    def test_a_copy_is_the_same(self, value: Any) -> None:
        assert same(value, copy.deepcopy(value))
        assert same([value, float("nan")], [copy.deepcopy(value), float("nan")])

    @settings(max_examples=200, deadline=None)
    @given(values)
    def test_any_copy_in_any_order(self, value: Any) -> None:
        assert same(value, reordered(copy.deepcopy(value)))

    @settings(max_examples=200, deadline=None)
    @given(values, values)
    def test_as_their_texts_differ(self, one: Any, other: Any) -> None:
        """The standard serializer writes the same text for the same, and for nothing else."""
        assert same(one, other) is (CODEC.serialize(one) == CODEC.serialize(other))

    @pytest.mark.parametrize("branches", [1, 2, 40])
    def test_what_contains_itself_is_not_the_same_as_anything_finite(self, branches: int) -> None:
        """At once: with two branches, marshal alone would take longer than the universe has."""
        loop = looping(branches)
        for finite in ({"children": []}, {"children": [{"parent": {"children": []}}] * branches}, [], 1):
            assert not same(finite, loop)
            assert not same(loop, finite)

    def test_an_object_that_cannot_be_compared_is_another(self) -> None:
        class Odd:
            def __eq__(self, other: object) -> bool:
                raise LookupError

        assert not same([Odd()], [Odd()])
        assert same([object], [object])


@settings(max_examples=200, deadline=None)
@given(contents, contents)
@example({}, {"a": None})
def test_changed_keys_are_those_that_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = changed_keys(before, after)
    assert changed == {
        key for key in {*before, *after} if not (key in before and key in after and same(before[key], after[key]))
    }


class TestFrozen:
    """What comes out is what went in, with its keys in their order, and nobody can change it for others."""

    @settings(max_examples=200, deadline=None)
    @given(contents)
    def test_any_content(self, content: dict[str, Any]) -> None:
        """As the codec made it: marshal, or where it lacks a type, the text, gives it back."""
        serialized = CODEC.serialize(content)
        holds = stored(CODEC.deserialize(serialized), serialized, CODEC.deserialize, 5, b"x")
        assert repr(holds.content()) == repr(CODEC.deserialize(serialized))
        assert (holds.signed_at, holds.origin, holds.value) == (5, "flask", b"x")

    @pytest.mark.parametrize("value", [{1: [1.5, (None, True)]}, [b"a", -0.0], {"b": 1, "a": 2}], ids=repr)
    def test_thaw_undoes_freeze(self, value: Any) -> None:
        assert repr(thaw(freeze({"x": value}))) == repr({"x": value})

    @pytest.mark.parametrize(
        "value", [DATE, UUID(int=5), Markup("x"), object()], ids=lambda value: type(value).__name__
    )
    def test_marshal_refuses_what_it_would_not_give_back(self, value: Any) -> None:
        with pytest.raises(ValueError, match="unmarshallable"):
            freeze({"x": [value]})

    @pytest.mark.parametrize("value", [[{"n": 1}], [DATE, {"n": 1}]], ids=["marshal", "text"])
    def test_each_caller_has_objects_of_its_own(self, value: Any) -> None:
        content = {"cart": value}
        before, serialized = copy.deepcopy(content), CODEC.serialize(content)
        holds = stored(content, serialized, CODEC.deserialize, 5, b"x")
        mine = holds.content()
        mine["cart"][-1]["n"] = 2
        content["cart"].append(3)
        assert holds.content() == before

    def test_compared_with_more_than_once_it_is_thawed_once(self) -> None:
        content = {"cart": [1]}
        holds = Stored(freeze(content), thaw, 7, "starlette").thawed()
        assert holds.content() is holds.content()
        assert holds.thawed() is holds
        assert (holds.content(), holds.signed_at, holds.origin) == (content, 7, "starlette")

    def test_nothing_is_empty(self) -> None:
        assert ABSENT.content() == {}

    def test_what_came_in_no_cookie_has_neither_value_nor_date(self) -> None:
        holds = Stored({}, dict)
        assert (holds.value, holds.signed_at, holds.origin, holds.canonical) == (b"", 0, "flask", False)


#: Few keys and values, so that two sides often touch the same.
merging = st.dictionaries(
    st.sampled_from(["a", "b", "_permanent", "_flashes", *sorted(LOGIN)[:2]]),
    st.sampled_from([0, False, True, [["message", "x"]], [["message", "x"], ["message", "y"]], [["message", "z"]]]),
)
ADA = {"_user_id": "ada", "_fresh": True, "_id": "x"}
REMEMBERED = {"_remember": "set", "_remember_seconds": 60}
BEN = {"_user_id": "ben", "_fresh": False, "_id": "y"}


def flashes(*texts: str) -> dict[str, Any]:
    return {"_flashes": [("message", text) for text in texts]} if texts else {}


class TestMerge:
    """Their content with our changes on it, by top-level key; where both changed one, theirs."""

    @settings(max_examples=300, deadline=None)
    @given(merging, merging, merging)
    def test_any_three(self, base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        merged, lost = merge(base, ours, theirs)
        our_changes, touched = changed_keys(base, ours), changed_keys(base, theirs)
        if touched & LOGIN:
            touched |= LOGIN
        for key in {*base, *ours, *theirs}:
            if (key == "_flashes" and key in our_changes & touched) or (key == "_permanent" and not theirs):
                continue  # the exceptions below
            side = ours if key in our_changes - touched else theirs
            assert same(merged.get(key, ...), side.get(key, ...)), key
        arrived = {key for key in our_changes if same(merged.get(key, ...), ours.get(key, ...))}
        assert lost <= our_changes - arrived
        assert our_changes - arrived - lost <= {"_flashes", "_permanent"}
        assert lost <= touched

    @settings(max_examples=200, deadline=None)
    @given(contents, contents)
    def test_where_one_side_did_nothing_the_other_s_is_the_result(self, base: Any, changed: Any) -> None:
        for merged, lost in (merge(base, base, changed), merge(base, changed, base), merge(base, changed, changed)):
            assert (same(merged, changed), lost) == (True, set())

    @pytest.mark.parametrize(
        ("base", "ours", "theirs", "expected", "lost"),
        [
            # the keys of a log-in are one unit
            ({}, ADA, BEN, BEN, set(ADA)),
            (
                ADA,
                {**ADA, "_fresh": False, "_id": "y"},
                {**ADA, "_user_id": ""},
                {**ADA, "_user_id": ""},
                {"_fresh", "_id"},
            ),
            (ADA, {**ADA, **REMEMBERED}, {}, {}, set(REMEMBERED)),
            (ADA, {**ADA, "a": 1}, {}, {"a": 1}, set()),
            ({}, ADA, {"a": 1}, {**ADA, "a": 1}, set()),
            # deeper is not merged: the rights of one user are not another's
            (
                {"user": {"id": "A", "role": "user"}},
                {"user": {"id": "A", "role": "admin"}},
                {"user": {"id": "B", "role": "user"}},
                {"user": {"id": "B", "role": "user"}},
                {"user"},
            ),
            # messages of both arrive, and those that were shown do not come again
            (flashes("old"), flashes("old", "new"), {}, flashes("new"), set()),
            (
                flashes("old", "older"),
                flashes("old", "older", "ours"),
                flashes("old", "older", "theirs"),
                flashes("old", "older", "theirs", "ours"),
                set(),
            ),
            (flashes("old"), {}, flashes("old", "theirs"), flashes("theirs"), set()),
            (flashes("old"), flashes("ours"), flashes("theirs"), flashes("theirs", "ours"), set()),
            (flashes("one", "two"), flashes("one"), flashes(), {}, set()),
            ({}, flashes("ours"), flashes("theirs"), flashes("theirs", "ours"), set()),
            ({}, {"_flashes": 5}, flashes("theirs"), flashes("theirs"), {"_flashes"}),
            ({"_flashes": 5}, flashes("ours"), flashes("theirs"), flashes("theirs"), {"_flashes"}),
            # `_permanent` alone
            ({"a": 1}, {"a": 1, "_permanent": True}, {}, {}, set()),
            ({"a": 1}, {"a": 2, "_permanent": True}, {}, {}, {"a"}),
            ({"a": 1}, {"a": 1, "b": 1, "_permanent": True}, {}, {"b": 1, "_permanent": True}, set()),
            ({}, {"_permanent": True}, {}, {"_permanent": True}, set()),
        ],
    )
    def test_the_exceptions(self, base: Any, ours: Any, theirs: Any, expected: Any, lost: set[str]) -> None:
        assert merge(base, ours, theirs) == (expected, lost)
