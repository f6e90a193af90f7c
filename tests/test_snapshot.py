"""Content at one moment, frozen: what can be told apart by its picture, and what comes back."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import combinations
from sys import getsizeof
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from starlette_flask import SessionCodec
from starlette_flask.snapshot import Snapshot, take_picture

CODEC = SessionCodec("a key")
NOW = datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc)
#: One value of each type that a session stores, and that nothing changes in place.
CONSTANTS: list[Any] = ["a", 1, 1.5, True, None, b"a", UUID(int=5), NOW, Markup("<b>")]
#: No two of these are the same content, though many are equal.
DIFFERENT: list[Any] = [
    [1],
    [True],
    [1.0],
    ["1"],
    [b"1"],
    [0.0],
    [-0.0],
    (1,),
    [[1]],
    [(1,)],
    [None],
    [],
    {},
    [{}],
    {"1": 1},
    {1: 1},
    ["<b>"],
    [Markup("<b>")],
    [NOW],
    [UUID(int=5)],
    [UUID(int=6)],
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def is_foreign(value: Any) -> bool:
    """Whether ``marshal`` does not know what is in a list."""
    return isinstance(value, list) and any(isinstance(item, (datetime, UUID, Markup)) for item in value)


def exact(value: Any) -> str:
    """The types as well as the values; the order of keys, too."""
    return repr(value)


class TestPicture:
    """Two pictures are equal exactly where two contents are, in types and in the order of keys."""

    def test_of_constants_there_is_none(self) -> None:
        assert take_picture(dict(enumerate(CONSTANTS)), CODEC) is None  # type: ignore[arg-type]
        assert take_picture({}, CODEC) is None

    @pytest.mark.parametrize(
        "value", [[], {}, (), (1,), {1}, bytearray(b"a"), object(), type("Text", (str,), {})("a")]
    )
    def test_of_all_else_there_is_one(self, value: Any) -> None:
        """Also of a subclass, which may have more to it than its base shows."""
        assert take_picture({"a": value}, CODEC) is not None

    def test_tells_apart_what_differs(self) -> None:
        for one, other in combinations(DIFFERENT, 2):
            assert take_picture({"a": one}, CODEC) != take_picture({"a": other}, CODEC), (one, other)

    def test_is_the_same_for_the_same(self) -> None:
        """Whoever else holds the parts, and however often one occurs."""
        text = "".join(["a", "b"])
        shared = [text, text, 1000, 10.5]
        held = [text, shared]
        assert take_picture({"a": [["ab", "ab", 1000, 10.5]] * 2}, CODEC) == take_picture({"a": [shared] * 2}, CODEC)
        assert len(held) == 2
        for value in DIFFERENT:
            assert take_picture({"a": value, "b": []}, CODEC) == take_picture({"a": value, "b": []}, CODEC)

    def test_of_what_cannot_be_stored_is_like_no_other(self) -> None:
        pictures = [take_picture({"a": value}, CODEC) for value in ([object()], [1], [], [NOW])]
        assert pictures[0] not in pictures[1:]


class TestThaw:
    """What comes out is what went in, with its keys in their order, and nobody can change it for others."""

    @pytest.mark.parametrize("value", [*CONSTANTS, *(v for v in DIFFERENT if not is_foreign(v))], ids=repr)
    def test_gives_the_content(self, value: Any) -> None:
        content = {"b": "c", "a": value}
        assert exact(Snapshot(dict(content)).thaw()) == exact(content)

    @settings(max_examples=200, deadline=None)
    @given(st.dictionaries(st.text(), json_values, max_size=4))
    def test_gives_any_content(self, content: dict[str, Any]) -> None:
        assert exact(Snapshot(dict(content)).thaw()) == exact(content)

    @pytest.mark.parametrize("value", [v for v in DIFFERENT if is_foreign(v)], ids=repr)
    def test_is_refused_where_the_order_of_keys_would_be_lost(self, value: Any) -> None:
        with pytest.raises(ValueError, match="unmarshallable"):
            Snapshot({"b": {"d": 1, "c": 2}, "a": value})

    def test_gives_objects_of_its_own(self) -> None:
        content: dict[str, Any] = {"cart": [{"n": 1}]}
        snapshot = Snapshot(content)
        thawed = snapshot.thaw()
        thawed["cart"][0]["n"] = 2
        thawed["cart"].append(1)
        content["cart"].append(3)
        assert snapshot.thaw() == {"cart": [{"n": 1}]}

    @pytest.mark.parametrize(
        "content",
        [
            {"a": "x" * 5000},
            {"a": ["x" * 5000]},
            {f"key{n}": "x" * 60 for n in range(80)},
            {"a": "\U0001f36a" * 1300},
        ],
        ids=["long", "nested", "many keys", "wide"],
    )
    def test_says_how_much_memory_it_takes(self, content: dict[str, Any]) -> None:
        assert Snapshot(content).size >= 5000

    def test_a_picture_takes_the_bytes_that_it_has(self) -> None:
        """Many keys cost nothing more there: they are no objects."""
        snapshot = Snapshot({**dict.fromkeys("abcdefgh", ""), "list": []})
        assert snapshot.picture is not None
        assert snapshot.size == len(snapshot.picture)

    def test_a_large_flat_one_takes_a_fraction_of_its_objects(self) -> None:
        """Many short texts are many objects, and are kept as bytes; thawed, they are what they were."""
        content = {f"key {number}": f"text {number}" for number in range(60)}
        snapshot = Snapshot(dict(content))
        assert snapshot.picture is None
        assert snapshot.size < sum(map(getsizeof, (*content, *content.values()))) / 4
        assert snapshot.thaw() == content
