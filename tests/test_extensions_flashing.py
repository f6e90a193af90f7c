"""Flashed messages, with the real Flask on the other side."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask.sessions import SecureCookieSession
from flask.testing import FlaskClient
from markupsafe import Markup
from starlette.middleware.sessions import Session as StarletteSession

from starlette_flask.extensions.flashing import flash, get_flashed_messages

MESSAGES = [("error", "no"), ("message", "so"), ("info", "yes"), ("error", "no again")]


@pytest.fixture
def browser() -> FlaskClient:
    """A Flask application that flashes ``MESSAGES`` on one page and shows what it has on others."""
    app = flask.Flask(__name__)
    app.secret_key = "secret"

    @app.get("/flash")
    def flash_all() -> str:
        for category, message in MESSAGES:
            flask.flash(message, category)
        flask.flash(Markup("<b>"))
        return ""

    @app.get("/show")
    def show() -> flask.Response:
        shown: Any = flask.get_flashed_messages(with_categories=True)
        return flask.jsonify(shown)

    @app.get("/page")
    def page() -> str:
        return flask.render_template_string("{% for m in get_flashed_messages() %}{{ m }},{% endfor %}")

    @app.get("/filtered")
    def filtered() -> flask.Response:
        arguments = flask.request.args
        wanted: Any = arguments["one"] if "one" in arguments else arguments.getlist("c")
        return flask.jsonify(flask.get_flashed_messages(category_filter=wanted))

    return app.test_client()


def flashed() -> dict[str, Any]:
    session: dict[str, Any] = {}
    for category, message in MESSAGES:
        flash(session, message, category)
    return session


class TestFlash:
    """What is flashed on the ASGI side, the next Flask page shows once."""

    def test_flask_shows_it_in_order_with_its_category(self, browser: FlaskClient) -> None:
        with browser.session_transaction() as session:
            flash(session, "hello")
            flash(session, "careful", "warning")
        assert browser.get("/show").json == [["message", "hello"], ["warning", "careful"]]
        assert browser.get("/show").json == []

    def test_it_merges_with_what_flask_flashed_before(self, browser: FlaskClient) -> None:
        browser.get("/flash")
        with browser.session_transaction() as session:
            flash(session, "last")
        assert browser.get("/page").text == "no,so,yes,no again,<b>,last,"

    def test_text_is_escaped_and_markup_is_not(self, browser: FlaskClient) -> None:
        with browser.session_transaction() as session:
            flash(session, "<i>")
            flash(session, Markup("<i>"))
        assert browser.get("/page").text == "&lt;i&gt;,<i>,"

    @pytest.mark.parametrize("kind", [SecureCookieSession, StarletteSession])
    def test_a_session_that_notices_only_assignments_saves_it(self, kind: Any) -> None:
        session = kind({"_flashes": [("message", "one")]})
        flash(session, "two")
        assert session.modified
        assert session == {"_flashes": [("message", "one"), ("message", "two")]}

    def test_a_list_that_something_else_holds_is_left_alone(self) -> None:
        held = [("message", "one")]
        flash({"_flashes": held}, "two")
        assert held == [("message", "one")]


class TestGetFlashedMessages:
    """What Flask flashed, the ASGI side returns once."""

    def test_messages_come_in_order(self, browser: FlaskClient) -> None:
        browser.get("/flash")
        with browser.session_transaction() as session:
            assert get_flashed_messages(session) == ["no", "so", "yes", "no again", "<b>"]
        assert browser.get("/show").json == []

    def test_or_pairs(self, browser: FlaskClient) -> None:
        browser.get("/flash")
        with browser.session_transaction() as session:
            pairs = get_flashed_messages(session, with_categories=True)
        assert pairs == [*MESSAGES, ("message", Markup("<b>"))]
        assert {type(pair) for pair in pairs} == {tuple}
        assert isinstance(pairs[-1][1], Markup)

    def test_pairs_are_tuples_also_where_the_session_was_plain_json(self) -> None:
        assert get_flashed_messages({"_flashes": [["info", "yes"]]}, True) == [("info", "yes")]

    def test_each_message_comes_once(self) -> None:
        session = flashed()
        assert len(get_flashed_messages(session)) == 4
        assert get_flashed_messages(session) == []
        assert session == {}

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ("c=error", ["error"]),
            ("c=error&c=info", ("error", "info")),
            ("c=error&c=info", {"info": 1, "error": 1}),
            ("c=other", {"other"}),
            ("one=error", "error"),
            ("one=", ""),
            ("", []),
        ],
    )
    def test_a_filter_returns_what_it_returns_in_flask(self, browser: FlaskClient, query: str, wanted: Any) -> None:
        with browser.session_transaction() as session:
            session.update(flashed())
        expected = browser.get(f"/filtered?{query}").json
        assert get_flashed_messages(flashed(), category_filter=wanted) == expected

    def test_a_filter_may_be_an_iterator(self) -> None:
        assert get_flashed_messages(flashed(), category_filter=iter(["info", "message"])) == ["so", "yes"]

    def test_the_part_of_a_category_is_not_the_category(self) -> None:
        assert get_flashed_messages(flashed(), category_filter="err") == []
        assert get_flashed_messages(flashed(), category_filter="errors") == []

    def test_other_categories_wait_for_the_next_call(self, browser: FlaskClient) -> None:
        with browser.session_transaction() as session:
            session.update(flashed())
            assert get_flashed_messages(session, category_filter=["error"]) == ["no", "no again"]
            assert get_flashed_messages(session, category_filter=["error"]) == []
            assert get_flashed_messages(session, True, ["info"]) == [("info", "yes")]
        assert browser.get("/show").json == [["message", "so"]]

    @pytest.mark.parametrize("kind", [SecureCookieSession, StarletteSession])
    def test_the_session_is_written_exactly_when_something_is_taken(self, kind: Any) -> None:
        nothing = kind({"basket": [1]})
        get_flashed_messages(nothing)
        assert not nothing.modified

        session = kind(flashed())
        get_flashed_messages(session, category_filter=["other"])
        assert not session.modified
        get_flashed_messages(session, category_filter=["error"])
        assert session.modified

        session = kind(flashed())
        get_flashed_messages(session)
        assert session.modified
