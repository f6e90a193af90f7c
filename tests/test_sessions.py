"""The middleware called as a server calls it: its settings, the request's cookie, and the response's fields."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import inspect
import json
import logging
import re
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import flask
import httpx
import itsdangerous
import msgspec
import pytest
import starlette.middleware.sessions
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer
from pydantic import SecretBytes, SecretStr
from pydantic_core import to_json
from starlette.datastructures import Secret
from starlette.middleware import Middleware

from starlette_flask import Session, SessionCodec, SessionMiddleware
from starlette_flask.tagged_json import TaggedJSONSerializer
from tests.asgi import KEY, STARTS, Reply, app_that, call, flask_reader, opened, signed
from tests.builds import orjson_dumps

CONTENT = {"user": 7}
DELETION = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Lax"


def nothing(session: Any) -> None:
    """What most requests do."""


def read(session: Any) -> None:
    session.get("user")


def write(session: Any) -> None:
    session["written"] = True


def clear(session: Any) -> None:
    session.clear()


async def ignore(message: Any) -> None:
    """Send to nowhere."""


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application that does not know of sessions."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b""})


def seen_by(cookie: str | None = None, *, headers: Any = (), path: str = "/", **settings: Any) -> dict[str, Any]:
    """The content of the session that a request brings."""
    seen: dict[str, Any] = {}
    middleware = SessionMiddleware(app_that(seen.update), **{"secret_key": KEY, **settings})
    call(middleware, cookie=cookie, headers=headers, path=path)
    return seen


class OwnText:
    """A secret of a library that nobody has heard of."""

    def __str__(self) -> str:
        return KEY


class TestSignature:
    """A user of Starlette's middleware changes the import, and everything that was given still means the same."""

    def test_settings_stand_in_starlettes_order(self) -> None:
        theirs = inspect.signature(starlette.middleware.sessions.SessionMiddleware).parameters
        ours = inspect.signature(SessionMiddleware).parameters
        assert list(ours)[: len(theirs)] == list(theirs)
        rest = list(ours.values())[len(theirs) :]
        assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in rest)
        same = [name for name in theirs if theirs[name].default == ours[name].default]
        assert [name for name in theirs if name not in same] == ["max_age"]

    def test_settings_by_position(self) -> None:
        settings = (KEY, "basket", 60, "/shop", "strict", True, "example.com", True)
        cookies = [
            call(middleware(app_that(write), *settings)).set_cookies[0].split("; ", 1)
            for middleware in (SessionMiddleware, starlette.middleware.sessions.SessionMiddleware)
        ]
        ours, theirs = ({item.strip().lower() for item in rest.split(";")} for _, rest in cookies)
        assert [value.partition("=")[0] for value, _ in cookies] == ["basket", "basket"]
        assert ours == theirs

    def test_the_defaults(self) -> None:
        reply = call(SessionMiddleware(app_that(write), KEY))
        assert reply.saved == {"written": True}
        assert reply.set_cookies[0].split("; ", 1)[1] == "HttpOnly; Path=/; SameSite=Lax"
        assert inspect.signature(SessionMiddleware).parameters["cache_size"].default == 16 << 20


class TestSecrets:
    """What signs is the secret itself, never its mask; what is no secret is refused, without being shown."""

    @pytest.mark.parametrize(
        "secret",
        [KEY, KEY.encode(), SecretStr(KEY), SecretBytes(KEY.encode()), Secret(KEY), OwnText()],
        ids=lambda secret: type(secret).__name__,
    )
    def test_signs_with_the_secret(self, secret: object) -> None:
        assert call(SessionMiddleware(app_that(write), secret)).saved == {"written": True}
        assert seen_by(signed(CONTENT), secret_key=secret) == CONTENT
        assert seen_by(signed(CONTENT), secret_key="another", secret_key_fallbacks=[secret]) == CONTENT

    @pytest.mark.parametrize(
        ("secret", "error"),
        [
            ("", ValueError),
            (b"", ValueError),
            (" \t", ValueError),
            ("None", ValueError),
            ("**********", ValueError),
            (b"***", ValueError),
            (str(SecretStr(KEY)), ValueError),
            (SecretStr(""), ValueError),
            (SecretStr("****"), ValueError),
            (Secret(""), ValueError),
            (None, TypeError),
            (0, TypeError),
            (1.5, TypeError),
            (True, TypeError),
            (object(), TypeError),
            (bytearray(b"key"), TypeError),
            (["s3cr3t"], TypeError),
        ],
        ids=lambda value: repr(value).partition(" at 0x")[0],
    )
    def test_refuses_what_is_none(self, secret: object, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"^secret_key ") as refused:
            SessionMiddleware(answer, secret)
        assert "s3cr3t" not in str(refused.value)
        with pytest.raises(error, match="secret_key_fallbacks"):
            SessionMiddleware(answer, KEY, secret_key_fallbacks=[secret])

    def test_refuses_a_single_fallback(self) -> None:
        """Taken for a list, it would be one key for each letter."""
        for fallbacks in ("s3cr3t", b"s3cr3t"):
            with pytest.raises(TypeError, match="secret_key_fallbacks") as refused:
                SessionMiddleware(answer, KEY, secret_key_fallbacks=fallbacks)
            assert "s3cr3t" not in str(refused.value)

    def test_fallbacks_open_and_do_not_sign(self) -> None:
        old = signed(CONTENT, key="retired")
        assert seen_by(old) == {}
        middleware = SessionMiddleware(app_that(write), KEY, secret_key_fallbacks=["older", "retired"])
        assert call(middleware, cookie=old).saved == {**CONTENT, "written": True}
        assert seen_by(signed(CONTENT), secret_key_fallbacks=None) == CONTENT


