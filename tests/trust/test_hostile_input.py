"""Requests of somebody who holds no key, and cookies of a key holder that no session ever was."""

from __future__ import annotations

import logging
import sys
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner
from itsdangerous.encoding import base64_encode

from starlette_flask import SessionCodec, SessionMiddleware
from starlette_flask.cookies import read_cookie
from tests.asgi import KEY, Reply, app_that, call, opened, signed
from tests.trust import figures, fuzz


class TestFuzzed:
    """What `nox -s fuzz` does for minutes, in short."""

    @pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.__name__)
    def test_holds(self, target: Callable[[bytes], None]) -> None:
        @settings(max_examples=200, deadline=None)
        @given(fuzz.inputs)
        def run(data: bytes) -> None:
            target(data)

        run()

    def test_the_tokens_get_through(self) -> None:
        """Nothing above shows much if what the targets are made of was refused at the door."""
        contents = []
        for value, content in [*fuzz.GOOD.items(), *fuzz.STARLETTES.items()]:
            seen, _ = fuzz.answer([b"session=" + value], 2)
            assert seen == content
            contents.append(seen)
        assert len(contents) == 8
        for forged in [*fuzz.FORGED, fuzz.BOMB]:
            assert fuzz.answer([b"session=" + forged], 2) == ({}, [])


SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "fallbacks": {"secret_key_fallbacks": ["older", "old"]},
    "starlette": {"accept_starlette_cookies": True, "leeway": 10**6},
    "signer": {"signer_kwargs": {"sep": "~", "key_derivation": "concat"}},
    "max_age": {"max_age": 1, "refresh_each_request": False},
}


def read(session: Any) -> None:
    session.get("user")


def write(session: Any) -> None:
    session["written"] = True


def ask(value: str, change: Callable[[Any], object] = read, **settings: Any) -> tuple[Reply, dict[str, Any]]:
    """The reply, and the session as the application found it."""
    seen: dict[str, Any] = {}

    def look(session: Any) -> None:
        seen.update(session)
        change(session)

    return call(SessionMiddleware(app_that(look), **{"secret_key": KEY, **settings}), cookie=value), seen


@pytest.mark.parametrize("setting", SETTINGS)
class TestNoKey:
    """Whoever holds no key gets an empty session, and what they sent is neither answered nor kept."""

    @pytest.mark.parametrize("kind", ["flask", "starlette", "wtf"])
    def test_a_forged_cookie(self, kind: str, setting: str) -> None:
        """Signed by another key, or by this one for another purpose."""
        forged = {
            "flask": signed({"user": 1}, key="a guess"),
            "starlette": fuzz.starlettes({"user": 1}, "a guess").decode(),
            "wtf": SessionCodec(KEY, salt="wtf-csrf-token").dumps({"user": 1}),
        }[kind]
        reply, seen = ask(forged, **SETTINGS[setting])
        assert (seen, reply.set_cookies, reply.vary) == ({}, [], ["Cookie"])

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_a_cookie_pieced_together(self, setting: str, data: st.DataObject) -> None:
        """From parts of valid ones, with another payload, time or signature."""
        options = {"secret_key": KEY, **SETTINGS[setting]}
        sep = options.get("signer_kwargs", {}).get("sep", ".")
        codec = SessionCodec(KEY, signer_kwargs=options.get("signer_kwargs"))
        cookies = [codec.dumps({"user": number}).split(sep) for number in range(3)]
        admin = base64_encode(b'{"admin":true}').decode()
        payload = data.draw(st.sampled_from([admin, "." + admin, f"{admin}{sep}{cookies[0][0]}", ""]))
        parts = [data.draw(st.sampled_from([cookie[place] for cookie in cookies])) for place in (1, 2)]
        reply, seen = ask(sep.join([payload, *parts]), **SETTINGS[setting])
        assert (seen, reply.set_cookies) == ({}, [])

    def test_what_was_sent_is_not_written_back(self, setting: str) -> None:
        reply, seen = ask(signed({"user": 1}, key="a guess"), write, **SETTINGS[setting])
        assert seen == {}
        value = reply.set_cookies[0].partition(";")[0].partition("=")[2]
        codec = SessionCodec(KEY, signer_kwargs=SETTINGS[setting].get("signer_kwargs"))
        assert codec.loads(value) == {"written": True}


