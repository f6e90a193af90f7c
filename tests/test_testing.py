"""``session_transaction`` with the real test clients, on real applications."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from http.cookiejar import Cookie
from types import SimpleNamespace
from typing import Any

import fastapi
import flask
import httpx
import httpx2
import litestar.testing
import pytest
import time_machine
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from litestar.middleware import DefineMiddleware
from starlette.middleware.sessions import SessionMiddleware as StarlettesMiddleware

from starlette_flask import Session, SessionMiddleware
from starlette_flask.extensions.flask_login import load_user_id
from starlette_flask.middleware.flask_settings import flask_settings
from starlette_flask.testing import session_transaction
from tests.asgi import KEY, flask_reader, opened, signed


def fastapi_counter(middleware: Any = SessionMiddleware, **settings: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/shop/count")
    async def count(request: Request) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return request.session["count"]

    app.add_middleware(middleware, secret_key=KEY, **settings)
    return app


def litestar_counter(**settings: Any) -> litestar.Litestar:
    @litestar.get("/shop/count")
    async def count(request: litestar.Request[Any, Any, Any]) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return request.session["count"]

    return litestar.Litestar([count], middleware=[DefineMiddleware(SessionMiddleware, secret_key=KEY, **settings)])


def flask_counter(**config: Any) -> flask.Flask:
    app = flask_reader(**config)

    @app.get("/shop/count")
    def count() -> Any:
        flask.session["count"] = flask.session.get("count", 0) + 1
        return flask.jsonify(flask.session["count"])

    return app


CLIENTS: dict[str, Callable[..., Any]] = {
    "Starlette's": lambda url, **settings: TestClient(fastapi_counter(**settings), url),
    "Litestar's": lambda url, **settings: litestar.testing.TestClient(litestar_counter(**settings), base_url=url),
    "Litestar's, asynchronous": lambda url, **settings: litestar.testing.AsyncTestClient(
        litestar_counter(**settings), base_url=url
    ),
    "httpx, asynchronous": lambda url, **settings: httpx.AsyncClient(
        transport=httpx.ASGITransport(fastapi_counter(**settings)), base_url=url
    ),
    "httpx2, asynchronous": lambda url, **settings: httpx2.AsyncClient(
        transport=httpx2.ASGITransport(fastapi_counter(**settings)), base_url=url
    ),
}


async def count(client: Any, path: str = "/shop/count") -> int:
    response = client.get(path)
    return (await response if inspect.isawaitable(response) else response).json()


def count_now(client: Any) -> int:
    return asyncio.run(count(client))


def kept(client: Any) -> Cookie:
    """The one cookie that the client has."""
    (cookie,) = client.cookies.jar
    return cookie


def attributes(cookie: Cookie) -> dict[str, Any]:
    """All that is kept of a cookie, but for its value, which is signed at another second."""
    return {**vars(cookie), "value": None, "expires": cookie.expires and round(cookie.expires / 100)}


class TestWithAServer:
    """The cookie is the server's: the server and the next block read it, and the server's next replaces it."""

    @pytest.mark.parametrize("name", CLIENTS)
    @pytest.mark.parametrize(
        ("base_url", "settings"),
        [
            ("http://shop.test", {}),
            ("https://shop.test:8443", {"https_only": True, "session_cookie": "__Host-session"}),
            (
                "https://www.shop.test",
                {"https_only": True, "session_cookie": "__Secure-session", "domain": "shop.test"},
            ),
            ("http://127.0.0.1", {"path": "/shop"}),
            ("http://shop.test", {"path": "/shop/", "max_age": 3600}),
            ("https://shop.test", {"partitioned": True, "same_site": "none"}),
        ],
    )
    def test_it_counts_on(self, name: str, base_url: str, settings: dict[str, Any]) -> None:
        client, other = (CLIENTS[name](base_url, **settings) for _ in range(2))

        async def program() -> None:  # in a running event loop, as the tests of an asynchronous client are
            with session_transaction(client, secret_key=KEY, **settings) as session:
                assert session == {}
                session["count"] = 1
            by_hand = attributes(kept(client))
            assert [await count(client), await count(client)] == [2, 3]
            assert attributes(kept(client)) == by_hand
            with session_transaction(client, secret_key=KEY, **settings) as session:
                assert session == {"count": 3}
                session["count"] = 10
            assert [await count(client), await count(client)] == [11, 12]
            assert attributes(kept(client)) == by_hand
            assert await count(other) == 1
            assert attributes(kept(other)) == by_hand

        asyncio.run(program())

    @pytest.mark.parametrize(
        ("base_url", "path"),
        [
            ("http://testserver/shop", "/"),
            ("http://testserver/shop", "/shop"),
            ("http://testserver/shop/", "/shop/count"),
            ("http://testserver/", None),
        ],
    )
    def test_a_base_url_with_a_path(self, base_url: str, path: str | None) -> None:
        client = TestClient(fastapi_counter(path=path), base_url)
        relative = "count" if "shop" in base_url else "shop/count"
        with session_transaction(client, secret_key=KEY, path=path) as session:
            session["count"] = 1
        assert client.get(relative).json() == 2

    @pytest.mark.parametrize("package", [httpx, httpx2])
    @pytest.mark.parametrize(
        "config",
        [
            {},
            {
                "SESSION_COOKIE_NAME": "__Secure-shop",
                "SESSION_COOKIE_SECURE": True,
                "SESSION_COOKIE_DOMAIN": "shop.test",
                "SESSION_COOKIE_PATH": "/shop",
                "SESSION_COOKIE_SAMESITE": "Strict",
                "SECRET_KEY_FALLBACKS": ["retired"],
            },
        ],
    )
    def test_the_settings_and_the_server_are_flasks(self, package: Any, config: dict[str, Any]) -> None:
        flask_app = flask_counter(**config)
        client = package.Client(transport=package.WSGITransport(flask_app), base_url="https://www.shop.test")
        with session_transaction(client, **flask_settings(flask_app)) as session:
            session["count"] = 1
            session.permanent = True
        ours = attributes(kept(client))
        assert client.get("/shop/count").json() == 2
        assert attributes(kept(client)) == ours
        assert ours["expires"] == round((time.time() + 31 * 24 * 3600) / 100)
        with session_transaction(client, **flask_settings(flask_app)) as session:
            assert session == {"count": 2, "_permanent": True}


class TestTheBlock:
    """What is in the session at the end of the block is in the cookie, as a response would have saved it."""

    @pytest.fixture
    def client(self) -> Any:
        client = TestClient(fastapi_counter())
        with session_transaction(client, secret_key=KEY) as session:
            session.update(count=1, cart=["tea"])
        return client

    def test_the_session_is_one_of_this_package(self, client: Any) -> None:
        with session_transaction(client, secret_key=KEY) as session:
            assert type(session) is Session
            assert not session.new

    def test_a_nested_change_is_saved(self, client: Any) -> None:
        with session_transaction(client, secret_key=KEY) as session:
            session["cart"].append("milk")
        assert opened(kept(client).value or "") == {"count": 1, "cart": ["tea", "milk"]}

    @pytest.mark.parametrize("change", [lambda session: session.get("count"), lambda session: None])
    def test_no_change_leaves_the_cookie(self, client: Any, change: Any) -> None:
        before = kept(client)
        with session_transaction(client, secret_key=KEY) as session:
            change(session)
        assert kept(client) is before

    def test_an_emptied_session_removes_the_cookie(self, client: Any) -> None:
        with session_transaction(client, secret_key=KEY) as session:
            session.clear()
        assert list(client.cookies.jar) == []
        assert count_now(client) == 1

    def test_an_error_changes_nothing(self, client: Any, caplog: Any) -> None:
        before = kept(client)
        with pytest.raises(ZeroDivisionError), session_transaction(client, secret_key=KEY) as session:  # noqa: PT012
            session["count"] = 5
            session["count"] / 0
        assert kept(client) is before
        assert caplog.records == []

    def test_a_value_that_cannot_be_stored_is_an_error_and_changes_nothing(self, client: Any) -> None:
        before = kept(client)
        with pytest.raises(TypeError, match="'clock'"), session_transaction(client, secret_key=KEY) as session:
            session["clock"] = time
        assert kept(client) is before

    @pytest.mark.parametrize("seconds", [3599, 3601])
    def test_a_cookie_that_expired_or_was_signed_with_another_key_gives_an_empty_session(self, seconds: int) -> None:
        for key, is_read in ((KEY, seconds < 3600), ("another", False)):
            client = TestClient(fastapi_counter())
            client.cookies["session"] = signed({"count": 7}, key=key, age=seconds)
            before = kept(client)
            with session_transaction(client, secret_key=KEY, permanent_session_lifetime=3600) as session:
                assert session == ({"count": 7} if is_read else {})
            assert kept(client) is before

    def test_a_permanent_session_is_renewed(self) -> None:
        client = TestClient(fastapi_counter())
        with time_machine.travel(time.time() - 1800), session_transaction(client, secret_key=KEY) as session:
            session.permanent = True
        before = kept(client)
        with session_transaction(client, secret_key=KEY, refresh_each_request=False):
            pass
        assert kept(client) is before
        with session_transaction(client, secret_key=KEY):
            pass
        assert before.expires is not None
        assert (kept(client).expires or 0) - before.expires in (1800, 1801)

    def test_allow_path_regex_may_be_among_the_settings(self, client: Any) -> None:
        with session_transaction(client, secret_key=KEY, allow_path_regex="/shop/") as session:
            assert session["count"] == 1

    def test_its_path_is_one_that_the_cookie_covers(self, caplog: Any) -> None:
        """Else the middleware would warn."""
        client = TestClient(fastapi_counter(path="/sh op"))
        with session_transaction(client, secret_key=KEY, path="/sh op") as session:
            session["count"] = 1
        assert kept(client).path == "/sh%20op"
        assert caplog.records == []


@pytest.mark.parametrize(("protection", "user"), [(None, "42"), ("basic", "42"), ("strong", None)])
def test_a_user_is_logged_in_as_the_readme_says(protection: Any, user: str | None) -> None:
    """Under strong protection, a session that does not say which client logged in is another client's."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key=KEY)

    @app.get("/user")
    async def current_user(request: Request) -> str | None:
        return load_user_id(request, KEY, protection=protection)

    client = TestClient(app)
    with session_transaction(client, secret_key=KEY) as session:
        session["_user_id"] = "42"
    assert client.get("/user").json() == user