class TestRefusedSettings:
    """A setting that no browser would take, or that could inject a header, is an error when the app is built."""

    @pytest.mark.parametrize(
        ("setting", "value", "error"),
        [
            ("session_cookie", "", ValueError),
            ("session_cookie", "a b", ValueError),
            ("session_cookie", "a=b", ValueError),
            ("session_cookie", "a;b", ValueError),
            ("session_cookie", "a,b", ValueError),
            ("session_cookie", "a\r\nX: y", ValueError),
            ("session_cookie", "s\xe9ance", ValueError),
            ("session_cookie", None, TypeError),
            ("session_cookie", b"session", TypeError),
            ("path", "", ValueError),
            ("path", "shop", ValueError),
            ("path", "/;domain=x", ValueError),
            ("path", "/\r\nX: y", ValueError),
            ("path", Path("/shop"), TypeError),
            ("domain", "", ValueError),
            ("domain", "exa mple.com", ValueError),
            ("domain", "example.com; Path=/x", ValueError),
            ("domain", "example.com\r\nX: y", ValueError),
            ("domain", "..", ValueError),
            ("domain", False, TypeError),
            ("same_site", "", ValueError),
            ("same_site", "laxer", ValueError),
            ("same_site", "Lax; Path=/x", ValueError),
            ("same_site", False, TypeError),
            ("permanent_session_lifetime", -1, ValueError),
            ("permanent_session_lifetime", timedelta(days=-1), ValueError),
            ("permanent_session_lifetime", timedelta.max, ValueError),
            ("permanent_session_lifetime", timedelta(days=365_000, seconds=1), ValueError),
            ("permanent_session_lifetime", float("nan"), ValueError),
            ("leeway", -1, ValueError),
            ("max_cookie_size", -1, ValueError),
            ("cache_size", -1, ValueError),
            ("signer_kwargs", {"sep": ";"}, ValueError),
            ("signer_kwargs", {"key_derivation": "rot13"}, ValueError),
            ("salt", 5, TypeError),
            ("serializer", 5, TypeError),
            ("allow_path_regex", "(", ValueError),
        ],
    )
    def test_is_named_in_the_error(self, setting: str, value: object, error: type[Exception]) -> None:
        with pytest.raises(error) as refused:
            SessionMiddleware(answer, KEY, **{setting: value})
        assert str(refused.value).startswith(setting)
        assert KEY not in str(refused.value)

    @pytest.mark.parametrize(
        ("setting", "wanted", "wrong"),
        [
            ("max_age", "a whole number of seconds or None", ["60", 60.0, True, timedelta(60), []]),
            ("leeway", "a whole number of seconds", ["60", 0.5, True, timedelta(60), None]),
            ("max_cookie_size", "a whole number of bytes", ["4093", 4093.0, False, (), None]),
            ("cache_size", "a whole number of bytes", ["1 MiB", 1e6, True, b"", None]),
            ("permanent_session_lifetime", "a timedelta or a number of seconds", ["3600", True, None, [], object()]),
            (
                "allow_path_regex",
                "a str or a compiled pattern of str",
                [5, b"/x", re.compile(b"/x"), ["/x"], Path("/")],
            ),
            *(
                (setting, "True or False", ["false", 0, 1, None, []])
                for setting in ("https_only", "httponly", "partitioned", "refresh_each_request")
            ),
            ("accept_starlette_cookies", "True or False", ["false", 0, 1, None, []]),
        ],
    )
    def test_the_error_says_what_was_given_and_what_is_allowed(
        self, setting: str, wanted: str, wrong: list[Any]
    ) -> None:
        for value in wrong:
            kind = type(value).__name__
            given = f"{value!r} ({kind})" if isinstance(value, (str, int, float)) else kind
            given = "None" if value is None else given
            with pytest.raises(TypeError, match=rf"^{setting} must be {wanted}, not {re.escape(given)}$"):
                SessionMiddleware(answer, KEY, **{setting: value})

    def test_a_serializer_is_given_nothing_but_dicts(self) -> None:
        class Lines:
            def dumps(self, value: dict[str, Any]) -> str:
                return "\n".join(f"{key}={text}" for key, text in value.items())

            def loads(self, value: str) -> dict[str, Any]:
                return dict(line.split("=") for line in value.splitlines())

        assert call(SessionMiddleware(app_that(write), KEY, serializer=Lines())).set_cookies

    def test_a_serializer_that_writes_neither_text_nor_bytes(self) -> None:
        class Same:
            def dumps(self, value: Any) -> Any:
                return value

            loads = dumps

        with pytest.raises(TypeError, match=r"^serializer: dumps\(\) must return a str or bytes, not dict$"):
            SessionMiddleware(answer, KEY, serializer=Same())

    def test_a_separator_that_no_cookie_may_hold_is_said_to_be_that(self) -> None:
        with pytest.raises(ValueError, match=r"^signer_kwargs: 'sep' is not allowed in cookie values$"):
            SessionMiddleware(answer, KEY, signer_kwargs={"sep": ";"})

    @pytest.mark.parametrize(
        "settings",
        [
            {"max_age": 0},
            {"max_age": -1},
            {"permanent_session_lifetime": 0},
            {"permanent_session_lifetime": timedelta(days=365_000)},
            {"leeway": 0},
            {"max_cookie_size": 1},
            {"cache_size": 0},
            {"cache_size": 2**40},
        ],
        ids=repr,
    )
    def test_the_least_and_the_most_are_allowed(self, settings: dict[str, Any]) -> None:
        assert call(SessionMiddleware(app_that(write), KEY, **settings)).set_cookies != []

    @pytest.mark.parametrize(
        ("name", "settings", "missing"),
        [
            ("__Secure-id", {}, "https_only=True"),
            ("__secure-id", {}, "https_only=True"),
            ("__Host-id", {}, "https_only=True"),
            ("__Host-id", {"https_only": True, "path": "/shop"}, "path='/' and domain=None"),
            ("__Host-id", {"https_only": True, "path": None}, "path='/' and domain=None"),
            ("__Host-id", {"https_only": True, "domain": "example.com"}, "path='/' and domain=None"),
            ("__Http-id", {"https_only": True, "httponly": False}, "httponly=True"),
        ],
    )
    def test_a_prefix_without_what_it_requires(self, name: str, settings: dict[str, Any], missing: str) -> None:
        with pytest.raises(ValueError, match=f"^session_cookie='{name}' .*{re.escape(missing)}"):
            SessionMiddleware(answer, KEY, name, **settings)

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("__Secure-id", {"https_only": True, "domain": "example.com", "path": "/shop"}),
            ("__Host-id", {"https_only": True}),
            ("__Host-id", {"partitioned": True}),
            ("__Http-id", {"https_only": True}),
        ],
    )
    def test_a_prefix_with_it(self, name: str, settings: dict[str, Any]) -> None:
        (cookie,) = call(SessionMiddleware(app_that(write), KEY, name, **settings)).set_cookies
        assert cookie.startswith(f"{name}=")
        assert "; Secure; " in cookie

    def test_same_site_none_warns_without_secure(self) -> None:
        with pytest.warns(UserWarning, match=r"^same_site='none' without https_only=True: browsers will") as warned:
            middleware = SessionMiddleware(app_that(write), KEY, same_site="None")
        assert warned[0].filename == __file__
        assert "; SameSite=None" in call(middleware).set_cookies[0]
        for secure in ({"https_only": True}, {"partitioned": True}):
            SessionMiddleware(answer, KEY, same_site="none", **secure)

    def test_partitioned_implies_secure(self) -> None:
        (cookie,) = call(SessionMiddleware(app_that(write), KEY, partitioned=True)).set_cookies
        assert cookie.endswith("; Secure; HttpOnly; Path=/; SameSite=Lax; Partitioned")

    @given(
        name=st.text(max_size=4),
        path=st.text(max_size=6) | st.text(max_size=6).map("/".__add__),
        domain=st.text(max_size=6),
        same_site=st.sampled_from(["lax", "STRICT", "none; x", "\n"]),
    )
    def test_no_text_injects_anything(self, name: str, path: str, domain: str, same_site: str) -> None:
        """Each setting by itself: it is refused, or its attribute alone is of it."""
        for setting, text in (
            ("session_cookie", name),
            ("path", path),
            ("domain", domain),
            ("same_site", same_site),
        ):
            try:
                middleware = SessionMiddleware(app_that(write), KEY, **{setting: text})
            except ValueError:
                continue
            reply = call(middleware)
            (cookie,) = reply.set_cookies
            assert re.fullmatch(r"[ -~]+", cookie)
            attributes = [item.partition("=")[0] for item in cookie.split("; ")[1:]]
            assert attributes == [*(["Domain"] if setting == "domain" else []), "HttpOnly", "Path", "SameSite"]


