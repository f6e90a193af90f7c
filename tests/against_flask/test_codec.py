"""The codec alone: the bytes of Flask's signing serializer inside an application context, and its errors."""

from __future__ import annotations

import hashlib
from ast import literal_eval
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import flask.json.tag
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import BadData, BadPayload, BadSignature, BadTimeSignature, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, int_to_bytes

import starlette_flask.tagged_json
from starlette_flask import JSONTag, SessionCodec, TaggedJSONSerializer

from .harness import FLASK, NOW, Pair, count, frozen, make_flask
from .strategies import (
    Colour,
    Html,
    Item,
    NotHtml,
    Number,
    Point,
    Text,
    Unstorable,
    Value,
    any_values,
    configs,
    contents,
    damages,
    examples,
    faithful,
    interfaces,
    names,
    no_sessions,
    raw_payloads,
    signed,
    values,
)

APP = make_flask()


def flask_codec(app: flask.Flask = APP) -> URLSafeTimedSerializer:
    codec = app.session_interface.get_signing_serializer(app)
    assert codec is not None
    return codec


OURS = SessionCodec(APP.secret_key)
THEIRS = flask_codec()


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
    """Return what a call returns, as text that shows types, too, or the class of what it raises."""
    try:
        return repr(call(*args, **kwargs))
    except Exception as error:
        return type(error)


class TestDumps:
    """Any mapping becomes the same bytes, or is refused with the same class of error."""

    @examples(250)
    @given(st.dictionaries(names, any_values, max_size=4))
    def test_any_mapping(self, mapping: dict[str, Any]) -> None:
        with frozen(), APP.app_context():
            assert outcome(OURS.dumps, mapping) == outcome(THEIRS.dumps, mapping)
        count("values", mapping)

    @examples(40)
    @given(configs(), interfaces, contents, st.integers(0, 2**35))
    def test_any_settings_at_any_time(
        self, config: dict[str, Any], interface: dict[str, Any], mapping: dict[str, Any], now: int
    ) -> None:
        app = make_flask(config, interface)
        kept = {"salt": interface["salt"]} if "salt" in interface else {}
        signer = {key: value for key, value in interface.items() if key != "salt"}
        ours = SessionCodec(
            config["SECRET_KEY"],
            secret_key_fallbacks=list(config.get("SECRET_KEY_FALLBACKS") or ()),
            signer_kwargs=signer,
            **kept,
        )
        with frozen(now), app.app_context():
            value = flask_codec(app).dumps(mapping)
            assert ours.dumps(mapping) == value
            assert outcome(ours.loads, value) == outcome(flask_codec(app).loads, value)
        count("values", config, interface, mapping, now)

    @pytest.mark.parametrize(
        "value",
        [
            {2: "b", 10: "a"},
            {None: 1},
            {True: 1},
            {1.5: 1},
            {float("nan"): 1},
            {1: 1, "1": 2},
            {None: 1, "a": 2},
            {(1,): 1},
            {b"a": 1},
            {Colour.RED: 1},
            {Number.ONE: 1},
            {Text("a"): Text("b")},
            float("nan"),
            -float("inf"),
            "\ud800\udc00 \udfff",
            Colour.RED,
            Number.ONE,
            Point(1, [2]),
            Item(),
            Item,
            Html("<b>&amp;"),
            Html,
            NotHtml(),
            Unstorable(),
            object(),
            {1, 2},
            bytearray(b"x"),
            memoryview(b"x"),
            range(3),
            {}.keys(),
        ],
        ids=lambda value: repr(value)[:40].partition(" at 0x")[0],
    )
    def test_a_value_that_json_or_flask_treats_specially(self, value: Any) -> None:
        for mapping in ({"a": value}, {"a": [value, (value,)]}, {" t": value}, {"a": {" t": value}, "b": 1}):
            with frozen(), APP.app_context():
                assert outcome(OURS.dumps, mapping) == outcome(THEIRS.dumps, mapping)
            count("values", mapping)

    def test_an_int_of_more_digits_than_python_prints(self) -> None:
        with frozen(), APP.app_context():
            assert outcome(OURS.dumps, {"a": 10**4400}) is outcome(THEIRS.dumps, {"a": 10**4400}) is ValueError
            huge = THEIRS.make_signer().sign(base64_encode(b'{"a":1' + b"0" * 4400 + b"}"))
            assert outcome(OURS.loads, huge) is outcome(THEIRS.loads, huge) is BadPayload

    @pytest.mark.parametrize("depth", [1, 2])
    def test_a_value_that_contains_itself(self, depth: int) -> None:
        ring: list[Any] = []
        ring.append(ring if depth == 1 else {"a": (ring,)})
        with APP.app_context():
            assert outcome(OURS.dumps, {"a": ring}) is outcome(THEIRS.dumps, {"a": ring}) is RecursionError

    @pytest.mark.parametrize("length", range(40))
    def test_where_compression_begins_to_pay(self, length: int) -> None:
        for mapping in ({"a": "x" * length}, {"a": "ab" * length}, {"a": list(range(length))}):
            with frozen(), APP.app_context():
                assert OURS.dumps(mapping) == THEIRS.dumps(mapping)
            count("values", mapping)