def strange_payloads() -> dict[str, bytes]:
    """Serialized forms that a key may have signed and that are no session, or only just one."""
    deep = 100_000
    found = {
        "a list": b"[]",
        "a number": b"5",
        "nothing": b"",
        "deep lists": b"[" * deep + b"]" * deep,
        "deep objects": b'{"a":' * deep + b"0" + b"}" * deep,
        "deep tuples": b'{" t":[' * deep,
        "deep but readable": b'{"a":' + b"[" * 400 + b"]" * 400 + b"}",
        "a huge integer": b'{"a":' + b"9" * 10_000 + b"}",
        "a large integer": b'{"a":' + b"9" * 4000 + b"}",
        "a huge exponent": b'{"a":1e999999,"b":-1e999999,"c":NaN}',
        "half a surrogate": b'{"a":"\\ud800","\\udfff":1}',
        "keys twice": b'{"a":1,"a":2}',
        "a byte order mark": b"\xef\xbb\xbf{}",
        "UTF-16": '{"a":1}'.encode("utf-16"),
        "a zero byte": b'{"a":"\\u0000"}',
    }
    for tag in (" di", " t", " b", " m", " u", " d", " ", " x"):
        for value in (b"null", b"5", b'"\xc3\xa9"', b'"x"', b"[]", b"[1]", b"{}", b'{"a":1}', b'{" t":[]}', b"1e999"):
            found[f"tag{tag} {value.decode()}"] = b'{"a":{"%b":%b}}' % (tag.encode(), value)
    dates = (
        "31 Dec 9999 23:59:59 GMT",
        "1 Jan 0100 00:00:00 GMT",
        "1 Jan 99999999999 00:00:00 GMT",
        "30 Feb 2000",
    )
    found.update({f"date {date}": b'{"a":{" d":"%b"}}' % date.encode() for date in dates})
    return found


STRANGE = strange_payloads()


