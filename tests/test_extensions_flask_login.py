"""Flask-Login's session and remember cookie, with the real Flask-Login on the other side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import UUID

import flask
import flask_login
import pytest
import time_machine
from a2wsgi.wsgi import build_environ
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from werkzeug.sansio.http import parse_cookie

from starlette_flask.extensions.flask_login import (
    decode_remember_cookie,
    encode_remember_cookie,
    is_fresh,
    login_user,
    logout_user,
    protect_session,
    session_identifier,
    user_id,
)

# Flask-Login 0.6 dates its cookie with a function that Python 3.12 deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY = "a secret key with an é"
AGENT = "Mozilla/5.0"
NOON = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)
UUID_ID = UUID("12345678-1234-5678-1234-567812345678")


class User(flask_login.UserMixin):
    def __init__(self, name: Any) -> None:
        self.id = name


def make_app(protection: str | None = "basic", **config: Any) -> flask.Flask:
    """A Flask application where anybody logs in as whom they like, and four pages that say who they are."""
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=KEY, SESSION_PROTECTION=protection, **config)
    manager = flask_login.LoginManager(app)
    manager.user_loader(User)

    @app.get("/login/<name>")
    def login(name: str) -> str:
        flask_login.login_user(User(name), remember="remember" in flask.request.args)
        return "in"

    @app.get("/logout")
    def logout() -> str:
        flask_login.logout_user()
        return "out"

    @app.get("/login-and-logout/<name>")
    def login_and_logout(name: str) -> str:
        flask_login.login_user(User(name), remember=True, duration=timedelta(days=1))
        flask_login.logout_user()
        return "out"

    @app.get("/me")
    @flask_login.login_required
    def me() -> str:
        return str(flask_login.current_user.get_id())

    @app.get("/fresh")
    @flask_login.fresh_login_required
    def fresh() -> str:
        return str(flask_login.current_user.get_id())

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    return app


class Browser:
    """One browser: pages come from Flask; ``asgi`` is a request of it to an ASGI application."""

    def __init__(self, app: flask.Flask, agent: str = AGENT) -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["HTTP_USER_AGENT"] = agent

    def get(self, path: str, agent: str | None = None) -> tuple[int, str]:
        response = self.client.get(path, headers={"User-Agent": agent} if agent else {})
        return response.status_code, response.text

    @contextmanager
    def asgi(self, remember_cookie: str = "remember_token") -> Iterator[dict[str, Any]]:
        headers = [(b"user-agent", str(self.client.environ_base["HTTP_USER_AGENT"]).encode("latin-1"))]
        if cookie := self.client.get_cookie(remember_cookie):
            headers.append((b"cookie", f"{cookie.key}={cookie.value}".encode()))
        with self.client.session_transaction() as session:
            yield {"type": "http", "headers": headers, "client": ("127.0.0.1", 50000), "session": session}

    @property
    def session(self) -> dict[str, Any]:
        with self.client.session_transaction() as session:
            return dict(session)

    @property
    def remembers(self) -> bool:
        return self.client.get_cookie("remember_token") is not None

    def restart(self) -> None:
        """Close the browser: it forgets its session, and keeps the remember cookie."""
        self.client.delete_cookie("session")


@pytest.fixture
def browser() -> Browser:
    return Browser(make_app())


def scope_of(session: object, *headers: tuple[bytes, bytes], client: Any = ("1.2.3.4", 5)) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), "client": client, "session": session}


class TestLogIn:
    """Who logs in on the ASGI side is logged in on Flask's, as if they had done it there."""

    @pytest.mark.parametrize("protection", ["basic", "strong", None])
    def test_flask_lets_the_user_in_and_calls_the_login_fresh(self, protection: str | None) -> None:
        browser = Browser(make_app(protection))
        assert browser.get("/me")[0] == 401
        with browser.asgi() as scope:
            login_user(scope, "ann")
        assert browser.get("/me") == (200, "ann")
        assert browser.get("/fresh") == (200, "ann")

    def test_the_session_is_the_one_that_flask_login_leaves(self, browser: Browser) -> None:
        browser.get("/login/ann")
        with browser.asgi() as scope:
            expected = dict(scope["session"])
            scope["session"].clear()
            login_user(scope, "ann")
            assert dict(scope["session"]) == expected

    @pytest.mark.parametrize("given_id", ["ann", 7, UUID_ID])
    def test_an_id_is_stored_as_the_text_that_get_id_returns(self, given_id: Any) -> None:
        session: dict[str, Any] = {}
        login_user(scope_of(session), given_id)
        assert session["_user_id"] == User(given_id).get_id()
        assert type(session["_user_id"]) is str

    def test_an_id_that_is_an_enum_is_stored_as_its_text(self) -> None:
        """As Flask's JSON writes what ``get_id`` returns."""
        kind: Any = Enum("Id", {"ANN": "ann"}, type=str)
        session: dict[str, Any] = {}
        login_user(scope_of(session), kind.ANN)
        assert (session["_user_id"], type(session["_user_id"])) == ("ann", str)

    @pytest.mark.parametrize("given_id", [None, True, b"ann", 1.5, User("ann")])
    def test_nobody_becomes_the_user_none(self, given_id: Any) -> None:
        session: dict[str, Any] = {}
        with pytest.raises(TypeError, match=f"not {type(given_id).__name__}$"):
            login_user(scope_of(session), given_id)
        assert session == {}

    def test_a_login_that_is_not_fresh_stays_so_on_the_flask_side(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            login_user(scope, "ann", fresh=False)
        assert browser.get("/me") == (200, "ann")
        assert browser.get("/fresh")[0] == 401

    def test_other_keys_stay(self) -> None:
        session = {"basket": [1], "next": "/buy"}
        login_user(scope_of(session), "ann")
        assert session["basket"] == [1]
        assert session["next"] == "/buy"

    def test_a_starlette_request_is_as_good_as_its_scope(self) -> None:
        session: dict[str, Any] = {}
        scope = scope_of(session, (b"user-agent", b"x"))
        login_user(Request(scope), "ann")
        assert session["_id"] == session_identifier(scope)
        logout_user(Request(scope))
        assert session == {}

    @pytest.mark.parametrize("session", [None, "text", object()])
    def test_without_a_session_it_says_what_is_missing(self, session: object) -> None:
        for function in (logout_user, protect_session):
            with pytest.raises(RuntimeError, match=r"^no session in this scope: SessionMiddleware must come before"):
                function(scope_of(session))
        with pytest.raises(RuntimeError, match=r"^no session in this scope: SessionMiddleware must come before"):
            login_user({"type": "http", "headers": []}, "ann")


class TestRememberedLogin:
    """``remember=True`` makes the next Flask response send the remember cookie; it outlives the session."""

    @pytest.mark.parametrize("protection", ["basic", "strong"])
    def test_the_user_is_back_after_the_session_is_gone(self, protection: str) -> None:
        browser = Browser(make_app(protection))
        with browser.asgi() as scope:
            login_user(scope, "ann", remember=True)
        assert browser.get("/hello") == (200, "hello")
        browser.restart()
        assert browser.get("/me") == (200, "ann")
        assert browser.get("/fresh")[0] == 401

    def test_without_remember_they_are_not(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            login_user(scope, "ann", duration=timedelta(days=1))
        assert browser.get("/me") == (200, "ann")
        browser.restart()
        assert browser.get("/me")[0] == 401

    @pytest.mark.parametrize(
        ("duration", "lifetime"),
        [(timedelta(days=2, seconds=3, microseconds=5), timedelta(days=2, seconds=3)), (None, timedelta(30))],
    )
    def test_the_cookie_lives_as_long_as_asked_or_as_flask_says(
        self, duration: timedelta | None, lifetime: timedelta
    ) -> None:
        browser = Browser(make_app(REMEMBER_COOKIE_DURATION=timedelta(days=30)))
        with time_machine.travel(NOON, tick=False):
            with browser.asgi() as scope:
                # Left by an earlier login: not what this one asks for.
                scope["session"]["_remember_seconds"] = 60.0
                login_user(scope, "ann", remember=True, duration=duration)
            browser.get("/hello")
            cookie = browser.client.get_cookie("remember_token")
        assert cookie is not None
        assert cookie.expires == NOON + lifetime

    def test_a_duration_is_a_timedelta(self) -> None:
        session: dict[str, Any] = {}
        with pytest.raises(TypeError, match=r"^duration must be a timedelta, not int$"):
            login_user(scope_of(session), "ann", remember=True, duration=3600)  # type: ignore[arg-type]
        assert session == {}

    def test_the_next_user_does_not_inherit_what_the_one_before_asked_for(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            login_user(scope, "ann", remember=True)
            login_user(scope, "bob")
        assert browser.get("/me") == (200, "bob")
        assert not browser.remembers

    def test_nor_after_a_logout(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            login_user(scope, "ann", remember=True)
            logout_user(scope)
            login_user(scope, "bob")
        assert browser.get("/me") == (200, "bob")
        assert not browser.remembers

    def test_the_same_user_keeps_it_when_they_confirm_their_login(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            login_user(scope, 7, fresh=False, remember=True)
            login_user(scope, 7)
        assert browser.get("/fresh") == (200, "7")
        assert browser.remembers

    def test_a_cookie_that_is_to_be_deleted_still_is_when_another_user_logs_in(self, browser: Browser) -> None:
        browser.get("/login/ann?remember")
        with browser.asgi() as scope:
            logout_user(scope)
            login_user(scope, "bob")
        assert browser.get("/me") == (200, "bob")
        assert not browser.remembers


class TestLogOut:
    """Who logs out on the ASGI side is out on Flask's, and nothing but the login is lost."""

    @pytest.mark.parametrize("protection", ["basic", "strong", None])
    def test_flask_shows_them_the_door(self, protection: str | None) -> None:
        browser = Browser(make_app(protection))
        browser.get("/login/ann")
        with browser.asgi() as scope:
            scope["session"]["basket"] = [1]
            logout_user(scope)
            assert dict(scope["session"]) == {"basket": [1]}
        assert browser.get("/me")[0] == 401

    def test_the_remember_cookie_does_not_bring_them_back_and_is_deleted(self, browser: Browser) -> None:
        browser.get("/login/ann?remember")
        with browser.asgi() as scope:
            logout_user(scope)
        assert browser.get("/me")[0] == 401
        assert not browser.remembers
        browser.restart()
        assert browser.get("/me")[0] == 401

    @pytest.mark.parametrize("login", ["/login/ann", "/login/ann?remember"])
    def test_the_session_is_the_one_that_flask_login_leaves(self, login: str) -> None:
        sessions = []
        for logout_in_flask in (True, False):
            browser = Browser(make_app())
            browser.get(login)
            with browser.client.session_transaction() as session:
                session.update(basket=[1], next="/buy", _remember_seconds=60.0)
            if logout_in_flask:
                browser.get("/logout")
            else:
                with browser.asgi() as scope:
                    logout_user(scope)
                browser.get("/hello")
            sessions.append(browser.session)
        assert sessions[0] == sessions[1]
        assert sessions[0]["basket"] == [1]

    def test_so_is_that_of_a_login_whose_cookie_was_never_sent(self, browser: Browser) -> None:
        browser.get("/login-and-logout/ann")
        with browser.asgi() as scope:
            expected = dict(scope["session"])
            scope["session"].clear()
            login_user(scope, "ann", remember=True, duration=timedelta(days=1))
            logout_user(scope)
            assert dict(scope["session"]) == expected

    def test_without_a_login_nothing_is_written(self, browser: Browser) -> None:
        with browser.asgi() as scope:
            logout_user(scope)
            assert not scope["session"].modified

    def test_a_cookie_of_another_name_is_found_under_it(self) -> None:
        browser = Browser(make_app(REMEMBER_COOKIE_NAME="stay"))
        browser.get("/login/ann?remember")
        with browser.asgi(remember_cookie="stay") as scope:
            logout_user(scope, remember_cookie="stay")
        assert browser.get("/me")[0] == 401
        assert browser.client.get_cookie("stay") is None

    def test_a_cookie_that_this_side_never_sees_can_be_deleted_without_looking(self) -> None:
        browser = Browser(make_app(REMEMBER_COOKIE_PATH="/me"))
        browser.get("/login/ann?remember")
        with browser.asgi() as scope:
            assert b"cookie" not in dict(scope["headers"])
            logout_user(scope, remember_cookie=None)
        assert browser.get("/me")[0] == 401
        assert browser.client.get_cookie("remember_token", path="/me") is None

    @pytest.mark.parametrize(
        ("fields", "found"),
        [
            ([b"remember_token=x"], True),
            ([b"a=1; remember_token=x; b=2"], True),
            ([b"a=1;remember_token=x"], True),
            ([b"a=1;\t remember_token \t= x"], True),
            ([b"remember_token"], True),
            ([b"remember_token="], True),
            ([b"a=1", b"remember_token=x"], True),
            ([b"a=\xe9; remember_token=x"], True),
            ([b"a=remember_token=x"], False),
            ([b"xremember_token=x"], False),
            ([b"remember_tokens=x"], False),
            ([b"Remember_Token=x"], False),
            ([b"Xremember_tokenX=x"], False),
            ([b"\x0bremember_token=x"], False),
            ([b""], False),
            ([], False),
        ],
    )
    def test_the_cookie_is_there_when_werkzeug_says_so(self, fields: list[bytes], found: bool) -> None:
        session: dict[str, Any] = {}
        logout_user(scope_of(session, *((b"Cookie", field) for field in fields)))
        assert session == ({"_remember": "clear"} if found else {})
        assert ("remember_token" in parse_cookie(b";".join(fields).decode("latin-1"))) is found

    @pytest.mark.parametrize("name", ["remember_token", "XXXX", "n"])
    def test_a_request_without_cookies_has_none_of_any_name(self, name: str) -> None:
        session: dict[str, Any] = {}
        logout_user(scope_of(session), remember_cookie=name)
        assert session == {}

    @given(st.lists(st.sampled_from(["n", "=", ";", " ", "\t", '"', "\\", "x", ",", "\xe9"])).map("".join))
    def test_no_cookie_that_werkzeug_finds_is_overlooked(self, header: str) -> None:
        session: dict[str, Any] = {}
        logout_user(scope_of(session, (b"cookie", header.encode("latin-1"))), remember_cookie="n")
        if "n" in parse_cookie(header):
            assert session == {"_remember": "clear"}


class TestReading:
    """What Flask-Login wrote, the ASGI side reads."""

    def test_nobody_is_logged_in_at_first(self, browser: Browser) -> None:
        browser.get("/hello")
        assert user_id(browser.session) is None
        assert is_fresh(browser.session) is False

    def test_a_login_in_flask(self, browser: Browser) -> None:
        browser.get("/login/ann")
        assert user_id(browser.session) == "ann"
        assert is_fresh(browser.session) is True

    def test_a_login_by_the_remember_cookie_is_not_fresh(self, browser: Browser) -> None:
        browser.get("/login/ann?remember")
        browser.restart()
        browser.get("/me")
        assert user_id(browser.session) == "ann"
        assert is_fresh(browser.session) is False

    def test_a_logout_in_flask(self, browser: Browser) -> None:
        browser.get("/login/ann")
        browser.get("/logout")
        assert user_id(browser.session) is None
        assert is_fresh(browser.session) is False

    @pytest.mark.parametrize(
        ("stored", "expected"),
        [
            (7, "7"),
            (UUID_ID, str(UUID_ID)),
            ("", ""),
            (None, None),
            (True, None),
            (["ann"], None),
            ({}, None),
        ],
    )
    def test_an_id_that_get_id_did_not_return_as_text(self, stored: Any, expected: str | None) -> None:
        assert user_id({"_user_id": stored}) == expected

    def test_nobody_is_fresh_without_being_logged_in(self) -> None:
        assert is_fresh({"_fresh": True}) is False


class TestSessionProtection:
    """A login that turns up with another client is treated as Flask-Login treats it."""

    @pytest.mark.parametrize("mode", ["basic", "strong"])
    @pytest.mark.parametrize("permanent", [False, True])
    @pytest.mark.parametrize("fresh", [False, True])
    @pytest.mark.parametrize("agent", [AGENT, "another"])
    def test_the_session_is_the_one_that_flask_login_leaves(
        self, mode: Any, permanent: bool, fresh: bool, agent: str
    ) -> None:
        browser = Browser(make_app(mode))
        with browser.asgi() as scope:
            login_user(scope, "ann", fresh=fresh)
            scope["session"].update(next="/buy", basket=[1], _remember_seconds=60.0)
            scope["session"].permanent = permanent
        ours = browser.session
        protect_session(scope_of(ours, (b"user-agent", agent.encode()), client=("127.0.0.1", 1)), mode)
        assert ours.pop("_remember", None) == (None if "_user_id" in ours else "clear")
        browser.get("/me", agent=agent)
        assert ours == browser.session

    def test_strong_protection_tells_whom_it_logs_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO", "starlette_flask"):
            for path in ({"path": "/a"}, {}):
                protect_session({**scope_of({"_user_id": "ann", "_id": "another"}), **path}, "strong")
        assert caplog.messages == [
            f"Session protection 'strong' logged the user out on path {path!r}: the client's address or user agent "
            "has changed since the log-in."
            for path in ("/a", "")
        ]

    def test_strong_protection_has_the_remember_cookie_deleted(self) -> None:
        browser = Browser(make_app("strong"))
        browser.get("/login/ann?remember")
        with browser.asgi() as scope:
            scope["headers"] = [(b"user-agent", b"another")]
            protect_session(scope, "strong")
            assert dict(scope["session"]) == {"_remember": "clear"}
        assert browser.get("/me")[0] == 401
        assert not browser.remembers

    @pytest.mark.parametrize("mode", ["basic", "strong"])
    def test_the_log_tells_of_a_user_who_is_logged_out(self, mode: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "starlette_flask")
        scope = {**scope_of({"_user_id": "ann"}), "path": "/basket"}
        protect_session(scope, mode)
        told = "logged the user out on path '/basket': the client's address or user agent"
        assert [told in message for message in caplog.messages] == [True] * (mode == "strong")

    def test_a_login_without_identifier_is_another_client(self) -> None:
        session = {"_user_id": "ann", "_fresh": True}
        protect_session(scope_of(session))
        assert session == {"_user_id": "ann", "_fresh": False}

    @pytest.mark.parametrize("session", [{"basket": [1]}, {"_user_id": "ann", "_fresh": False, "_id": "other"}])
    def test_it_writes_only_what_changes(self, session: dict[str, Any]) -> None:
        tracked = flask.sessions.SecureCookieSession(session)
        protect_session(scope_of(tracked))
        assert not tracked.modified

    def test_nobody_logged_in_is_nobody_to_protect(self) -> None:
        session = {"basket": [1], "next": "/buy"}
        protect_session(scope_of(session), "strong")
        assert session == {"basket": [1], "next": "/buy"}


def flask_identifier(scope: dict[str, Any]) -> str:
    """What the real Flask-Login computes when a WSGI server hands it this very request."""
    request = {"method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", **scope}
    environ: Any = build_environ(request, None)  # type: ignore[arg-type]
    with make_app().request_context(environ):
        return str(flask_login.utils._create_identifier())


ADDRESSES = [
    ("1.2.3.4", 5),
    ["1.2.3.4", 5],
    ("2001:db8::1", 5),
    ("::ffff:1.2.3.4", 5),
    ("fe80::1%eth0", 5),
    ("", 0),
]
FORWARDED = b"x-forwarded-for"
UA = b"user-agent"


class TestIdentifier:
    """The identifier of a client is the one that Flask-Login computes, whatever the client sends."""

    @pytest.mark.parametrize("client", [*ADDRESSES, None])
    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [(UA, b"")],
            [(UA, AGENT.encode())],
            [(UA, b"it's"), (b"accept", b"*/*")],
            [(UA, b"caf\xc3\xa9 caf\xe9 \x85\xa0\xff")],
            [(UA, b"one"), (UA, b"two")],
            [(FORWARDED, b"9.9.9.9")],
            [(FORWARDED, b" 9.9.9.9 , 8.8.8.8")],
            [(FORWARDED, b"2001:db8::2, 8.8.8.8"), (UA, b"x")],
            [(FORWARDED, b"9.9.9.9"), (FORWARDED, b"8.8.8.8")],
            [(FORWARDED, b""), (FORWARDED, b"8.8.8.8")],
            [(FORWARDED, b"")],
            [(FORWARDED, b"\xa0\xe9\x85")],
        ],
    )
    def test_it_is_flask_logins(self, client: Any, headers: list[tuple[bytes, bytes]]) -> None:
        scope = scope_of({}, *headers, client=client)
        assert session_identifier(scope) == flask_identifier(scope)

    @given(st.lists(st.tuples(st.sampled_from([FORWARDED, UA]), st.binary()), max_size=4))
    def test_so_it_is_for_any_bytes(self, headers: list[tuple[bytes, bytes]]) -> None:
        scope = scope_of({}, *headers)
        assert session_identifier(scope) == flask_identifier(scope)

    def test_it_differs_from_client_to_client(self) -> None:
        scopes = [scope_of({}, client=(host, 1)) for host in ("1.2.3.4", "1.2.3.5")]
        scopes += [scope_of({}, (UA, agent)) for agent in (b"", b"x")]
        assert len({session_identifier(scope) for scope in scopes}) == 4

    def test_header_names_are_matched_in_any_case(self) -> None:
        scope = scope_of({}, (b"User-Agent", b"x"))
        assert session_identifier(scope) == session_identifier(scope_of({}, (UA, b"x")))


def surrogates_too() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=()))


class TestRememberCookie:
    """The remember cookie has the bytes of Flask-Login's, and no forged one opens."""

    @given(
        st.text(),
        st.one_of(st.text(st.characters(max_codepoint=255)).map("k".__add__), st.binary().map(b"k".__add__)),
    )
    @example("a|b", "k")
    def test_both_sides_write_the_same_and_read_each_other(self, name: str, key: str | bytes) -> None:
        cookie = encode_remember_cookie(name, key)
        assert cookie == flask_login.encode_cookie(name, key=key)
        assert flask_login.decode_cookie(cookie, key=key) == name
        assert decode_remember_cookie(cookie, key) == name

    def test_a_cookie_written_here_logs_in_on_the_flask_side(self, browser: Browser) -> None:
        browser.client.set_cookie("remember_token", encode_remember_cookie(7, KEY))
        assert browser.get("/me") == (200, "7")

    def test_a_cookie_written_by_flask_is_read_here(self, browser: Browser) -> None:
        browser.get("/login/ann?remember")
        cookie = browser.client.get_cookie("remember_token")
        assert cookie is not None
        assert decode_remember_cookie(cookie.decoded_value, KEY) == "ann"

    def test_every_changed_character_spoils_it(self) -> None:
        cookie = encode_remember_cookie("ann", KEY)
        for index, character in enumerate(cookie):
            changed = cookie[:index] + chr(ord(character) ^ 1) + cookie[index + 1 :]
            assert decode_remember_cookie(changed, KEY) is None

    @pytest.mark.parametrize(
        "cookie",
        [
            None,
            "",
            "|",
            "ann",
            "ann|",
            encode_remember_cookie("", KEY)[1:],
            encode_remember_cookie("ann", KEY)[:-1],
            encode_remember_cookie("ann", KEY) + "0",
            encode_remember_cookie("ann", KEY) + " ",
            encode_remember_cookie("ann", KEY) + "|",
            encode_remember_cookie("ann", KEY).upper(),
            encode_remember_cookie("ann", "another key"),
            "ann|é",
            "ann|\ud800",
            "\ud800|" + encode_remember_cookie("?", KEY).split("|")[1],
        ],
    )
    def test_anything_else_is_nobody(self, cookie: str | None) -> None:
        assert decode_remember_cookie(cookie, KEY) is None

    @given(surrogates_too())
    def test_whatever_is_sent_it_never_raises(self, cookie: str) -> None:
        assert decode_remember_cookie(cookie, KEY) is None
        assert decode_remember_cookie(f"ann|{cookie}", KEY) is None

    def test_a_retired_key_opens_it_and_does_not_sign(self) -> None:
        old = encode_remember_cookie("ann", "old")
        for retired in (["older", "old"], [b"old"], iter(["old", "older"])):
            assert decode_remember_cookie(old, KEY, retired) == "ann"
        assert decode_remember_cookie(old, KEY, ["older"]) is None
        with pytest.raises(TypeError, match=r"^secret_key_fallbacks must be a list"):
            decode_remember_cookie(old, KEY, "old")

    @pytest.mark.parametrize(
        ("key", "retired"), [("a secret ✓", []), ("a secret ✓", ["old"]), ("a secret", ["old", "✓"])]
    )
    def test_a_key_that_flask_login_cannot_sign_with_is_refused_unseen(self, key: str, retired: list[str]) -> None:
        with pytest.raises(ValueError, match=r"^secret_key or secret_key_fallbacks: .* outside Latin-1$") as caught:
            decode_remember_cookie("ann|x", key, retired)
        assert "✓" not in str(caught.value)
        assert caught.value.__suppress_context__

    def test_nobody_gets_a_cookie_for_the_user_none(self) -> None:
        with pytest.raises(TypeError):
            encode_remember_cookie(None, KEY)  # type: ignore[arg-type]
