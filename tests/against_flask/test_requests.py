"""Whole requests: what Flask answers with some settings, this middleware answers, to the byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .harness import (
    FAILED,
    FLASK,
    HAS_FALLBACKS,
    NOW,
    OPERATIONS,
    WERKZEUG,
    Answer,
    Operation,
    Pair,
    Request,
    count,
    frozen,
)
from .strategies import Cookie, Unstorable, Value, Visit, configs, examples, interfaces, visits


def same_answer(pair: Pair, request: Request, now: int = NOW, microsecond: int = 0) -> Answer:
    """Ask both, compare, and return what they answer.

    Where Flask fails on a cookie that is signed but holds no session, ours is as Flask's without a cookie.
    """
    with frozen(now, microsecond):
        theirs = pair.ask_flask(request)
        if theirs == FAILED and not pair.flask_opens(request):
            theirs = pair.ask_flask(replace(request, cookies=()))
        ours = pair.ask_ours(request)
    assert ours == theirs
    count("requests", pair.flask.config, vars(pair.flask.session_interface), request, now, microsecond)
    return theirs


SESSIONS: list[dict[str, Any]] = [
    {},
    {"a": 1},
    {"a": [1], "b": {"x": ()}},
    {"_permanent": True},
    {"_permanent": True, "a": {"x": [1]}, "b": "text"},
    {"_permanent": False, "a": None},
]
#: Arguments for every operation, among them such as fail.
ARGUMENTS: dict[str, list[tuple[Any, ...]]] = {
    "session[key]": [("a",), ("missing",), ([],)],
    "get": [("a",), ("missing",), ("missing", 5), ([],)],
    "in": [("a",), ("missing",), ([],)],
    "==": [({"a": 1},), (None,)],
    "!=": [({"a": 1},), (None,)],
    "session |": [({"b": 1},), (5,)],
    "| session": [({"b": 1},), (5,)],
    "session[key] =": [("a", 1), ("b", [{}]), ("a", Unstorable()), (5, 1), (None, 1)],
    "del": [("a",), ("missing",), ([],)],
    "pop": [("a",), ("missing",), ("missing", 5), ("a", 5), ([], 5)],
    "pop(key=, default=)": [("a", 5), ("missing", 5)],
    "setdefault(key=, default=)": [("a", 5), ("missing", [5])],
    "setdefault": [("a",), ("missing",), ("missing", [5]), ([], 5)],
    "update": [(), ({},), ({"a": 2},), ([("b", 2)],), ([],), *([(None,)] if WERKZEUG >= (3, 1) else [])],
    "update(**)": [({"a": 2},), ({},), ({"a": 2}, {"b": 3})],
    "|=": [({},), ({"b": 2},), ([("b", 2)],)],
    "permanent =": [(True,), (False,), ("yes",), (None,)],
    "modified =": [(True,), (False,)],
    "accessed =": [(True,), (False,)],
    "change nested, modified =": [("a", True), ("a", False), ("missing", True)],
}


EACH = [Operation(name, args) for name in OPERATIONS for args in ARGUMENTS.get(name, [()])]


class TestOperations:
    """Each thing that an application can do to a session has the same outcome, and the same consequences."""

    @pytest.mark.parametrize("operation", EACH, ids=lambda operation: f"{operation.name} {operation.args}")
    @pytest.mark.parametrize("then", [None, Operation("modified =", (False,)), Operation("clear"), Operation("len")])
    def test_one_operation(self, operation: Operation, then: Operation | None) -> None:
        operations = (operation,) if then is None else (operation, then)
        for refresh in (True, False):
            pair = Pair({"SESSION_REFRESH_EACH_REQUEST": refresh})
            for session in SESSIONS:
                cookie = Cookie(Value(session)).render(pair, NOW, None)
                assert cookie is not None
                same_answer(pair, Request((cookie,), operations))
                same_answer(pair, Request((cookie,), operations[::-1]))
            same_answer(pair, Request((), operations))

    def test_nothing_at_all(self) -> None:
        pair = Pair()
        for session in SESSIONS:
            cookie = Cookie(Value(session)).render(pair, NOW, None)
            assert cookie is not None
            answer = same_answer(pair, Request((cookie,)))
            assert bool(answer.set_cookie) == bool(answer.vary) == session.get("_permanent", False)


class TestAges:
    """A signature opens for as long as Flask has it open, to the second."""

    @pytest.mark.parametrize("lifetime", [0, 0.5, 1, 1.999999, 60, 31 * 86_400])
    @pytest.mark.parametrize("beyond", [-2, -1, 0, 1, 2])
    @pytest.mark.parametrize("microsecond", [0, 999_999])
    def test_at_the_end_of_the_lifetime(self, lifetime: float, beyond: int, microsecond: int) -> None:
        pair = Pair({"PERMANENT_SESSION_LIFETIME": lifetime})
        cookie = Cookie(Value({"_permanent": True}, age=beyond, at_edge=True)).render(pair, NOW, None)
        assert cookie is not None
        answer = same_answer(pair, Request((cookie,)), NOW, microsecond)
        # Refreshed where it opened. From the future, which zero less one is, none does.
        assert bool(answer.set_cookie) == (0 <= int(lifetime) + beyond <= lifetime)

    @pytest.mark.parametrize("age", [-(10**9), -2, -1, 0])
    def test_from_the_future(self, age: int) -> None:
        pair = Pair()
        cookie = Cookie(Value({"_permanent": True}, age=age)).render(pair, NOW, None)
        assert cookie is not None
        assert bool(same_answer(pair, Request((cookie,))).set_cookie) == (age == 0)

    @pytest.mark.parametrize("microsecond", [0, 1, 500_000, 999_999])
    @pytest.mark.parametrize("lifetime", [0, 0.000001, 0.5, 0.999999, 10**6, 10**9, 123_456_789.654321])
    def test_the_second_of_expires(self, microsecond: int, lifetime: float) -> None:
        pair = Pair({"PERMANENT_SESSION_LIFETIME": lifetime})
        answer = same_answer(pair, Request((), (Operation("permanent =", (True,)),)), NOW, microsecond)
        assert b"; Expires=" in answer.set_cookie[0]


WRITE = Request((), (Operation("session[key] =", ("a", 1)),))
DELETE = Request((), (Operation("clear"),))


class TestSettings:
    """Settings that ours accepts give Flask's bytes; what would make Flask fail at requests, ours refuses before."""

    @examples(200)
    @given(
        st.sampled_from(
            [
                "SESSION_COOKIE_NAME",
                "SESSION_COOKIE_PATH",
                "SESSION_COOKIE_DOMAIN",
                "SESSION_COOKIE_SAMESITE",
                "APPLICATION_ROOT",
                "SECRET_KEY",
            ]
        ),
        st.one_of(
            st.text(min_size=1, max_size=10),
            st.text(min_size=1, max_size=10).map("/".__add__),
            st.text(".:-abß。 ", min_size=1, max_size=10),
            st.text("laxstrinoe ", min_size=1, max_size=6),
            st.sampled_from(
                ["\ud800", "a" * 64 + ".b", "a..b", "a\x00", "/\ud800", "None", "Lax ", "xn--a", "İ", "ß"]
            ),
        ),
    )
    @example("SESSION_COOKIE_SAMESITE", "lAX")
    @example("SESSION_COOKIE_DOMAIN", "..bücher。example:5000")
    def test_any_text_for_a_setting(self, setting: str, text: str) -> None:
        try:
            pair = Pair({setting: text})
        except (TypeError, ValueError):
            return
        for request in (WRITE, DELETE):
            assert same_answer(pair, request) != FAILED

    @pytest.mark.parametrize("same_site", ["Lax", "lax", "LAX", "lAx", "STRICT", "sTRICT", "none", "NONE", None])
    @pytest.mark.parametrize("secure", [True, False])
    @pytest.mark.parametrize("httponly", [True, False])
    @pytest.mark.parametrize("partitioned", [True, False] if FLASK >= (3, 1) else [None])
    def test_every_flag(self, same_site: str | None, secure: bool, httponly: bool, partitioned: bool | None) -> None:
        config = {
            "SESSION_COOKIE_SAMESITE": same_site,
            "SESSION_COOKIE_SECURE": secure,
            "SESSION_COOKIE_HTTPONLY": httponly,
        }
        if partitioned is not None:
            config["SESSION_COOKIE_PARTITIONED"] = partitioned
        pair = Pair(config)
        for request in (WRITE, DELETE, Request((), (*WRITE.operations, Operation("permanent =", (True,))))):
            assert same_answer(pair, request).set_cookie

    @pytest.mark.parametrize("less", [0, 1])
    def test_the_size_of_a_cookie(self, less: int) -> None:
        size = len(same_answer(Pair(), WRITE).set_cookie[0])
        assert same_answer(Pair({"MAX_COOKIE_SIZE": size - less}), WRITE).warned == bool(less)

    @pytest.mark.skipif(not HAS_FALLBACKS, reason="SECRET_KEY_FALLBACKS came with Flask 3.1")
    @pytest.mark.parametrize(
        "fallbacks", [None, [], ["old"], ["older", b"old"], (b"\xff\x00",), ["", "x"][1:], ["schlüssel"]]
    )
    @pytest.mark.parametrize("key", range(5))
    def test_every_key(self, fallbacks: Any, key: int) -> None:
        pair = Pair({"SECRET_KEY_FALLBACKS": fallbacks})
        cookie = Cookie(Value({"_permanent": True, "a": 1}, key=key)).render(pair, NOW, None)
        assert cookie is not None
        answer = same_answer(pair, Request((cookie,), (Operation("get", ("a",)),)))
        assert (answer.outcomes == ["1"]) == (key <= len(fallbacks or ()))


class TestRequests:
    """A browser that comes by several times, with a cookie or another, finds no difference."""

    @examples(300)
    @given(configs(), interfaces, st.lists(visits, min_size=1, max_size=3), st.integers(0, 999_999))
    def test_a_browser_comes_by(
        self, config: dict[str, Any], interface: dict[str, Any], visited: list[Visit], microsecond: int
    ) -> None:
        pair, now, kept = Pair(config, interface), NOW, None
        for visit in visited:
            now += visit.wait
            answer = same_answer(pair, visit.render(pair, now, kept), now, microsecond)
            for cookie in answer.set_cookie:
                if cookie.startswith(pair.name + b"="):
                    kept = cookie.partition(b"=")[2].partition(b";")[0] or None
