"""What Flask-Login does before and after a view, done by `load_user_id` and `remember_cookie`, beside the real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import product
from typing import Any

import flask
import flask_login
import pytest
import time_machine
from flask.sessions import SecureCookieSession
from hypothesis import example, given
from hypothesis import strategies as st

from starlette_flask.extensions.flask_login import (
    decode_remember_cookie,
    encode_remember_cookie,
    load_user_id,
    login_user,
    logout_user,
    protect_session,
    remember_cookie,
    session_identifier,
)
from tests.test_extensions_flask_login import AGENT, KEY, NOON, UUID_ID, Browser, make_app, scope_of

# Flask-Login 0.6 dates its cookie with a function that Python 3.12 deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

RETIRED = "a retired key"
UA = (b"user-agent", AGENT.encode())
MINE = session_identifier(scope_of({}, UA))
COOKIES = {
    "absent": None,
    "ann's": encode_remember_cookie("ann", KEY),
    "bob's": encode_remember_cookie("bob", KEY),
    "forged": encode_remember_cookie("ann", "another key"),
    "broken": "x",
    "ann's under a retired key": encode_remember_cookie("ann", RETIRED),
}
SESSIONS: list[dict[str, Any]] = [
    {},
    {"basket": [1]},
    {"basket": [1], "next": "/buy", "_id": MINE},
    {"_user_id": "ann", "_fresh": True, "_id": MINE},
    {"_user_id": "ann", "_fresh": False, "_id": MINE, "basket": [1]},
    {"_user_id": "ann", "_fresh": True, "_id": "another client's", "next": "/buy"},
    {"_user_id": "ann", "_fresh": False, "_id": "another client's"},
    {"_user_id": "ann", "_fresh": True},
    {"_user_id": "ann", "_fresh": False, "basket": [1]},
    {"_user_id": "ann", "_id": "another client's"},
    {"_user_id": 7, "_fresh": True, "_id": MINE},
    {"_user_id": "", "_fresh": True, "_id": "another client's"},
]
NOTES: list[dict[str, Any]] = [{}, {"_remember": "set", "_remember_seconds": 60.0}, {"_remember": "clear"}]


def states() -> Iterator[dict[str, Any]]:
    for session, permanent, note in product(SESSIONS, [{}, {"_permanent": True}, {"_permanent": False}], NOTES):
        yield {**session, **permanent, **note}


@cache
def flask_app(protection: str | None, key: str) -> flask.Flask:
    app = make_app(protection)
    app.secret_key = key
    return app


def in_flask_login(
    session: dict[str, Any], cookie: str | None, protection: str | None, key: str = KEY
) -> tuple[str | None, dict[str, Any]]:
    """The user whom the real Flask-Login finds before a view, and the session that it leaves."""
    headers = {"User-Agent": AGENT} | ({"Cookie": f"remember_token={cookie}"} if cookie else {})
    client = {"REMOTE_ADDR": "1.2.3.4"}
    with flask_app(protection, key).test_request_context(headers=headers, environ_base=client):
        flask.session.update(session)
        user_id = flask_login.current_user.get_id()
        return user_id, dict(flask.session)


def here(session: dict[str, Any], cookie: str | None, protection: Any) -> tuple[str | None, dict[str, Any]]:
    ours = SecureCookieSession(session)
    headers = [UA] if cookie is None else [UA, (b"cookie", b"a=b"), (b"cookie", b"remember_token=" + cookie.encode())]
    found = load_user_id(scope_of(ours, *headers), KEY, secret_key_fallbacks=[RETIRED], protection=protection)
    assert ours.modified is (dict(ours) != session)
    return found, dict(ours)


@pytest.mark.parametrize("protection", ["basic", "strong", None])
class TestLoadUserId:
    """Before a view: the same request leaves the session that Flask-Login leaves, with three differences."""

    @pytest.mark.parametrize("kind", ["absent", "ann's", "bob's", "forged", "broken"])
    def test_with_a_user_in_the_session_it_does_what_flask_login_does(self, protection: str | None, kind: str) -> None:
        compared = 0
        for session in states():
            vouched_for = protection == "strong" and kind == "ann's" and "_id" not in session
            if "_user_id" in session and not (vouched_for and session.get("_remember") != "clear"):
                compared += 1
                expected = in_flask_login(session, COOKIES[kind], protection)
                assert here(session, COOKIES[kind], protection) == expected, session
        assert compared >= 69

    @pytest.mark.parametrize("kind", COOKIES)
    def test_a_stranger_is_not_protected_and_the_remember_cookie_logs_in_with_the_identifier(
        self, protection: str | None, kind: str
    ) -> None:
        """As Flask-Login does without protection; and ``_id`` is written, and a note for a cookie of a retired key."""
        key = RETIRED if "retired" in kind else KEY
        for session in states():
            if "_user_id" not in session:
                user_id, expected = in_flask_login(session, COOKIES[kind], None, key)
                if user_id is not None:
                    expected["_id"] = MINE
                    if key is RETIRED:
                        expected["_remember"] = "set"
                assert here(session, COOKIES[kind], protection) == (user_id, expected), session
                assert user_id == (None if session.get("_remember") == "clear" else decoded(kind))

    @pytest.mark.parametrize("kind", ["ann's", "ann's under a retired key"])
    def test_whom_flask_login_remembered_without_identifier_the_remember_cookie_vouches_for(
        self, protection: str | None, kind: str
    ) -> None:
        """Strong protection would log them out. Without the cookie, or with another's, it does so here, too: above."""
        for session in states():
            if session.get("_user_id") == "ann" and "_id" not in session and session.get("_remember") != "clear":
                found, left = here(session, COOKIES[kind], protection)
                assert found == "ann"
                if protection == "strong":
                    renewal = {"_remember": "set"} if "retired" in kind else {}
                    assert left == {**session, "_fresh": False, "_id": MINE, **renewal}
                else:
                    assert left == in_flask_login(session, COOKIES[kind], protection)[1]

    def test_a_second_call_changes_nothing(self, protection: str | None) -> None:
        for session, cookie in product(states(), COOKIES.values()):
            first = here(session, cookie, protection)
            assert here(first[1], cookie, protection) == first

    def test_another_name_of_the_cookie_and_a_value_in_quotes(self, protection: Any) -> None:
        value = encode_remember_cookie("ann smith", KEY).encode()
        session: dict[str, Any] = {}
        scope = scope_of(session, UA, (b"Cookie", b'remember_token=x; stay="' + value + b'"'))
        assert load_user_id(scope, KEY, protection=protection) is None
        assert load_user_id(scope, KEY, protection=protection, remember_cookie="stay") == "ann smith"
        assert session == {"_user_id": "ann smith", "_fresh": False, "_id": MINE}

    @example(b'"\\377"')  # escaped, and no UTF-8
    @given(st.binary(max_size=30))
    def test_whatever_the_cookie_it_never_raises(self, protection: Any, value: bytes) -> None:
        for field in (value, b"remember_token=" + value, b"remember_token=ann|" + value):
            assert load_user_id(scope_of({}, UA, (b"cookie", field)), KEY, protection=protection) is None


