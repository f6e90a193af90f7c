"""`accept_starlette_cookies`: who was logged in with Starlette's middleware stays so, now with Flask's cookie."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import flask
import httpx
import itsdangerous
import pytest
import time_machine as travel
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request
from pydantic import SecretBytes
from starlette.datastructures import Secret
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware

from starlette_flask import SessionMiddleware, TaggedJSONSerializer
from tests.apps.server import serve
from tests.asgi import KEY, Reply, app_that, call, opened, signed

BEFORE = {"user": 7, "cart": [1, {"b": 2, "a": 1}], "name": "caf\u00e9"}
DAY = 24 * 3600


def by_starlette(content: Any = BEFORE, *, key: Any = KEY, age: float = 0) -> str:
    """The cookie value that Starlette's own middleware sets for `content`, `age` seconds ago."""
    with travel.travel(time.time() - age, tick=False):
        reply = call(StarletteMiddleware(app_that(lambda session: session.update(content)), key))
    (cookie,) = reply.set_cookies
    return cookie.partition(";")[0].partition("=")[2]


def by_hand(text: bytes, *, key: str = KEY) -> str:
    """A value that Starlette's middleware would believe, of any text."""
    return itsdangerous.TimestampSigner(key).sign(base64.b64encode(text)).decode()


def visit(value: str, change: Callable[[Any], object] = dict, **settings: Any) -> Reply:
    app = SessionMiddleware(app_that(change), **{"secret_key": KEY, "accept_starlette_cookies": True, **settings})
    return call(app, cookie=value)


class TestAccepted:
    """Its content is the session, and this very response brings it in Flask's format."""

    def test_opens_and_is_rewritten(self) -> None:
        seen: list[Any] = []
        reply = visit(by_starlette(), lambda session: seen.append((dict(session), session.new)))
        assert seen == [(BEFORE, False)]
        (cookie,) = reply.set_cookies
        value, attributes = cookie.split("; ", 1)
        assert opened(value.partition("=")[2]) == BEFORE
        assert attributes == "HttpOnly; Path=/; SameSite=Lax"
        assert reply.vary == ["Cookie"]

    @pytest.mark.parametrize("content", [BEFORE, {**BEFORE, "_permanent": True}])
    def test_not_where_nobody_looks(self, content: Any) -> None:
        """A slow image, answered after the log-out, would log in again."""
        reply = visit(by_starlette(content), lambda _: None)
        assert (reply.set_cookies, reply.vary) == ([], [])

    def test_with_what_an_application_inside_saved(self) -> None:
        headers = [(b"set-cookie", f"session={signed({'inner': 1})}; Path=/".encode())]
        reply = call(
            SessionMiddleware(app_that(headers=headers), KEY, accept_starlette_cookies=True), cookie=by_starlette()
        )
        assert reply.saved == {**BEFORE, "inner": 1}
        assert reply.vary == ["Cookie"]

    def test_with_what_the_request_changes(self) -> None:
        reply = visit(by_starlette(), lambda session: session["cart"].append(2))
        assert reply.saved == {**BEFORE, "cart": [*BEFORE["cart"], 2]}  # type: ignore[misc]

    def test_a_late_change_in_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        app = app_that(late=lambda session: session["cart"].append(2))
        call(SessionMiddleware(app, KEY, accept_starlette_cookies=True), cookie=by_starlette())
        assert "changed keys: 'cart'" in caplog.text

    @pytest.mark.parametrize("start", ["websocket.accept", "websocket.http.response.start"])
    def test_on_a_websocket(self, start: str) -> None:
        middleware = SessionMiddleware(app_that(dict, start=start), KEY, accept_starlette_cookies=True)
        assert call(middleware, cookie=by_starlette(), kind="websocket").saved == BEFORE

    def test_of_a_fallback_key(self) -> None:
        old = by_starlette(key="retired")
        assert visit(old, secret_key_fallbacks=["older", "retired"]).saved == BEFORE
        assert visit(old).saved is None

    @pytest.mark.parametrize("key", [KEY.encode(), b"\xff\x00'", Secret("another"), uuid.UUID(int=7)], ids=repr)
    def test_of_a_key_that_is_no_text(self, key: Any) -> None:
        """Starlette signs with its ``str``, which of bytes is ``b'...'``; Flask's format has the bytes themselves."""
        cookie = by_starlette(key=key)
        assert len(visit(cookie, secret_key=key).set_cookies) == 1
        assert len(visit(cookie, secret_key_fallbacks=iter([key])).set_cookies) == 1
        assert visit(cookie).set_cookies == []

    def test_of_masked_bytes(self) -> None:
        """Starlette signs with the mask, so with a key that everybody knows."""
        assert visit(by_starlette(key=SecretBytes(b"key")), secret_key=SecretBytes(b"key")).set_cookies == []
        assert visit(by_starlette(key="key"), secret_key=SecretBytes(b"key")).set_cookies != []

    @pytest.mark.parametrize("settings", [{"max_age": 60}, {"permanent_session_lifetime": 60}])
    def test_age(self, settings: dict[str, Any]) -> None:
        assert visit(by_starlette(age=58), **settings).saved == BEFORE
        assert visit(by_starlette(age=62), **settings).saved is None

    def test_age_to_the_second(self) -> None:
        """As with Starlette's own middleware: what is just as old as it may be opens."""
        with travel.travel(1_700_000_000, tick=False):
            cookie = by_starlette(age=60)
            assert visit(cookie, max_age=60).saved == BEFORE
            assert visit(cookie, max_age=59).saved is None

    def test_the_lifetime_is_31_days(self) -> None:
        assert visit(by_starlette(age=31 * DAY - 5)).saved == BEFORE
        assert visit(by_starlette(age=31 * DAY + 5)).saved is None

    def test_leeway(self) -> None:
        assert visit(by_starlette(age=-30)).saved is None
        assert visit(by_starlette(age=-30), leeway=35).saved == BEFORE
        assert visit(by_starlette(age=-30), leeway=25).saved is None

    def test_flasks_format_is_what_it_is(self) -> None:
        """A cookie that was rewritten is not rewritten again."""
        assert visit(signed(BEFORE), dict).saved is None

    def test_other_salt_and_digest_are_for_flasks_format(self) -> None:
        assert visit(by_starlette(), salt="another").set_cookies != []
        assert visit(by_starlette(), signer_kwargs={"sep": "!"}).set_cookies != []