class TestAge:
    """`max_age` gives Starlette's rule, without it Flask's; `leeway` opens what a clock ahead of ours signed."""

    @pytest.mark.parametrize("lifetime", [3600, 3600.0, timedelta(hours=1)])
    def test_without_max_age_the_lifetime_counts(self, lifetime: Any) -> None:
        for age, content in ((3598, CONTENT), (3602, {})):
            assert seen_by(signed(CONTENT, age=age), permanent_session_lifetime=lifetime) == content

    def test_the_lifetime_is_31_days(self) -> None:
        day = 24 * 3600
        assert seen_by(signed(CONTENT, age=31 * day - 5)) == CONTENT
        assert seen_by(signed(CONTENT, age=31 * day + 5)) == {}

    def test_max_age_counts_instead(self) -> None:
        for age, content in ((58, CONTENT), (62, {})):
            assert seen_by(signed(CONTENT, age=age), max_age=60) == content
        assert seen_by(signed(CONTENT, age=58), max_age=60, permanent_session_lifetime=1) == CONTENT

    def test_max_age_is_on_every_cookie(self) -> None:
        middleware = SessionMiddleware(app_that(write), KEY, max_age=60)
        for content in ({}, {"_permanent": True}):
            (cookie,) = call(middleware, cookie=signed(content)).set_cookies
            assert cookie.partition("; ")[2] == "Max-Age=60; HttpOnly; Path=/; SameSite=Lax"

    def test_a_permanent_session_has_expires(self, time_machine: Any) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        middleware = SessionMiddleware(
            app_that(lambda session: setattr(session, "permanent", True)), KEY, permanent_session_lifetime=60
        )
        (cookie,) = call(middleware).set_cookies
        assert cookie.split("; ")[1:] == [
            "Expires=Sun, 09 Sep 2001 01:47:40 GMT",
            "HttpOnly",
            "Path=/",
            "SameSite=Lax",
        ]

    @pytest.mark.parametrize("settings", [{"max_age": 60}, {"permanent_session_lifetime": 60}])
    def test_to_the_second(self, settings: dict[str, Any], time_machine: Any) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        for leeway, ages in ((None, {60: True, 61: False, 0: True, -1: False}), (2, {-2: True, -3: False, 61: False})):
            given = settings if leeway is None else {**settings, "leeway": leeway}
            for age, opens in ages.items():
                assert seen_by(signed(CONTENT, age=age), **given) == (CONTENT if opens else {})

    def test_leeway_opens_the_near_future(self) -> None:
        ahead = signed(CONTENT, age=-30)
        assert seen_by(ahead) == {}
        assert seen_by(ahead, leeway=25) == {}
        assert seen_by(ahead, leeway=35) == CONTENT
        assert seen_by(ahead, leeway=35, max_age=5) == CONTENT
        assert seen_by(signed(CONTENT, age=30), leeway=35, max_age=20) == {}


