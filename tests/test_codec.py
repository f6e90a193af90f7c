"""The signed cookie value, with real Flask applications and plain itsdangerous on the other side."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import json
import pickle
import re
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import partial
from itertools import product
from pathlib import Path
from pprint import pformat
from types import SimpleNamespace
from typing import Any

import flask
import msgspec
import pydantic
import pytest
import time_machine
from flask.sessions import SecureCookieSessionInterface, session_json_serializer
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import (
    BadData,
    BadPayload,
    BadSignature,
    BadTimeSignature,
    SignatureExpired,
    URLSafeTimedSerializer,
    want_bytes,
)
from itsdangerous.encoding import base64_encode, int_to_bytes
from itsdangerous.signer import HMACAlgorithm, NoneAlgorithm, Signer, SigningAlgorithm
from starlette.datastructures import Secret

from starlette_flask import SessionCodec, SessionMiddleware, TaggedJSONSerializer
from starlette_flask.codec import reveal_secret

from .asgi import app_that, call
from .vectors.cases import CASES

exact = partial(pformat, width=10**6)
"""A text that tells ``1`` from ``True`` and a tuple from a list, but not one order of keys from another."""

VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("vectors").joinpath("flask-sessions.json").read_text(encoding="utf-8")
)["vectors"]
KEY = "super-secret"
NOW = 1_700_000_000
CONTENT: dict[str, Any] = {"user": "ada", "cart": [1, (2, b"3")], "text": "long enough to be compressed " * 3}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def plain(
    *keys: str | bytes, salt: str | bytes = "cookie-session", serializer: Any = None, **signer_kwargs: Any
) -> URLSafeTimedSerializer:
    """What Flask makes of the same settings (``SecureCookieSessionInterface.get_signing_serializer``)."""
    return URLSafeTimedSerializer(
        [*keys] or KEY,  # type: ignore[arg-type]
        salt=salt,
        serializer=serializer or TaggedJSONSerializer(),
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1, **signer_kwargs},
    )


def ours(**signer_kwargs: Any) -> SessionCodec:
    return SessionCodec(KEY, signer_kwargs=signer_kwargs)


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
    """What a call returns, exactly, or the type of the error that itsdangerous has for it."""
    try:
        return exact(call(*args, **kwargs))
    except BadData as error:
        return type(error)


def signed_by(serializer: URLSafeTimedSerializer, payload: bytes, stamp: bytes | None = None) -> bytes:
    """Any payload and timestamp with a good signature."""
    signer = serializer.make_signer()
    stamp = base64_encode(int_to_bytes(NOW)) if stamp is None else stamp
    return Signer.sign(signer, payload + signer.sep + stamp)


class TestVectors:
    """Cookies of real Flask responses are opened, and written again to the byte."""

    @pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
    def test_vector(self, vector: dict[str, Any], clock: time_machine.Traveller) -> None:
        codec, content = SessionCodec(vector["secret_key"]), CASES[vector["case"]]
        clock.move_to(vector["timestamp"])
        assert codec.dumps(content) == vector["cookie"]
        # JSON has no keys but strings, so of these two a session brings back the second.
        stored = {"scores": {"1": "one", "2": "two"}} if vector["case"] == "int_keys" else content
        assert exact(codec.loads(vector["cookie"], max_age=0)) == exact(stored)
        assert codec.dumps(codec.loads(vector["cookie"])) == vector["cookie"]

    def test_every_case_has_one(self) -> None:
        assert {vector["case"] for vector in VECTORS} == CASES.keys()


class OurInterface(SecureCookieSessionInterface):
    def get_signing_serializer(self, app: flask.Flask) -> SessionCodec:
        return SessionCodec(app.secret_key, secret_key_fallbacks=app.config["SECRET_KEY_FALLBACKS"])


def flask_app(interface: SecureCookieSessionInterface | None = None, **config: Any) -> flask.Flask:
    """An application that stores one of the cases, and shows exactly what it has."""
    app = flask.Flask(__name__)
    app.config.update({"SECRET_KEY": KEY, **config})
    app.session_interface = interface or SecureCookieSessionInterface()

    @app.get("/store/<case>")
    def store(case: str) -> str:
        flask.session.update(CASES[case])
        return ""

    @app.get("/show")
    def show() -> str:
        return exact(dict(flask.session))

    return app


def stored_by(app: flask.Flask, case: str) -> str:
    response = app.test_client().get(f"/store/{case}")
    return response.headers["Set-Cookie"].removeprefix("session=").partition(";")[0]


def shown_by(app: flask.Flask, cookie: str) -> str:
    return app.test_client(use_cookies=False).get("/show", headers={"Cookie": f"session={cookie}"}).text


def through_middleware(cookie: str | None, content: dict[str, Any], **options: Any) -> tuple[str, str]:
    """Send one request through SessionMiddleware; return what it shows of the session, and the cookie it sets."""
    seen: list[str] = []

    def change(session: dict[str, Any]) -> None:
        seen.append(exact(dict(session)))
        session.update(content)

    (field,) = call(SessionMiddleware(app_that(change), KEY, **options), cookie=cookie).set_cookies
    return seen[0], field.removeprefix("session=").partition(";")[0]


@pytest.mark.parametrize("case", CASES)
class TestInRealApplications:
    """Either side's signing in the other's place gives the same cookies, through real requests."""

    def test_flask_with_our_codec(self, case: str) -> None:
        with_ours, with_theirs = flask_app(OurInterface()), flask_app()
        cookie = stored_by(with_theirs, case)
        assert stored_by(with_ours, case) == cookie == SessionCodec(KEY).dumps(CASES[case])
        assert shown_by(with_ours, cookie) == shown_by(with_theirs, cookie) == exact(SessionCodec(KEY).loads(cookie))

    def test_our_middleware_with_flask_s_cookies_and_serializer(self, case: str) -> None:
        app = flask_app()
        cookie = stored_by(app, case)
        shown = shown_by(app, cookie)
        for serializer in (None, session_json_serializer):
            seen, written = through_middleware(cookie, {"case": case}, serializer=serializer)
            assert seen == shown
            assert shown_by(app, written) == exact({**SessionCodec(KEY).loads(cookie), "case": case})
        assert through_middleware(None, CASES[case])[1] == cookie


class TestFallbacks:
    """Retired keys open, the current one signs, as with ``SECRET_KEY_FALLBACKS``."""

    @pytest.mark.parametrize("kind", [str, str.encode])
    def test_through_real_requests(self, kind: Callable[[str], Any]) -> None:
        config = {"SECRET_KEY": kind("new"), "SECRET_KEY_FALLBACKS": [kind("oldest"), kind("old")]}
        with_ours, with_theirs = flask_app(OurInterface(), **config), flask_app(**config)
        for key in ("oldest", "old", "new", "other"):
            cookie = stored_by(flask_app(SECRET_KEY=key), "counter")
            shown = shown_by(with_theirs, cookie)
            assert shown == ("{}" if key == "other" else "{'visits': 1}")
            assert shown_by(with_ours, cookie) == shown
        assert (
            stored_by(with_ours, "counter")
            == stored_by(with_theirs, "counter")
            == SessionCodec("new").dumps({"visits": 1})
        )

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_every_key_opens(self, sep: str) -> None:
        codec = SessionCodec("c", secret_key_fallbacks=iter(["a", Secret("b")]), signer_kwargs={"sep": sep})
        for number, key in enumerate("cba"):
            value = plain(key, sep=sep).dumps(CONTENT)
            assert codec.loads(value) == CONTENT
            assert codec.key_number(value.encode()) == number
        with pytest.raises(BadSignature):
            codec.loads(plain("d", sep=sep).dumps(CONTENT))
        assert (
            codec.dumps(CONTENT) == plain("a", "b", "c", sep=sep).dumps(CONTENT) == plain("c", sep=sep).dumps(CONTENT)
        )

    @pytest.mark.parametrize(
        "fallbacks",
        ["one-key", b"one-key", bytearray(b"one-key"), {"one": "key"}, Secret("one-key"), 5, False],
        ids=lambda fallbacks: type(fallbacks).__name__,
    )
    def test_what_is_no_list_is_refused(self, fallbacks: Any) -> None:
        """A text would be taken apart into keys of one character; a mapping's keys are no secret."""
        kind = type(fallbacks).__name__
        with pytest.raises(
            TypeError, match=rf"^secret_key_fallbacks must be a list of keys, oldest first, not {kind}$"
        ):
            SessionCodec(KEY, secret_key_fallbacks=fallbacks)

    @pytest.mark.parametrize(("bad", "error"), [("", ValueError), (None, TypeError), (b"***", ValueError)])
    def test_each_is_looked_at(self, bad: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"^secret_key_fallbacks\[1\] is"):
            SessionCodec(KEY, secret_key_fallbacks=["good", bad])

    def test_none_is_none(self) -> None:
        assert SessionCodec(KEY, secret_key_fallbacks=None).loads(plain().dumps({})) == {}