class TestSignedButStrange:
    """Content that only a key holder can have made is served like any other, or as an empty session."""

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("name", STRANGE)
    def test_is_served(self, name: str, compressed: bool, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        payload = base64_encode(zlib.compress(STRANGE[name]) if compressed else STRANGE[name])
        value = fuzz.signed(b"." * compressed + payload, KEY).decode()
        reply, seen = ask(value)
        assert (reply.set_cookies, reply.vary) == ([], ["Cookie"])
        (record,) = caplog.records
        assert record.levelno == logging.DEBUG
        assert ("rejected" in record.getMessage()) is (not seen)
        if not seen:
            assert ask(value, write)[0].saved == {"written": True}

    @pytest.mark.parametrize("name", STRANGE)
    def test_is_served_in_starlettes_format(self, name: str) -> None:
        value = TimestampSigner(KEY).sign(b64encode(STRANGE[name])).decode()
        reply, seen = ask(value, accept_starlette_cookies=True)
        # What opened is rewritten in Flask's format, the rest is left alone.
        assert len(reply.set_cookies) == (not reply.scope["session"].new)
        if not seen:
            assert ask(value, write, accept_starlette_cookies=True)[0].saved == {"written": True}

    @pytest.mark.parametrize(
        "payload",
        [
            zlib.compress(b'{"a":1}')[:-1],
            zlib.compress(b'{"a":1}')[2:-4],
            b"\x78\x9c",
            b"\x78\x9c" + bytes(99),
            bytes(99),
            b"",
        ],
        ids=repr,
    )
    def test_broken_zlib(self, payload: bytes) -> None:
        value = fuzz.signed(b"." + base64_encode(payload), KEY).decode()
        reply, seen = ask(value)
        assert (seen, reply.set_cookies) == ({}, [])
        assert ask(value, write)[0].saved == {"written": True}

    def test_what_could_be_read_can_be_written_with_a_change(self) -> None:
        content = {"a": float("inf"), "b": "\ud800", "c": {" t": [1]}, "d": {" di": {}}, "e": 10**4000}
        reply, seen = ask(signed(content), write)
        assert seen == content
        assert reply.saved == {**content, "written": True}


def peak(run: Callable[[], object]) -> int:
    """The most bytes that are held at once."""
    run()  # what is kept for later does not count
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def calls(run: Callable[[], object]) -> int:
    """How many functions are called, in Python and in C."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


class TestCost:
    """What a request costs grows with its length and no faster. (`nox -s hostile` measures the time.)"""

    bomb = base64_encode(zlib.compress(bytes(30_000_000)))

    def test_an_unsigned_bomb_stays_packed(self) -> None:
        payload = b"." + self.bomb
        forged, genuine = (fuzz.signed(payload, key).decode() for key in ("a guess", KEY))
        size = len(forged)
        assert size < 50_000
        for options in (*SETTINGS.values(), {"secret_key_fallbacks": [str(number) for number in range(20)]}):
            assert peak(lambda options=options: ask(forged, **options)) < 8 * size + 100_000
        # Unpacked, it would show.
        assert peak(lambda: ask(genuine)) > 30_000_000

    @pytest.mark.parametrize("shape", fuzz.SHAPES)
    def test_of_a_long_field(self, shape: str) -> None:
        def run(length: int) -> Callable[[], object]:
            headers = [(b"cookie", fuzz.SHAPES[shape](length) + b"; session=v")]
            return lambda: read_cookie(headers, b"session")

        half, whole = run(2**16), run(2**17)
        # A hundred bytes a byte: what the `re` module needs to step back over backslashes.
        assert peak(whole) < 110 * 2**17
        assert peak(whole) <= 2.5 * peak(half) + 1000
        assert calls(whole) <= 2.1 * calls(half) + 20

    def test_of_a_megabyte_of_cookies(self) -> None:
        field = b"; ".join(shape(2**20 // len(fuzz.SHAPES)) for shape in fuzz.SHAPES.values())
        assert len(field) > 0.95 * 2**20
        assert peak(lambda: fuzz.answer([field], 2)) < 20 * 2**20

    @pytest.mark.parametrize("given_", [*figures.UNSIGNED, *figures.SIGNED], ids=lambda given_: given_.name)
    def test_what_the_figures_are_of(self, given_: figures.Input) -> None:
        """Each input of `nox -s hostile` ends as it says: no cookie is set, no session but where one was signed."""
        assert figures.measured(given_, [10_000, 40_000], runs=1).ended_well

    def test_of_a_thousand_fields(self) -> None:
        cookie = signed({"user": 7}).encode()
        headers = [*[(b"cookie", b'a="b')] * 1000, (b"cookie", b"session=" + cookie), *[(b"cookie", b'"c=d')] * 1000]
        seen: dict[str, Any] = {}
        reply = call(SessionMiddleware(app_that(seen.update), KEY), headers=headers)
        assert (seen, reply.set_cookies) == ({"user": 7}, [])

    def test_a_long_value_is_not_remembered(self) -> None:
        """Neither one that opens nor one that does not."""
        codec = SessionCodec(KEY)
        value = codec.dumps({"text": "".join(map(chr, range(0x4E00, 0x5E00)))})
        assert len(value) > 4096
        codec.loads(value)
        held = peak(lambda: [codec.loads(value + "!" * number) for number in range(0, 400, 4)])
        assert held < 100 * len(value)


class TestCookieNames:
    """No other name, and nothing inside another cookie's quotes, passes for the session's."""

    @pytest.mark.parametrize(
        "name",
        ["Session", "SESSION", "session ", "xsession", "session2", "__Host-session", "\xa0session", "\x00session"],
    )
    def test_other_names(self, name: str) -> None:
        field = f"{name}x={signed({'user': 1})}; {name}".encode()
        seen: dict[str, Any] = {}
        call(SessionMiddleware(app_that(seen.update), KEY), headers=[(b"cookie", field)])
        assert seen == {}

    @pytest.mark.parametrize(
        "name", ["Session", "SESSION", "xsession", "session2", "__Host-session", "\xa0session", "\x00session", "s"]
    )
    @pytest.mark.parametrize("before", ["", "a=1; ", 'a="1"; '])
    def test_a_good_value_under_another_name(self, name: str, before: str) -> None:
        field = f"{before}{name}={signed({'user': 1})}".encode()
        seen: dict[str, Any] = {}
        call(SessionMiddleware(app_that(seen.update), KEY), headers=[(b"cookie", field)])
        assert seen == {}

    @pytest.mark.parametrize("around", ['a="; session={}; b"', 'a="\\"; session={}"', "a=session={}", "a session={}"])
    def test_inside_another_cookie(self, around: str) -> None:
        """A browser sees one cookie there; so does Flask."""
        planted = around.format(signed({"user": 1}))
        mine = signed({"user": 2})
        for field, expected in ((planted, {}), (f"{planted}; session={mine}", {"user": 2})):
            seen: dict[str, Any] = {}
            call(SessionMiddleware(app_that(seen.update), KEY), headers=[(b"cookie", field.encode())])
            assert seen == expected

    def test_a_signature_is_of_its_content_not_of_its_name(self) -> None:
        """As in Flask: two sessions of one key under two names need two salts."""
        (cookie,) = call(SessionMiddleware(app_that(write), KEY, "one")).set_cookies
        value = cookie.partition(";")[0].partition("=")[2]
        assert opened(value) == {"written": True}
        assert ask(value)[1] == {"written": True}
        assert ask(value, salt="another")[1] == {}
