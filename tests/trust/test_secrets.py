"""Keys and contents stay where they are: comparisons, their order, and what is shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import logging
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from itsdangerous import BadData, TimestampSigner

from starlette_flask import SessionCodec, SessionMiddleware, TaggedJSONSerializer, starlette_format
from starlette_flask.extensions.flask_login import decode_remember_cookie, encode_remember_cookie
from starlette_flask.extensions.flask_wtf import generate_csrf, validate_csrf
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
        monkeypatch.setattr(starlette_format.json, "loads", noting("parse", json.loads))
        monkeypatch.setattr(starlette_format, "b64decode", noting("unpack", base64.b64decode))
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
        assert sum("rejected" in text for text in texts) > 50
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