class TestBytes:
    """What is written is what itsdangerous writes, whatever the content."""

    def test_compression_begins_where_it_does_in_itsdangerous(self) -> None:
        boundary = set()
        digits = hashlib.sha512(b"").hexdigest()
        for start, length in product(range(0, 60, 12), range(64)):
            content = {"text": digits[start:][:length] + "text " * (start // 12)}
            assert ours().dumps(content) == plain().dumps(content)
            text = TaggedJSONSerializer().dumps(content).encode()
            boundary.add(len(zlib.compress(text)) - len(text))
        assert boundary >= {0, -1, -2}

    @settings(max_examples=60, deadline=None)
    @given(
        st.dictionaries(st.text(max_size=3), st.text(max_size=30) | st.binary(max_size=3), max_size=3),
        st.integers(0, 2**33),
    )
    def test_any_content_at_any_time(self, content: dict[str, Any], now: int) -> None:
        with time_machine.travel(now, tick=False):
            value = ours().dumps(content)
            assert value == plain().dumps(content)
            assert (
                ours().loads(value, 0, True)
                == plain().loads(value, 0, True)
                == (content, datetime.fromtimestamp(now, timezone.utc))
            )

    def test_each_second_has_its_own_timestamp(self, clock: time_machine.Traveller) -> None:
        codec = ours()
        for now in (0, 1, 1.999, 255, 256, NOW, NOW, NOW + 1, NOW, 2**32):
            clock.move_to(now)
            assert codec.dumps({}) == plain().dumps({})

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_a_date_that_is_given(self, sep: str, clock: time_machine.Traveller) -> None:
        codec, signed_then = ours(sep=sep), plain(sep=sep).dumps(CONTENT)
        clock.move_to(NOW + 60)
        assert codec.sign(codec.pack(codec.serialize(CONTENT)), NOW).decode() == signed_then

    def test_the_parts(self) -> None:
        codec = ours()
        for content in ({"b": (1,), "a": "é"}, CONTENT):
            serialized = codec.serialize(content)
            assert serialized == TaggedJSONSerializer().dumps(content).encode("ascii")
            payload = codec.pack(serialized)
            assert payload == codec.dump_payload(content) == plain().dump_payload(content)
            assert codec.sign(payload, NOW) == codec.dumps(content).encode()
            assert codec.dumps(content).encode().rsplit(b".", 2)[0] == payload
            assert exact(codec.load_payload(payload)) == exact(content)
            assert exact(codec.deserialize(serialized)) == exact(content)
            value = codec.sign(payload, NOW)
            assert exact(codec.open(value, 0)) == exact((content, serialized, NOW))
            assert codec.open(value[:-2]) is None

    @pytest.mark.parametrize("content", [{"x": {1}}, {1: 1, "a": 1}, {"x": object()}])
    def test_what_cannot_be_stored(self, content: Any) -> None:
        for write in (ours().dumps, ours().serialize, plain().dumps):
            with pytest.raises(TypeError):
                write(content)


class Keyed:
    """A digest of an application's own: a hash object without a name."""

    digest_size, block_size = 20, 64

    def __init__(self, data: bytes = b"", state: Any = None) -> None:
        self._state = state or hashlib.blake2b(key=b"pepper", digest_size=20)
        self.update(data)

    def update(self, data: bytes) -> None:
        self._state.update(data)

    def digest(self) -> bytes:
        return self._state.digest()

    def copy(self) -> Keyed:
        return Keyed(state=self._state.copy())


class Unknown(Keyed):
    name = "a digest that OpenSSL has never heard of"


class Lying(Keyed):
    name = "sha256"


DIGESTS: dict[str, Any] = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3_256": hashlib.sha3_256,
    "blake2b": hashlib.blake2b,
    "blake2b, 20 bytes": partial(hashlib.blake2b, digest_size=20),
    "blake2b, keyed": lambda data=b"": hashlib.blake2b(data, key=b"pepper"),
    "blake2s, personalised": lambda data=b"": hashlib.blake2s(data, person=b"shop"),
    "by name": partial(hashlib.new, "sha224"),
    "without a name": Keyed,
    "with an unknown name": Unknown,
    "with another's name": Lying,
}


class Reversed(SigningAlgorithm):
    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return (key + value)[::-1][:9]


class MyHMAC(HMACAlgorithm):
    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return super().get_signature(key, b"mine:" + value)


SIGNERS: list[dict[str, Any]] = [
    *({"key_derivation": kind} for kind in ("hmac", "concat", "django-concat", "none")),
    *({"sep": sep} for sep in (":", "~", "!", "--.", b"$")),
    {"algorithm": NoneAlgorithm()},
    {"algorithm": Reversed()},
    {"algorithm": MyHMAC(hashlib.sha256)},
    {"algorithm": HMACAlgorithm()},
    {"algorithm": HMACAlgorithm(hashlib.sha512), "digest_method": hashlib.sha256},
    {"algorithm": Reversed(), "sep": "~", "key_derivation": "concat"},
    {"digest_method": None, "key_derivation": None},
]


class TestSigners:
    """Settings of a session interface's own give itsdangerous' bytes, and what they sign opens on both sides."""

    def check(self, signer_kwargs: dict[str, Any], clock: time_machine.Traveller) -> None:
        for key in ("k", "long secret key " * 20):
            codec, other = SessionCodec(key, signer_kwargs=signer_kwargs), plain(key, **signer_kwargs)
            for content in ({}, CONTENT):
                clock.move_to(NOW)
                value = codec.dumps(content)
                assert value == other.dumps(content)
                clock.shift(timedelta(seconds=60))
                for max_age in (None, 60, 59):
                    assert outcome(codec.loads, value, max_age) == outcome(other.loads, value, max_age)
                assert codec.loads(value, return_timestamp=True) == other.loads(value, return_timestamp=True)
                for bad in (
                    value[:-3],
                    "x" + value,
                    value[1:],
                    value.replace("Z", "Y"),
                    value.replace(other.make_signer().sep.decode(), ","),
                ):
                    assert outcome(codec.loads, bad) == outcome(other.loads, bad)

    @pytest.mark.parametrize("signer_kwargs", SIGNERS, ids=itertools.count())
    def test_signer_kwargs(self, signer_kwargs: dict[str, Any], clock: time_machine.Traveller) -> None:
        self.check(signer_kwargs, clock)

    @pytest.mark.parametrize("key_derivation", ["hmac", "concat", "none"])
    @pytest.mark.parametrize("digest", DIGESTS)
    def test_digest_methods(self, digest: str, key_derivation: str, clock: time_machine.Traveller) -> None:
        self.check({"digest_method": DIGESTS[digest], "key_derivation": key_derivation}, clock)

    def test_what_is_not_given_stays_flask_s(self) -> None:
        assert ours(digest_method=hashlib.sha256).dumps({}) == plain(
            digest_method=hashlib.sha256, key_derivation="hmac"
        ).dumps({})
        assert ours(key_derivation="concat").dumps({}) == plain(
            digest_method=hashlib.sha1, key_derivation="concat"
        ).dumps({})
        assert SessionCodec(KEY, signer_kwargs=None).dumps({}) == SessionCodec(KEY).dumps({}) == plain().dumps({})

    @pytest.mark.parametrize(
        ("signer_kwargs", "error"),
        [
            (5, "TypeError: signer_kwargs must be a mapping of names to values, or None, not int"),
            ([], "TypeError: signer_kwargs must be a mapping of names to values, or None, not list"),
            ({"salt": "x"}, "TypeError: signer_kwargs has 'salt'; it may have 'algorithm', 'digest_method', "),
            (
                {"key_derivation": "hmacc"},
                "ValueError: signer_kwargs: key_derivation='hmacc' must be 'hmac', 'concat', ",
            ),
            ({"sep": 5}, "TypeError: signer_kwargs: sep must be a str or bytes, not int"),
            ({"sep": "a"}, "ValueError: signer_kwargs: sep='a' must not be empty, a letter, a digit, '-', '_' or '='"),
            ({"sep": ""}, "ValueError: signer_kwargs: sep='' must not be empty, "),
            *(
                ({name: value}, "ValueError: signer_kwargs: this digest_method or algorithm cannot sign (")
                for name, value in [
                    ("digest_method", "sha999"),
                    ("digest_method", 5),
                    ("digest_method", hashlib.sha256()),
                    ("digest_method", lambda data=b"": data),
                    ("algorithm", "HS256"),
                ]
            ),
        ],
    )
    def test_what_cannot_be_is_refused_at_once(self, signer_kwargs: Any, error: str) -> None:
        with pytest.raises((TypeError, ValueError)) as refused:
            SessionCodec(KEY, signer_kwargs=signer_kwargs)
        assert f"{type(refused.value).__name__}: {refused.value}".startswith(error)
        if cause := refused.value.__cause__:
            assert f" ({type(cause).__name__}: {cause}); give a digest_method" in str(refused.value)

    @pytest.mark.parametrize(
        ("setting", "value", "must"),
        [
            ("salt", 5, "be a str or bytes, not int"),
            ("salt", None, "be a str or bytes, not NoneType"),
            ("serializer", 5, "be an object with dumps() and loads(), not int"),
            ("serializer", SimpleNamespace(dumps=str), "be an object with dumps() and loads(), not SimpleNamespace"),
            ("serializer", SimpleNamespace(loads=str), "be an object with dumps() and loads(), not SimpleNamespace"),
        ],
    )
    def test_other_wrong_types_are_refused(self, setting: str, value: Any, must: str) -> None:
        with pytest.raises(TypeError, match=rf"^{re.escape(f'{setting} must {must}')}$"):
            SessionCodec(KEY, **{setting: value})

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda codec: pickle.loads(pickle.dumps(codec))])
    @pytest.mark.parametrize(
        "settings", [{}, {"salt": "x", "secret_key_fallbacks": ["a"]}, {"signer_kwargs": {"sep": ":"}}]
    )
    def test_a_copy_opens_and_signs_alike(self, copied: Callable[[Any], Any], settings: Any) -> None:
        codec = SessionCodec(KEY, **settings)
        other = copied(codec)
        assert other is not codec
        assert other.identity == codec.identity
        assert codec.loads(other.dumps(CONTENT)) == other.loads(codec.dumps(CONTENT)) == CONTENT

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_salt(self, sep: str) -> None:
        for salt in ("other", b"\xff", ""):
            codec, other = SessionCodec(KEY, salt=salt, signer_kwargs={"sep": sep}), plain(salt=salt, sep=sep)
            value = codec.dumps(CONTENT)
            assert value == other.dumps(CONTENT)
            assert codec.loads(value) == CONTENT
            with pytest.raises(BadSignature):
                ours(sep=sep).loads(value)
            with pytest.raises(BadSignature):
                codec.loads(ours(sep=sep).dumps(CONTENT))

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_salt_of_one_call(self, sep: str, clock: time_machine.Traveller) -> None:
        codec, other = ours(sep=sep), plain(sep=sep)
        for salt in ("other", b"\xff", ""):
            value = codec.dumps(CONTENT, salt)
            assert value == other.dumps(CONTENT, salt=salt) != codec.dumps(CONTENT)
            assert codec.loads(value, salt=salt) == CONTENT
            for read in (codec.loads, partial(codec.loads, salt="third"), other.loads):
                with pytest.raises(BadSignature):
                    read(value)
        assert codec.dumps(CONTENT, salt="cookie-session") == codec.dumps(CONTENT)
        clock.shift(timedelta(seconds=61))
        assert codec.loads(value, 61, True, "") == other.loads(value, 61, True, "")
        with pytest.raises(SignatureExpired):
            codec.loads(value, 60, salt="")

    @pytest.mark.parametrize(
        "serializer", [json, msgspec.json, pickle, session_json_serializer], ids=["json", "msgspec", "pickle", "flask"]
    )
    @pytest.mark.parametrize("sep", [".", ":"])
    def test_serializers_of_text_and_of_bytes(self, serializer: Any, sep: str) -> None:
        if serializer is msgspec.json:
            serializer = MsgspecSerializer()
        codec = SessionCodec(KEY, serializer=serializer, signer_kwargs={"sep": sep})
        other = plain(serializer=serializer, sep=sep)
        content = {"b": "text " * 20, "a": [1, None], "é": "ü"}
        value = codec.dumps(content)
        assert type(value) is str  # always: it goes into a header; itsdangerous returns what the serializer does
        assert value.encode() == want_bytes(other.dumps(content))
        assert exact(codec.loads(value)) == exact(other.loads(value)) == exact(content)
        assert type(codec.serialize(content)) is bytes
        assert exact(codec.deserialize(codec.serialize(content))) == exact(content)

    def test_a_serializer_may_raise_anything(self) -> None:
        class Failing:
            def dumps(self, value: Any) -> str:
                return "text"

            def loads(self, value: str) -> Any:
                raise NotImplementedError

        codec = SessionCodec(KEY, serializer=Failing())
        with pytest.raises(BadPayload, match=r"^Could not load the payload$") as caught:
            codec.loads(codec.dumps({}))
        assert type(caught.value.original_error) is NotImplementedError


