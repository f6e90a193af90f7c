"""The example of starlette-flask 0.1.0's README, in a real server: two mounted apps set, get and delete one value."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, Response
from flask import Flask, session
from flask.sessions import session_json_serializer
from markupsafe import Markup
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware

from starlette_flask.middleware.sessions import SessionMiddleware
from tests.apps.server import serve

SECRET_KEY = "super-secret"
PATHS = {"flask": "/flask-application", "fastapi": "/fastapi-application"}
BOTH_ORDERS = [("flask", "fastapi"), ("fastapi", "flask")]

SCALARS = [None, True, False, 0, 1, -7, 2**70, 0.0, 1.0, -0.5, 1e300]
TEXTS = ["", "1", " t", "Zoë 北京 🍕", 'quote " \\ \n\u2028', "the quick brown fox jumps over the lazy dog " * 40]
INFINITE = [float("inf"), float("-inf"), float("nan")]
TAGGED = [
    (),
    (1, (True, 1.0), []),
    b"",
    b"\x00\xff flask",
    UUID("12345678-1234-5678-1234-567812345678"),
    datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone.utc),
    datetime(2024, 2, 29, 23, 59, 58, 999999, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
    datetime(1999, 12, 31, 1, 2, 3),  # Flask takes a naive one for UTC
    Markup("<em>hi &amp; bye</em>"),
    Markup(""),
]
NESTED = [
    [],
    {},
    [[], {}, (), [1, True, 1.0, "1", None]],
    {"cart": [{"sku": "A-1", "tags": ("new", b"\x01")}, {"sku": "B-2", "tags": ()}], "prefs": {"dark": {"on": True}}},
    {"zebra": 1, "apple": 2, "": 3, "ÿ": 4},
    {1: "one", 2: ("two",)},
]
LIKE_TAGS = [
    {" t": 1},
    {" t": [1, 2]},
    {" b": "not base64"},
    {" d": "not a date"},
    {" u": "not a UUID"},
    {" m": "<b>"},
    {" di": {" t": (1,)}},
    {" t__": [1]},
    {" t": 1, " b": 2},
    {" x": 1},
    [{" t": [{" t": []}]}],
]
VALUES: list[Any] = [*SCALARS, *TEXTS, *INFINITE, *TAGGED, *NESTED, *LIKE_TAGS]
KEYS = ["a", "b", "", "ü", " t", " di", " b", " u", " d", " m", " t__", "__html__", "_permanent"]


def text(value: object) -> str:
    """A value with the type of everything in it, so that 1, 1.0 and True differ; the order of keys does not count."""
    if isinstance(value, dict):
        content = ", ".join(sorted(f"{text(key)}: {text(item)}" for key, item in value.items()))
    elif isinstance(value, (list, tuple)):
        content = ", ".join(map(text, value))
    else:
        content = repr(value)
    return f"{type(value).__name__}({content})"


def as_stored(value: object) -> Any:
    """What Flask alone gives back for a value: its tagged JSON has no microseconds, time zones or int keys."""
    return session_json_serializer.loads(session_json_serializer.dumps(value))


class Example:
    """The README's application: each app sets its own name, or the value that waits in `values`."""

    def __init__(self, middleware: Any) -> None:
        self.values: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.app = FastAPI()
        self.app.mount(PATHS["flask"], WSGIMiddleware(self.flask_application()))
        self.app.mount(PATHS["fastapi"], self.fastapi_application(middleware))

    def next_value(self, default: str) -> Any:
        return default if self.values.empty() else self.values.get()

    def flask_application(self) -> Flask:
        flask_app = Flask("flask_application")
        flask_app.config["SECRET_KEY"] = SECRET_KEY

        @flask_app.before_request
        def read_before() -> None:
            list(session.items())

        @flask_app.get("/set-session")
        def flask_set_session() -> dict[str, str]:
            session["application"] = self.next_value("flask")
            session.modified = True
            return {"message": "Session set"}

        @flask_app.get("/get-session")
        def flask_get_session() -> dict[str, str]:
            return {"message": text(session.get("application")), "session": text(dict(session))}

        @flask_app.get("/delete-session")
        def flask_delete_session() -> dict[str, str]:
            session.pop("application")
            session.modified = True
            return {"message": "Session deleted"}

        return flask_app

    def fastapi_application(self, middleware: Any) -> FastAPI:
        fastapi_app = FastAPI()
        fastapi_app.add_middleware(middleware, secret_key=SECRET_KEY)

        @fastapi_app.middleware("http")
        async def add_process_time_header(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            response.headers["X-Process-Time"] = "100"
            return response

        @fastapi_app.get("/set-session")
        async def starlette_set_session(request: Request) -> dict[str, str]:
            request.session.update({"application": self.next_value("fastapi")})
            return {"message": "Session set"}

        @fastapi_app.get("/get-session")
        async def starlette_get_session(request: Request) -> dict[str, str]:
            return {"message": text(request.session.get("application")), "session": text(dict(request.session))}

        @fastapi_app.get("/delete-session")
        async def starlette_delete_session(request: Request) -> dict[str, str]:
            request.session.pop("application")
            return {"message": "Session deleted"}

        return fastapi_app


class Visitor:
    """A browser at the example."""

    def __init__(self, example: Example, client: httpx.Client) -> None:
        self.example = example
        self.client = client

    def ask(self, side: str, what: str) -> httpx.Response:
        response = self.client.get(f"{PATHS[side]}/{what}-session")
        assert response.status_code == 200, response.text
        return response

    def set(self, side: str, *value: Any) -> None:
        for each in value:
            self.example.values.put(each)
        assert "set-cookie" in self.ask(side, "set").headers

    def delete(self, side: str) -> None:
        self.ask(side, "delete")
        assert not self.client.cookies, "the session is empty and its cookie still there"

    def get(self, side: str) -> str:
        return self.content(side)["message"]

    def content(self, side: str) -> dict[str, str]:
        response = self.ask(side, "get")
        assert "set-cookie" not in response.headers, f"{side} set a cookie when it was only read"
        content: dict[str, str] = response.json()
        return content

    def assert_both_see(self, expected: dict[str, Any]) -> None:
        seen = {side: self.content(side)["session"] for side in PATHS}
        assert seen == dict.fromkeys(PATHS, text(expected))


@contextmanager
def visit(middleware: Any) -> Iterator[Visitor]:
    example = Example(middleware)
    with serve(example.app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Visitor(example, client)


@pytest.fixture(scope="module")
def running() -> Iterator[Visitor]:
    with visit(SessionMiddleware) as visitor:
        yield visitor


@pytest.fixture
def visitor(running: Visitor) -> Visitor:
    running.client.cookies.clear()
    return running


class TestReadme:
    """What either app sets, the other gets, changes and deletes."""

    @pytest.mark.parametrize(("first", "second"), BOTH_ORDERS)
    def test_set_get_delete(self, visitor: Visitor, first: str, second: str) -> None:
        visitor.assert_both_see({})
        visitor.set(first)
        assert visitor.get(second) == text(first)
        visitor.set(second)
        assert visitor.get(first) == text(second)
        visitor.delete(first)
        visitor.assert_both_see({})
        visitor.set(second)
        visitor.delete(first)
        assert visitor.get(second) == text(None)

    @pytest.mark.parametrize(("first", "second"), BOTH_ORDERS)
    def test_starlettes_own_middleware_is_the_problem(self, first: str, second: str) -> None:
        with visit(StarletteSessionMiddleware) as visitor:
            visitor.set(first)
            assert visitor.get(second) == text(None)


class TestValues:
    """Every value that Flask can store is the same on both sides, whoever stored it."""

    @pytest.mark.parametrize(("first", "second"), BOTH_ORDERS)
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
    def test_each(self, visitor: Visitor, first: str, second: str, value: Any) -> None:
        expected = {"application": as_stored(value)}
        visitor.set(first, value)
        visitor.assert_both_see(expected)
        visitor.set(second, value)
        visitor.assert_both_see(expected)
        visitor.delete(first)
        visitor.assert_both_see({})


class TestAlternation:
    """However the two sides take turns, both see the same after every step."""

    @pytest.mark.parametrize("seed", [1, 20240229])
    def test_random(self, visitor: Visitor, seed: int) -> None:
        random = Random(seed)
        expected: dict[str, Any] = {}
        for step in range(200):
            side = random.choice(sorted(PATHS))
            try:
                if expected and random.random() < 0.25:
                    visitor.delete(side)
                    expected = {}
                else:
                    value = random_value(random)
                    visitor.set(side, value)
                    expected = {"application": as_stored(value)}
                visitor.assert_both_see(expected)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, step {step}, by {side}: {error}") from error


def random_value(random: Random) -> Any:
    """A value whose cookie is below the 4093 bytes from which Werkzeug warns."""
    while True:
        value = _nested(random, depth=3)
        if len(session_json_serializer.dumps(value)) < 2500:
            return value


def _nested(random: Random, depth: int) -> Any:
    items = range(random.choice([0, 1, 1, 2, 4]))
    makers = [
        lambda: random.choice(VALUES),
        lambda: random.randbytes(random.randrange(40)),
        lambda: UUID(int=random.getrandbits(128)),
        lambda: datetime.fromtimestamp(random.randrange(2**32), timezone.utc),
        lambda: Markup("".join(random.choices("<>&;'\"äb", k=random.randrange(9)))),
        lambda: random.choice([random.random(), random.getrandbits(80), 0, 0.0, False]),
    ]
    if depth:
        makers += 2 * [
            lambda: [_nested(random, depth - 1) for _ in items],
            lambda: tuple(_nested(random, depth - 1) for _ in items),
            lambda: {random.choice(KEYS): _nested(random, depth - 1) for _ in items},
        ]
    return random.choice(makers)()
