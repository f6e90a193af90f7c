"""A change inside a value of the session, `session["cart"].append(1)`, is found when the response starts."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import product
from typing import Any
from uuid import UUID

import flask
import httpx
import pytest
from fastapi import FastAPI, Request
from itsdangerous import URLSafeTimedSerializer
from markupsafe import Markup

from starlette_flask import SessionMiddleware
from starlette_flask.tagged_json import TaggedJSONSerializer
from tests.apps.server import serve
from tests.asgi import KEY, app_that, call, flask_reader, opened, signed


def saved(content: Any, change: Callable[[Any], object], **settings: Any) -> Any:
    """What the response saves of a session with `content` that `change` was done to; `None` for nothing."""
    return call(SessionMiddleware(app_that(change), KEY, **settings), cookie=signed(content)).saved


def deep(session: Any) -> Any:
    """The innermost list of `{"a": [({"b": [1]},)]}`."""
    return session["a"][0][0]["b"]


class Counting(TaggedJSONSerializer):
    """Counts how often a session is serialized, which is what finding nested changes may cost."""

    def __init__(self) -> None:
        super().__init__()
        self.dumped = 0

    def dumps(self, value: Any) -> str:
        self.dumped += 1
        return super().dumps(value)


class TestChange:
    """Each change in place is saved, whatever it was made in, and however little it differs."""

    @pytest.mark.parametrize(
        ("content", "change", "expected"),
        [
            ({"cart": []}, lambda s: s["cart"].append(1), {"cart": [1]}),
            ({"cart": [1, 2]}, lambda s: s["cart"].remove(1), {"cart": [2]}),
            ({"cart": [2, 1]}, lambda s: s["cart"].sort(), {"cart": [1, 2]}),
            ({"a": [], "b": []}, lambda s: (s["a"], s["b"])[0].append(1), {"a": [1], "b": []}),
            ({"cart": [1]}, lambda s: s.get("cart").append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: s.setdefault("cart", []).append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: next(iter(s.values())).append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: dict(s)["cart"].append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: {**s}["cart"].append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: s.copy()["cart"].append(2), {"cart": [1, 2]}),
            ({"cart": [1]}, lambda s: (s | {})["cart"].append(2), {"cart": [1, 2]}),
            ({"a": {"b": 1}}, lambda s: s["a"].update(b=2), {"a": {"b": 2}}),
            ({"a": {"b": 1}}, lambda s: s["a"].update(c=None), {"a": {"b": 1, "c": None}}),
            ({"a": {"b": 1}}, lambda s: s["a"].clear(), {"a": {}}),
            ({"a": [({"b": [1]},)]}, lambda s: deep(s).append(2), {"a": [({"b": [1, 2]},)]}),
            ({"a": [({"b": [1]},)], "b": [1]}, lambda s: deep(s).clear(), {"a": [({"b": []},)], "b": [1]}),
            ({"a": [[1], [2]]}, lambda s: s["a"].reverse(), {"a": [[2], [1]]}),
            ({"a": [(1, 2)]}, lambda s: s["a"].__setitem__(0, [1, 2]), {"a": [[1, 2]]}),
            ({"a": ["<b>"]}, lambda s: s["a"].__setitem__(0, Markup("<b>")), {"a": [Markup("<b>")]}),
            ({"a": [b"x"]}, lambda s: s["a"].__setitem__(0, "x"), {"a": ["x"]}),
        ],
    )
    def test_is_saved(self, content: Any, change: Callable[[Any], object], expected: Any) -> None:
        result = saved(content, change)
        assert result == expected
        assert repr(result) == repr(expected)  # also the types, which == does not tell

    @pytest.mark.parametrize(
        ("before", "after"),
        [(1, True), (True, 1), (0, False), (False, 0), (1, 1.0), (1.0, 1), (0.0, -0.0), ("1", 1), (None, False)],
        ids=repr,
    )
    def test_values_that_are_equal_and_not_the_same(self, before: Any, after: Any) -> None:
        for content, change in (
            ({"a": [before]}, lambda s: s["a"].__setitem__(0, after)),
            ({"a": {"b": before}}, lambda s: s["a"].__setitem__("b", after)),
        ):
            (item,) = (lambda a: a if isinstance(a, list) else a.values())(saved(content, change)["a"])
            assert repr(item) == repr(after)

    def test_in_what_was_stored_in_this_request(self) -> None:
        def change(session: Any) -> None:
            session["cart"] = cart = [1]
            cart.append(2)

        assert saved({}, change) == {"cart": [1, 2]}

    def test_after_a_write_was_taken_back(self) -> None:
        """`modified = False` leaves the cookie alone, whatever was changed before; what comes after counts."""

        def discard(session: Any) -> None:
            session["cart"].append(1)
            session["a"] = 1
            session.modified = False

        def and_again(session: Any) -> None:
            discard(session)
            session["b"] = 2

        assert saved({"cart": []}, discard) is None
        assert saved({"cart": []}, and_again) == {"cart": [1], "a": 1, "b": 2}

    def test_with_a_cookie_of_a_flask_app_that_has_its_own_json(self) -> None:
        """The bytes that came are not the bytes that we would write; what counts is whether the content changed."""
        serializer = URLSafeTimedSerializer(KEY, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"})
        cookie = serializer.dumps({"cart": [{"b": 1, "a": "\u00e9"}]})
        assert call(SessionMiddleware(app_that(lambda s: s["cart"]), KEY), cookie=cookie).saved is None
        reply = call(SessionMiddleware(app_that(lambda s: s["cart"].append(2)), KEY), cookie=cookie)
        assert reply.saved == {"cart": [{"a": "\u00e9", "b": 1}, 2]}

    def test_what_cannot_be_stored_is_an_error(self) -> None:
        """As when it is stored directly; it would be lost silently."""
        with pytest.raises(TypeError):
            saved({"cart": []}, lambda session: session["cart"].append(object()))


TEXTS = {
    "keys in the writer's order": '{"z":[1],"a":{"y":1,"b":[{"q":1,"c":2}]}}',
    "blanks": '{ "a" : [ 1, {"b": 2} ] }',
    "other spellings of numbers": '{"a":[1e2,1E+2,-0,-0.0,0.10,100000000000000000000000]}',
    "other spellings of text": '{"a":["\\u0041\\/\u00e9"]}',
    "a key twice": '{"a":[1],"a":[2]}',
    "no number": '{"a":[NaN,Infinity,-Infinity]}',
    "tags": '{"a":[{" t":[1,{" b":"eA=="}]},{" u":"00000000000000000000000000000000"},{" m":"x"},{" di":{" t__":1}}]}',
    "a tag of two keys": '{"a":[{" t":[1]," b":"eA=="}]}',
    "a date": '{"a":[{" d":"Sun, 09 Sep 2001 01:46:40 GMT"}]}',
    "a date of another spelling": '{"a":[{" d":"9 Sep 2001 03:46:40 +0200"}]}',
    "no date": '{"a":[{" d":"some day"}]}',
}


#: What an application can do to a session, its two notes included.
STEPS: dict[str, Callable[[Any], object]] = {
    "accessed = False": lambda s: setattr(s, "accessed", False),
    "accessed = True": lambda s: setattr(s, "accessed", True),
    "modified = False": lambda s: setattr(s, "modified", False),
    "modified = True": lambda s: setattr(s, "modified", True),
    "nested": lambda s: s["cart"].append(2),
    "write": lambda s: s.update(a=1),
    "read": lambda s: s["cart"],
}


def test_in_every_order_what_flask_saves_is_saved() -> None:
    """And a nested change that Flask does not see, unless `modified = False` discards it."""
    cookie = signed({"cart": [1]})
    flask_app = flask_reader()

    @flask_app.route("/<path:steps>")
    def view(steps: str) -> str:
        for step in steps.split("/"):
            STEPS[step](flask.session)
        return ""

    client = flask_app.test_client(use_cookies=False)
    for steps in product(STEPS, repeat=3):
        response = client.get("/" + "/".join(steps), headers={"Cookie": f"session={cookie}"})
        fields = response.headers.getlist("Set-Cookie")
        expected = opened(fields[0].partition(";")[0].partition("=")[2]) if fields else None
        if expected is None and "nested" in steps and "modified = False" not in steps:
            expected = {"cart": [1] + [2] * steps.count("nested")}
        assert (
            saved({"cart": [1]}, lambda session, steps=steps: [STEPS[step](session) for step in steps]) == expected
        ), steps


class TestReading:
    """To read a nested value saves nothing, whoever wrote the cookie, and however."""

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    @pytest.mark.parametrize("look", [operator.itemgetter("a"), lambda session: repr(dict(session))])
    def test_saves_nothing(self, text: str, look: Callable[[Any], object]) -> None:
        class AsItIs:
            dumps = staticmethod(str)
            loads = staticmethod(json.loads)

        serializer = URLSafeTimedSerializer(
            KEY, salt="cookie-session", serializer=AsItIs, signer_kwargs={"key_derivation": "hmac"}
        )
        reply = call(SessionMiddleware(app_that(look), KEY), cookie=serializer.dumps(text))
        assert reply.set_cookies == []
        assert reply.vary == ["Cookie"]

    def test_of_all_that_flask_can_write(self) -> None:
        content = {
            "tuple": (1, [2], {"b": 1, "a": 2}),
            "bytes": [b"\xff"],
            "uuid": [UUID(int=5)],
            "date": [datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc)],
            "html": [Markup("<b>")],
            "looks like a tag": {" t": [1]},
            "numbers": {1: 1.5},
        }
        assert saved(content, lambda session: [repr(value) for value in session.values()]) is None

    def test_and_writing_the_same_again(self) -> None:
        """A change that is undone is none."""

        def change(session: Any) -> None:
            session["a"].append(3)
            session["a"].pop()
            session["b"]["x"] = session["b"].pop("x")

        assert saved({"a": [1, 2], "b": {"x": 1, "y": 2}}, change) is None


class TestCost:
    """A session of scalars is not serialized to look for changes, and neither is one that was not read."""

    def test_scalars_cost_nothing(self) -> None:
        serializer = Counting()
        content = {"text": "a", "int": 1, "float": 1.5, "true": True, "none": None}
        middleware = SessionMiddleware(app_that(dict), KEY, serializer=serializer)
        built, cookie = serializer.dumped, signed(content)
        assert call(middleware, cookie=cookie).vary == ["Cookie"]
        assert serializer.dumped == built

    def test_a_session_that_nobody_read(self) -> None:
        serializer = Counting()
        middleware = SessionMiddleware(app_that(), KEY, serializer=serializer)
        built, cookie = serializer.dumped, signed({"cart": [1]})
        assert call(middleware, cookie=cookie).set_cookies == []
        assert serializer.dumped == built


class TestFrameworks:
    """In a real server, for a real client, and then for Flask."""

    def test_a_basket(self) -> None:
        flask_app = flask_reader()

        @flask_app.route("/")
        def view() -> dict[str, Any]:
            return dict(flask.session)

        app = FastAPI()

        @app.post("/basket/{item}")
        async def add(request: Request, item: int) -> list[int]:
            basket: list[int] = request.session.setdefault("basket", [])
            basket.append(item)
            return basket

        @app.get("/basket")
        async def look(request: Request) -> dict[str, Any]:
            return {"items": request.session["basket"]}

        app.add_middleware(SessionMiddleware, secret_key=KEY)
        with serve(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
            for item in (1, 2, 3):
                assert client.post(f"/basket/{item}").status_code == 200
            response = client.get("/basket")
            assert response.json() == {"items": [1, 2, 3]}
            assert "set-cookie" not in response.headers
            assert response.headers["vary"] == "Cookie"
            cookie = client.cookies["session"]
        answer = flask_app.test_client(use_cookies=False).get("/", headers={"Cookie": f"session={cookie}"})
        assert answer.json == {"basket": [1, 2, 3]}