class TestBadSignature:
    """The error of a value that no known key signed."""

    def test_it_has_the_payload_and_a_text_that_shows_none(self) -> None:
        """As itsdangerous' errors have it: what stands before the timestamp."""
        for bad in ("e30.ZVPxAA.c2lnbmF0dXJl", "a.b.c.d", "a.b."):
            with pytest.raises(BadTimeSignature, match=r"^Signature does not match$") as caught:
                ours().loads(bad)
            with pytest.raises(BadTimeSignature) as theirs:
                plain().loads(bad)
            assert caught.value.payload == theirs.value.payload == bad.encode().rsplit(b".", 2)[0]
        with pytest.raises(BadSignature, match=r"^A signed value is ASCII text$"):
            ours().loads("\ud800")


class TextSerializer:
    def dumps(self, value: object) -> str:
        return value if isinstance(value, str) else ""

    def loads(self, value: str) -> str:
        return value


class TestBase64:
    """A payload is base64 without padding, as itsdangerous writes it, whatever letter it ends with."""

    def test_every_end(self) -> None:
        codec, other = SessionCodec(KEY, serializer=TextSerializer()), plain(serializer=TextSerializer())
        for text in [f"{start}{chr(end)}" for start in ("", "a", "aa") for end in range(128)]:
            with time_machine.travel(NOW, tick=False):
                assert codec.dumps(text) == other.dumps(text)
                assert codec.loads(codec.dumps(text)) == text