def decoded(kind: str) -> str | None:
    return decode_remember_cookie(COOKIES[kind], KEY, [RETIRED])


class TestOtherProtection:
    """A mode that Flask-Login would silently take for none is an error."""

    @pytest.mark.parametrize("mode", ["Strong", "", "none", True])
    def test_another_mode(self, mode: Any) -> None:
        message = rf"^protection must be 'basic' or 'strong', or None in load_user_id, not {mode!r}$"
        with pytest.raises(ValueError, match=message):
            load_user_id(scope_of({}), KEY, protection=mode)
        cookie = f"remember_token={encode_remember_cookie('ann', KEY)}".encode()
        with pytest.raises(ValueError, match=message):
            load_user_id(scope_of({}, (b"cookie", cookie)), KEY, protection=mode)
        with pytest.raises(ValueError, match=message):
            protect_session(scope_of({}), mode)


@pytest.mark.parametrize("protection", ["basic", "strong"])
class TestBothSides:
    """A returning user stays logged in, whichever side they come to first and however the pages alternate."""

    def load(self, browser: Browser) -> str | None:
        with browser.asgi() as scope:
            return load_user_id(scope, KEY, protection="strong")

    @pytest.fixture
    def browser(self, protection: str) -> Browser:
        browser = Browser(make_app(protection))
        browser.get("/login/ann?remember")
        browser.restart()
        return browser

    def test_here_first(self, browser: Browser) -> None:
        assert self.load(browser) == "ann"
        assert [browser.get("/me") for _ in range(2)] == [(200, "ann")] * 2
        assert self.load(browser) == "ann"
        assert browser.get("/fresh")[0] == 401
        assert browser.remembers

    def test_flask_first(self, browser: Browser) -> None:
        assert browser.get("/me") == (200, "ann")
        assert self.load(browser) == "ann"
        assert [browser.get("/me") for _ in range(2)] == [(200, "ann")] * 2

    def test_here_first_with_something_in_the_session(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            scope["session"]["basket"] = [1]
        assert self.load(browser) == "ann"
        assert browser.get("/me") == (200, "ann")
        assert browser.session["basket"] == [1]
        assert browser.remembers

    def test_a_rotated_key(self, browser: Browser) -> None:
        """Flask signs the cookie again with its new key, and so knows the user when the old one is gone."""
        browser.client.application.secret_key = "the next key"
        with browser.asgi() as scope:
            assert load_user_id(scope, "the next key", secret_key_fallbacks=[KEY]) == "ann"
        browser.get("/hello")
        browser.restart()
        assert browser.get("/me") == (200, "ann")


@cache
def answering_app(*config: tuple[str, Any]) -> flask.Flask:
    return make_app(**dict(config))


def answered_by_flask_login(session: dict[str, Any], **config: Any) -> tuple[list[str], dict[str, Any]]:
    """The Set-Cookie fields of the remember cookie with which Flask-Login answers, and the session that it leaves."""
    with answering_app(*config.items()).test_request_context():
        flask.session.update(session)
        app = flask.current_app
        fields = app.process_response(app.response_class()).headers.getlist("Set-Cookie")
        return [field for field in fields if not field.startswith("session=")], dict(flask.session)


EVERYTHING = {
    "REMEMBER_COOKIE_NAME": "stay",
    "REMEMBER_COOKIE_DURATION": timedelta(days=1, microseconds=900_000),
    "REMEMBER_COOKIE_PATH": "/shop/café",
    "REMEMBER_COOKIE_DOMAIN": ".example.com",
    "REMEMBER_COOKIE_SECURE": True,
    "REMEMBER_COOKIE_HTTPONLY": False,
    "REMEMBER_COOKIE_SAMESITE": "strict",
    "REMEMBER_COOKIE_REFRESH_EACH_REQUEST": True,
}
OPTIONS = ("name", "duration", "path", "domain", "https_only", "httponly", "same_site", "refresh_each_request")
CONFIGS: list[dict[str, Any]] = [
    {},
    EVERYTHING,
    {"REMEMBER_COOKIE_DURATION": 3600},
    {"REMEMBER_COOKIE_PATH": None, "REMEMBER_COOKIE_SAMESITE": "None", "REMEMBER_COOKIE_SECURE": True},
    {"REMEMBER_COOKIE_REFRESH_EACH_REQUEST": True},
]


def options(config: dict[str, Any]) -> dict[str, Any]:
    names = dict(zip(EVERYTHING, OPTIONS, strict=True))
    return {names[setting]: value for setting, value in config.items()}


class TestRememberCookie:
    """After a view: the field, and the session that is left, are Flask-Login's."""

    @pytest.mark.parametrize("config", CONFIGS)
    def test_it_is_set_byte_for_byte(self, config: dict[str, Any]) -> None:
        users: list[dict[str, Any]] = [{}, {"_user_id": "ann"}, {"_user_id": 7}, {"_user_id": UUID_ID}]
        notes: list[dict[str, Any]] = [
            {},
            {"_remember": "set"},
            {"_remember": "set", "_remember_seconds": 1.75},
            {"_remember_seconds": 60.0},
            {"_remember": "other"},
        ]
        found = 0
        for user, note, part in product(users, notes, (0, 300_000)):
            session = {**user, **note, "basket": [1]}
            with time_machine.travel(NOON + timedelta(microseconds=part), tick=False):
                fields, left = answered_by_flask_login(session, **config)
                field = remember_cookie(session, KEY, **options(config))
            assert ([] if field is None else [field]) == fields
            assert session == left
            found += len(fields)
        assert found >= 12

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\x1a\x1b\x1c\x1d\x1e\x1f")))
    def test_any_user_id_is_written_as_flask_writes_it_and_read_again(self, user_id: str) -> None:
        # Of the control characters Werkzeug leaves six as they are, which servers refuse.
        session = {"_user_id": user_id, "_remember": "set"}
        with time_machine.travel(NOON, tick=False):
            (field,), _ = answered_by_flask_login(session)
            assert remember_cookie(session, KEY) == field
        value = field.partition("; Expires=")[0].encode("ascii")
        assert load_user_id(scope_of({}, (b"cookie", value)), KEY) == user_id

    @pytest.mark.parametrize(
        ("config", "attributes"),
        [
            (CONFIGS[0], ["HttpOnly"]),
            (CONFIGS[1], ["Secure", "SameSite=Strict"]),
            (CONFIGS[3], ["Secure", "HttpOnly", "SameSite=None"]),
        ],
    )
    def test_it_is_deleted_with_its_attributes(self, config: dict[str, Any], attributes: list[str]) -> None:
        """Flask-Login leaves out those without which browsers ignore some deletions, as of a ``__Host-`` cookie."""
        session = {"_user_id": "ann", "_remember": "clear", "_remember_seconds": 60.0}
        (expected,), left = answered_by_flask_login(session, **config)
        field = remember_cookie(session, KEY, **options(config)) or ""
        assert session == left
        assert [part for part in field.split("; ") if part not in expected.split("; ")] == attributes
        assert [part for part in field.split("; ") if part not in attributes] == expected.split("; ")

    def test_nothing_to_do_is_no_change(self) -> None:
        session = SecureCookieSession({"_user_id": "ann"})
        assert remember_cookie(session, KEY) is None
        assert not session.modified

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"name": "a b"}, r"^name='a b' is "),
            ({"name": 5}, r"^name must be a str, not int"),
            ({"name": "__Host-stay"}, r"^name='__Host-stay' is refused by browsers without https_only=True$"),
            ({"path": "x"}, r"^path='x' "),
            ({"domain": "a b"}, r"^domain='a b' "),
            ({"same_site": "x"}, r"^same_site='x' "),
            ({"duration": None}, r"^duration must be a timedelta or a number of seconds, not NoneType$"),
            ({"duration": True}, r"^duration must be a timedelta or a number of seconds, not bool$"),
        ],
    )
    def test_a_wrong_setting_is_an_error_at_once_and_the_note_stays(self, setting: Any, message: str) -> None:
        for session in ({}, {"_user_id": "ann", "_remember": "set"}):
            before = dict(session)
            with pytest.raises((TypeError, ValueError), match=message):
                remember_cookie(session, KEY, **setting)
            assert session == before


