"""Flask's tagged JSON, with the real ``flask.json.tag`` inside a real application on the other side."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pprint import pformat
from types import ModuleType
from typing import Any
from uuid import UUID

import flask
import flask.json.tag
import pytest
import werkzeug.http
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from starlette_flask import tagged_json
from starlette_flask.tagged_json import (
    JSONTag,
    TaggedJSONSerializer,
    http_date,
    json_default,
    parse_date,
    untag_all,
)

from .vectors.cases import CASES

exact = partial(pformat, width=10**6)
"""A text that tells ``1`` from ``True`` and a tuple from a list, but not one order of keys from another."""

ours, theirs = TaggedJSONSerializer(), flask.json.tag.TaggedJSONSerializer()
app = flask.Flask(__name__)


def outcome(call: Callable[..., Any], *args: Any) -> object:
    """What a call returns, exactly, or the type of what it raises."""
    try:
        return exact(call(*args))
    except Exception as error:
        return type(error)


@pytest.fixture(autouse=True, scope="module")
def flask_application() -> Iterator[None]:
    """Flask's serializer goes through ``app.json`` where there is an application, as there is in a request."""
    with app.app_context():
        yield


keys = st.one_of(st.text(max_size=3), st.sampled_from([*ours.tags, " t__", " di__", " x", "", "__"]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.binary(max_size=5),
    st.uuids(),
    st.text(max_size=5).map(Markup),
    st.datetimes(datetime(1000, 1, 1), timezones=st.just(timezone.utc)).map(
        lambda value: value.replace(microsecond=0, fold=0)
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(keys, inner, max_size=2)
    ),
    max_leaves=8,
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just("Thu, 29 Feb 2024 23:59:58 GMT")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, min_size=1, max_size=2)),
    max_leaves=6,
)


@dataclasses.dataclass
class Point:
    x: int
    at: tuple[int, ...] = ()


class Html:
    def __html__(self) -> str:
        return "<i>html</i>"


class LazyHtml:
    """``__html__`` may give something that is text only once asked."""

    def __html__(self) -> Any:
        return Decimal("1.50")