class MsgspecSerializer:
    def dumps(self, value: Any) -> bytes:
        return msgspec.json.encode(value)

    def loads(self, value: bytes) -> Any:
        assert type(value) is bytes
        return msgspec.json.decode(value)


class TestAge:
    """A signature opens up to ``max_age`` seconds, the last included, and only then from the past."""

    @pytest.mark.parametrize("sep", [".", ":"])
    @pytest.mark.parametrize("max_age", [0, 1, 60])
    def test_the_edges_are_itsdangerous(self, max_age: int, sep: str, clock: time_machine.Traveller) -> None:
        codec, other = ours(sep=sep), plain(sep=sep)
        value = codec.dumps(CONTENT)
        for age in (-60, -1, -0.1, 0, 0.9, max_age, max_age + 0.9, max_age + 1, max_age + 1000):
            clock.move_to(NOW + age)
            assert outcome(codec.loads, value, max_age) == outcome(other.loads, value, max_age)
            assert codec.loads(value) == CONTENT
            if not 0 <= age < max_age + 1:
                with pytest.raises(SignatureExpired) as caught:
                    codec.loads(value, max_age)
                assert caught.value.date_signed == datetime.fromtimestamp(NOW, timezone.utc)

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_leeway_is_for_the_future_alone(self, sep: str, clock: time_machine.Traveller) -> None:
        codec = ours(sep=sep)
        value = codec.dumps(CONTENT)
        for age, opens in ((-6, False), (-5, True), (-1, True), (60, True), (61, False)):
            clock.move_to(NOW + age)
            assert (outcome(codec.loads, value, 60, leeway=5) == exact(CONTENT)) is opens
        clock.move_to(NOW - 1000)
        assert codec.loads(value, leeway=5) == CONTENT

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_the_error_says_why(self, sep: str, clock: time_machine.Traveller) -> None:
        codec = ours(sep=sep)
        value = codec.dumps(CONTENT)
        clock.move_to(NOW + 61)
        with pytest.raises(SignatureExpired, match=r"^Signature age is over 60 seconds$") as late:
            codec.loads(value, 60)
        clock.move_to(NOW)
        with pytest.raises(SignatureExpired, match=r"^Signature age is over -1 seconds$"):
            codec.loads(value, -1)
        clock.move_to(NOW - 1)
        with pytest.raises(SignatureExpired, match=r"^Signature timestamp is in the future$") as early:
            codec.loads(value, 60)
        with pytest.raises(SignatureExpired, match=r"^Signature timestamp is in the future$"):
            codec.loads(value, -1)
        payload = value.encode().rsplit(sep.encode(), 2)[0]
        assert late.value.payload == early.value.payload == payload

    def test_without_leeway_nothing_of_the_future_opens(self, clock: time_machine.Traveller) -> None:
        codec = ours()
        value = codec.dumps(CONTENT).encode()
        clock.move_to(NOW - 1)
        with pytest.raises(SignatureExpired):
            codec.open(value, 60)

    @pytest.mark.parametrize(("stamp", "payload"), [(b"a", b"e30"), (b"_" * 20, None)])
    def test_a_timestamp_that_is_none(self, stamp: bytes, payload: bytes | None) -> None:
        """It is no base64, or a date beyond the calendar, as in itsdangerous."""
        value = Signer.sign(plain().make_signer(), b"e30." + stamp)
        with pytest.raises(BadTimeSignature, match=r"^Malformed timestamp$"):
            plain().loads(value, return_timestamp=True)
        with pytest.raises(BadTimeSignature, match=r"^Malformed timestamp$") as caught:
            ours().loads(value, return_timestamp=True)
        assert caught.value.payload == payload

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_return_timestamp(self, sep: str, clock: time_machine.Traveller) -> None:
        codec = ours(sep=sep)
        value = codec.dumps(CONTENT)
        clock.shift(timedelta(days=1))
        data, signed_at = codec.loads(value, 86400, True)
        assert (data, signed_at) == (CONTENT, datetime.fromtimestamp(NOW, timezone.utc))
        assert signed_at.utcoffset() == timedelta(0)

    stamps = (
        b"",
        b"A",
        b"AAAAA",
        b"!",
        b"=",
        b"AQ",
        b"AQ==",
        b"AQ=",
        b"_" * 7,
        b"_" * 11,
        b"_" * 40,
        b"\xff",
        b"Z VPxAA",
    )

    @pytest.mark.parametrize("stamp", stamps)
    @pytest.mark.parametrize("sep", [".", ":"])
    def test_a_signed_timestamp_that_is_no_date(self, stamp: bytes, sep: str) -> None:
        """Only a holder of the key can make one. itsdangerous raises all kinds of errors for some."""
        codec, other = ours(sep=sep), plain(sep=sep)
        value = signed_by(other, base64_encode(b"{}"), stamp)
        for max_age, return_timestamp in ((None, True), (60, False)):
            result = outcome(codec.loads, value, max_age, return_timestamp)
            try:
                theirs = outcome(other.loads, value, max_age, return_timestamp)
            except (ValueError, OverflowError, OSError):
                theirs = BadTimeSignature
            assert result == theirs or (result, theirs) == (SignatureExpired, BadTimeSignature)
        assert outcome(codec.loads, value) in ("{}", BadTimeSignature)