class TestLoads:
    """Any bytes give the same value, or the same class of error."""

    def same(self, value: bytes, max_age: int | None) -> None:
        with frozen(), APP.app_context():
            for return_timestamp in (True, False):
                ours = outcome(OURS.loads, value, max_age, return_timestamp)
                theirs = outcome(THEIRS.loads, value, max_age, return_timestamp)
                if isinstance(theirs, type) and not issubclass(theirs, BadData):
                    # A signed timestamp that is no date, and Flask answers 500; see the deliberate differences.
                    assert issubclass(theirs, (OverflowError, ValueError, OSError))
                    theirs, ours = True, isinstance(ours, type) and issubclass(ours, BadTimeSignature)
                assert ours == theirs
        count("signed values", value, max_age)

    @examples(200)
    @given(
        st.one_of(signed, st.builds(Value, raw_payloads, st.just("raw"), damage=damages)),
        st.none() | st.integers(0, 90),
    )
    def test_a_value_once_signed(self, value: Value, max_age: int | None) -> None:
        self.same(value.render(Pair(), NOW), max_age)

    # Not drawn: a signed timestamp of more than 8 bytes is none to itsdangerous, and one to SessionCodec.
    @examples(150)
    @given(raw_payloads, st.one_of(st.binary(max_size=8), st.integers(0, 2**64 - 1).map(int_to_bytes)), st.booleans())
    def test_any_payload_and_time_with_a_good_signature(self, payload: bytes, stamp: bytes, encoded: bool) -> None:
        value = payload + b"." + (base64_encode(stamp) if encoded else stamp)
        self.same(value + b"." + THEIRS.make_signer().get_signature(value), 60)

    @examples(150)
    @given(st.one_of(st.binary(max_size=30), st.lists(st.binary(max_size=5), max_size=5).map(b".".join)))
    @example(b"")
    @example(b".")
    @example(b"..")
    @example(b"...")
    def test_any_bytes(self, value: bytes) -> None:
        self.same(value, None)

    @examples(100)
    @given(st.dictionaries(names, faithful, max_size=3), st.integers(0, 400), st.integers(0, 7))
    def test_one_bit_is_another(self, mapping: dict[str, Any], place: int, bit: int) -> None:
        with frozen(), APP.app_context():
            value = bytearray(THEIRS.dumps(mapping).encode())
        value[place % len(value)] ^= 1 << bit
        self.same(bytes(value), 60)

    @pytest.mark.parametrize("text", ["ünicode", "a.b.c", "\udc80", "\x00"])
    def test_text_that_is_no_signed_value(self, text: str) -> None:
        theirs = outcome(THEIRS.loads, text)
        if text == "\udc80":  # which does not come out of a Cookie field
            assert (theirs, outcome(OURS.loads, text)) == (UnicodeEncodeError, BadSignature)
        else:
            assert outcome(OURS.loads, text) == theirs

    @pytest.mark.parametrize("key_derivation", ["hmac", "concat", "django-concat", "none"])
    @pytest.mark.parametrize(
        "digest_method", [hashlib.sha1, hashlib.sha512, partial(hashlib.sha256, usedforsecurity=False)]
    )
    def test_signed_in_another_way(self, key_derivation: str, digest_method: Any) -> None:
        kwargs = {"key_derivation": key_derivation, "digest_method": digest_method}
        app = make_flask({"SECRET_KEY": "long" * 50}, kwargs)
        ours = SessionCodec(app.secret_key, signer_kwargs=kwargs)
        with frozen(), app.app_context():
            value = flask_codec(app).dumps({"a": 1})
        with frozen():
            assert ours.dumps({"a": 1}) == value
            assert ours.loads(value) == {"a": 1}


