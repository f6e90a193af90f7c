"""A browser splits its cookies over HTTP/2: a FastAPI app and the Flask app mounted inside see one session.

RFC 9113 8.2.3 has several Cookie fields joined with `; `; WSGI adapters join all fields with a comma.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flask
import httpx
import pytest
from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from fastapi import FastAPI, Request
from hypercorn.middleware.wsgi import AsyncioWSGIMiddleware

from starlette_flask import SessionMiddleware
from tests.apps.server import Server, serve
from tests.asgi import KEY, app_that, call, opened, signed

#: The servers, and how many Cookie fields the application gets of two: h2, which hypercorn uses, joins them itself.
SERVERS: dict[Server, int] = {"granian": 2, "hypercorn": 1}
ADAPTERS: dict[str, Callable[[Any], Any]] = {
    "a2wsgi": WSGIMiddleware,
    "asgiref": WsgiToAsgi,
    "hypercorn": AsyncioWSGIMiddleware,
}


def flask_app() -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["SECRET_KEY"] = KEY

    @app.get("/user")
    def user() -> dict[str, Any]:
        return {"user": flask.session.get("user"), "theme": flask.request.cookies.get("theme")}

    @app.get("/write")
    def write() -> dict[str, Any]:
        flask.session["visits"] = 1
        return {}

    return app


class CountCookieFields:
    """Outermost, so that the application can tell how the server handed the cookies over."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["cookie fields"] = sum(name == b"cookie" for name, _ in scope["headers"])
        await self.app(scope, receive, send)


def fastapi_app() -> FastAPI:
    inside = flask_app()
    app = FastAPI()
    app.add_middleware(SessionMiddleware.from_flask, flask_app=inside)
    app.add_middleware(CountCookieFields)

    @app.get("/user")
    async def user(request: Request) -> dict[str, Any]:
        return {
            "user": request.session.get("user"),
            "theme": request.cookies.get("theme"),
            "fields": request.scope["cookie fields"],
        }

    for name, adapter in ADAPTERS.items():
        app.mount(f"/{name}", adapter(inside))
    return app


class Site(NamedTuple):
    """The application behind a server, asked over HTTP/2 by prior knowledge."""

    http: httpx.Client
    fields: int  #: that two cookies arrive in

    def get(self, path: str, *cookies: str) -> httpx.Response:
        """Send each cookie in a field of its own, as browsers do."""
        request = self.http.build_request("GET", path, headers=[("cookie", cookie) for cookie in cookies])
        response = self.http.send(request)
        self.http.cookies.clear()
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        return response


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    server: Server = request.param
    with (
        serve(fastapi_app(), server=server) as url,
        httpx.Client(base_url=url, http1=False, http2=True, trust_env=False) as http,
    ):
        yield Site(http, SERVERS[server])


@pytest.mark.parametrize("session_first", [True, False])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_both_sides_see_the_user_who_stays_logged_in(site: Site, adapter: str, session_first: bool) -> None:
    session = f"session={signed({'user': 'ada'})}"
    cookies = (session, "theme=dark") if session_first else ("theme=dark", session)
    assert site.get("/user", *cookies).json() == {"user": "ada", "theme": "dark", "fields": site.fields}
    assert site.get(f"/{adapter}/user", *cookies).json() == {"user": "ada", "theme": "dark"}
    (field,) = site.get(f"/{adapter}/write", *cookies).headers.get_list("set-cookie")
    assert opened(field.partition(";")[0].partition("=")[2]) == {"user": "ada", "visits": 1}


class TestSendIsACoroutineFunction:
    """Tools that call `send` from a thread ask for one, and warn of anything else."""

    @pytest.mark.filterwarnings("error")
    def test_asgirefs_adapter_does_not_warn(self) -> None:
        inside = flask_app()
        app = SessionMiddleware.from_flask(WsgiToAsgi(inside), inside)
        reply = call(app, cookie=signed({"user": "ada"}), path="/write", query_string=b"", http_version="1.1")
        assert (reply.start["status"], reply.saved) == (200, {"user": "ada", "visits": 1})

    def test_as_python_tells(self) -> None:
        sends: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            sends.append(send)
            await app_that()(scope, receive, send)

        call(SessionMiddleware(app, KEY))
        is_coroutine_function = (
            inspect.iscoroutinefunction if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction
        )
        assert list(map(is_coroutine_function, sends)) == [True]