@pytest.mark.parametrize("sep", [".", ":"])
class TestRefused:
    """What no known key signed is refused, with itsdangerous' own class of error."""

    def test_every_character_counts(self, sep: str) -> None:
        codec, other = ours(sep=sep), plain(sep=sep)
        value = codec.dumps(CONTENT)
        assert codec.loads(value) == CONTENT
        for index, character in enumerate(value):
            for instead in {*"AZaz09-_.:!= \n\0é"} - {character}:
                bad = value[:index] + instead + value[index + 1 :]
                result = outcome(codec.loads, bad)
                assert result == outcome(other.loads, bad), bad
                # Two of the last character's bits are no part of the signature, in itsdangerous as here.
                assert result in (BadSignature, BadTimeSignature) or (
                    index == len(value) - 1 and result == exact(CONTENT)
                )

    def test_every_length_counts(self, sep: str) -> None:
        codec, other = ours(sep=sep), plain(sep=sep)
        value = codec.dumps(CONTENT)
        assert codec.loads(value) == CONTENT
        for length in range(len(value)):
            for bad in (value[:length], value[-length:] if length else sep):
                result = outcome(codec.loads, bad)
                assert result in (BadSignature, BadTimeSignature)
                assert result is outcome(other.loads, bad)

    @pytest.mark.parametrize(
        "bad",
        [
            "",
            ".",
            "..",
            "...",
            "....",
            "a",
            "a.b",
            "a.b.c",
            ".a.b.c",
            "a..c",
            "a.b.",
            ".b.c",
            "é.é.é",
            "\0",
            "e30.ZVPxAA",
            "e30..",
            "=.=.=",
        ],
    )
    def test_what_nobody_signed(self, bad: str, sep: str) -> None:
        bad = bad.replace(".", sep)
        result = outcome(ours(sep=sep).loads, bad)
        assert result in (BadSignature, BadTimeSignature)
        assert result is outcome(plain(sep=sep).loads, bad)
        assert outcome(ours(sep=sep).loads, bad.encode()) is result

    @pytest.mark.parametrize("bad", ["\ud800", "a.b.\udcff", None, 5, ["a"], {}])
    def test_what_is_no_text(self, bad: Any, sep: str) -> None:
        with pytest.raises(BadSignature):
            ours(sep=sep).loads(bad)

    def test_other_keys_and_purposes(self, sep: str) -> None:
        codec = ours(sep=sep)
        for other in (
            plain("super-secreT", sep=sep),
            plain(KEY + " ", sep=sep),
            plain(salt="cookie-sessioN", sep=sep),
            plain(salt="flask-wtf-csrf", sep=sep),
            plain(sep=sep, key_derivation="django-concat"),
            plain(sep=sep, key_derivation="none"),
            plain(sep=sep, digest_method=hashlib.sha256),
            plain(sep=sep, algorithm=NoneAlgorithm()),
        ):
            with pytest.raises(BadTimeSignature):
                codec.loads(other.dumps(CONTENT))

    def test_signed_without_a_timestamp(self, sep: str) -> None:
        for signed in (b"e30", b""):
            value = Signer.sign(plain(sep=sep).make_signer(), signed)
            assert outcome(ours(sep=sep).loads, value) is outcome(plain(sep=sep).loads, value) is BadTimeSignature
            with pytest.raises(BadTimeSignature, match=r"^timestamp missing$") as caught:
                ours(sep=sep).loads(value)
            assert caught.value.payload == signed

    def test_the_text_of_the_error(self, sep: str) -> None:
        with pytest.raises(BadTimeSignature, match=r"^Signature does not match$"):
            ours(sep=sep).loads(plain("another", sep=sep).dumps(CONTENT))

    def test_two_values_mixed(self, sep: str, clock: time_machine.Traveller) -> None:
        codec = ours(sep=sep)
        one = codec.dumps({"user": "ada"}).rsplit(sep, 2)
        clock.shift(timedelta(seconds=1))
        two = codec.dumps({"user": "eve"}).rsplit(sep, 2)
        for mixed in (
            [one[0], one[1], two[2]],
            [one[0], two[1], two[2]],
            [one[0], two[1], one[2]],
            [two[0], *one[1:]],
        ):
            with pytest.raises(BadTimeSignature):
                codec.loads(sep.join(mixed))

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_any_mutation_is_as_in_itsdangerous(self, sep: str, data: st.DataObject) -> None:
        value = ours(sep=sep).dumps(CONTENT)
        for _ in range(data.draw(st.integers(1, 3))):
            index = data.draw(st.integers(0, len(value)))
            dropped = data.draw(st.integers(0, 3))
            value = value[:index] + data.draw(st.text("Aa_-=.:!é\n", max_size=3)) + value[index + dropped :]
        assert outcome(ours(sep=sep).loads, value, 60) == outcome(plain(sep=sep).loads, value, 60)

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"A",
            b"!!!!",
            b"e30=",
            b"e3",
            b"\xff",
            b".",
            b".A",
            b".AAAA",
            b"..e30",
            b".e30",
            b"." + base64_encode(zlib.compress(b"{}")[:-1]),
            b"." + base64_encode(zlib.compress(b"{}") + b"more"),
            b"." + base64_encode(zlib.compress(b"\xff")),
            b"." + base64_encode(zlib.compress(b"{}")),
            *map(
                base64_encode,
                [
                    b'"\xff"',
                    b"\xff\xfe{\x00}\x00",
                    b"{",
                    b"{}}",
                    b"nul",
                    b"[" * 100_000,
                    b" {} ",
                    b"{}\n",
                    b"\xef\xbb\xbf{}",
                ],
            ),
            *map(
                base64_encode, [b'{" b":"x"}', b'{" d":5}', b'{" u":"zz"}', b'{" t":5}', b'{" di":{}}', b'{" di":5}']
            ),
            *map(base64_encode, [b"5", b"[]", b'"text"', b"null", b'{"a":1,"a":2}', b"NaN", b'{"x":{" t":[1]}}']),
        ],
        ids=lambda payload: payload[:20].decode("latin-1"),
    )
    def test_signed_but_broken(self, payload: bytes, sep: str) -> None:
        """Only a holder of the key can make one. What is no error in itsdangerous is none here."""
        value = signed_by(plain(sep=sep), payload)
        result = outcome(ours(sep=sep).loads, value, 60)
        assert result == outcome(plain(sep=sep).loads, value, 60)
        if result is BadPayload:
            with pytest.raises(BadPayload, match=r"^Could not (decode|load) the payload$") as caught:
                ours(sep=sep).loads(value)
            assert isinstance(caught.value.original_error, Exception)


