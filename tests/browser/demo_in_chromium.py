"""The demo and the cookie in a real browser: `nox -s browser`, or this file given to pytest by its name.

No name that pytest looks for, so that a run of the test suite needs no browser.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from starlette_flask import SessionMiddleware
from tests.apps.demo import create_app
from tests.apps.server import serve

pytest.importorskip("playwright", reason="playwright is not installed")

from .chromium import NAMES, click, find_chromium, press, run_chromium  # after the check that playwright is there

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.skipif(find_chromium() is None, reason=f"none of {', '.join(NAMES)} is installed")

#: Sends the form of a button as the browser would, without following the redirect.
SEND_AND_STAY = """button => {
    const form = document.querySelector(button).form;
    return fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual"});
}"""

SIZES = {"narrow": (400, 800), "wide": (1200, 600)}

#: Whether the cookie is in sight, from its title on, and nothing that has the focus is behind it.
IN_SIGHT = """() => {
    const cookie = document.querySelector("#cookie-title").getBoundingClientRect();
    const focused = document.activeElement.getBoundingClientRect();
    const there = document.elementFromPoint(focused.x + focused.width / 2, focused.y + focused.height / 2);
    return cookie.top >= 0 && cookie.bottom + 200 <= innerHeight && document.activeElement.contains(there);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(create_app(secrets.token_hex())) as url:
        yield url


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page whose errors and warnings, of scripts, styles or cookies, fail the test at its end."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    yield page
    assert problems == []


def stored(page: Page, name: str) -> dict[str, Any]:
    (cookie,) = [dict(cookie) for cookie in page.context.cookies() if cookie.get("name") == name]
    return cookie


class TestDemo:
    """One session on both sides, by way of the forms that a visitor sees."""

    def test_sign_in_on_flasks_side_and_out_on_fastapis(self, page: Page, url: str) -> None:
        page.goto(f"{url}/flask/")
        press(page, "#sign-in", customer="1")
        assert page.locator("#who").inner_text() == "Hello, Ada Lovelace!"
        click(page.locator("#other-side"))
        assert page.url == f"{url}/"
        assert page.locator("#who").inner_text() == "Hello, Ada Lovelace!"
        press(page, "#sign-out")
        assert page.locator("#who").inner_text() == "Nobody is signed in"
        click(page.locator("#other-side"))
        assert page.url == f"{url}/flask/"
        assert page.locator("#who").inner_text() == "Nobody is signed in"

    def test_sign_in_on_fastapis_side_and_out_on_flasks(self, page: Page, url: str) -> None:
        page.goto(url)
        press(page, "#sign-in", customer="3")
        click(page.locator("#other-side"))
        assert page.locator("#who").inner_text() == "Hello, Zoë <Łukasz> & Co.!"
        press(page, "#sign-out")
        click(page.locator("#other-side"))
        assert page.locator("#who").inner_text() == "Nobody is signed in"

    def test_basket(self, page: Page, url: str) -> None:
        page.goto(f"{url}/flask/")
        press(page, "#add", name="tea")
        click(page.locator("#other-side"))
        press(page, "#add", name="tea")
        press(page, "#add", name="coffee")
        click(page.locator("#other-side"))
        assert page.locator("li > span").all_inner_texts() == ["tea (2)", "coffee (1)"]
        content = json.loads(page.locator("#session-content").inner_text())
        assert content["basket"][0]["by"] == {"<tuple>": ["Flask", "FastAPI"]}
        click(page.get_by_role("button", name="Take out tea"))
        click(page.locator("#other-side"))
        assert page.locator("li > span").all_inner_texts() == ["coffee (1)"]

    @pytest.mark.parametrize(("side", "other"), [("/flask/", "/"), ("/", "/flask/")])
    def test_message_is_read_once_on_the_other_side(self, page: Page, url: str, side: str, other: str) -> None:
        message = "<b>ü</b> & 'you'"
        page.goto(f"{url}{side}")
        page.fill("[name=message]", message)
        page.evaluate(SEND_AND_STAY, "#leave-message")
        page.goto(f"{url}{other}")
        assert page.locator(".message").inner_text().startswith(message)
        page.reload()
        assert page.locator(".message").count() == 0
        page.goto(f"{url}{side}")
        assert page.locator(".message").count() == 0

    def test_cookie_as_the_browser_stored_it(self, page: Page, url: str) -> None:
        page.goto(f"{url}/flask/")
        press(page, "#sign-in", customer="1")
        by_flask = stored(page, "session")
        assert len(page.context.cookies()) == 1
        click(page.locator("#other-side"))
        press(page, "#add", name="tea")
        by_fastapi = stored(page, "session")
        assert by_fastapi.pop("value") != by_flask.pop("value")
        assert by_fastapi == by_flask
        assert by_flask == {
            "name": "session",
            "domain": "127.0.0.1",
            "path": "/",
            "expires": -1,
            "httpOnly": True,
            "secure": False,
            "sameSite": "Lax",  # the browser's default: Flask writes none, and no more does the middleware from_flask
        }
        assert page.evaluate("document.cookie") == ""

    def test_cookie_on_the_page_is_the_one_in_the_browser(self, page: Page, url: str) -> None:
        page.goto(f"{url}/flask/")
        assert "no valid cookie" in page.locator("#cookie").inner_text()
        press(page, "#add", name="tea")
        page.reload()  # Flask-Login has marked the session as not fresh in the response before
        for _ in range(2):
            value = stored(page, "session")["value"]
            assert page.locator("#cookie-value").inner_text() == value
            assert page.locator("#cookie-size").inner_text() == f"{len('session' + value)} bytes"
            click(page.locator("#other-side"))

    @pytest.mark.parametrize("side", ["/flask/", "/"])
    def test_form_of_an_older_session(self, context: BrowserContext, url: str, side: str) -> None:
        page = context.new_page()  # the browser reports the status as an error
        page.goto(f"{url}{side}")
        page.context.clear_cookies()
        page.locator("[name=name]").fill("tea")
        with page.expect_response(lambda response: response.request.method == "POST") as refused:
            click(page.locator("#add"))
        assert refused.value.status == 400
        click(page.locator("#again"))
        press(page, "#add", name="tea")
        assert page.locator("li > span").all_inner_texts() == ["tea (1)"]

    def test_forget(self, page: Page, url: str) -> None:
        page.goto(url)
        press(page, "#add", name="tea")
        assert stored(page, "session")
        page.evaluate(SEND_AND_STAY, "#forget")
        assert page.context.cookies() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
class TestLook:
    """The pages fit a phone and a desktop, in light and dark."""

    @pytest.fixture
    def page(self, browser: Browser, size: str, scheme: Any) -> Iterator[Page]:
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        yield page
        page.close()

    def test_nothing_is_wider_than_the_window(self, page: Page, url: str, size: str, scheme: str) -> None:
        for side in ("/flask/", "/"):
            page.goto(f"{url}{side}")
            press(page, "#add", name="m" * 40)
            self.look(page, size, scheme)
            page.evaluate("document.querySelector('#add').form.csrf_token.value = ''")
            press(page, "#add", name="tea")
            assert page.locator("#refused").is_visible()
            self.look(page, size, scheme)

    def look(self, page: Page, size: str, scheme: str) -> None:
        width, _ = SIZES[size]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) > 3 * 128) == (scheme == "light")

    def test_the_cookie_stays_in_sight_when_the_basket_is_long(self, page: Page, url: str) -> None:
        page.goto(f"{url}/flask/")
        for number in range(6):
            press(page, "#add", name=f"{number} of the things in the basket")
        for end in ("0", "document.body.scrollHeight"):
            page.evaluate(f"scrollTo(0, {end})")
            assert page.evaluate(IN_SIGHT)
        page.evaluate("scrollTo(0, 0)")
        while True:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id == 'cookie'"):
                break
            assert page.evaluate(IN_SIGHT), page.evaluate("document.activeElement.outerHTML")