class TestAgainstFlask:
    """What Flask writes inside a request is written, what Flask reads is read, and as the same types."""

    @pytest.mark.parametrize("case", CASES)
    def test_every_type_of_a_session(self, case: str) -> None:
        text = theirs.dumps(CASES[case])
        assert ours.dumps(CASES[case]) == text
        assert exact(ours.loads(text)) == exact(theirs.loads(text))
        assert exact(ours.loads(text.encode())) == exact(theirs.loads(text))

    @settings(max_examples=100, deadline=None)
    @given(values)
    def test_any_value(self, value: Any) -> None:
        text = theirs.dumps(value)
        assert ours.dumps(value) == text
        assert exact(ours.loads(text)) == exact(theirs.loads(text)) == exact(value)

    @settings(max_examples=100, deadline=None)
    @given(json_values)
    def test_any_json_however_its_tags_are_misused(self, value: Any) -> None:
        text = json.dumps(value)
        assert outcome(ours.loads, text) == outcome(theirs.loads, text)

    @pytest.mark.parametrize(
        "value",
        [
            {"b": 1, "a": {"d": 1, "c": 2}},
            {"é\u2028": "\ud800"},
            {"day": date(2024, 2, 29)},
            {"naive": datetime(2024, 2, 29, 1, 2, 3, 999999)},
            {"zone": datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))},
            {"early": datetime(1, 1, 1, tzinfo=timezone.utc)},
            {"price": Decimal("1.10")},
            {"point": Point(1, (2, 3))},
            {"html": Html(), "lazy": LazyHtml()},
            {"nan": float("nan"), "inf": float("-inf"), "big": 1e300},
            {"subclass": OrderedDict(b=1, a=2), "bool": True},
            {1: "int", 10: "ten", 9: "nine"},
            {None: 1},
            {True: 1},
            {1.5: 1},
            {"key": {(1, 2): 3}},
            {1: "mixed", "a": "keys"},
            {"set": {1}},
            {"object": object()},
            {"class": Point},
            {"complex": 1j},
            {"bytearray": bytearray(b"x")},
            [1, (2,)],
            "text",
        ],
        ids=lambda value: str(next(iter(value), value))[:12],
    )
    def test_odd_values(self, value: Any) -> None:
        assert outcome(ours.dumps, value) == outcome(theirs.dumps, value)

    def test_a_value_that_contains_itself(self) -> None:
        value: dict[str, Any] = {}
        value["self"] = value
        with pytest.raises(RecursionError):
            theirs.dumps(value)
        with pytest.raises(RecursionError):
            ours.dumps(value)

    def test_the_text_is_compact_sorted_and_ascii(self) -> None:
        assert ours.dumps({"b": (1, {}), "a": "é"}) == '{"a":"\\u00e9","b":{" t":[1,{}]}}'

    @pytest.mark.parametrize("make", [[], [None], [lambda: None]], ids=["missing", "none", "another one"])
    def test_another_json_module_writes_the_same(self, make: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.delattr(json.encoder, "c_make_encoder")
            for each in make:
                patch.setattr(json.encoder, "c_make_encoder", each, raising=False)
            encode = tagged_json._encoder()
        assert getattr(encode, "__func__", None) is json.JSONEncoder.encode
        if getattr(json.encoder, "c_make_encoder", None):  # as it stands, CPython's own is used
            assert not hasattr(tagged_json._encode, "__func__")
        for value in ({"b": ["é", 1.5, None], "a": UUID(int=1)}, "", float("nan"), -0.0, ["a"] * 200_000):
            assert encode(value) == tagged_json._encode(value)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "{", "[1,]", "nul", '{"a":1}{', "\ufeff{}", '{"a":NaN}', '{"a":1,"a":2}', '{" u":"0"}'),
            *(' {"a":1}', '{"a":1}\n', '\t{"a": 1} ', ' {" t":[1]}', " "),
            *('{" b":"é"}', '{" b":"a"}', '{" d":5}', '{" d":"no date"}', '{" t":5}', '{" m":5}', '{" t":[],"b":0}'),
            *(
                '{"\\u0020t":[1]}',
                '{"\\u0020t":[1],"x":2}',
                '{"x":{"\\u0020\\u0074":[{"a": []}]}}',
                '["\\u0020t", [1]]',
            ),
            *('{" t":{" t":[1]}}', '{" di":{}}', '{" di":5}', '{" di":{" t__":{" t":[1]}}}', '{" di":{"x":1,"y":2}}'),
        ],
    )
    def test_odd_texts(self, text: str) -> None:
        assert outcome(ours.loads, text) == outcome(theirs.loads, text)


def make_tag(base: type[Any], key: str, kind: type, mark: str) -> type[Any]:
    """A tag for values of a type, for Flask's serializer or for ours, whichever ``base`` belongs to."""

    def check(self: Any, value: Any) -> bool:
        return isinstance(value, kind)

    def to_json(self: Any, value: Any) -> Any:
        return [mark, *(self.serializer.tag(item) for item in value)]

    def to_python(self: Any, value: Any) -> Any:
        return (kind, mark, value)

    return type("Tag", (base,), {"key": key, "check": check, "to_json": to_json, "to_python": to_python})