def _mutables(value: Any) -> set[int]:
    """The identities of what could be changed in place."""
    if isinstance(value, dict):
        return {id(value)}.union(*map(_mutables, value.values()))
    if isinstance(value, (list, tuple)):
        return ({id(value)} if isinstance(value, list) else set()).union(*map(_mutables, value))
    return set()


class TestOpenedBefore:
    """A value that was opened before is opened, or refused, as if for the first time."""

    def test_it_grows_old(self, clock: time_machine.Traveller) -> None:
        codec = ours()
        value = codec.dumps(CONTENT)
        for age, opens in ((0, True), (60, True), (61, False), (-1, False), (60, True)):
            clock.move_to(NOW + age)
            assert (outcome(codec.loads, value, 60) == exact(CONTENT)) is opens
            assert codec.loads(value, return_timestamp=True)[1].timestamp() == NOW
            assert codec.open(value.encode()) == (codec.loads(value), codec.serialize(CONTENT), NOW)

    def test_it_is_still_of_one_salt(self) -> None:
        codec = ours()
        value = codec.dumps(CONTENT)
        assert codec.loads(value) == codec.loads(value) == CONTENT
        with pytest.raises(BadSignature):
            codec.loads(value, salt="other")
        value = codec.dumps(CONTENT, "other")
        assert codec.loads(value, salt="other") == codec.loads(value, salt="other") == CONTENT
        with pytest.raises(BadSignature):
            codec.loads(value)

    @pytest.mark.parametrize(
        "content", [{"user": "ada", "n": None}, {"cart": [1]}, {"at": ({"x": []},)}, {}, [1], [[]]]
    )
    def test_its_content_is_made_anew(self, content: Any) -> None:
        codec = ours()
        value = codec.dumps(content)
        opened = [codec.loads(value) for _ in range(5)]
        for one in opened:
            assert exact(one) == exact(content)
            for other in (*opened, codec.loads(value)):
                assert other is one or not _mutables(other) & _mutables(one)
            if isinstance(one, dict):
                one["user"] = one["more"] = "eve"
                assert exact(codec.loads(value)) == exact(content)

    @pytest.mark.parametrize("content", [5, "text", None, True, 1.5, (1, 2)])
    def test_it_may_be_no_object(self, content: Any) -> None:
        codec = ours()
        value = codec.dumps(content)
        assert [codec.loads(value) for _ in range(5)] == [content] * 5

    def test_there_may_be_many(self) -> None:
        codec = ours()
        values = {number: codec.dumps({"number": number}) for number in range(3000)}
        for _ in range(2):
            assert all(codec.loads(value) == {"number": number} for number, value in values.items())

    def test_what_is_broken_stays_broken(self) -> None:
        codec, value = ours(), signed_by(plain(), base64_encode(b"{"))
        for _ in range(3):
            with pytest.raises(BadPayload):
                codec.loads(value)

    @pytest.mark.parametrize("text", [hashlib.shake_256(b"").hexdigest(1950), "a" * 100_000], ids=["many", "long"])
    def test_many_spellings_of_one_signature_take_no_memory(self, text: str) -> None:
        """base64 is read leniently, so who has a cookie can write it in many ways."""
        codec = ours()
        value = codec.dumps({"text": text})
        tracemalloc.start()
        try:
            for number in range(2500 if len(text) < 4000 else 200):
                spelling = "".join("!?*%"[number >> 2 * place & 3] for place in range(8))
                codec.loads(f"{value[:-9]}{spelling}{value[-9:]}")
            assert tracemalloc.get_traced_memory()[0] < 10_000_000
        finally:
            tracemalloc.stop()