class TestNotes:
    """A cookie that this side sent is no longer Flask's to delete or to set."""

    def visit_flask(self, session: dict[str, Any]) -> list[str]:
        fields, _ = answered_by_flask_login(session)
        return fields

    def test_a_log_in_after_a_log_out_that_flask_has_not_seen(self) -> None:
        session: dict[str, Any] = {}
        scope = scope_of(session, UA)
        remembering = scope_of(session, UA, (b"cookie", b"remember_token=x"))
        logout_user(remembering)
        deletion = remember_cookie(remembering, KEY)
        assert deletion is not None
        assert "Max-Age=0" in deletion
        login_user(scope, "ann", remember=True, duration=timedelta(days=2))
        with time_machine.travel(datetime(2025, 1, 1, tzinfo=timezone.utc), tick=False):
            field = remember_cookie(scope, KEY, duration=5)
        assert field is not None
        assert field.startswith(f"remember_token={encode_remember_cookie('ann', KEY)}; Expires=Fri, 03 Jan 2025 ")
        assert self.visit_flask(session) == []

    def test_a_log_in_without_remember_deletes_the_cookie_of_the_log_out_before(self) -> None:
        session: dict[str, Any] = {}
        logout_user(scope_of(session, UA, (b"cookie", b"remember_token=x")))
        login_user(scope_of(session, UA), "bob")
        field = remember_cookie(session, KEY)
        assert field is not None
        assert "Max-Age=0" in field
        assert self.visit_flask(session) == []

    def test_a_cookie_set_by_hand_and_the_note_together(self) -> None:
        """Flask then sets it again: the same user's, never a deletion."""
        session: dict[str, Any] = {"_remember": "clear"}
        login_user(scope_of(session, UA), "ann", remember=True)
        (field,) = self.visit_flask(session)
        assert field.startswith(f"remember_token={encode_remember_cookie('ann', KEY)}; ")

    def test_failed_protection_has_the_cookie_deleted_here(self) -> None:
        session: dict[str, Any] = {"_user_id": "ann", "_id": "another client's"}
        scope = scope_of(session, UA, (b"cookie", b"remember_token=" + encode_remember_cookie("ann", KEY).encode()))
        assert load_user_id(scope, KEY, protection="strong") is None
        assert session == {"_remember": "clear"}
        field = remember_cookie(scope, KEY)
        assert field is not None
        assert "Max-Age=0" in field
        assert session == {}