class TestRegister:
    """Tags of an application's own are added as in Flask, and then give the same text."""

    @pytest.mark.parametrize(
        "arguments",
        [
            {"key": " s", "kind": set},
            {"key": " s", "kind": dict, "index": 0},
            {"key": " s", "kind": tuple, "index": 3},
            {"key": " s", "kind": tuple, "index": 2},
            {"key": " s", "kind": tuple, "index": -6},
            {"key": " t", "kind": frozenset, "force": True},
            {"key": " t", "kind": tuple, "force": True, "index": 0},
            {"key": "", "kind": set},
            {"key": "s", "kind": set},
            {"key": "s", "kind": dict, "index": 0},
        ],
        ids=str,
    )
    def test_the_same_tags_give_the_same_text(self, arguments: dict[str, Any]) -> None:
        kind, key = arguments["kind"], arguments["key"]
        options = {name: arguments[name] for name in ("index", "force") if name in arguments}
        pair: list[Any] = [TaggedJSONSerializer(), flask.json.tag.TaggedJSONSerializer()]
        pair[0].register(make_tag(JSONTag, key, kind, "x"), **options)
        pair[1].register(make_tag(flask.json.tag.JSONTag, key, kind, "x"), **options)
        for value in ({5}, (1, (2,)), {" s": 1}, {"a": ({"b": 1},)}, frozenset("a")):
            assert outcome(pair[0].dumps, {"k": value}) == outcome(pair[1].dumps, {"k": value})
        for text in ('{"k":[{" s":[1]},{" t":[2]},{"":[3]}]}', '{"k":[{"s":[1]},{"t":[{"s":[2]}]}]}'):
            assert outcome(pair[0].loads, text) == outcome(pair[1].loads, text)
        assert list(pair[0].tags) == list(pair[1].tags)

    def test_a_key_that_is_taken_is_refused_by_name_and_changes_nothing(self) -> None:
        serializer = TaggedJSONSerializer()
        before = (dict(serializer.tags), list(serializer.order))
        with pytest.raises(KeyError, match=r"' t' is already registered"):
            serializer.register(make_tag(JSONTag, " t", set, "x"))
        assert (serializer.tags, serializer.order) == before

    def test_default_tags_of_a_subclass_count(self) -> None:
        class Bare(TaggedJSONSerializer):
            default_tags = [make_tag(JSONTag, " l", list, "only")]  # noqa: RUF012

        assert Bare().dumps({"list": [1]}) == '{"list":[1]}'  # no tag of a dict, so nobody looks inside
        assert Bare().dumps([1]) == '{" l":["only",1]}'
        assert TaggedJSONSerializer().dumps([1]) == "[1]"

    def test_a_subclass_s_own_way_to_tag_counts(self) -> None:
        def make(base: type[Any]) -> Any:
            class Numbers(base):
                def tag(self, value: Any) -> Any:
                    return super().tag(str(value) if isinstance(value, int) else value)

            return Numbers()

        content = {"a": [1, {"b": (2,)}], "c": 3}
        text = '{"a":["1",{"b":{" t":["2"]}}],"c":"3"}'
        assert make(TaggedJSONSerializer).dumps(content) == text
        assert make(flask.json.tag.TaggedJSONSerializer).dumps(content) == text

    def test_one_serializer_s_tags_are_not_another_s(self) -> None:
        TaggedJSONSerializer().register(make_tag(JSONTag, " s", set, "x"))
        assert " s" not in TaggedJSONSerializer().tags


class TestInterface:
    """The parts that an application's own tags are made of."""

    def test_the_default_tags_are_flask_s_in_flask_s_order(self) -> None:
        assert [tag.key for tag in ours.order] == [tag.key for tag in theirs.order]
        assert list(ours.tags) == list(theirs.tags)

    @pytest.mark.parametrize("value", [(1, (2,)), [(1,)], {"a": b"x"}, {" t": 1}, b"\xff", 5, UUID(int=7), Markup("")])
    def test_tag_and_untag_are_flask_s(self, value: Any) -> None:
        tagged = theirs.tag(value)
        assert exact(ours.tag(value)) == exact(tagged)
        if isinstance(tagged, dict):
            assert outcome(ours.untag, tagged) == outcome(theirs.untag, tagged)

    @pytest.mark.parametrize("value", [{}, {" t": [1], "other": 2}, {"unknown": 1}])
    def test_untag_leaves_what_is_not_tagged(self, value: dict[str, Any]) -> None:
        assert ours.untag(value) is value

    def test_the_base_class_asks_to_be_filled_in(self) -> None:
        tag = JSONTag(ours)
        assert tag.serializer is ours
        for method in (tag.check, tag.to_json, tag.to_python, tag.tag):
            with pytest.raises(NotImplementedError):
                method(1)

    def test_untag_all_goes_from_the_inside_out(self) -> None:
        seen = []

        def untag(value: dict[str, Any]) -> Any:
            seen.append(exact(value))
            return len(seen)

        assert untag_all(untag, {"a": [{"b": {}}, 5], "c": "text"}) == 3
        assert seen == ["{}", "{'b': 1}", "{'a': [2, 5], 'c': 'text'}"]
        assert untag_all(untag, "text") == "text"


