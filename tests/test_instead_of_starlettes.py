"""What Starlette tests of its own session middleware, on both: only the format and its spelling are ours.

Each check is about Starlette's middleware first, which shows that it asks for what that does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import starlette.middleware.sessions
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from starlette_flask import Session, SessionMiddleware

from .asgi import KEY

DAY = 24 * 3600
Make = Callable[..., TestClient]


async def show(request: Request) -> JSONResponse:
    return JSONResponse(request.session)


async def update(request: Request) -> JSONResponse:
    request.session.update(await request.json())
    return JSONResponse(request.session)


async def merge(request: Request) -> JSONResponse:
    session = request.session
    session |= await request.json()
    return JSONResponse(session)


async def pop_last(request: Request) -> JSONResponse:
    request.session.popitem()
    return JSONResponse(request.session)


async def clear(request: Request) -> JSONResponse:
    request.session.clear()
    return JSONResponse(request.session)


async def ignore(request: Request) -> JSONResponse:
    return JSONResponse(None)


VIEWS = (show, update, merge, pop_last, clear, ignore)
ROUTES = [Route(f"/{view.__name__}", view, methods=["GET", "POST"]) for view in VIEWS]


@pytest.fixture(params=[starlette.middleware.sessions.SessionMiddleware, SessionMiddleware], ids=["theirs", "ours"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return a client of an application with the middleware."""

    def make(base_url: str = "http://testserver", cookie: str | None = None, **settings: Any) -> TestClient:
        middleware = [Middleware(request.param, secret_key=KEY, **settings)]
        cookies = None if cookie is None else {"session": cookie}
        return TestClient(Starlette(routes=ROUTES, middleware=middleware), base_url=base_url, cookies=cookies)

    return make


def attributes(response: Any) -> list[str]:
    """Return the attributes of the cookie that is set: theirs are in lower case, but for Max-Age."""
    return [attribute.lower() for attribute in response.headers["set-cookie"].split("; ")[1:]]


def test_a_session_lives_until_it_is_cleared(make: Make) -> None:
    client = make(max_age=14 * DAY)
    assert client.get("/show").json() == {}
    response = client.post("/update", json={"some": "data"})
    assert response.json() == {"some": "data"}
    assert "max-age=1209600" in attributes(response)
    assert client.get("/show").json() == {"some": "data"}
    assert client.post("/clear").json() == {}
    assert client.get("/show").json() == {}


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_partitioned_cookie_is_removed_as_one(make: Make, partitioned: bool) -> None:
    client = make("https://testserver", https_only=True, same_site="none", partitioned=partitioned)
    for response in (client.post("/update", json={"some": "data"}), client.post("/clear")):
        assert ("partitioned" in attributes(response)) is partitioned


@pytest.mark.parametrize("max_age", [-1, -DAY])
def test_a_negative_age_is_one_that_nothing_has(make: Make, max_age: int) -> None:
    response = make(max_age=max_age).post("/update", json={"some": "data"})
    assert response.json() == {"some": "data"}
    assert f"max-age={max_age}" in attributes(response)
    value = re.match("session=([^;]+)", response.headers["set-cookie"])
    assert value is not None
    assert make(max_age=DAY, cookie=value[1]).get("/show").json() == {"some": "data"}
    assert make(max_age=max_age, cookie=value[1]).get("/show").json() == {}


def test_an_age_of_0_is_sent(make: Make, request: pytest.FixtureRequest) -> None:
    if "theirs" in request.node.name and tuple(map(int, starlette.__version__.split(".")[:2])) < (1, 10):
        pytest.skip("older ones take 0 for no age")
    assert "max-age=0" in attributes(make(max_age=0).post("/update", json={"some": "data"}))


def test_no_age_is_a_cookie_for_the_browser_session(make: Make) -> None:
    client = make(max_age=None)
    response = client.post("/update", json={"some": "data"})
    assert not any(attribute.startswith(("max-age", "expires")) for attribute in attributes(response))
    client.cookies.delete("session")
    assert client.get("/show").json() == {}


def test_a_secure_cookie_comes_back_over_https_alone(make: Make) -> None:
    for base_url, kept in (("http://testserver", {}), ("https://testserver", {"some": "data"})):
        client = make(base_url, https_only=True)
        assert client.post("/update", json={"some": "data"}).json() == {"some": "data"}
        assert client.get("/show").json() == kept
        assert client.post("/clear").json() == client.get("/show").json() == {}


def test_the_path_of_an_application_below(make: Make) -> None:
    below = make(path="/below").app
    response = TestClient(Starlette(routes=[Mount("/below", below)])).post("/below/update", json={"some": "data"})
    assert "path=/below" in attributes(response)


def test_a_cookie_that_nobody_signed_is_no_error(make: Make) -> None:
    assert make(cookie="invalid").get("/show").json() == {}


def test_the_domain_is_sent(make: Make) -> None:
    client = make(domain=".example.com")
    response = client.post("/update", json={"some": "data"})
    assert {"domain=.example.com", "domain=example.com"} & {*attributes(response)}  # without the dot, as Werkzeug
    assert client.get("/show").json() == {}


def test_only_a_change_sets_the_cookie(make: Make) -> None:
    client = make()
    assert "set-cookie" in client.post("/update", json={"some": "data"}).headers
    response = client.get("/show")
    assert response.json() == {"some": "data"}
    assert "set-cookie" not in response.headers


def test_a_response_varies_on_the_cookie_where_the_session_was_used(make: Make) -> None:
    client = make()
    for path, varies in (("/update", True), ("/show", True), ("/ignore", False)):
        response = client.post(path, json={"some": "data"})
        assert ("cookie" in response.headers.get("vary", "").lower()) is varies


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [("/merge", {"c": "3"}, {"a": "1", "b": "2", "c": "3"}), ("/pop_last", None, {"a": "1"})],
)
def test_other_ways_to_change_it_are_saved(make: Make, path: str, data: Any, expected: dict[str, str]) -> None:
    client = make()
    client.post("/update", json={"a": "1", "b": "2"})
    assert client.post(path, json=data).json() == client.get("/show").json() == expected


@pytest.mark.parametrize("session_class", [starlette.middleware.sessions.Session, Session])
@pytest.mark.parametrize(
    ("change", "modified"),
    [
        (lambda session: session.update(b="2"), True),
        (lambda session: session.__setitem__("b", "2"), True),
        (lambda session: session.__delitem__("a"), True),
        (lambda session: session.clear(), True),
        (lambda session: session.pop("a"), True),
        (lambda session: session.pop("missing", None), False),
        (lambda session: session.setdefault("b", "2"), True),
        (lambda session: session.setdefault("a", "2"), False),
    ],
)
def test_what_counts_as_a_change(session_class: Any, change: Callable[[Any], Any], modified: bool) -> None:
    session = session_class({"a": "1"})
    assert not session.modified
    change(session)
    assert session.modified is modified