class TestOrder:
    """An attacker's bytes are neither decompressed nor parsed: the signature is compared first."""

    parsing = ("decompress", "scan_once", "raw_decode", "loads")

    def calls_of(self, codec: SessionCodec, value: bytes, names: tuple[str, ...]) -> list[str]:
        """The functions of these names that are called while a value is opened, in Python or in C, in order."""
        calls = []

        def note(frame: Any, event: str, argument: Any) -> None:
            if event == "call" and frame.f_back.f_code is not here.f_code:
                calls.append(frame.f_code.co_name)
            elif event == "c_call":
                calls.append(argument.__name__)

        here = sys._getframe()
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            codec.loads(value)
        except BadData:
            pass
        finally:
            sys.setprofile(before)
        return [name for name in calls if name in names]

    @pytest.mark.parametrize("content", [{}, CONTENT], ids=["plain", "compressed"])
    @pytest.mark.parametrize("sep", [".", ":"])
    def test_the_signature_is_compared_first(self, sep: str, content: dict[str, Any]) -> None:
        codec, compare = ours(sep=sep), hmac.compare_digest.__name__
        value = codec.dumps(content).encode()
        compared, *parsed = self.calls_of(codec, value, (compare, *self.parsing))
        assert compared == compare
        assert ("decompress" in parsed) is (content is CONTENT)
        assert set(parsed) - {"decompress"}
        assert compare not in parsed

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_nothing_is_parsed_that_nobody_signed(self, sep: str) -> None:
        bomb = b"." + base64_encode(zlib.compress(b" " * 100_000 + b"{}"))
        for other in (plain("other key", sep=sep), plain(sep=sep, algorithm=NoneAlgorithm())):
            for payload in (bomb, b"e30"):
                assert self.calls_of(ours(sep=sep), signed_by(other, payload), self.parsing) == []

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_a_serializer_sees_nothing_that_nobody_signed(self, sep: str) -> None:
        seen: list[str] = []

        class Noting(TaggedJSONSerializer):
            def loads(self, value: str | bytes) -> Any:
                seen.append(str(value))
                return super().loads(value)

        codec = SessionCodec(KEY, serializer=Noting(), signer_kwargs={"sep": sep})
        value = codec.dumps({})
        for bad in (value[:-2], value[1:], "x" + value, plain("other key", sep=sep).dumps({})):
            with pytest.raises(BadSignature):
                codec.loads(bad)
        assert seen == []
        assert codec.loads(value) == {}
        assert seen == ["{}"]


class TestIdentity:
    """Two codecs that open and sign alike have equal identities, which show no key."""

    def test_equal_settings(self) -> None:
        serializer = TaggedJSONSerializer()
        for kwargs in ({}, {"secret_key_fallbacks": ["a", "b"]}, {"serializer": serializer}, {"salt": "s"}):
            one, two = SessionCodec(KEY, **kwargs), SessionCodec(KEY.encode(), **kwargs)  # type: ignore[arg-type]
            assert one.identity == two.identity
            assert hash(one.identity) == hash(two.identity)

    def test_other_settings(self) -> None:
        codecs = [
            SessionCodec(KEY),
            SessionCodec("other"),
            SessionCodec(KEY, salt="other"),
            SessionCodec(KEY, secret_key_fallbacks=["a", "b"]),
            SessionCodec(KEY, secret_key_fallbacks=["a"]),
            SessionCodec(KEY, secret_key_fallbacks=["b"]),
            SessionCodec("a", secret_key_fallbacks=[KEY]),
            SessionCodec(KEY, serializer=TaggedJSONSerializer()),
            SessionCodec(KEY, serializer=TaggedJSONSerializer()),
            SessionCodec(KEY, serializer=json),
            ours(digest_method=hashlib.sha256),
            ours(key_derivation="concat"),
            ours(sep=":"),
            ours(algorithm=NoneAlgorithm()),
        ]
        assert len({codec.identity for codec in codecs}) == len(codecs)


class OwnText:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Inherited(OwnText):
    pass


class Shy:
    """Shows its secret to nobody: no ``__str__`` of its own, so the default would be the key."""

    secret = "do not show me"