class TestRequest:
    """`http` and `websocket` requests bring a session; everything else passes as if there was no middleware."""

    @pytest.mark.parametrize("type_", ["lifespan", "http.request", "webtransport"])
    def test_other_scopes_pass(self, type_: str) -> None:
        seen: list[Any] = []

        async def app(*arguments: Any) -> None:
            seen.extend(arguments)

        scope: Any = {"type": type_, "headers": [(b"cookie", f"session={signed(CONTENT)}".encode())]}
        before = dict(scope)

        async def channel(*_: Any) -> Any: ...

        coroutine: Any = SessionMiddleware(app, KEY)(scope, channel, channel)
        with pytest.raises(StopIteration):
            coroutine.send(None)
        assert seen[0] is scope
        assert seen[1:] == [channel, channel]
        assert scope == before

    @pytest.mark.parametrize("type_", ["http", "websocket"])
    def test_the_session_is_a_real_dict(self, type_: str) -> None:
        content = {"a": [1, {"b": None}], "z": "\u00e9"}
        sessions: list[Any] = []
        call(SessionMiddleware(app_that(sessions.append), KEY), cookie=signed(content), kind=type_)
        (session,) = sessions
        assert isinstance(session, dict)
        assert isinstance(session, Session)
        assert not session.new
        for dumps in (json.dumps, msgspec.json.encode, to_json, orjson_dumps):
            assert json.loads(dumps(session)) == content

    @pytest.mark.parametrize(
        "fields",
        [
            ["session={0}"],
            ["other=1; session={0}; session={1}"],
            ["other=1", "session={0}"],
            ["session={0}", "session={1}"],
            ["other=session; xsession={1}; session={0}"],
            ['session="{0}"'],
            ["session = {0} ;a=b"],
            ["Session={1}; session={0}"],
            ["session=; session={1}"],
            ["session={0}{1}"],
        ],
    )
    def test_the_cookie_is_the_one_that_flask_reads(self, fields: list[str]) -> None:
        values = signed(CONTENT), signed({"user": 8})
        headers = [(b"cookie", field.format(*values).encode()) for field in fields]
        flask_app = flask_reader()
        environ = {"HTTP_COOKIE": ";".join(value.decode() for _, value in headers)}
        with flask_app.test_request_context(environ_overrides=environ):
            expected = dict(flask.session)
        assert seen_by(headers=headers) == expected

    @pytest.mark.parametrize("kind", [iter, tuple, list])
    def test_the_application_can_read_the_headers_too(self, kind: Callable[[Any], Any]) -> None:
        fields = [(b"cookie", f"session={signed(CONTENT)}".encode()), (b"x", b"y")]
        read_by_app: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            read_by_app.extend(scope["headers"])
            read_by_app.append(scope["session"]["user"])

        async def run() -> None:
            await SessionMiddleware(app, KEY)({"type": "http", "path": "/", "headers": kind(fields)}, None, None)  # type: ignore[arg-type]

        coroutine = run()
        with pytest.raises(StopIteration):
            coroutine.send(None)
        assert read_by_app == [*fields, 7]

    def test_a_list_of_headers_stays_the_one_that_came(self) -> None:
        """What is further out may hold on to it."""
        scope: dict[str, Any] = {"type": "http", "path": "/", "headers": (headers := [])}
        asyncio.run(SessionMiddleware(answer, KEY)(scope, None, ignore))
        assert scope["headers"] is headers

    def test_no_headers_at_all(self) -> None:
        sessions: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            sessions.append(scope["session"])

        with pytest.raises(StopIteration):
            SessionMiddleware(app, KEY)({"type": "http", "path": "/"}, None, None).__await__().send(None)  # type: ignore[arg-type]
        assert sessions == [{}]
        assert sessions[0].new

    def test_a_scope_without_a_path_matches_no_pattern_of_one(self) -> None:
        scope: dict[str, Any] = {"type": "http", "headers": []}
        seen: list[Any] = []

        async def look(scope: Any, receive: Any, send: Any) -> None:
            seen.append(dict(scope))

        asyncio.run(SessionMiddleware(look, KEY, allow_path_regex=".")(scope, None, None))
        assert seen == [{"type": "http", "headers": []}]

    def test_allow_path_regex(self) -> None:
        for regex in ("/shop", re.compile("/SHOP", re.IGNORECASE)):
            for path, content in (("/shop", CONTENT), ("/shop/1", CONTENT)):
                assert seen_by(signed(CONTENT), path=path, allow_path_regex=regex) == content

    @pytest.mark.parametrize("path", ["/", "/the/shop", "/sho"])
    def test_other_paths_pass(self, path: str) -> None:
        """With the session of an outer middleware, where there is one."""
        reply = call(SessionMiddleware(answer, KEY, allow_path_regex="/shop"), path=path, cookie=signed(CONTENT))
        assert "session" not in reply.scope
        inner = SessionMiddleware(app_that(write), "another key", allow_path_regex="/shop")
        assert call(SessionMiddleware(inner, KEY), path=path).saved == {"written": True}


def broken_values() -> Iterator[Any]:
    """Cookie values that do not open, and the reason that is to be logged."""
    serializer = URLSafeTimedSerializer(
        KEY, salt="cookie-session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1}
    )
    signer = serializer.make_signer()

    def payload(data: bytes) -> str:
        return signer.sign(data).decode()

    good = signed(CONTENT)
    yield pytest.param("nonsense", "Bad(Time)?Signature", id="nonsense")
    yield pytest.param("a.b.c", "Bad(Time)?Signature", id="three parts of nonsense")
    yield pytest.param("\u00e9.\u00e9.\u00e9", "Bad(Time)?Signature", id="not ASCII")
    yield pytest.param(good[:-1], "Bad(Time)?Signature", id="short signature")
    yield pytest.param(good.rpartition(".")[0], "Bad(Time)?Signature", id="no signature")
    yield pytest.param("x" + good, "Bad(Time)?Signature", id="other payload")
    yield pytest.param(signed(CONTENT, key="another key"), "Bad(Time)?Signature", id="other key")
    yield pytest.param(signed(CONTENT, age=32 * 24 * 3600), "SignatureExpired: Signature .*", id="too old")
    yield pytest.param(signed(CONTENT, age=-24 * 3600), "SignatureExpired: Signature .*", id="from the future")
    for content in ([1, 2], "text", 5, None, True):
        yield pytest.param(serializer.dumps(content), "BadPayload", id=f"no object but {content!r}")
    yield pytest.param(payload(b"!"), r"BadPayload from \w+", id="broken base64")
    yield pytest.param(payload(b".e30"), "BadPayload from error", id="broken zlib")
    yield pytest.param(
        payload(itsdangerous.base64_encode(b"\xff{}")), "BadPayload from UnicodeDecodeError", id="UTF-8"
    )
    yield pytest.param(payload(itsdangerous.base64_encode(b"{")), "BadPayload from JSONDecodeError", id="broken JSON")
    yield pytest.param(
        payload(itsdangerous.base64_encode(b"[" * 100_000)), "BadPayload from RecursionError", id="deep JSON"
    )
    yield pytest.param(serializer.dumps({"a": {" u": "no UUID"}}), "BadPayload from ValueError", id="broken tag")