class TestOtherCookies:
    """Cookies that the server would read instead of ours are removed; all others stay."""

    def test_a_cookie_set_by_hand_is_read_and_replaced(self) -> None:
        for client in (
            TestClient(fastapi_counter(), cookies={"session": signed({"count": 10}), "other": "1"}),
            httpx2.Client(base_url="http://testserver", cookies={"session": signed({"count": 10}), "other": "1"}),
        ):
            with session_transaction(client, secret_key=KEY) as session:
                session["count"] += 1
            assert sorted((cookie.name, cookie.domain) for cookie in client.cookies.jar) == [
                ("other", ""),
                ("session", "testserver.local"),
            ]

    def test_after_the_server_and_a_hand_set_it_the_server_counts_on(self) -> None:
        client = TestClient(fastapi_counter())
        assert count_now(client) == 1
        client.cookies["session"] = signed({"count": 10})
        with session_transaction(client, secret_key=KEY) as session:
            session["count"] = 20
        assert [count_now(client), count_now(client), count_now(client)] == [21, 22, 23]

    def test_of_another_path_name_or_host_they_stay(self) -> None:
        client = TestClient(fastapi_counter())
        for name, domain, path in (
            ("session", "", "/deeper"),
            ("session", "elsewhere.test", "/"),
            ("Session", "", "/"),
        ):
            client.cookies.set(name, "stays", domain, path)
        with session_transaction(client, secret_key=KEY) as session:
            session["count"] = 1
        assert [cookie.value for cookie in client.cookies.jar].count("stays") == 3
        assert count_now(client) == 2

    def test_starlettes_own_is_read_where_it_is_accepted(self) -> None:
        client = TestClient(fastapi_counter(StarlettesMiddleware))
        assert count_now(client) == 1
        with session_transaction(client, secret_key=KEY) as session:
            assert session == {}
        with session_transaction(client, secret_key=KEY, accept_starlette_cookies=True) as session:
            session["count"] += 1
        assert opened(kept(client).value or "") == {"count": 2}