class TestDates:
    """Dates are written and read as Werkzeug writes and reads them."""

    zones = st.one_of(st.none(), st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))))

    @settings(max_examples=100, deadline=None)
    @given(st.one_of(st.dates(), st.datetimes(timezones=zones)))
    def test_http_date(self, value: date) -> None:
        assert outcome(http_date, value) == outcome(werkzeug.http.http_date, value)

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows cannot change its time zone for one process")
    @pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
    def test_a_naive_datetime_is_not_in_the_local_time_zone(self, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert http_date(datetime(2024, 2, 29, 1)) == "Thu, 29 Feb 2024 01:00:00 GMT"
            assert werkzeug.http.http_date(datetime(2024, 2, 29, 1)) == "Thu, 29 Feb 2024 01:00:00 GMT"
            assert http_date(date(2024, 2, 29)) == "Thu, 29 Feb 2024 00:00:00 GMT"
            assert parse_date("29 Feb 2024 01:00:00 -0000") == datetime(2024, 2, 29, 1, tzinfo=timezone.utc)
        finally:
            monkeypatch.undo()
            time.tzset()

    @pytest.mark.parametrize(
        "text",
        [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 +0130",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "6 Nov 1994",
            "31 Feb 2024 00:00:00 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "no date",
            "",
        ],
    )
    def test_parse_date(self, text: str) -> None:
        ours, theirs = parse_date(text), werkzeug.http.parse_date(text)
        assert ours == theirs
        assert ours is None or (ours.tzinfo is not None and ours.utcoffset() == theirs.utcoffset())  # type: ignore[union-attr]


class TestDefault:
    """What neither JSON nor a tag can carry becomes text as Flask's provider has it, or is refused by its type."""

    @pytest.mark.parametrize(
        "value",
        [
            *(date(2024, 2, 29), datetime(2024, 2, 29, 1), Decimal("1.10"), UUID(int=1), Point(1), Html(), LazyHtml()),
            *(Point, object(), {1}, 1j, range(3)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_it_is_flask_s(self, value: Any) -> None:
        assert outcome(json_default, value) == outcome(flask.json.provider.DefaultJSONProvider.default, value)

    def test_the_error_names_the_type_and_not_the_value(self) -> None:
        class Account:
            def __repr__(self) -> str:
                return "password=hunter2"

        types = "dict, list, tuple, str, int, float, bool, None, bytes, UUID, datetime and Markup"
        with pytest.raises(TypeError, match=f"^A session cannot store .* type Account; it stores {types}$") as caught:
            ours.dumps({"account": Account()})
        assert "hunter2" not in str(caught.value)


@pytest.fixture
def without_markupsafe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is imported where markupsafe is not installed."""
    monkeypatch.setitem(sys.modules, "markupsafe", None)
    spec = importlib.util.spec_from_file_location("tagged_json_without_markupsafe", tagged_json.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestWithoutMarkupsafe:
    """A ``str`` subclass stands in for Markup, and both sides understand it."""

    def test_it_round_trips(self, without_markupsafe: ModuleType) -> None:
        serializer = without_markupsafe.TaggedJSONSerializer()
        text = theirs.dumps({"html": Markup("<b>&amp;</b>")})
        value = serializer.loads(text)["html"]
        assert type(value) is without_markupsafe.Markup
        assert type(value) is not Markup
        assert value == "<b>&amp;</b>"
        assert type(value.__html__()) is str
        assert not hasattr(value, "__dict__")
        assert {side.dumps({"html": value}) for side in (serializer, ours, theirs)} == {text}


class TestOwnUntag:
    """A subclass's way to untag, and a tag set without `register`, count for every object, as in Flask."""

    def test_subclass(self) -> None:
        class Ours(TaggedJSONSerializer):
            def untag(self, value: dict[str, Any]) -> Any:
                return {"seen": super().untag(value)}

        class Flasks(flask.json.tag.TaggedJSONSerializer):
            def untag(self, value: dict[str, Any]) -> Any:
                return {"seen": super().untag(value)}

        assert Ours().loads('{"a":{}}') == Flasks().loads('{"a":{}}') == {"seen": {"a": {"seen": {}}}}

    def test_set_directly(self) -> None:
        ours = TaggedJSONSerializer()
        ours.tags["x"] = ours.tags[" t"]
        assert ours.loads('{"a":{"x":[1]}}') == {"a": (1,)}

    def test_appended_to_the_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class TagSet(JSONTag):
            key = "set"

            def check(self, value: Any) -> bool:
                return isinstance(value, set)

            def to_json(self, value: Any) -> Any:
                return sorted(value)

            def to_python(self, value: Any) -> Any:
                return set(value)

        monkeypatch.setattr(TaggedJSONSerializer, "default_tags", [*TaggedJSONSerializer.default_tags, TagSet])
        serializer = TaggedJSONSerializer()
        assert serializer.loads(serializer.dumps({"a": {1, 2}})) == {"a": {1, 2}}