def make_tag(base: type, tag_key: str, kind: type, mark: str) -> Any:
    """Return a tag class for one of the two packages: it stores ``kind`` as text with a mark before it."""

    class Tag(base):  # type: ignore[misc]
        __slots__ = ()
        key = tag_key

        def check(self, value: Any) -> bool:
            return type(value) is kind

        def to_json(self, value: Any) -> Any:
            return self.serializer.tag([mark, str(value)])

        def to_python(self, value: Any) -> Any:
            return (mark, value)

    return Tag


tag_keys = st.sampled_from([*([""] if FLASK >= (3, 1) else []), "x", " x", " t", " di", "__", "x__", "é", " d"])
registrations = st.lists(
    st.tuples(
        tag_keys,
        st.sampled_from([str, int, dict, tuple, complex, set, type(None)]),
        st.booleans(),
        st.one_of(st.none(), st.integers(-3, 10)),
    ),
    max_size=4,
)


def register_all(serializer: Any, base: type, drawn: list[tuple[str, type, bool, int | None]]) -> list[str]:
    """Register tags as drawn; return what each call said."""
    said = []
    for number, (key, kind, force, index) in enumerate(drawn):
        try:
            serializer.register(make_tag(base, key, kind, f"mark {number}"), force=force, index=index)
        except KeyError as error:
            said.append(str(error))
    return said


