"""Each framework, in process and over each server: the session is Flask's, whatever is done with it.

Each step is taken in a Flask app, too, from the same cookie: status, `Vary`, the number of `Set-Cookie` fields, their
attributes, the signed payload to the byte, and what Flask then finds in the cookie are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest

from .apps import ALWAYS_VARY, FRAMEWORKS
from .visitor import WAYS, Visitor, flask_opens, visit


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=WAYS)
def running(request: pytest.FixtureRequest, framework: str) -> Iterator[Visitor]:
    with visit(FRAMEWORKS[framework](), WAYS[request.param]) as visitor:
        visitor.always_varies = framework in ALWAYS_VARY
        yield visitor


@pytest.fixture
def visitor(running: Visitor) -> Visitor:
    running.arrive()
    return running


class TestSession:
    """What a handler does to the session reaches Flask, and what Flask did reaches the handler."""

    def test_set(self, visitor: Visitor) -> None:
        answer = visitor.post("/set")
        assert answer.session == {"user": "ada", "size": (3, 4)}
        assert answer.varies
        assert [field.split("; ", 1)[1] for field in answer.set_cookies] == ["HttpOnly; Path=/; SameSite=Lax"]

    def test_change_nested_value_in_place(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve", cart={"items": ["tea"], "by": ("flask",)})
        answer = visitor.post("/nested")
        assert answer.session == {"user": "eve", "cart": {"items": ["tea", "coffee"], "by": ("flask",)}}
        assert visitor.post("/nested").session["cart"]["items"] == ["tea", "coffee", "coffee"]

    def test_read_one_key(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        answer = visitor.get("/read")
        assert (answer.text, answer.varies, answer.set_cookies) == ("eve", True, [])

    def test_read_a_key_that_is_not_there(self, visitor: Visitor) -> None:
        answer = visitor.get("/read")
        assert (answer.text, answer.varies, answer.set_cookies) == ("None", True, [])

    def test_whole_session_as_json(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve", cart={"items": ["tea"], "by": ("flask",)})
        answer = visitor.get("/whole")
        assert json.loads(answer.text) == {"user": "eve", "cart": {"items": ["tea"], "by": ["flask"]}}
        assert (answer.varies, answer.set_cookies) == (True, [])

    def test_whole_session_of_a_visitor_without_one(self, visitor: Visitor) -> None:
        answer = visitor.get("/whole")
        assert json.loads(answer.text) == {}
        assert (answer.varies, answer.set_cookies) == (True, [])

    def test_clear(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        answer = visitor.post("/clear")
        assert len(answer.set_cookies) == 1
        assert "Max-Age=0" in answer.set_cookies[0]
        assert (visitor.cookie, answer.session) == (None, {})

    def test_do_nothing(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        answer = visitor.get("/nothing")
        assert (answer.varies, answer.set_cookies) == (visitor.always_varies, [])
        assert answer.session == {"user": "eve"}

    def test_do_nothing_with_a_permanent_session(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve", _permanent=True)
        answer = visitor.get("/nothing")
        assert len(answer.set_cookies) == 1
        expires = parsedate_to_datetime(answer.set_cookies[0].partition("Expires=")[2].partition(";")[0])
        assert abs(expires - datetime.now(timezone.utc) - timedelta(days=31)) < timedelta(minutes=5)
        assert answer.session == {"user": "eve", "_permanent": True}

    def test_change_before_an_error_response(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        answer = visitor.post("/refuse")
        assert (answer.status, answer.session) == (403, {"user": "eve", "refused": True})

    def test_a_visit_of_many_steps(self, visitor: Visitor) -> None:
        visitor.post("/set")
        assert visitor.get("/read").text == "ada"
        assert visitor.post("/refuse").session == {"user": "ada", "size": (3, 4), "refused": True}
        assert visitor.get("/nothing").session["refused"] is True
        assert visitor.post("/clear").session == {}
        assert visitor.get("/read").text == "None"


class TestWebSocket:
    """The handshake brings the session and takes it away again."""

    def test_session_is_read_and_saved_by_the_handshake(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        content, fields = visitor.open_socket()
        assert content == {"user": "eve", "socket": "open"}
        if visitor.handshake_headers:
            assert [field.split("; ", 1)[1] for field in fields] == ["HttpOnly; Path=/; SameSite=Lax"]
            assert flask_opens(visitor.cookie) == {"user": "eve", "socket": "open"}
        else:
            assert fields == []
        assert visitor.get("/read").text == "eve"

    @pytest.mark.parametrize("framework", ["Starlette"], indirect=True)
    def test_session_is_saved_by_a_denied_handshake(self, visitor: Visitor) -> None:
        visitor.arrive(user="eve")
        status, fields = visitor.be_denied_a_socket()
        assert (status, len(fields)) == (403, 1)
        assert flask_opens(visitor.cookie) == {"user": "eve", "denied": True}


class TestSplitCookies:
    """A request whose cookies come in several fields, as over HTTP/2, has the session of whichever holds it."""

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_any_field(self, visitor: Visitor, position: int) -> None:
        visitor.arrive(user="eve")
        fields = [("cookie", "theme=dark"), ("cookie", "lang=en; seen=1")]
        fields.insert(position, ("cookie", f"session={visitor.cookie}"))
        assert visitor.send("GET", "/read", fields).text == "eve"

    def test_first_field_counts(self, visitor: Visitor) -> None:
        visitor.arrive(user="ada")
        first = visitor.cookie
        visitor.arrive(user="eve")
        fields = [("cookie", f"session={first}"), ("cookie", f"session={visitor.cookie}")]
        assert visitor.send("GET", "/read", fields).text == "ada"
