"""Keys and contents stay where they are: comparisons, their order, what is shown, and what the codec remembers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import logging
import traceback
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from flask import Flask
from itsdangerous import BadData, SignatureExpired, TimestampSigner

from starlette_flask import SessionCodec, SessionMiddleware, TaggedJSONSerializer
from starlette_flask.extensions.flask_login import decode_remember_cookie, encode_remember_cookie
from starlette_flask.extensions.flask_wtf import generate_csrf, validate_csrf
from starlette_flask.middleware import sessions
from tests.asgi import KEY, app_that, call, signed
from tests.trust import fuzz

compare_digest = hmac.compare_digest
LARGE = {"user": "ada", "text": "long enough to be compressed " * 9}
KEYS = {"secret_key": KEY, "secret_key_fallbacks": ["retired key", "older key"]}
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "flask": (signed(LARGE), {}),
    "another signer": (SessionCodec(KEY, signer_kwargs={"sep": ":"}).dumps(LARGE), {"signer_kwargs": {"sep": ":"}}),
    "starlette": (fuzz.starlettes(LARGE, KEY).decode(), {"accept_starlette_cookies": True}),
}


def found(value: str, **settings: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    call(SessionMiddleware(app_that(seen.update), **{**KEYS, **settings}), cookie=value)
    return seen


def another_signature(value: str, sep: str = ".") -> str:
    signed_part, _, signature = value.rpartition(sep)
    return signed_part + sep + ("A" if signature[0] != "A" else "B") + signature[1:]


@pytest.mark.parametrize("format_", FORMATS)
class TestConstantTime:
    """Whether a signature is right is said by ``hmac.compare_digest`` and by nothing else."""

    def test_every_key_is_compared_with_it(self, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
        value, settings = FORMATS[format_]
        compared: list[tuple[int, int, bool]] = []

        def recording(one: bytes, two: bytes) -> bool:
            compared.append((len(one), len(two), compare_digest(one, two)))
            return compared[-1][2]

        monkeypatch.setattr(hmac, "compare_digest", recording)
        assert found(value, **settings) == LARGE
        assert compared[-1] == (20, 20, True)
        compared.clear()
        wrong = another_signature(value, settings.get("signer_kwargs", {}).get("sep", "."))
        assert found(wrong, **settings) == {}
        rounds = 2 if format_ == "starlette" else 1  # it is compared as a cookie of Flask's before
        assert compared == [(20, 20, False)] * 3 * rounds

    @pytest.mark.parametrize("verdict", [True, False])
    def test_nothing_else_decides(self, format_: str, verdict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        value, settings = FORMATS[format_]
        monkeypatch.setattr(hmac, "compare_digest", lambda one, two: verdict)
        wrong = another_signature(value, settings.get("signer_kwargs", {}).get("sep", "."))
        assert found(wrong, **settings) == found(value, **settings) == (LARGE if verdict else {})


class TestConstantTimeOfExtensions:
    """The remember cookie and the CSRF token are compared likewise."""

    def test_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session: dict[str, Any] = {}
        token, cookie = generate_csrf(session, KEY), encode_remember_cookie("7", KEY)
        compared = []
        monkeypatch.setattr(hmac, "compare_digest", lambda one, two: compared.append(one) or compare_digest(one, two))
        assert decode_remember_cookie(cookie, KEY) == "7"
        assert compared == [cookie.rpartition("|")[2].encode()]
        compared.clear()
        validate_csrf(session, token, KEY)
        assert len(compared) == 2
        assert compared[1] == session["csrf_token"].encode()


class TestOrder:
    """A request's value is neither unpacked nor parsed before its signature, and its age, are known to be good."""

    @pytest.fixture
    def events(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        events: list[str] = []

        def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def noted(*args: Any, **kwargs: Any) -> Any:
                result = function(*args, **kwargs)
                events.append(f"{name} {result}" if name == "compare" else name)
                return result

            return noted

        monkeypatch.setattr(hmac, "compare_digest", noting("compare", compare_digest))
        monkeypatch.setattr(zlib, "decompress", noting("unpack", zlib.decompress))
        monkeypatch.setattr(sessions, "json_loads", noting("parse", json.loads))
        monkeypatch.setattr(sessions, "b64decode", noting("unpack", base64.b64decode))
        monkeypatch.setattr(TaggedJSONSerializer, "loads", noting("parse", TaggedJSONSerializer.loads))
        return events

    @pytest.mark.parametrize("format_", FORMATS)
    def test_of_a_good_one(self, format_: str, events: list[str]) -> None:
        value, settings = FORMATS[format_]
        assert found(value, **settings) == LARGE
        verdict = events.index("compare True")
        assert {event.partition(" ")[0] for event in events[:verdict]} <= {"compare"}
        assert events[verdict + 1 :] == ["unpack", "parse"]

    @pytest.mark.parametrize("format_", FORMATS)
    def test_of_a_wrong_one(self, format_: str, events: list[str]) -> None:
        value, settings = FORMATS[format_]
        assert found(another_signature(value, settings.get("signer_kwargs", {}).get("sep", ".")), **settings) == {}
        assert set(events) == {"compare False"}

    def test_of_an_old_one(self, events: list[str]) -> None:
        assert found(signed(LARGE, age=99), max_age=50) == {}
        assert events == ["compare True"]


def attempts() -> Iterator[tuple[str, Any]]:
    """Cookies of every kind that goes wrong, and what is done to the session."""
    for value, settings in FORMATS.values():
        sep = settings.get("signer_kwargs", {}).get("sep", ".")
        parts = value.split(sep)
        yield from ((value[:cut], None) for cut in range(1, len(value), 7))
        yield from ((sep.join(order), None) for order in itertools.permutations(parts))
        yield another_signature(value, sep), None
        yield f'"{value}', None
    for content in (["CONTENT"], "CONTENT", {"CONTENT": {" u": "CONTENT"}}, {"a": {" b": "CONTENT!"}}):
        yield fuzz.signed(fuzz.base64_encode(json.dumps(content)), KEY).decode(), None
    yield fuzz.signed(fuzz.base64_encode(b'{"CONTENT'), KEY).decode(), None
    yield signed({"a": "CONTENT"}, age=10**8), None
    yield signed({"a": "CONTENT"}, age=-(10**5)), None
    good = signed({"a": "CONTENT", "b": ["CONTENT"]})
    for value in ({"CONTENT"}, object, b"CONTENT".join, 1j, {"CONTENT": {"CONTENT"}}, {1: 1, "CONTENT": 2}):
        yield good, lambda session, value=value: session.update(a=value)
    yield good, lambda session: session["b"].append({"CONTENT"})
    yield good, lambda session: session.update(a="CONTENT" * 2000)


def shown(error: BaseException | None) -> list[str]:
    """What there is to see of an error, of its notes, and of the errors that it came from."""
    texts: list[str] = []
    while error is not None:
        notes = getattr(error, "__notes__", ())
        texts += [*traceback.format_exception_only(error), repr(error), repr(error.args), *map(str, notes)]
        error = error.__cause__ or error.__context__
    return texts


class TestNothingShows:
    """Neither a key nor a value of a session is in a log line, a warning, an error or a repr."""

    def check(self, texts: list[str]) -> None:
        kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
        secrets = [KEY, "retired key", "older key", "CONTENT", *(value for value, _ in FORMATS.values())]
        for key in secrets[:3]:
            for signer in (
                TimestampSigner(key),
                TimestampSigner(key, salt="cookie-session", **kwargs),  # type: ignore[arg-type]
            ):
                derived = signer.derive_key()
                secrets += [derived.hex(), base64.b64encode(derived).decode(), repr(derived)[2:-1]]
        for value, _ in FORMATS.values():
            secrets += [part for part in value.replace(":", ".").split(".") if len(part) > 9]
        for secret in secrets:
            assert [text for text in texts if secret in text] == []

    @pytest.mark.parametrize("format_", FORMATS)
    def test_while_requests_go_wrong(
        self, format_: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        logging.getLogger("asyncio").setLevel(logging.INFO)
        caplog.set_level(logging.DEBUG)
        _, settings = FORMATS[format_]
        texts: list[str] = []
        failed = 0

        def look(session: Any) -> None:
            texts.append(f"{session} {session!r}")
            if change is not None:
                change(session)

        def late(session: Any) -> None:
            session.update(late="CONTENT", b=["CONTENT"])

        for value, change in attempts():  # noqa: B007  # `look` uses it
            middleware = SessionMiddleware(app_that(look, late=late), **KEYS, **settings)
            texts += [repr(middleware), str(middleware._codec), repr(middleware._codec.identity)]
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                try:
                    call(middleware, cookie=value)
                except Exception as error:
                    failed += 1
                    texts += shown(error)
            texts += [str(warning.message) for warning in warned]
        texts += [f"{record.getMessage()} {record.exc_info}" for record in caplog.records] + list(capfd.readouterr())
        assert failed >= 6 or format_ == "another signer"  # there the good cookies do not open
        assert sum("did not open" in text for text in texts) > 50
        assert sum("were lost on path" in text for text in texts) > 50
        self.check(texts)

    def test_while_settings_are_refused(self) -> None:
        """Nor where the key is of a wrong kind, or in the place of another setting."""
        flask_app = Flask("shop")
        flask_app.config.update(SECRET_KEY=KEY, SECRET_KEY_FALLBACKS=["retired key"], SESSION_COOKIE_SAMESITE="x")
        tries: list[Callable[[], object]] = [lambda: SessionMiddleware.from_flask(app_that(), flask_app)]
        for key in ([KEY], {KEY: KEY}, (KEY,), {KEY}, [KEY.encode()], iter([KEY])):
            tries.append(lambda key=key: SessionMiddleware(app_that(), key))
            tries.append(lambda key=key: SessionMiddleware(app_that(), "other", secret_key_fallbacks=[key]))
        tries.append(lambda: SessionMiddleware(app_that(), "other", secret_key_fallbacks=KEY))
        for setting, value in {
            "session_cookie": "a b",
            "max_age": "1",
            "path": "x",
            "same_site": "x",
            "domain": "a b",
            "permanent_session_lifetime": None,
            "max_cookie_size": -1,
            "leeway": 0.5,
            "signer_kwargs": {"key_derivation": "x"},
            "allow_path_regex": 5,
        }.items():
            tries.append(
                lambda setting=setting, value=value: SessionMiddleware(app_that(), **KEYS, **{setting: value})
            )
        texts: list[str] = []
        for attempt in tries:
            with pytest.raises((TypeError, ValueError)) as caught:
                attempt()
            texts += shown(caught.value)
        self.check(texts)

    def test_in_what_the_codec_raises(self) -> None:
        """Its errors carry the payload, as those of itsdangerous do; what a server prints of them does not."""
        texts: list[str] = []
        for codec in (SessionCodec(**KEYS), SessionCodec(KEY, signer_kwargs={"sep": ":"})):
            for value, _ in attempts():
                try:
                    codec.loads(value, 60)
                except BadData as error:
                    texts += [*traceback.format_exception(error), *getattr(error, "__notes__", ())]
        assert len(texts) > 500
        self.check([text for text in texts if not text.startswith("  File")])  # a line of source that is shown

    def test_in_what_the_extensions_raise(self) -> None:
        session: dict[str, Any] = {}
        token = generate_csrf(session, KEY)
        texts: list[str] = []
        wrong_ones = [
            token[:-1],
            token + "x",
            "CONTENT",
            {"CONTENT": 1},
            generate_csrf({"csrf_token": "CONTENT"}, KEY),
        ]
        for wrong in wrong_ones:
            with pytest.raises(ValueError, match="CSRF") as caught:
                validate_csrf(session, wrong, KEY)
            texts += [*traceback.format_exception_only(caught.value), repr(caught.value.args)]
        assert [text for text in texts if session["csrf_token"] in text] == []
        self.check(texts)

    def test_a_forged_log_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """What a client can put into a log line, a path, and what it makes an application use for keys, is escaped."""
        for text in ("/a\r\nERROR root: forged", "/\x1b[2J", "/\u2028x", "/\udcff", "/%s %d {0}", "/\x85\x00"):
            late = lambda session, text=text: session.update({text: 1})  # noqa: E731
            call(SessionMiddleware(app_that(late=late), KEY), path=text)
        assert len(caplog.records) == 6
        for record in caplog.records:
            message = record.getMessage()
            assert len(message.splitlines()) == 1
            assert message.isprintable()


class TestRemembered:
    """The codec remembers what it verified; nobody gets more out of that than out of verifying it again."""

    now = 1_700_000_000

    #: Content near the largest that is remembered, a number of values, and the megabytes that are enough for any.
    contents: ClassVar[dict[str, tuple[dict[str, Any], int, int]]] = {
        "one long text": ({"noise": hashlib.shake_256(b"noise").hexdigest(1200)}, 3000, 10),
        "many keys": ({f"k{number}": f"{number} {'text ' * 10}" for number in range(60)}, 1200, 24),
        # One character beyond the rest makes Python hold all with four bytes each.
        "a text with an emoji": ({"noise": "\U0001f600" + hashlib.shake_256(b"noise").hexdigest(1100)}, 3000, 24),
        "texts with emoji": ({f"\U0001f600{number}": f"\U0001f600{number:023}" for number in range(64)}, 1200, 28),
        "hundreds of keys": ({f"k{number}": number + 0.5 for number in range(300)}, 1200, 24),
    }

    @pytest.mark.parametrize("name", contents)
    def test_their_number_is_bounded(self, name: str) -> None:
        """Base64 is read leniently, so one good cookie has any number of spellings."""
        content, many, megabytes = self.contents[name]
        codec = SessionCodec(KEY)
        stem, _, signature = codec.dumps(content).rpartition(".")
        assert len(stem) < 4096

        def open_many() -> None:
            for number in range(many):
                spelling = "".join("!?*%"[number >> 2 * place & 3] for place in range(8))
                for _ in range(2):  # a value that comes again is remembered in another form
                    opened = codec.loads(f"{stem}.{signature[:9]}{spelling}{signature[9:]}")
            assert opened == content

        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            open_many()
            assert tracemalloc.get_traced_memory()[1] - before < megabytes * 10**6
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("junk", ["!", "=", " ", "\xe9"])
    def test_their_size_is_bounded(self, junk: str) -> None:
        """A spelling may be of any length, too."""
        codec = SessionCodec(KEY)
        stem, _, signature = codec.dumps({"user": 7}).rpartition(".")
        opened = 0
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(1000):
                with suppress(BadData):
                    spelling = f"{stem}.{signature[:9]}{junk * (5000 + 4 * number)}{signature[9:]}"
                    opened += codec.loads(spelling) == {"user": 7}
            assert tracemalloc.get_traced_memory()[0] - before < 100_000
        finally:
            tracemalloc.stop()
        assert opened == 1000

    def test_a_small_value_of_much_content_is_not_kept(self) -> None:
        codec = SessionCodec(KEY)
        value = codec.dumps({"text": "a" * 1_000_000})
        assert len(value) < 4096
        tracemalloc.start()
        try:
            for _ in range(3):
                assert len(codec.loads(value)["text"]) == 1_000_000
            assert tracemalloc.get_traced_memory()[0] < 100_000
        finally:
            tracemalloc.stop()

    def test_an_old_one_is_refused(self, time_machine: Any) -> None:
        codec = SessionCodec(KEY)
        time_machine.move_to(self.now, tick=False)
        value = codec.dumps({"user": 7})
        for age, opens in ((0, True), (60, True), (61, False), (60, True), (-1, False), (10**9, False), (1, True)):
            time_machine.move_to(self.now + age, tick=False)
            if opens:
                assert codec.loads(value, 60) == {"user": 7}
                continue
            with pytest.raises(SignatureExpired):
                codec.loads(value, 60)
        assert codec.loads(value) == {"user": 7}

    def test_what_did_not_open_opens_no_better_the_next_time(self, time_machine: Any) -> None:
        codec = SessionCodec(KEY)
        time_machine.move_to(self.now, tick=False)
        old = codec.dumps({"user": 7})
        time_machine.shift(timedelta(seconds=99))
        strange = [fuzz.signed(payload, KEY).decode() for payload in (b"!", b".AAAA", fuzz.base64_encode("{"))]
        for value in (old, another_signature(old), old[:-3], *strange):
            for _ in range(4):
                with pytest.raises(BadData):
                    codec.loads(value, 60)

    def test_of_another_salt_or_codec_nothing_is_known(self) -> None:
        one, two = SessionCodec(KEY), SessionCodec("another key")
        value = one.dumps({"user": 7})
        assert one.loads(value) == {"user": 7}
        for load in (
            two.loads,
            lambda text: one.loads(text, salt="wtf-csrf-token"),
            SessionCodec(KEY, salt="x").loads,
        ):
            with pytest.raises(BadData):
                load(value)

    @pytest.mark.parametrize("content", [{"cart": [1, {"deep": [2]}], "user": 7}, {"user": 7}], ids=["nested", "flat"])
    def test_nobody_gets_another_requests_objects(self, content: dict[str, Any]) -> None:
        """Users of one shared cookie, each of whom changes in place what they got."""
        before, got = repr(content), []

        def change(session: Any) -> None:
            got.append(session)
            assert repr(dict(session)) == before
            for value in session.values():
                if isinstance(value, list):
                    value[1]["deep"].append("mine")
                    value.append(len(got))
            dict.__setitem__(session, "user", "eve")
            session["mine"] = len(got)

        codec, cookie = SessionCodec(KEY), signed(content)
        for _ in range(5):
            loaded = codec.loads(cookie)
            assert loaded == content
            loaded["user"] = "eve"
        middleware = SessionMiddleware(app_that(change), KEY)
        for number in range(1, 6):
            saved = call(middleware, cookie=cookie).saved
            assert (saved["mine"], saved["user"]) == (number, "eve")
            assert "cart" not in saved or saved["cart"] == [1, {"deep": [2, "mine"]}, number]
        assert len({id(session) for session in got}) == 5