async def counter(scope: Any, receive: Any, send: Any) -> None:
    """Counts visits in the session; `/permanent`, `/clear` and WebSockets do what they are called."""
    if scope["type"] == "websocket":
        await receive()
        scope["session"]["socket"] = "open"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        session = scope["session"]
        session["visits"] = session.get("visits", 0) + 1
        if scope["path"].endswith("/permanent"):
            session.permanent = True
        if scope["path"].endswith("/clear"):
            session.clear()
        body = f'<link rel="icon" href="data:,"><pre>{json.dumps(session)}</pre>'
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


BY_DEFAULT = {
    "name": "session",
    "domain": "localhost",
    "path": "/",
    "expires": -1,
    "httpOnly": True,
    "secure": False,
    "sameSite": "Lax",
}
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"same_site": "strict"}, {"sameSite": "Strict"}),
    ({"same_site": None}, {}),
    ({"same_site": "none", "https_only": True}, {"sameSite": "None", "secure": True}),
    ({"https_only": True}, {"secure": True}),
    ({"httponly": False}, {"httpOnly": False}),
    ({"path": "/shop"}, {"path": "/shop"}),
    ({"domain": "localhost"}, {}),
    ({"partitioned": True}, {"secure": True, "partitionKey": "http://localhost"}),
    ({"session_cookie": "__Host-session", "https_only": True}, {"name": "__Host-session", "secure": True}),
]


