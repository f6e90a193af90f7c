"""Each cause of an empty session that the README lists, built with Flask and FastAPI, and what names it.

The README's list quotes the log, an error, or what `starlette-flask inspect --app` prints; `says` compares.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import flask
import flask_login
import httpx
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.middleware.sessions import SessionMiddleware as StarlettesMiddleware
from time_machine import TimeMachineFixture

from starlette_flask import SessionMiddleware
from starlette_flask.extensions.flask_login import load_user_id, login_user, user_id
from tests.command_line import call

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
CAUSES = README.partition("<!-- causes -->")[2].partition("\n\n")[0]
KEY = "a secret key of the tests"
HOUR = 3600


def flask_side(**config: Any) -> flask.Flask:
    """A shop that logs its customer in, and shows who is."""
    app = flask.Flask("shop")
    app.config.update({"SECRET_KEY": KEY, **config})

    @app.get("/shop/login")
    def login() -> str:
        flask.session["user"] = "ada"
        return "in"

    return app


def fastapi_side(**settings: Any) -> FastAPI:
    """What shows who the customer is, and has a basket; not in the same process as Flask."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, **{"secret_key": KEY, **settings})

    @app.get("/user")
    async def user(request: Request) -> str | None:
        return request.session.get("user")

    @app.get("/basket/{item}")
    async def basket(request: Request, item: str) -> None:
        await asyncio.sleep(0.1 * (item == "slow"))
        request.session[item] = 1

    @app.get("/large")
    async def large(request: Request) -> None:
        request.session["large"] = secrets.token_hex(4000)

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def body() -> Any:
            yield "first"
            request.session["seen"] = True

        return StreamingResponse(body())

    return app


def site(shop: flask.Flask, app: FastAPI, url: str = "http://testserver") -> TestClient:
    """A browser, and both sides behind one proxy."""
    shop_side: Any = WSGIMiddleware(shop)

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        is_shops = scope["type"] == "http" and scope["path"].startswith("/shop/")
        await (shop_side if is_shops else app)(scope, receive, send)

    return TestClient(proxy, url)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "starlette_flask")


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that `--app` imports."""
    module = ModuleType("application")
    monkeypatch.setitem(sys.modules, "application", module)
    return module


def inspect(module: ModuleType, app: Any, text: str, *options: str) -> str:
    """What `starlette-flask inspect --app` prints of headers, as `curl -si` prints them."""
    vars(module)["app"] = app
    result = call("inspect", "--app", "application:app", *options, stdin=text.encode())
    return result.out + result.err


def headers(response: httpx.Response) -> str:
    return "\n".join(f"{name}: {value}" for name, value in response.headers.multi_items())


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "starlette_flask"]


def says(text: str, shown: str) -> bool:
    """Whether the README's list has this text, and the log or the command line shows it."""
    return f"`{text}`" in CAUSES and text in shown


BROWSERS = {
    "another name": ({"SESSION_COOKIE_NAME": "sid"}, "http://a.example", "there is no cookie 'session' in this input"),
    "path": ({"SESSION_COOKIE_PATH": "/shop"}, "http://a.example", "sends it to /shop and what is below it"),
    "domain": ({}, "http://b.example", "sends it to the host that set it, not to those below"),
    "Secure over http": ({"SESSION_COOKIE_SECURE": True}, "http://a.example", "sends it over https only"),
}