class TestTags:
    """``TaggedJSONSerializer`` and ``JSONTag`` have the interface of ``flask.json.tag``, and do the same."""

    @examples(80)
    @given(registrations, st.one_of(any_values, st.dictionaries(tag_keys, values, max_size=2)), contents)
    def test_registered_tags(self, drawn: list[Any], value: Any, content: dict[str, Any]) -> None:
        theirs: Any = flask.json.tag.TaggedJSONSerializer()
        ours = TaggedJSONSerializer()
        assert register_all(ours, JSONTag, drawn) == register_all(theirs, flask.json.tag.JSONTag, drawn)
        assert list(ours.tags) == list(theirs.tags)
        assert [type(tag).__name__ for tag in ours.order] == [type(tag).__name__ for tag in theirs.order]
        with APP.app_context():
            for one in (value, content, 1 + 2j, {"a": 1j}):
                assert outcome(ours.tag, one) == outcome(theirs.tag, one)
                text = outcome(theirs.dumps, one)
                assert outcome(ours.dumps, one) == text
                if isinstance(text, str):
                    assert outcome(ours.loads, literal_eval(text)) == outcome(theirs.loads, literal_eval(text))
        count("values", drawn, value, content)

    @examples(100)
    @given(registrations, no_sessions)
    def test_texts_that_no_serializer_wrote(self, drawn: list[Any], payload: bytes) -> None:
        theirs: Any = flask.json.tag.TaggedJSONSerializer()
        ours = TaggedJSONSerializer()
        register_all(ours, JSONTag, drawn)
        register_all(theirs, flask.json.tag.JSONTag, drawn)
        text = payload.decode("latin-1")
        with APP.app_context():
            assert outcome(ours.loads, text) == outcome(theirs.loads, text)
        count("values", drawn, text)

    @pytest.mark.parametrize("value", [{}, {"a": 1}, {" t": [1]}, {" t": [1], "a": 1}, {" b": "eA=="}, {" x": 1}])
    def test_untag(self, value: dict[str, Any]) -> None:
        theirs: Any = flask.json.tag.TaggedJSONSerializer()
        assert outcome(TaggedJSONSerializer().untag, value) == outcome(theirs.untag, value)

    def test_default_tags(self) -> None:
        ours, theirs = TaggedJSONSerializer, flask.json.tag.TaggedJSONSerializer
        assert [tag.__name__ for tag in ours.default_tags] == [tag.__name__ for tag in theirs.default_tags]
        assert [tag.key for tag in ours.default_tags] == [tag.key or "" for tag in theirs.default_tags]
        for tag in ours.default_tags:
            twin = getattr(flask.json.tag, tag.__name__)
            assert issubclass(tag, JSONTag)
            assert {name for name in vars(twin) if not name.startswith("_")} <= set(dir(tag))

    def test_a_subclass_has_its_own_default_tags(self) -> None:
        said = []
        for package, serializer in (
            (starlette_flask.tagged_json, TaggedJSONSerializer),
            (flask.json.tag, flask.json.tag.TaggedJSONSerializer),
        ):
            tags: Any = [package.PassDict, make_tag(package.JSONTag, "é", tuple, "t"), package.PassList]  # type: ignore[attr-defined]
            subclass: Any = type("Subclass", (serializer,), {"default_tags": tags})
            with APP.app_context():
                text = subclass().dumps({"b": (1, [b""[:0] or 2]), "a": {" t": 1}})
                said.append((text, repr(subclass().loads(text)), [*subclass().tags]))
        assert said[0] == said[1]

    @pytest.mark.parametrize(
        "value",
        [
            UUID(int=1),
            Decimal("1.50"),
            datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2))),
            datetime(2024, 1, 2),
            date(2024, 1, 2),
            Item(),
            Html(),
            Html,
            NotHtml(),
            Unstorable(),
            b"bytes",
            (1,),
            1j,
        ],
        ids=repr,
    )
    def test_without_tags_the_json_provider_is_asked(self, value: Any) -> None:
        said = []
        for serializer in (TaggedJSONSerializer, flask.json.tag.TaggedJSONSerializer):
            untagged: Any = type("Untagged", (serializer,), {"default_tags": []})()
            with APP.app_context():
                said.append((untagged.tags, outcome(untagged.dumps, {"b": 1, "a": [value]})))
        assert said[0] == said[1]

    @pytest.mark.parametrize("method", ["tag", "untag"])
    def test_a_subclass_has_a_method_of_its_own(self, method: str) -> None:
        said = []
        for serializer in (TaggedJSONSerializer, flask.json.tag.TaggedJSONSerializer):

            def own(self: Any, value: Any, of: Any = serializer) -> Any:
                return "seen" if value == {"find": 1} else getattr(of, method)(self, value)

            subclass: Any = type("Subclass", (serializer,), {method: own})
            with APP.app_context():
                text = subclass().dumps({"a": {"find": 1}, "b": [{"find": 1}]})
                said.append((text, subclass().loads(text)))
        assert said[0] == said[1]

    def test_the_base_class_leaves_the_rest_to_subclasses(self) -> None:
        for base in (JSONTag, flask.json.tag.JSONTag):
            tag: Any = base(TaggedJSONSerializer())  # type: ignore[arg-type]
            for method in (tag.check, tag.to_json, tag.to_python, tag.tag):
                with pytest.raises(NotImplementedError):
                    method(1)