class TestLogInInside:
    """An application inside, which sees no session in such a cookie, logs another user in."""

    @pytest.mark.parametrize(
        ("change", "user"), [(lambda _: None, 9), (lambda s: s.update(seen=1), 9), (lambda s: s.update(user=8), 9)]
    )
    def test_what_it_sets_stays(self, change: Callable[[Any], object], user: int) -> None:
        headers = [(b"set-cookie", f"session={signed({'user': 9})}; Path=/".encode())]
        middleware = SessionMiddleware(app_that(change, headers=headers), KEY, accept_starlette_cookies=True)
        saved = call(middleware, cookie=by_starlette()).saved
        assert (saved["user"], saved["name"]) == (user, BEFORE["name"])


class TestLogOut:
    """A cookie of Starlette's that the request empties is deleted."""

    @pytest.mark.parametrize(
        "change", [lambda session: session.clear(), lambda session: [session.pop(key) for key in [*session]]]
    )
    def test_by_the_session(self, change: Callable[[Any], object]) -> None:
        assert visit(by_starlette(), change).saved == {}

    @pytest.mark.parametrize("value", [None, {}])
    def test_by_replacing_it(self, value: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = value
            await send({"type": "http.response.start", "status": 200, "headers": []})

        middleware = SessionMiddleware(app, KEY, accept_starlette_cookies=True)
        assert call(middleware, cookie=by_starlette()).saved == {}

    @pytest.mark.parametrize(("change", "left"), [(lambda _: None, {}), (lambda s: s.update(seen=1), {"seen": 1})])
    def test_by_an_application_inside(self, change: Callable[[Any], object], left: Any) -> None:
        headers = [(b"set-cookie", b"session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/")]
        middleware = SessionMiddleware(app_that(change, headers=headers), KEY, accept_starlette_cookies=True)
        assert call(middleware, cookie=by_starlette()).saved == left

    def test_nothing_is_lost_where_nothing_changed(self, caplog: pytest.LogCaptureFixture) -> None:
        app = app_that(lambda session: session.get("user"), start="websocket.close")
        call(SessionMiddleware(app, KEY, accept_starlette_cookies=True), cookie=by_starlette(), kind="websocket")
        assert [entry for entry in caplog.record_tuples if entry[0] == "starlette_flask"] == []


class TestStrangers:
    """What Starlette's middleware would not open, or could not have written, does not open here."""

    @pytest.mark.parametrize(
        "value",
        [
            by_starlette(key="another key"),
            by_starlette()[:-2],
            "x" + by_starlette(),
            by_starlette().rpartition(".")[0],
            by_hand(b"null"),
            by_hand(b"[1]"),
            by_hand(b'"text"'),
            by_hand(b"{"),
            by_hand(b"\xff"),
            by_hand(b"[" * 100_000),
            itsdangerous.TimestampSigner(KEY).sign(b"!").decode(),
            itsdangerous.TimestampSigner(KEY).sign("\u00e9".encode()).decode("latin-1"),
            itsdangerous.Signer(KEY).sign(base64.b64encode(b"{}")).decode(),
            itsdangerous.Signer(KEY, sep=".", salt=b"itsdangerous.Signer").sign(b"e30=._________w").decode(),
            itsdangerous.TimestampSigner(KEY, salt="cookie-session").sign(base64.b64encode(b'{"user":7}')).decode(),
            "nonsense",
            "",
            ".",
            "..",
        ],
        ids=itertools.count(),
    )
    def test_do_not_open(self, value: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        seen: list[Any] = []
        reply = visit(value, lambda session: seen.append((dict(session), session.new)))
        assert seen == [({}, True)]
        assert reply.set_cookies == []
        texts = [record.getMessage() for record in caplog.records if record.name == "starlette_flask"]
        reason = "rejected: Bad(Time)?Signature" if value else "no cookie"
        assert re.fullmatch(f".*: {reason}; not saved, as nothing changed", "".join(texts))

    def test_a_flask_cookie_with_a_broken_payload(self, caplog: pytest.LogCaptureFixture) -> None:
        """Its signature says that it is not Starlette's."""
        caplog.set_level(logging.DEBUG, "starlette_flask")
        assert visit(signed([1, 2])).set_cookies == []
        assert "BadPayload" in caplog.text

    def test_one_that_the_serializer_in_use_cannot_write(self) -> None:
        class Picky(TaggedJSONSerializer):
            def dumps(self, value: Any) -> str:
                if isinstance(value, dict) and "cart" in value:
                    raise LookupError
                return super().dumps(value)

        seen: list[Any] = []
        assert visit(by_starlette(), lambda session: seen.append(dict(session)), serializer=Picky()).set_cookies == []
        assert seen == [{}]

    def test_by_default_it_is_a_strangers(self) -> None:
        assert visit(by_starlette(), accept_starlette_cookies=False).set_cookies == []
        seen: list[Any] = []
        call(SessionMiddleware(app_that(lambda session: seen.append(dict(session))), KEY), cookie=by_starlette())
        assert seen == [{}]

    def test_with_a_key_that_starlette_masks(self) -> None:
        """An app that gave Starlette a pydantic `SecretStr` signed with its stars, as anyone can."""
        assert visit(by_starlette(key="**********")).set_cookies == []


class TestSwitching:
    """A FastAPI app changes its import; a visitor of yesterday notices nothing."""

    @staticmethod
    def app(*middleware: Any) -> FastAPI:
        flask_app = flask.Flask("admin")
        flask_app.config["SECRET_KEY"] = KEY

        @flask_app.route("/buy")
        def buy() -> dict[str, Any]:
            flask.session["bought"] = True
            return dict(flask.session)

        @flask_app.route("/read")
        def read() -> dict[str, Any]:
            return dict(flask.session)

        app = FastAPI(middleware=[*middleware])
        app.mount("/flask", WSGIMiddleware(flask_app))

        @app.get("/login")
        async def log_in(request: Request) -> None:
            request.session["user"] = "ada"

        @app.get("/whoami")
        async def who_am_i(request: Request) -> dict[str, Any]:
            return dict(request.session)

        return app

    @pytest.fixture
    def client(self) -> Iterator[httpx.Client]:
        """A client with yesterday's cookie, whose server now has this package's middleware."""
        with httpx.Client(trust_env=False) as client:
            with serve(self.app(Middleware(StarletteMiddleware, secret_key=KEY))) as url:
                client.get(f"{url}/login")
            value = json.loads(base64.b64decode(client.cookies["session"].partition(".")[0]))
            assert value == {"user": "ada"}
            new = self.app(Middleware(SessionMiddleware, KEY, same_site=None, accept_starlette_cookies=True))
            with serve(new) as url:
                client.base_url = httpx.URL(url)
                yield client

    def test_stays_logged_in(self, client: httpx.Client) -> None:
        response = client.get("/whoami")
        assert response.json() == {"user": "ada"}
        assert len(response.headers.get_list("set-cookie")) == 1
        assert opened(client.cookies["session"]) == {"user": "ada"}
        response = client.get("/whoami")
        assert response.json() == {"user": "ada"}
        assert "set-cookie" not in response.headers
        assert client.get("/flask/read").json() == {"user": "ada"}

    def test_where_flask_writes_first(self, client: httpx.Client) -> None:
        """Flask can't open the old cookie, and would replace it by one without the user."""
        response = client.get("/flask/buy")
        assert response.json() == {"bought": True}
        assert len(response.headers.get_list("set-cookie")) == 1
        assert opened(client.cookies["session"]) == {"user": "ada", "bought": True}
        assert client.get("/whoami").json() == {"user": "ada", "bought": True}