class TestMistakes:
    """A cookie that the client would not send back is an error before the block, which names the setting."""

    @pytest.mark.parametrize(
        ("base_url", "settings", "message"),
        [
            ("http://shop.test", {"https_only": True}, "https_only=True: .* 'http://shop.test'; .* https"),
            ("http://localhost", {"partitioned": True}, "partitioned=True: .* https"),
            ("http://shop.test", {"domain": "www.shop.test"}, "domain='www.shop.test': .* 'http://shop.test'"),
            ("http://localhost", {"domain": "localhost"}, "domain='localhost': .* must have a dot"),
            ("http://shop.test/shop/", {"path": "/admin"}, "path='/admin': .* 'http://shop.test/shop/'"),
            ("http://ada:password@shop.test", {"https_only": True}, "'http://shop.test'"),
            ("", {}, "base_url=''"),
            ("ftp://shop.test", {}, "base_url='ftp://shop.test'"),
        ],
    )
    @pytest.mark.parametrize("package", [httpx, httpx2])
    def test_it_would_not_be_sent(self, package: Any, base_url: str, settings: dict[str, Any], message: str) -> None:
        client = package.Client(base_url=base_url)
        client.cookies["session"] = "before"
        with pytest.raises(ValueError, match=message), session_transaction(client, secret_key=KEY, **settings):
            pytest.fail("the block was entered")
        assert kept(client).value == "before"

    def test_it_has_no_base_url(self) -> None:
        client = SimpleNamespace(cookies=httpx.Cookies())
        with pytest.raises(ValueError, match=r"^base_url='' "):
            session_transaction(client, secret_key=KEY).__enter__()  # type: ignore[arg-type]

    def test_the_settings_are_checked(self) -> None:
        with pytest.raises(TypeError, match="secret_key"), session_transaction(TestClient(FastAPI())):
            pytest.fail("the block was entered")

    @pytest.mark.parametrize("client", [flask_reader().test_client(), fastapi, logging.getLogger()])
    def test_it_is_no_such_client(self, client: Any) -> None:
        with pytest.raises(TypeError, match=f"client must .* {type(client).__name__}"):
            session_transaction(client, secret_key=KEY).__enter__()
