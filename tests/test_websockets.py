"""WebSockets: the session comes with the handshake, and its cookie goes out with the answer to the handshake."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from starlette_flask import SessionMiddleware
from tests.apps.server import serve
from tests.asgi import KEY, call, opened, signed, wait_for

BEFORE = {"user": 7, "cart": [1]}
ATTRIBUTES = "HttpOnly; Path=/; SameSite=Lax"


def websocket_app() -> FastAPI:
    app = FastAPI()

    @app.websocket("/read")
    async def read(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="echo", headers=[(b"x-own", b"kept")])
        await websocket.send_text(json.dumps(websocket.session))
        await websocket.close()

    @app.websocket("/read-first")
    async def read_first(websocket: WebSocket) -> None:
        text = json.dumps(dict(websocket.session))
        await websocket.accept(headers=[(b"vary", b"Origin")])
        await websocket.send_text(text)

    @app.websocket("/write")
    async def write(websocket: WebSocket) -> None:
        websocket.session["cart"] = [*websocket.session.get("cart", []), 2]
        await websocket.accept(headers=[(b"x-own", b"kept"), (b"set-cookie", b"other=kept; Path=/")])
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            pass

    @app.websocket("/clear")
    async def clear(websocket: WebSocket) -> None:
        websocket.session.clear()
        await websocket.accept()

    @app.websocket("/nothing")
    async def nothing(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/deny")
    async def deny(websocket: WebSocket) -> None:
        websocket.session["denied"] = True
        await websocket.send_denial_response(PlainTextResponse("not for you", 403, {"x-own": "kept"}))

    @app.websocket("/close")
    async def close(websocket: WebSocket) -> None:
        websocket.session["closed"] = True
        await websocket.close()

    app.add_middleware(SessionMiddleware, secret_key=KEY)
    return app


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serve(websocket_app(), server=request.param) as url:
        yield url.replace("http", "ws")


def open_socket(url: str, content: Any = BEFORE, **options: Any) -> ClientConnection:
    cookie = None if content is None else {"Cookie": f"theme=dark; session={signed(content)}"}
    return connect(url, additional_headers=cookie, proxy=None, **options)


def answer(websocket: ClientConnection) -> Any:
    assert websocket.response
    return websocket.response.headers


def saved(headers: Any) -> Any:
    """The session of the answer's only cookie of that name, whose attributes are the usual ones."""
    (cookie,) = (value for value in headers.get_all("set-cookie") if value.startswith("session="))
    value, attributes = cookie[len("session=") :].split("; ", 1)
    assert attributes == ATTRIBUTES
    return opened(value)


class TestServers:
    """With uvicorn and hypercorn, and the client of `websockets`."""

    def test_the_session_is_on_the_handshake(self, url: str) -> None:
        for content in (BEFORE, None):
            with open_socket(f"{url}/read", content, subprotocols=["echo"]) as websocket:
                assert json.loads(websocket.recv()) == (content or {})
                assert websocket.subprotocol == "echo"
                assert answer(websocket).get_all("x-own") == ["kept"]
                assert answer(websocket).get_all("set-cookie") == []

    def test_a_session_that_was_read(self, url: str) -> None:
        with open_socket(f"{url}/read-first") as websocket:
            assert json.loads(websocket.recv()) == BEFORE
            assert answer(websocket).get_all("vary") == ["Origin, Cookie"]
            assert answer(websocket).get_all("set-cookie") == []

    def test_the_cookie_is_on_the_answer(self, url: str) -> None:
        with open_socket(f"{url}/write") as websocket:
            assert saved(answer(websocket)) == {"user": 7, "cart": [1, 2]}
            assert "other=kept; Path=/" in answer(websocket).get_all("set-cookie")
            assert answer(websocket).get_all("x-own") == ["kept"]
            assert answer(websocket).get_all("vary") == ["Cookie"]
            websocket.send("and the socket works")
            assert websocket.recv() == "and the socket works"

    def test_a_deletion(self, url: str) -> None:
        with open_socket(f"{url}/clear") as websocket:
            (cookie,) = answer(websocket).get_all("set-cookie")
        assert cookie == f"session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; {ATTRIBUTES}"

    def test_nothing(self, url: str) -> None:
        with open_socket(f"{url}/nothing") as websocket:
            assert answer(websocket).get_all("set-cookie") == []
            assert answer(websocket).get_all("vary") == []

    def test_a_permanent_session_is_refreshed(self, url: str) -> None:
        with open_socket(f"{url}/nothing", {"_permanent": True}) as websocket:
            (cookie,) = answer(websocket).get_all("set-cookie")
            assert "; Expires=" in cookie
            assert answer(websocket).get_all("vary") == ["Cookie"]

    def test_a_denial_response(self, url: str) -> None:
        with pytest.raises(InvalidStatus) as denied, open_socket(f"{url}/deny"):
            pass
        response = denied.value.response
        assert (response.status_code, response.body) == (403, b"not for you")
        assert response.headers.get_all("x-own") == ["kept"]
        assert saved(response.headers) == {**BEFORE, "denied": True}

    def test_closed_before_it_was_accepted(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        """The server answers in its own words, without a cookie; what was changed is logged."""
        with pytest.raises(InvalidStatus) as denied, open_socket(f"{url}/close"):
            pass
        assert denied.value.response.status_code == 403
        assert denied.value.response.headers.get_all("set-cookie") == []
        (record,) = wait_for(lambda: [record for record in caplog.records if record.name == "starlette_flask"])
        assert record.levelno == logging.WARNING
        assert record.getMessage().endswith("changed keys: 'closed'")
        assert "'/close'" in record.getMessage()


class TestMessages:
    """What the application sends is passed on, with the cookie added to the first answer only."""

    @pytest.mark.parametrize("start", ["websocket.accept", "websocket.http.response.start"])
    @pytest.mark.parametrize("headers", [{}, {"headers": None}, {"headers": []}, {"headers": ()}], ids=repr)
    def test_headers_may_be_absent(self, start: str, headers: dict[str, Any]) -> None:
        message = {"type": start, "status": 403, "subprotocol": None, **headers}
        before = dict(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["a"] = 1
            await send(message)
            await send({"type": "websocket.send", "text": "b"})

        reply = call(SessionMiddleware(app, KEY), kind="websocket")
        assert message == before
        assert reply.saved == {"a": 1}
        assert {**reply.start, "headers": 0} == {**message, "headers": 0}
        assert reply.messages[1:] == [{"type": "websocket.send", "text": "b"}]

    def test_a_close_message_is_passed_as_it_is(self) -> None:
        close = {"type": "websocket.close", "code": 4000, "reason": "no"}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            dict(scope["session"])
            await send(close)

        assert call(SessionMiddleware(app, KEY), kind="websocket", cookie=signed(BEFORE)).messages == [close]