class TestSecretKey:
    """A key is text, bytes, or what holds one; everything that would sign with a key that all know is refused."""

    good = (
        (KEY, KEY),
        (b"\xff\x00", b"\xff\x00"),
        ("None of your business", "None of your business"),
        ("*s*", "*s*"),
        (b"*x", b"*x"),
        (" x ", " x "),
        (Secret(KEY), KEY),
        (pydantic.SecretStr(KEY), KEY),
        (pydantic.SecretBytes(b"\xff"), b"\xff"),
        (OwnText(KEY), KEY),
        (Inherited(KEY), KEY),
    )

    @pytest.mark.parametrize(("key", "revealed"), good, ids=lambda value: type(value).__name__)
    def test_every_kind_of_holder(self, key: object, revealed: str | bytes) -> None:
        assert reveal_secret(key) == revealed
        assert type(reveal_secret(key)) is type(revealed)
        assert SessionCodec(key).dumps(CONTENT) == plain(revealed).dumps(CONTENT)
        assert SessionCodec("new", secret_key_fallbacks=[key]).loads(plain(revealed).dumps(CONTENT)) == CONTENT

    empty = ("", b"", " ", "\t\n", "***", b"***", "*", " **** ", "None", b"None", " None\n")

    @pytest.mark.parametrize("text", empty)
    def test_nothing_and_masks(self, text: str | bytes) -> None:
        keys: list[object] = [text]
        if isinstance(text, str):
            keys += [Secret(text), pydantic.SecretStr(text), OwnText(text)]
        else:
            keys += [pydantic.SecretBytes(text)]
        for key in keys:
            with pytest.raises(ValueError, match=r"^SECRET is empty or masked") as caught:
                reveal_secret(key, "SECRET")
            assert type(key).__name__ in str(caught.value)
            with pytest.raises(ValueError, match=r"^secret_key "):
                SessionCodec(key)

    @pytest.mark.parametrize(
        "key",
        [
            *(0, 5, 1.5, True, [KEY], (KEY,), {KEY: KEY}, {KEY}, object(), object, Shy(), memoryview(b"key")),
            *(pydantic.Secret[int](12345), pydantic.Secret[list[str]]([KEY]), pydantic.Secret[None](None), range(3)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_is_no_key(self, key: object) -> None:
        with pytest.raises(TypeError, match=r"^SECRET must be str, bytes, or an object with") as caught:
            reveal_secret(key, "SECRET")
        assert str(caught.value).endswith(f"not {type(key).__name__}")
        with pytest.raises(TypeError, match=r"^secret_key "):
            SessionCodec(key)

    def test_what_has_no_utf_8(self) -> None:
        """Python makes such a text of an environment variable in Latin-1."""
        key = "cl\udce9"
        for text in (key, Secret(key), pydantic.SecretStr(key)):
            with pytest.raises(ValueError, match=r"^secret_key has a character that UTF-8 lacks") as caught:
                SessionCodec(text)
            assert "udce9" not in f"{caught.value!r}"
            assert caught.value.__suppress_context__
        with pytest.raises(ValueError, match=r"^salt has a character that UTF-8 lacks"):
            SessionCodec(KEY, salt=key)

    def test_none_is_probably_an_environment_variable(self) -> None:
        with pytest.raises(TypeError, match=r"^secret_key is None: is the environment variable set\?$"):
            SessionCodec(None)

    def test_no_error_shows_what_was_given(self) -> None:
        for key in ([KEY], {KEY: 1}, (KEY,), pydantic.Secret[list[str]]([KEY]), KEY.encode().join, type(KEY, (), {})):
            for text in _error_texts(lambda key=key: SessionCodec(key)):
                assert KEY not in text or isinstance(key, type)
            for text in _error_texts(lambda key=key: SessionCodec("new", secret_key_fallbacks=[key])):
                assert KEY not in text or isinstance(key, type)

    @pytest.mark.parametrize("sep", [".", ":"])
    def test_neither_a_codec_nor_its_errors_show_a_key(self, sep: str, clock: time_machine.Traveller) -> None:
        codec = SessionCodec(KEY, secret_key_fallbacks=["retired-" + KEY], signer_kwargs={"sep": sep})
        derived = codec.make_signer().derive_key()
        expired = codec.dumps({"x": 1})
        clock.shift(timedelta(seconds=61))
        texts = [repr(codec), str(codec), repr(codec.identity)]
        for value in (
            expired,
            expired[:-2],
            "",
            "a.b.c",
            "a:b:c",
            None,
            "\ud800",
            signed_by(plain(sep=sep), b"A"),
            signed_by(plain(sep=sep), b"e30", b"A"),
        ):
            texts += _error_texts(lambda value=value: codec.loads(value, 60))
        texts += _error_texts(lambda: codec.dumps({"x": object()}))
        assert len(texts) > 20
        for text in texts:
            assert KEY not in text
            assert repr(derived)[2:-1] not in text
            assert derived.hex() not in text


def _error_texts(call: Callable[[], object]) -> list[str]:
    """Every text of the error that a call raises, and of the errors behind it."""
    with pytest.raises(Exception) as caught:
        call()
    texts = []
    error: BaseException | None = caught.value
    while error is not None:
        texts += [str(error), repr(error), repr(error.args)]
        error = error.__cause__ or error.__context__
    return texts


class Settings(pydantic.BaseModel):
    secret_key: pydantic.SecretStr


class Choice(Enum):
    KEY = "key"


class TestWhatLooksLikeASecretKey:
    """An object whose text everybody can guess is no key."""

    @pytest.mark.parametrize(
        ("key", "error"),
        [
            (bytearray(b"key"), TypeError),
            (bytearray(), TypeError),
            (ValueError("key"), TypeError),
            (Choice.KEY, TypeError),
            (Path("key"), TypeError),
            ("undefined", ValueError),
            ("null", ValueError),
            (Settings(secret_key=pydantic.SecretStr("key")), ValueError),
        ],
    )
    def test_is_refused(self, key: object, error: type[Exception]) -> None:
        with pytest.raises(error, match="secret_key"):
            reveal_secret(key)

    def test_stars_in_a_real_key_are_fine(self) -> None:
        assert reveal_secret("a***b") == "a***b"


class TestDigestMethods:
    """What ``hmac.new`` takes as a digest method, Flask takes, and so does the codec."""

    @pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
    def test_keys_around_the_size_of_a_block(self, length: int) -> None:
        """HMAC hashes a key first that is longer than a block, which is 64 bytes with SHA-1 (RFC 2104)."""
        key = "k" * length
        codec = SessionCodec(key, signer_kwargs={"key_derivation": "none"})
        assert codec.dumps(CONTENT) == plain(key, key_derivation="none").dumps(CONTENT)

    @pytest.mark.filterwarnings("ignore:No block_size attribute:RuntimeWarning")
    def test_a_digest_that_does_not_say_the_size_of_its_blocks(self) -> None:
        """``hmac`` takes it to be 64 bytes."""

        class Digest:
            digest_size = 32

            def __init__(self, data: bytes = b"") -> None:
                self._hash = hashlib.sha256(data)

            def update(self, data: bytes) -> None:
                self._hash.update(data)

            def digest(self) -> bytes:
                return self._hash.digest()

            def copy(self) -> Digest:
                copy = Digest()
                copy._hash = self._hash.copy()
                return copy

        codec = ours(digest_method=Digest)
        assert codec.dumps(CONTENT) == ours(digest_method=hashlib.sha256).dumps(CONTENT)
        assert codec.loads(codec.dumps(CONTENT)) == CONTENT

    @pytest.mark.parametrize("digest_method", ["sha256", lambda: hashlib.sha256(), hashlib.sha384])
    def test_as_itsdangerous(self, digest_method: Any) -> None:
        kwargs = {"key_derivation": "hmac", "digest_method": digest_method}
        codec = SessionCodec(KEY, signer_kwargs=kwargs)
        flasks = URLSafeTimedSerializer(KEY, "cookie-session", TaggedJSONSerializer(), signer_kwargs=kwargs)
        with time_machine.travel(NOW, tick=False):
            assert codec.dumps({"a": 1}) == flasks.dumps({"a": 1})
            assert codec.loads(flasks.dumps({"a": (1,)})) == {"a": (1,)}
        assert codec.identity == SessionCodec(KEY, signer_kwargs=kwargs).identity
        assert codec.identity != SessionCodec("other", signer_kwargs=kwargs).identity

    @pytest.mark.parametrize("again", [1, 2, 3])
    def test_what_is_too_old_can_still_be_looked_at(self, again: int) -> None:
        codec = SessionCodec(KEY)
        with time_machine.travel(NOW, tick=False):
            value = codec.dumps({"a": 1})
            for _ in range(again - 1):
                codec.loads(value)
        with time_machine.travel(NOW + 10, tick=False):
            with pytest.raises(SignatureExpired) as caught:
                codec.loads(value, max_age=1)
            assert caught.value.payload == value.split(".")[0].encode()
            assert codec.loads_unsafe(value, max_age=1) == (False, {"a": 1})
