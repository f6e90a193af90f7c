"""What the README's section on security says of keys, copies of cookies, planted ones, and logs, each claim shown."""

from __future__ import annotations

import itertools
import json
import logging
import re
import secrets
import zlib
from pathlib import Path
from typing import Any

import pytest
from itsdangerous.encoding import base64_decode

from starlette_flask import SessionCodec, SessionMiddleware
from tests.asgi import KEY, app_that, call, opened, signed

ROOT = Path(__file__).parents[2]
#: The section in the README, and the one that names the tests of each line.
SECTION, TESTS = (
    (ROOT / name).read_text("utf-8").partition("<!-- security -->")[2].partition("<!-- end -->")[0]
    for name in ("README.md", "tests/README.md")
)
DAY = 86_400


def user_of(cookie: str | None, key: str = KEY, **settings: Any) -> str | None:
    """The user that the session names which a middleware with these settings finds in a cookie."""
    session = call(SessionMiddleware(app_that(), key, **settings), cookie=cookie).scope["session"]
    return session.get("user")


def visited(cookie: str | None, key: str, *fallbacks: str) -> str | None:
    """The cookie that a visitor has after a machine with these keys has counted their visit."""

    def count(session: Any) -> None:
        session["visits"] = session.get("visits", 0) + 1

    reply = call(SessionMiddleware(app_that(count), key, secret_key_fallbacks=fallbacks), cookie=cookie)
    return reply.set_cookies[0].partition(";")[0].partition("=")[2]


class TestSigned:
    """The cookie is signed, not encrypted."""

    @pytest.mark.parametrize("text", ["short", "long enough to be compressed " * 9])
    def test_whoever_has_it_can_read_it(self, text: str) -> None:
        """Without a key, in one line."""
        value = SessionCodec(KEY).dumps({"text": text})
        packed = base64_decode(value.lstrip(".").partition(".")[0])
        assert json.loads(zlib.decompress(packed) if value[0] == "." else packed) == {"text": text}

    def test_nobody_can_change_it(self) -> None:
        """Not one character of payload or time: base64 has spellings of the same bytes in the signature alone."""
        value = signed({"user": "ada"})
        for place, character in enumerate(value.rpartition(".")[0]):
            other = "A" if character != "A" else "B"
            assert user_of(value[:place] + other + value[place + 1 :]) is None


class TestCopiedCookie:
    """A copy of a cookie works until it expires, and what to do about it works."""

    def test_after_the_log_out(self) -> None:
        cookie = signed({"user": "ada"})
        assert call(SessionMiddleware(app_that(lambda s: s.clear()), KEY), cookie=cookie).saved == {}
        assert user_of(cookie) == "ada"

    def test_until_it_expires(self) -> None:
        assert user_of(signed({"user": "ada"}, age=30 * DAY)) == "ada"
        assert user_of(signed({"user": "ada"}, age=32 * DAY)) is None
        for settings in ({"permanent_session_lifetime": DAY}, {"max_age": DAY}):
            assert user_of(signed({"user": "ada"}, age=DAY - 60), **settings) == "ada"
            assert user_of(signed({"user": "ada"}, age=DAY + 60), **settings) is None

    def test_a_number_that_the_database_counts_up_ends_every_copy(self) -> None:
        logins = {"ada": 7}

        def log_out(session: Any) -> None:
            logins[session["user"]] += 1
            session.clear()

        def is_in(cookie: str) -> bool:
            session = call(SessionMiddleware(app_that(), KEY), cookie=cookie).scope["session"]
            return session.get("login") == logins.get(session.get("user"), -1)

        mine, copy = signed({"user": "ada", "login": 7}), signed({"user": "ada", "login": 7}, age=DAY)
        assert is_in(mine)
        assert is_in(copy)
        call(SessionMiddleware(app_that(log_out), KEY), cookie=mine)
        assert not is_in(mine)
        assert not is_in(copy)


class TestSlowResponse:
    """A permanent session's cookie is renewed by every response, so one that was slow undoes a log-out."""

    @pytest.mark.parametrize("renews", [True, False])
    def test_after_a_log_out(self, renews: bool) -> None:
        """Not where the setting for that is off. As on Flask, whose bytes are compared elsewhere."""
        cookie = signed({"user": "ada", "_permanent": True})
        log_out = SessionMiddleware(app_that(lambda s: s.clear()), KEY, refresh_each_request=renews)
        assert call(log_out, cookie=cookie).saved == {}
        slow = call(SessionMiddleware(app_that(), KEY, refresh_each_request=renews), cookie=cookie)
        assert slow.saved == ({"user": "ada", "_permanent": True} if renews else None)