@pytest.mark.parametrize(("config", "url", "text"), BROWSERS.values(), ids=BROWSERS)
def test_what_a_browser_does_not_send(
    config: dict[str, Any], url: str, text: str, application: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that no cookie came, and `inspect` of Flask's Set-Cookie why."""
    app = fastapi_side()
    browser = site(flask_side(**config), app, "http://a.example")
    login = browser.get("/shop/login")
    assert browser.get(f"{url}/user").json() is None
    assert "on path '/user': no cookie; not saved" in logged(caplog)[-1]
    assert says(text, inspect(application, app, headers(login)))


def test_same_site_in_a_frame(application: ModuleType) -> None:
    login = site(flask_side(SESSION_COOKIE_SAMESITE="Lax"), fastapi_side()).get("/shop/login")
    assert says("not in frames", inspect(application, fastapi_side(), headers(login)))


def test_over_4_kb(application: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    app = fastapi_side()
    shown = inspect(application, app, headers(site(flask_side(), app).get("/large")))
    assert says("TOO LARGE", shown)
    assert "browsers refuse it" in shown
    assert "is too large" in "\n".join(logged(caplog))


def test_another_key(application: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    app = fastapi_side(secret_key="another key")
    browser = site(flask_side(), app)
    browser.get("/shop/login")
    user = browser.get("/user")
    assert user.json() is None
    assert says("rejected: BadSignature", "\n".join(logged(caplog)))
    shown = inspect(application, app, f"cookie: {user.request.headers['cookie']}")
    assert says("none of the keys signed it", shown)


WORKERS = """
import logging
import secrets

from fastapi import FastAPI, Request

from starlette_flask import SessionMiddleware

{logging}
app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=secrets.token_hex())


@app.get("/")
async def visit(request: Request) -> None:
    request.session["visited"] = True
"""


def test_a_key_of_each_worker(tmp_path: Path) -> None:
    """At times the cookie opens, at times not: the README's log format shows that it depends on the process."""
    (logging,) = re.findall(r"<!-- example: logging -->\n```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "workers.py").write_text(WORKERS.format(logging=logging))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "workers:app"], cwd=tmp_path, stderr=log)
    opened, rejected = set[str](), set[str]()
    try:
        cookie: dict[str, str] = {}
        for _ in range(600):  # each over a connection of its own, which either worker may take
            with suppress(httpx.ConnectError):
                response = httpx.get(f"http://127.0.0.1:{port}/", cookies=cookie)
                cookie = cookie or dict(response.cookies)
            text = (tmp_path / "log").read_text()
            opened = set(
                re.findall(r"^(\d+):DEBUG:starlette_flask:.* opened with the current key", text, re.MULTILINE)
            )
            rejected = set(re.findall(r"^(\d+):DEBUG:starlette_flask:.* rejected: BadSignature", text, re.MULTILINE))
            if opened and rejected:
                break
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(10)
    assert len(opened) == len(rejected) == len(opened ^ rejected) - 1 == 1
    assert "rejected by one process and opened by another" in CAUSES


CLOCKS = [
    (2 * HOUR, ["Signature age is over", "it has expired"]),
    (-60, ["Signature timestamp is in the future", "it is from the future"]),
]


@pytest.mark.parametrize(("later", "texts"), CLOCKS, ids=["expired", "the clocks differ"])
def test_age(
    later: int,
    texts: list[str],
    application: ModuleType,
    caplog: pytest.LogCaptureFixture,
    time_machine: TimeMachineFixture,
) -> None:
    """The lifetime on one side is an hour, or its clock is a minute behind."""
    time_machine.move_to(1_800_000_000, tick=False)
    app = fastapi_side(permanent_session_lifetime=HOUR)
    browser = site(flask_side(), app)
    browser.get("/shop/login")
    time_machine.shift(later)
    user = browser.get("/user")
    assert user.json() is None
    shown = "\n".join(logged(caplog)) + inspect(application, app, f"cookie: {user.request.headers['cookie']}")
    assert all(says(text, shown) for text in texts), shown


def test_two_cookies_of_one_name(application: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """The key and the path were changed, and the browser has the old cookie, which it sends first."""
    app = fastapi_side()
    browser = site(flask_side(), app)
    old = site(flask_side(SECRET_KEY="retired", SESSION_COOKIE_PATH="/user"), app).get("/shop/login")
    browser.cookies.extract_cookies(old)
    browser.get("/shop/login")
    user = browser.get("/user")
    assert user.json() is None
    assert says("2 cookies of this name", "\n".join(logged(caplog)))
    assert "2 cookies have this name" in inspect(application, app, f"cookie: {user.request.headers['cookie']}")


def test_a_librarys_own_middleware(application: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """Mounted inside, it sets a cookie of that name, and Flask's log-in is gone."""
    admin = FastAPI()
    admin.add_middleware(StarlettesMiddleware, secret_key=KEY)

    @admin.get("/visit")
    async def visit(request: Request) -> None:
        request.session["admin"] = True

    app = fastapi_side()
    app.mount("/admin", admin)
    browser = site(flask_side(), app)
    browser.get("/shop/login")
    response = browser.get("/admin/visit")
    assert says("set a cookie of that name that was rejected", "\n".join(logged(caplog)))
    assert "changed keys: 'user'" in "\n".join(logged(caplog))
    assert "Starlette" in inspect(application, app, headers(response))
    assert browser.get("/user").json() is None


def test_a_middleware_that_is_outside() -> None:
    """Starlette says so, and the extensions do."""
    for read, text in ((lambda r: r.session, "must be installed"), (user_id, "must come before this code")):
        app = fastapi_side()

        @app.middleware("http")
        async def outside(request: Request, call_next: Any, read: Any = read) -> Any:
            read(request)
            return await call_next(request)

        with pytest.raises((AssertionError, RuntimeError)) as caught:
            TestClient(app).get("/user")
        assert says(text, str(caught.value))


def test_strong_protection(application: ModuleType) -> None:
    """The proxy tells Flask another address than FastAPI's: who logged in there is logged out here, and forgotten."""
    shop = flask_side(SESSION_PROTECTION="strong")
    manager = flask_login.LoginManager(shop)
    customer = flask_login.UserMixin()
    vars(customer)["id"] = "ada"
    manager.user_loader(lambda _id: customer)

    @shop.get("/shop/customer")
    def who() -> str:
        return str(flask_login.current_user.is_authenticated)

    app = fastapi_side()

    @app.get("/login")
    async def log_in(request: Request) -> None:
        login_user(request, "ada")

    browser = site(shop, app)
    before = browser.get("/login")
    assert browser.get("/shop/customer").text == "True"
    after = browser.get("/shop/customer", headers={"X-Forwarded-For": "203.0.113.7"})
    assert after.text == "False"
    assert "_user_id" in inspect(application, app, headers(before))
    assert "_user_id" not in inspect(application, app, headers(after))
    assert says("Flask-Login's remember cookie is deleted", inspect(application, app, headers(after)))


def test_strong_protection_here(application: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """The other way round, the log says so."""
    app = fastapi_side()

    def current_user(request: Request) -> str | None:
        return load_user_id(request, KEY, protection="strong")

    @app.get("/customer")
    async def customer(user: str | None = Depends(current_user)) -> str | None:
        return user

    @app.get("/login")
    async def log_in(request: Request) -> None:
        login_user(request, "ada")

    browser = site(flask_side(), app)
    browser.get("/login")
    assert browser.get("/customer").json() == "ada"
    after = browser.get("/customer", headers={"User-Agent": "another"})
    assert after.json() is None
    assert says("Session protection 'strong' logged the user out", "\n".join(logged(caplog)))
    assert '"_remember": "clear"' in inspect(application, app, headers(after))


def test_two_responses_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Both begin with what the browser had; its cookie is the slower one's."""
    app = fastapi_side()

    async def visit() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as browser:
            await browser.get("/basket/first")
            await asyncio.gather(browser.get("/basket/slow"), browser.get("/basket/quick"))
            return browser.cookies["session"]

    report = call("inspect", f"session={asyncio.run(visit())}", SECRET_KEY=KEY).out
    assert "slow" in report
    assert "quick" not in report
    first, quick, slow = logged(caplog)
    assert first.endswith("; saved")
    assert quick.endswith("; saved")
    assert "'/basket/slow'" in slow
    assert says("another request with the same cookie was saved, too", slow)


def test_changed_too_late(caplog: pytest.LogCaptureFixture) -> None:
    site(flask_side(), fastapi_side()).get("/stream")
    assert says("the response had already started", "\n".join(logged(caplog)))


def test_every_quotation_is_tried() -> None:
    """Each text in the list stands in a test above."""
    source = Path(__file__).read_text("utf-8")
    rows = [row.partition(" → ")[0] for row in CAUSES.strip().splitlines()]
    assert len(rows) >= 10
    assert [text for row in rows for text in re.findall(r"`(.+?)`", row) if text not in source] == []