class TestCookie:
    """The browser stores each setting as meant, sends the cookie back, and removes it when the session is cleared."""

    @pytest.mark.parametrize(("settings", "differences"), SETTINGS, ids=lambda value: ", ".join(value) or "default")
    def test_settings(self, page: Page, settings: dict[str, Any], differences: dict[str, Any]) -> None:
        with serve(SessionMiddleware(counter, "a secret", **settings)) as url:
            shop = url.replace("127.0.0.1", "localhost") + "/shop"  # Chromium takes Secure cookies from it
            page.goto(f"{shop}/")
            page.goto(f"{shop}/")
            assert json.loads(page.inner_text("pre")) == {"visits": 2}
            expected = {**BY_DEFAULT, **differences}
            cookie = stored(page, expected["name"])
            assert {name: cookie.get(name) for name in expected} == expected
            assert ("session=" in page.evaluate("document.cookie")) == (not expected["httpOnly"])
            page.goto(f"{shop}/clear")
            assert page.context.cookies() == []

    def test_path_keeps_it_from_other_pages(self, page: Page) -> None:
        with serve(SessionMiddleware(counter, "a secret", path="/shop")) as url:
            for _ in range(2):
                page.goto(f"{url}/elsewhere")
                assert json.loads(page.inner_text("pre")) == {"visits": 1}

    @pytest.mark.parametrize(
        ("settings", "path", "seconds"),
        [
            ({}, "/permanent", 31 * 24 * 3600),
            ({"permanent_session_lifetime": 600}, "/permanent", 600),
            ({"max_age": 3600}, "/", 3600),
            ({"max_age": 3600}, "/permanent", 3600),
        ],
    )
    def test_expiry(self, page: Page, settings: dict[str, Any], path: str, seconds: int) -> None:
        with serve(SessionMiddleware(counter, "a secret", **settings)) as url:
            page.goto(f"{url}{path}")
        assert abs(stored(page, "session")["expires"] - time.time() - seconds) < 60

    def test_handshake_of_a_websocket(self, page: Page) -> None:
        with serve(SessionMiddleware(counter, "a secret")) as url:
            page.goto(url)
            page.evaluate("new Promise(done => new WebSocket(location.href.replace('http', 'ws')).onclose = done)")
            page.goto(url)
            assert json.loads(page.inner_text("pre")) == {"visits": 2, "socket": "open"}