class TestKeys:
    """How to choose a key, how to rotate it without a log-out, and how to end every session there is."""

    def test_the_command_of_the_readme_makes_a_long_one(self) -> None:
        assert re.search(r'python -c "import secrets; print\((.*?)\)"', SECTION)[1] == "secrets.token_hex()"  # type: ignore[index]
        assert len(bytes.fromhex(secrets.token_hex())) == 32
        assert user_of(SessionCodec(key := secrets.token_hex()).dumps({"user": "ada"}), key) == "ada"

    def test_rotated_over_a_fleet_in_three_steps_nobody_is_logged_out(self) -> None:
        """In each step some machines are behind: every visitor goes to one of each, in either order."""
        steps = [("old",), ("old", "new"), ("new", "old"), ("new",)]
        for behind, ahead in itertools.pairwise(steps):
            for order in ([behind, ahead, behind, ahead], [ahead, behind, ahead, behind]):
                # Signed by the key of the step that all machines have; in the last, the old cookies have expired.
                cookie: str | None = signed({"user": "ada"}, key=behind[0])
                for keys in order:
                    cookie = visited(cookie, *keys)
                assert opened(cookie or "", key=order[-1][0]) == {"user": "ada", "visits": 4}

    def test_without_the_first_step_some_are_logged_out(self) -> None:
        cookie = visited(signed({"user": "ada"}, key="old"), "new", "old")
        assert opened(visited(cookie, "old") or "", key="old") == {"visits": 1}

    def test_replaced_without_a_fallback_everybody_is_logged_out(self) -> None:
        """And nobody who has the leaked key can make a session."""
        cookie = signed({"user": "ada"}, key="leaked")
        assert user_of(cookie, "new", secret_key_fallbacks=["leaked"]) == "ada"
        assert user_of(cookie, "new") is None


class TestPlantedCookie:
    """Another host of the domain may plant a cookie in a browser; a name with ``__Host-`` keeps it out."""

    def test_clear_before_a_log_in_keeps_nothing_of_it(self) -> None:
        planted = signed({"csrf_token": "known to the attacker", "_flashes": []})
        log_in = lambda session: (session.clear(), session.update(user="ada"))  # noqa: E731
        assert call(SessionMiddleware(app_that(log_in), KEY), cookie=planted).saved == {"user": "ada"}

    def test_of_two_cookies_the_first_counts(self) -> None:
        """So a planted one with a longer path, which browsers send first, stands before the own one, as in Flask."""
        both = f"{signed({'user': 'eve'})}; session={signed({'user': 'ada'})}"
        assert user_of(both) == "eve"

    def test_a_name_with_host_is_the_hosts_own(self) -> None:
        """Browsers take it only with Secure, Path=/ and no Domain, which is checked when the middleware is built."""
        name = "__Host-session"
        for settings in ({}, {"https_only": True, "domain": "example.com"}, {"https_only": True, "path": "/a"}):
            with pytest.raises(ValueError, match=name):
                SessionMiddleware(app_that(), KEY, name, **settings)
        middleware = SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY, name, https_only=True)
        (cookie,) = call(middleware).set_cookies
        assert cookie.startswith(f"{name}=")
        assert {"Secure", "Path=/"} < set(cookie.split("; "))
        planted = [
            (b"cookie", f"session={signed({'user': 'eve'})}; __host-session={signed({'user': 'eve'})}".encode())
        ]
        assert dict(call(middleware, headers=planted).scope["session"]) == {"a": 1}


class TestLogs:
    """At DEBUG one line a request, at INFO nothing, at WARNING what was lost and cookies that are too large."""

    @pytest.mark.parametrize(
        ("cookie", "use", "late", "level"),
        [
            (None, {}, {}, None),
            (signed({"user": "ada"}), {}, {}, None),
            (signed({"user": "ada"}), {"a": 1}, {}, None),
            ("broken", {}, {}, None),
            (signed({"user": "ada"}, key="another"), {"a": 1}, {}, None),
            (signed({"user": "ada"}, age=99 * DAY), {}, {}, None),
            (signed(["no", "session"]), {}, {}, None),
            (signed({"user": "ada"}), {}, {"a": 1}, logging.WARNING),
            (signed({"user": "ada"}), {"a": secrets.token_hex(4000)}, {}, logging.WARNING),
        ],
        ids=itertools.count(),
    )
    def test_levels(
        self, cookie: str | None, use: Any, late: Any, level: int | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        do = lambda content: lambda session: content and session.update(content)  # noqa: E731
        call(SessionMiddleware(app_that(do(use), late=do(late)), KEY), cookie=cookie)
        ours = [record for record in caplog.records if record.name.startswith("starlette_flask")]
        assert [record.levelno for record in ours] == [*([level] if level else []), logging.DEBUG]


class TestSection:
    """Each line of the section has one in `tests/README.md` that names its tests, and they are there."""

    def test_what_it_names_is_there(self) -> None:
        named = re.findall(r"`(tests/[\w/]+\.py)((?:::\w+)*)`", TESTS)
        assert len(named) > 8
        for path, names in named:
            text = (ROOT / path).read_text("utf-8")
            for name in names.split("::")[1:]:
                assert re.search(rf"^ *(?:async )?(?:class|def) {name}\b", text, re.MULTILINE), f"{path}::{name}"

    def test_every_claim_names_one(self) -> None:
        """Under the words that it begins with."""
        claims, tested = (re.findall(r"^- \*\*(.+?)\*\*", text, re.MULTILINE) for text in (SECTION, TESTS))
        assert claims == tested
        assert len(claims) > 7
        assert [line for line in re.split(r"\n- ", TESTS)[1:] if "`tests/" not in line] == []
