"""Flask-WTF's CSRF token, with the real Flask-WTF on the other side."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import Any

import flask
import flask_wtf
import flask_wtf.csrf
import pytest
import time_machine
from flask.sessions import SecureCookieSession
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadSignature, SignatureExpired, URLSafeSerializer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from starlette.datastructures import UploadFile

from starlette_flask.extensions.flask_wtf import CSRFError, generate_csrf, validate_csrf

KEY = "a secret key with an é"
NOON = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)


def make_browser(**config: Any) -> FlaskClient:
    """A Flask application with ``CSRFProtect`` that hands out tokens, and a form that checks its own."""
    app = flask.Flask(__name__)
    app.config.update({"SECRET_KEY": KEY, **config})
    csrf = flask_wtf.CSRFProtect(app)

    @app.get("/token")
    def token() -> str:
        return flask_wtf.csrf.generate_csrf()

    @app.post("/protected")
    def protected() -> str:
        return "done"

    @app.post("/form")
    @csrf.exempt
    def form() -> str:
        form = flask_wtf.FlaskForm()
        return "done" if form.validate_on_submit() else str(form.errors)

    return app.test_client()


@pytest.fixture
def browser() -> FlaskClient:
    return make_browser()


def session_with_token() -> tuple[dict[str, Any], str]:
    session: dict[str, Any] = {}
    return session, generate_csrf(session, KEY)


class TestGenerate:
    """A token made here is one of Flask-WTF's own."""

    def test_flask_wtf_accepts_it_in_a_form_and_in_a_header(self, browser: FlaskClient) -> None:
        with browser.session_transaction() as session:
            token = generate_csrf(session, KEY)
        assert browser.post("/protected").status_code == 400
        assert browser.post("/protected", data={"csrf_token": token}).text == "done"
        assert browser.post("/protected", headers={"X-CSRFToken": token}).text == "done"
        assert browser.post("/form", data={"csrf_token": token}).text == "done"

    def test_it_does_not_accept_it_for_another_session(self, browser: FlaskClient) -> None:
        _, token = session_with_token()
        browser.get("/token")
        assert browser.post("/protected", data={"csrf_token": token}).status_code == 400

    def test_tokens_of_both_sides_live_together(self, browser: FlaskClient) -> None:
        theirs = browser.get("/token").text
        with browser.session_transaction() as session:
            ours = generate_csrf(session, KEY)
        again = browser.get("/token").text
        for token in (theirs, ours, again):
            assert browser.post("/protected", data={"csrf_token": token}).text == "done"

    def test_at_the_same_moment_both_sides_make_the_same(self, browser: FlaskClient) -> None:
        with time_machine.travel(NOON, tick=False):
            theirs = browser.get("/token").text
            with browser.session_transaction() as session:
                assert generate_csrf(session, KEY) == theirs

    def test_the_session_is_written_once(self) -> None:
        session = SecureCookieSession()
        generate_csrf(session, KEY)
        assert session.modified
        session = SecureCookieSession(session)
        generate_csrf(session, KEY)
        assert not session.modified

    def test_each_session_has_160_random_bits_of_its_own(self, browser: FlaskClient) -> None:
        browser.get("/token")
        with browser.session_transaction() as theirs:
            values = {
                theirs["csrf_token"],
                session_with_token()[0]["csrf_token"],
                session_with_token()[0]["csrf_token"],
            }
        assert len(values) == 3
        assert {len(bytes.fromhex(value)) for value in values} == {20}

    @pytest.mark.parametrize("left", [None, b"bytes", 7, ["list"]])
    def test_a_value_that_can_not_be_compared_is_replaced(self, browser: FlaskClient, left: Any) -> None:
        with browser.session_transaction() as session:
            session["csrf_token"] = left
            token = generate_csrf(session, KEY)
        assert browser.post("/protected", data={"csrf_token": token}).text == "done"

    def test_another_field_name_and_a_key_of_bytes(self) -> None:
        browser = make_browser(WTF_CSRF_FIELD_NAME="check", WTF_CSRF_SECRET_KEY=b"\xff key")
        with browser.session_transaction() as session:
            token = generate_csrf(session, b"\xff key", field_name="check")
            assert set(session) == {"check"}
        assert browser.post("/protected", data={"check": token}).text == "done"