class TestCookieThatDoesNotOpen:
    """The session is empty; that is logged at DEBUG, with the reason; and the answer is as if there was no cookie."""

    @pytest.mark.parametrize(("value", "reason"), list(broken_values()))
    def test_gives_an_empty_session(self, value: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        sessions: list[Any] = []

        def look(session: Any) -> None:
            sessions.append((dict(session), session.new))

        reply = call(SessionMiddleware(app_that(look), KEY), cookie=value)
        assert sessions == [({}, True)]
        assert reply.set_cookies == []
        ((logger, level, text),) = [entry for entry in caplog.record_tuples if entry[0] != "asyncio"]
        assert (logger, level) == ("starlette_flask", logging.DEBUG)
        assert re.search(rf"'session'.*: rejected: {reason}; not saved", text)
        for part in value.split("."):
            assert len(part) < 3 or part not in text

    def test_is_replaced_like_any_other(self) -> None:
        assert call(SessionMiddleware(app_that(write), KEY), cookie="nonsense").saved == {"written": True}

    def test_nothing_is_parsed_before_the_signature(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Watched(TaggedJSONSerializer):
            parsed = 0

            def loads(self, value: str) -> Any:
                type(self).parsed += 1
                return super().loads(value)

        large = {"large": "a" * 2000}
        cookie, forged = signed(large), signed(large, key="another key")
        assert cookie.startswith(".")
        seen: list[bytes] = []
        decompress = zlib.decompress

        def watched(data: bytes, *arguments: Any) -> bytes:
            seen.append(data)
            return decompress(data, *arguments)

        monkeypatch.setattr(zlib, "decompress", watched)
        assert seen_by(forged, serializer=Watched()) == {}
        assert (seen, Watched.parsed) == ([], 0)
        assert seen_by(cookie, serializer=Watched()) == large
        assert (len(seen), Watched.parsed) == (1, 1)


class TestResponse:
    """The cookie and `Vary` are added as Flask adds them, to a message that stays as the application made it."""

    @pytest.mark.parametrize("type_", STARTS)
    @pytest.mark.parametrize(
        ("change", "content", "saved", "varies"),
        [
            (nothing, CONTENT, None, False),
            (read, CONTENT, None, True),
            (read, None, None, True),
            (write, None, {"written": True}, True),
            (write, CONTENT, {"user": 7, "written": True}, True),
            (clear, CONTENT, {}, True),
            (clear, None, {}, True),
            (lambda session: session.pop("user"), CONTENT, {}, True),
            (lambda session: session.pop("none", None), CONTENT, None, True),
            (lambda session: session.mark_modified(), CONTENT, CONTENT, True),
            (lambda session: session.mark_accessed(), CONTENT, None, True),
            (nothing, {"_permanent": True}, {"_permanent": True}, True),
            (nothing, {"_permanent": False}, None, False),
        ],
    )
    def test_what_is_added(
        self,
        type_: str,
        change: Callable[[Any], None],
        content: Any,
        saved: Any,
        varies: bool,
        time_machine: Any,
    ) -> None:
        time_machine.move_to(1_000_000_000, tick=False)
        cookie = None if content is None else signed(content)
        scope = type_.partition(".")[0]
        reply = call(SessionMiddleware(app_that(change, start=type_), KEY), cookie=cookie, kind=scope)
        assert reply.saved == saved
        assert reply.vary == (["Cookie"] if varies else [])
        if saved is not None:
            attributes = "HttpOnly; Path=/; SameSite=Lax"
            if saved.get("_permanent"):
                attributes = f"Expires={formatdate(1_000_000_000 + 31 * 24 * 3600, usegmt=True)}; {attributes}"
            expected = f"session={signed(saved)}; {attributes}" if saved else DELETION
            assert reply.set_cookies == [expected]

    def test_no_refresh(self) -> None:
        """A permanent session's cookie is set when it changed only."""
        settings = {"secret_key": KEY, "refresh_each_request": False}
        cookie = signed({"_permanent": True})
        assert call(SessionMiddleware(app_that(read), **settings), cookie=cookie).saved is None
        reply = call(SessionMiddleware(app_that(write), **settings), cookie=cookie)
        assert reply.saved == {"_permanent": True, "written": True}

    def test_attributes_are_flasks(self) -> None:
        flask_app = flask_reader(
            SESSION_COOKIE_NAME="basket",
            SESSION_COOKIE_DOMAIN=".example.com",
            SESSION_COOKIE_PATH="/caf\u00e9 au lait",
            SESSION_COOKIE_HTTPONLY=False,
            SESSION_COOKIE_SECURE=True,
            SESSION_COOKIE_SAMESITE="Strict",
            SESSION_COOKIE_PARTITIONED=True,
        )

        @flask_app.route("/")
        def view() -> str:
            flask.session["a"] = 1
            flask.session.clear()
            return ""

        def change(session: Any) -> None:
            session["a"] = 1
            session.clear()

        middleware = SessionMiddleware(
            app_that(change),
            KEY,
            "basket",
            domain=".example.com",
            path="/caf\u00e9 au lait",
            httponly=False,
            https_only=True,
            same_site="strict",
            partitioned=True,
        )
        expected = flask_app.test_client().get("/", base_url="https://example.com").headers.getlist("Set-Cookie")
        assert call(middleware).set_cookies == expected

    def test_no_path_and_no_same_site(self) -> None:
        (cookie,) = call(SessionMiddleware(app_that(write), KEY, path=None, same_site=None)).set_cookies
        assert cookie.partition("; ")[2] == "HttpOnly"

    @pytest.mark.parametrize("change", [read, write, clear])
    def test_the_applications_message_is_not_touched(self, change: Callable[[Any], None]) -> None:
        """Frameworks send one constant message to every user."""
        constant = {
            "type": "http.response.start",
            "status": 200,
            "headers": [[b"vary", b"Origin"], [b"x", b"y"]],
            "extra": {"kept": True},
        }
        before = copy.deepcopy(constant)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            change(scope["session"])
            await send(constant)

        for user in range(2):
            reply = call(SessionMiddleware(app, KEY), cookie=signed({"user": user}))
            assert reply.start["extra"] == {"kept": True}
            assert reply.vary == ["Origin, Cookie"]
            assert reply.fields("x") == ["y"]
            if change is write:
                assert reply.saved == {"user": user, "written": True}
        assert constant == before

    @pytest.mark.parametrize("change", [nothing, read, write, clear])
    @pytest.mark.parametrize("headers", [None, "absent", (), [], "generator"])
    def test_headers_of_any_kind(self, headers: Any, change: Callable[[Any], None]) -> None:
        pairs = [(b"x", b"1"), (b"x", b"2")] if headers == "generator" else []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            change(scope["session"])
            message: dict[str, Any] = {"type": "http.response.start", "status": 200}
            if headers != "absent":
                message["headers"] = (pair for pair in pairs) if headers == "generator" else headers
            await send(message)

        reply = call(SessionMiddleware(app, KEY))
        fields = list(reply.start.get("headers") or ())
        names = [name for name, _ in fields]
        assert [pair for pair in fields if pair[0] == b"x"] == pairs
        assert names.count(b"set-cookie") == (change in (write, clear))
        assert names.count(b"vary") == (change is not nothing)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ([(b"vary", b"Accept-Encoding")], ["Accept-Encoding, Cookie"]),
            ([(b"Vary", b"Origin,Accept")], ["Origin, Accept, Cookie"]),
            ([(b"vary", b"Origin"), (b"x", b"y"), (b"VARY", b"Accept, Range")], ["Origin, Accept, Range, Cookie"]),
            ([(b"vary", b"Origin"), (b"vary", b"Accept"), (b"vary", b"Range")], ["Origin, Accept, Range, Cookie"]),
            ([(b"vary", b"cookie")], ["cookie"]),
            ([(b"vary", b"Origin, COOKIE")], ["Origin, COOKIE"]),
            ([(b"vary", b"Origin"), (b"vary", b"Cookie")], ["Origin", "Cookie"]),
            ([(b"vary", b"Cookies, X-Cookie")], ["Cookies, X-Cookie, Cookie"]),
            ([(b"vary", b"")], ["Cookie"]),
            ([(b"vary", b" , Origin ,")], ["Origin, Cookie"]),
            ([(b"vary", b"*")], ["*, Cookie"]),
        ],
    )
    def test_vary_is_merged(self, fields: list[tuple[bytes, bytes]], expected: list[str]) -> None:
        for change in (read, write):
            reply = call(SessionMiddleware(app_that(change, headers=[*fields, (b"z", b"z")]), KEY))
            assert reply.vary == expected
            assert reply.fields("z") == ["z"]
        if len(fields) == 1:  # Flask keeps the first field only
            response = flask.Response(headers=[(name.decode(), value.decode()) for name, value in fields])
            response.vary.add("Cookie")
            assert response.headers.getlist("Vary") == expected

    def test_names_are_in_lower_case(self) -> None:
        """As ASGI asks; those of the application are its own matter."""
        for name, names in ((b"VARY", [b"vary", b"X"]), (b"ETag", [b"ETag", b"X", b"vary"])):
            reply = call(SessionMiddleware(app_that(write, headers=[(name, b"Origin"), (b"X", b"y")]), KEY))
            assert sorted(name for name, _ in reply.start["headers"]) == sorted([*names, b"set-cookie"])

    def test_a_message_with_nothing_to_add_passes_as_it_is(self) -> None:
        message = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(message)

        assert call(SessionMiddleware(app, KEY)).messages[0] is message

    def test_the_session_is_saved_once(self) -> None:
        """An error handler that starts a second response, which the server will refuse, sends no second cookie."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            write(scope["session"])
            for status in (200, 500):
                await send({"type": "http.response.start", "status": status, "headers": []})

        reply = call(SessionMiddleware(app, KEY))
        assert [len(message["headers"]) for message in reply.messages] == [2, 0]

    def test_other_messages_pass(self) -> None:
        """Also those that come before the response starts."""
        sent = [
            {"type": "http.response.push", "path": "/x", "headers": []},
            {"type": "http.response.start", "status": 200, "headers": []},
            {"type": "http.response.body", "body": b"a", "more_body": True},
            {"type": "http.response.trailers", "headers": []},
        ]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            write(scope["session"])
            for message in sent:
                await send(message)

        reply = call(SessionMiddleware(app, KEY))
        assert [message for message in reply.messages if message not in sent] == [reply.start]
        assert reply.saved == {"written": True}

    def test_what_cannot_be_stored_is_an_error(self) -> None:
        """As in Flask, before anything was sent."""
        reply = Reply({})
        with pytest.raises(TypeError):
            call(SessionMiddleware(app_that(lambda session: session.update(a=object())), KEY), reply=reply)
        assert reply.messages == []

    @pytest.mark.parametrize(
        ("content", "blamed"),
        [
            ({"a": 1, "b": object()}, "because of key 'b':"),
            ({"a": object(), "b": 1, "c": object()}, "because of key 'a', 'c':"),
            ({"a": 1, 2: "VALUE"}, "because of keys of different types:"),
        ],
    )
    def test_the_error_says_which_key_is_to_blame(self, content: Any, blamed: str) -> None:
        with pytest.raises(TypeError, match=blamed) as error:
            call(SessionMiddleware(app_that(lambda session: session.update(content)), KEY))
        assert "VALUE" not in str(error.value)

    def test_the_error_quotes_nothing_in_its_notes(self) -> None:
        """The json module of Python 3.14 notes where in a dict or list the value was that could not be stored."""

        class Talkative(TaggedJSONSerializer):
            def dumps(self, value: Any) -> str:
                if value:
                    error = TypeError("No")
                    error.__notes__ = ["when serializing dict item 'VALUE'"]  # type: ignore[attr-defined]
                    raise error
                return super().dumps(value)

        for value in ({"VALUE": object()}, [{"VALUE": object()}]):
            for serializer in (None, Talkative()):
                middleware = SessionMiddleware(app_that(lambda s, v=value: s.update(a=v)), KEY, serializer=serializer)
                with pytest.raises(TypeError) as caught:
                    call(middleware)
                assert "VALUE" not in "".join(traceback.format_exception(caught.value))


class TestMaxCookieSize:
    """A cookie above the limit is sent all the same, and a warning says how large it is and what the limit is."""

    @staticmethod
    def warnings(size: int, caplog: pytest.LogCaptureFixture, **settings: Any) -> tuple[int, list[str]]:
        caplog.clear()
        text = hashlib.shake_256(b"incompressible").hexdigest(size // 2)
        reply = call(SessionMiddleware(app_that(lambda session: session.update(text=text)), KEY, **settings))
        assert reply.saved == {"text": text}
        warnings = [entry for entry in caplog.record_tuples if entry[1] > logging.DEBUG]
        assert {entry[:2] for entry in warnings} <= {("starlette_flask", logging.WARNING)}
        return len(reply.set_cookies[0]), [entry[2] for entry in warnings]

    def test_warns_above_4093(self, caplog: pytest.LogCaptureFixture) -> None:
        size, warnings = self.warnings(8000, caplog)
        assert size > 4093
        assert warnings == [
            f"Cookie 'session' is too large: its Set-Cookie field has {size} bytes, the limit is 4093. "
            "Browsers may drop it."
        ]
        assert self.warnings(3000, caplog)[1] == []

    def test_the_limit_itself_is_allowed(self, caplog: pytest.LogCaptureFixture) -> None:
        size, _ = self.warnings(100, caplog)
        assert self.warnings(100, caplog, max_cookie_size=size)[1] == []
        (warning,) = self.warnings(100, caplog, max_cookie_size=size - 1)[1]
        assert f" {size} " in warning

    def test_zero_is_never(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.warnings(8000, caplog, max_cookie_size=0)[1] == []


SETTINGS: dict[str, tuple[Any, Any]] = {
    "secret_key": (KEY, "another key"),
    "session_cookie": ("session", "basket"),
    "max_age": (None, 60),
    "path": ("/", "/shop"),
    "same_site": ("lax", "strict"),
    "https_only": (False, True),
    "domain": (None, "example.com"),
    "partitioned": (False, True),
    "secret_key_fallbacks": ((), ["retired"]),
    "permanent_session_lifetime": (timedelta(days=31), 60),
    "refresh_each_request": (True, False),
    "httponly": (True, False),
    "salt": ("cookie-session", "another"),
    "signer_kwargs": (None, {"digest_method": hashlib.sha256}),
    "serializer": (None, json),
    "leeway": (0, 5),
    "accept_starlette_cookies": (False, True),
}


class TestTwoOfOurs:
    """A middleware inside an equal one shares its session; inside another one, each keeps to its own."""

    @staticmethod
    def sessions(outer: Mapping[str, Any], inner: Mapping[str, Any], change: Any = write) -> tuple[Any, ...]:
        """What is at `scope["session"]` between the two, and inside; and the reply."""
        seen: list[Any] = []

        def look(session: Any) -> None:
            seen.append(session)
            change(session)

        within = SessionMiddleware(app_that(look), **{"secret_key": KEY, **inner})

        async def between(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["session"])
            await within(scope, receive, send)

        reply = call(SessionMiddleware(between, **{"secret_key": KEY, **outer}), cookie=signed(CONTENT))
        return (*seen, reply)

    def test_equal_ones_share(self) -> None:
        outer, inner, reply = self.sessions({}, {})
        assert outer is inner
        assert reply.saved == {"user": 7, "written": True}
        assert len(reply.set_cookies) == 1

    @pytest.mark.parametrize(
        "settings",
        [
            {"secret_key": KEY.encode()},
            {"secret_key": SecretStr(KEY)},
            {"same_site": "LAX"},
            {"permanent_session_lifetime": 31 * 24 * 3600},
            {"secret_key_fallbacks": None},
            {"salt": b"cookie-session"},
            {"signer_kwargs": {"digest_method": hashlib.sha1}},
            {"cache_size": 0},
        ],
        ids=repr,
    )
    def test_settings_that_mean_the_same_are_equal(self, settings: dict[str, Any]) -> None:
        outer, inner, _ = self.sessions({}, settings)
        assert outer is inner

    @pytest.mark.parametrize("setting", SETTINGS)
    def test_any_other_setting_parts_them(self, setting: str) -> None:
        default, other = SETTINGS[setting]
        outer, inner, _ = self.sessions({setting: default}, {setting: other})
        assert outer is not inner
        outer, inner, _ = self.sessions({setting: other}, {setting: other})
        assert outer is inner

    @pytest.mark.parametrize("names", [("session", "basket"), ("basket", "session")])
    def test_two_names_are_two_sessions(self, names: tuple[str, str]) -> None:
        """The outer one is what it was before the inner application came, and is saved as that."""

        def between_app(inner_app: Any) -> Any:
            async def between(scope: Any, receive: Any, send: Any) -> None:
                scope["session"]["outer"] = 1
                await inner_app(scope, receive, send)

            return between

        within = SessionMiddleware(app_that(lambda session: session.update(inner=2)), KEY, names[1])
        reply = call(SessionMiddleware(between_app(within), KEY, names[0]), cookie=signed(CONTENT))
        values = {cookie.partition("=")[0]: cookie.partition("=")[2].partition(";")[0] for cookie in reply.set_cookies}
        users = {name: CONTENT if name == "session" else {} for name in names}
        assert {name: opened(value) for name, value in values.items()} == {
            names[0]: {**users[names[0]], "outer": 1},
            names[1]: {**users[names[1]], "inner": 2},
        }
        assert reply.vary == ["Cookie"]

    def test_an_inner_change_leaves_the_outer_cookie_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        _, _, reply = self.sessions({}, {"session_cookie": "basket"})
        assert [cookie.partition("=")[0] for cookie in reply.set_cookies] == ["basket"]
        assert [entry for entry in caplog.record_tuples if entry[1] > logging.DEBUG] == []

    def test_a_late_inner_change_is_the_inner_ones_to_report(self, caplog: pytest.LogCaptureFixture) -> None:
        inner = SessionMiddleware(app_that(late=write), KEY, "basket")
        call(SessionMiddleware(inner, KEY), cookie=signed(CONTENT))
        (text,) = [entry[2] for entry in caplog.record_tuples if entry[1] > logging.DEBUG]
        assert "'basket'" in text
        assert "'session'" not in text


class TestStarlettesOwnBesideIt:
    """Starlette's middleware, inside or outside, under its own cookie's name: ours has what belongs in it."""

    @pytest.fixture
    def requests(self) -> Callable[[list[Middleware], Any], httpx.Response]:
        def run(middleware: list[Middleware], change: Any) -> httpx.Response:
            app = FastAPI(middleware=middleware)

            @app.get("/")
            async def view(request: Request) -> None:
                change(request.session)

            async def get() -> httpx.Response:
                transport = httpx.ASGITransport(app)
                cookies = {"session": signed(CONTENT)}
                async with httpx.AsyncClient(transport=transport, base_url="http://test", cookies=cookies) as client:
                    return await client.get("/")

            return asyncio.run(get())

        return run

    def test_inside(self, requests: Any) -> None:
        theirs = Middleware(starlette.middleware.sessions.SessionMiddleware, secret_key="theirs", session_cookie="st")
        for change, names in ((write, ["st"]), (read, [])):
            response = requests([Middleware(SessionMiddleware, KEY), theirs], change)
            assert [field.partition("=")[0] for field in response.headers.get_list("set-cookie")] == names
            assert response.headers.get_list("vary") == ["Cookie"]

    def test_inside_with_a_change_of_ours_before(self, requests: Any) -> None:
        class Counting:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http":
                    scope["session"]["count"] = 1
                await self.app(scope, receive, send)

        theirs = Middleware(starlette.middleware.sessions.SessionMiddleware, secret_key="theirs", session_cookie="st")
        response = requests([Middleware(SessionMiddleware, KEY), Middleware(Counting), theirs], write)
        assert opened(response.cookies["session"]) == {"user": 7, "count": 1}
        assert set(response.cookies) == {"session", "st"}

    def test_outside(self, requests: Any) -> None:
        theirs = Middleware(starlette.middleware.sessions.SessionMiddleware, secret_key="theirs", session_cookie="st")
        response = requests([theirs, Middleware(SessionMiddleware, KEY)], write)
        assert opened(response.cookies["session"]) == {"user": 7, "written": True}


class TestSecrecy:
    """No key and no content is in a log line, a repr or an error, whatever goes wrong."""

    def test_nothing_shows(self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        caplog.set_level(logging.DEBUG)
        shown: list[str] = []
        content = {"name": "CONTENT", "list": ["CONTENT"]}
        value = signed(content)
        text = hashlib.shake_256(b"incompressible").hexdigest(2000) + "CONTENT"

        def change(session: Any) -> None:
            shown.extend([repr(session), str(session), f"{session}"])
            session["text"] = text
            shown.append(repr(session))

        def late(session: Any) -> None:
            session.setdefault("list", []).append("CONTENT")
            session["late"] = "CONTENT"

        middleware = SessionMiddleware(app_that(change, late=late), KEY, secret_key_fallbacks=["FALLBACK"])
        shown += [repr(middleware), str(middleware)]
        call(middleware, cookie=value)
        for broken in (value[:-2], signed(["CONTENT"]), signed(content, age=-99), signed(content, age=1e8)):
            call(middleware, cookie=broken)
        inner = SessionMiddleware(app_that(change, headers=[(b"set-cookie", b"session=CONTENT; Path=/")]), KEY)
        call(inner, cookie=value)
        with pytest.raises(TypeError) as refused:
            call(SessionMiddleware(app_that(lambda session: session.update(a={"CONTENT"})), KEY), cookie=value)
        shown += [str(refused.value), *(record.getMessage() for record in caplog.records), *capsys.readouterr()]
        shown += [str(record.exc_info) for record in caplog.records]
        log = [record for record in caplog.records if record.name == "starlette_flask"]
        assert len(log) >= 8
        for part in (KEY, "FALLBACK", "CONTENT", text, *value.split(".")[::2]):
            assert [line for line in shown if part in line] == []


@pytest.mark.parametrize(
    ("repair", "saved", "warnings"),
    [
        (
            lambda _: None,
            None,
            ["Changes to session 'session' were lost on path '/' because they cannot be stored; changed keys: 'a'"],
        ),
        (lambda session: session.update(a="text"), {"a": "text"}, []),
    ],
    ids=["left as it is", "repaired"],
)
def test_the_page_that_answers_a_failed_save_saves_what_the_session_then_is(
    repair: Callable[[Any], object], saved: Any, warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """If that fails, too, it goes out without a cookie, and the loss is reported once."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["a"] = object()
        with pytest.raises(TypeError, match="key 'a'"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
        repair(scope["session"])
        headers = iter([(b"x", b"y")])  # readable only once
        await send({"type": "http.response.start", "status": 500, "headers": headers})

    reply = call(SessionMiddleware(app, KEY))
    assert (reply.start["status"], reply.saved, reply.vary) == (500, saved, ["Cookie"])
    assert reply.fields("x") == ["y"]
    assert [text for name, _, text in caplog.record_tuples if name == "starlette_flask"] == warnings


def test_the_path_of_a_warning_is_the_one_that_came(caplog: pytest.LogCaptureFixture) -> None:
    """Routers rewrite it on the way (Litestar's mounts do), and some applications are called without one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path"] = "/rewritten"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["session"]["late"] = 1

    for path in ({"path": "/came"}, {}):
        asyncio.run(SessionMiddleware(app, KEY)({"type": "http", "headers": [], **path}, None, ignore))
    messages = [
        (record.levelno, record.getMessage().split()[8])
        for record in caplog.records
        if record.name == "starlette_flask"
    ]
    assert messages == [(logging.WARNING, "'/came'"), (logging.WARNING, "''")]


def test_no_session_at_all_in_its_place_too_late(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises after the response has begun; it is reported like any other change."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["session"] = 5

    call(SessionMiddleware(app, KEY), cookie=signed({"user": "SECRET"}))
    ((_, level, text),) = [entry for entry in caplog.record_tuples if entry[0] == "starlette_flask"]
    assert level == logging.WARNING
    assert text.endswith("changed keys: 'user'")


@pytest.mark.parametrize("kind", ["flask", "flask with tags", "quart"])
def test_from_flask_twice_is_one_session(kind: str) -> None:
    """Also where the application's serializer is its own, or Quart's."""
    from flask import Flask
    from flask.json.tag import JSONTag, TaggedJSONSerializer
    from flask.sessions import SecureCookieSessionInterface
    from quart import Quart

    other: Any = Quart(__name__) if kind == "quart" else Flask(__name__)
    other.secret_key = KEY
    if kind == "flask with tags":
        other.session_interface = SecureCookieSessionInterface()
        other.session_interface.serializer = TaggedJSONSerializer()
        other.session_interface.serializer.register(
            type("Unused", (JSONTag,), {"key": " x", "check": lambda *_: False})
        )

    inner = SessionMiddleware.from_flask(app_that(lambda session: session.update(b=session["a"] + 1)), other)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["a"] = 1
        await inner(scope, receive, send)

    assert call(SessionMiddleware.from_flask(app, other)).saved == {"a": 1, "b": 2}


def test_a_copy_is_a_middleware_of_its_own_with_the_same_session() -> None:
    """As made by Litestar, below its application layer; what was kept of verified values stays behind."""
    middleware = SessionMiddleware(app_that(write), KEY, max_age=60, accept_starlette_cookies=True)
    call(middleware, cookie=signed(CONTENT))
    for copied in (copy.copy(middleware), copy.deepcopy(middleware)):
        assert call(copied, cookie=signed(CONTENT)).saved == {**CONTENT, "written": True}
        copied.app = middleware
        assert call(copied, cookie=signed(CONTENT)).saved == {**CONTENT, "written": True}


@pytest.mark.parametrize(("cache_size", "opens"), [(16 << 20, 1), (0, 2)])
def test_cache_size(cache_size: int, opens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0, a value that came before is verified and read as if it had not."""
    opened_values: list[bytes] = []
    open_value = SessionCodec.open

    def counted(self: SessionCodec, value: bytes, *arguments: Any) -> Any:
        opened_values.append(value)
        return open_value(self, value, *arguments)

    monkeypatch.setattr(SessionCodec, "open", counted)
    middleware, cookie = SessionMiddleware(app_that(read), KEY, cache_size=cache_size), signed(CONTENT)
    for _ in range(2):
        call(middleware, cookie=cookie)
    assert len(opened_values) == opens


def test_header_values_may_be_bytearrays() -> None:
    """Servers take any bytes-like value of an application, its Vary and its Set-Cookie."""
    inner = bytearray(f"session={signed({**CONTENT, 'inner': 1})}; Path=/".encode())
    headers: Any = [(b"set-cookie", inner), (b"vary", bytearray(b"Origin"))]
    reply = call(SessionMiddleware(app_that(write, headers=headers), KEY), cookie=signed(CONTENT))
    assert reply.saved == {**CONTENT, "inner": 1, "written": True}
    assert reply.vary == ["Origin, Cookie"]