class TestValidate:
    """A token that Flask-WTF made is accepted for its session while it is young, and no other token is."""

    def test_a_token_of_flask_wtf(self, browser: FlaskClient) -> None:
        token = browser.get("/token").text
        with browser.session_transaction() as session:
            validate_csrf(session, token, KEY)
            validate_csrf(session, token, KEY.encode())
            assert not session.modified

    def test_another_field_name(self) -> None:
        browser = make_browser(WTF_CSRF_FIELD_NAME="check")
        token = browser.get("/token").text
        with browser.session_transaction() as session:
            validate_csrf(session, token, KEY, field_name="check")
            with pytest.raises(CSRFError, match=r"^The session has no CSRF token"):
                validate_csrf(session, token, KEY)

    @pytest.mark.parametrize(
        ("age", "limit", "valid"),
        [
            (0, 3600, True),
            (3600, 3600, True),
            (3601, 3600, False),
            (1, 0, False),
            (10**8, None, True),
            (-1, 3600, False),
            (-1, None, True),
        ],
    )
    def test_its_age_counts_as_in_flask_wtf(self, age: int, limit: int | None, valid: bool) -> None:
        browser = make_browser(WTF_CSRF_TIME_LIMIT=limit, PERMANENT_SESSION_LIFETIME=10**9)
        with time_machine.travel(NOON, tick=False):
            token = browser.get("/token").text
            with browser.session_transaction() as session:
                content = dict(session)
        with time_machine.travel(NOON + timedelta(seconds=age), tick=False):
            # Signed now: only the age of the token counts here.
            with browser.session_transaction() as session:
                session.update(content)
            status = browser.post("/protected", data={"csrf_token": token}).status_code
            if valid:
                validate_csrf(content, token, KEY, limit)
            else:
                with pytest.raises(CSRFError, match=r"^The CSRF token is too old"):
                    validate_csrf(content, token, KEY, limit)
        assert status == (200 if valid else 400)

    def test_a_form_that_was_open_when_the_key_was_rotated(self) -> None:
        browser = make_browser(WTF_CSRF_SECRET_KEY="old")
        token = browser.get("/token").text
        with browser.session_transaction() as session:
            with pytest.raises(CSRFError, match=r"^The CSRF token is not valid"):
                validate_csrf(session, token, KEY, secret_key_fallbacks=["older"])
            validate_csrf(session, token, KEY, secret_key_fallbacks=["older", "old"])
            validate_csrf(session, generate_csrf(session, KEY), KEY, secret_key_fallbacks=["old"])
            with pytest.raises(CSRFError, match=r"^The CSRF token is too old"):
                validate_csrf(session, token, KEY, -1, secret_key_fallbacks=["old"])

    def test_an_hour_is_the_limit_unless_told(self) -> None:
        with time_machine.travel(NOON, tick=False):
            session, token = session_with_token()
        with time_machine.travel(NOON + timedelta(seconds=3600), tick=False):
            validate_csrf(session, token, KEY)
        late = time_machine.travel(NOON + timedelta(seconds=3601), tick=False)
        with late, pytest.raises(CSRFError, match=r"^The CSRF token is too old") as caught:
            validate_csrf(session, token, KEY)
        assert isinstance(caught.value.__cause__, SignatureExpired)

    @pytest.mark.parametrize("token", [None, "", [], 0])
    def test_no_token(self, token: object) -> None:
        session, _ = session_with_token()
        with pytest.raises(CSRFError, match=r"^The request has no CSRF token"):
            validate_csrf(session, token, KEY)

    @pytest.mark.parametrize("left", [{}, {"csrf_token": None}, {"csrf_token": 7}])
    def test_no_token_in_the_session(self, left: dict[str, Any]) -> None:
        _, token = session_with_token()
        with pytest.raises(CSRFError, match=r"^The session has no CSRF token"):
            validate_csrf(left, token, KEY)

    def test_the_token_of_another_session(self) -> None:
        session, _ = session_with_token()
        with pytest.raises(CSRFError, match=r"^The CSRF token belongs to another session"):
            validate_csrf(session, session_with_token()[1], KEY)

    @pytest.mark.parametrize("value", [7, None, ["x"], "é", ""])
    def test_something_else_signed_with_the_same_key_and_salt(self, value: object) -> None:
        session, _ = session_with_token()
        token = URLSafeTimedSerializer(KEY, salt="wtf-csrf-token").dumps(value)
        with pytest.raises(CSRFError, match=r"^The CSRF token belongs to another session"):
            validate_csrf(session, token, KEY)

    @pytest.mark.parametrize(
        "serializer",
        [
            URLSafeTimedSerializer("another key", salt="wtf-csrf-token"),
            URLSafeTimedSerializer(KEY, salt="another salt"),
            URLSafeSerializer(KEY, salt="wtf-csrf-token"),
        ],
    )
    def test_the_right_value_signed_otherwise(self, serializer: Any) -> None:
        session, _ = session_with_token()
        with pytest.raises(CSRFError, match=r"^The CSRF token is not valid") as caught:
            validate_csrf(session, serializer.dumps(session["csrf_token"]), KEY)
        assert isinstance(caught.value.__cause__, BadSignature)

    def test_every_changed_character_spoils_it(self) -> None:
        session, token = session_with_token()
        # The last character carries two bits that base64 does not use.
        for index, character in enumerate(token[:-1]):
            changed = token[:index] + chr(ord(character) ^ 1) + token[index + 1 :]
            with pytest.raises(CSRFError, match=r"^The CSRF token is not valid"):
                validate_csrf(session, changed, KEY)

    @pytest.mark.parametrize(
        "token",
        [b"bytes", 7, ["x"], {"a": 1}, True, UploadFile(io.BytesIO(b"x")), "é", "\ud800", "a.b.c", "."],
    )
    def test_what_only_an_attacker_sends(self, token: object) -> None:
        session, _ = session_with_token()
        with pytest.raises(CSRFError, match=r"^The CSRF token is not valid"):
            validate_csrf(session, token, KEY)

    @given(st.text(st.characters(exclude_categories=()), min_size=1))
    def test_whatever_is_sent_nothing_else_is_raised(self, token: str) -> None:
        session, own = session_with_token()
        for attempt in (token, token + own, f"{own.split('.')[0]}.{token}"):
            with pytest.raises(CSRFError):
                validate_csrf(session, attempt, KEY)

    @pytest.mark.parametrize("date", [b"", b"\xff" * 5, b"\xff" * 8, b"\xff" * 400])
    def test_a_date_beyond_the_calendar(self, date: bytes) -> None:
        session, token = session_with_token()
        value, _, signature = token.split(".")
        with pytest.raises(CSRFError, match=r"^The CSRF token is not valid"):
            validate_csrf(session, f"{value}.{base64_encode(date).decode()}.{signature}", KEY)

    def test_the_error_is_a_value_error_and_names_no_secret(self) -> None:
        session, token = session_with_token()
        with pytest.raises(ValueError, match="CSRF") as caught:
            validate_csrf(session, token + "x", KEY)
        for secret in (token, session["csrf_token"], KEY):
            assert secret not in str(caught.value)
