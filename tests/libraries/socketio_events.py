"""python-socketio: the handlers of its events read the session of the connection's first request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio
from starlette.applications import Starlette

from starlette_flask import SessionMiddleware
from tests.apps.server import serve

from .beside_flask import beside, make_flask


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_reads_flasks_session(transport: str) -> None:
    server = socketio.AsyncServer(async_mode="asgi", ping_interval=1, ping_timeout=1)  # until then a poll stays open
    flask_app = make_flask()

    @server.event
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        user = environ["asgi.scope"]["session"].get("user")
        if user is None:
            raise ConnectionRefusedError("log in first")
        await server.save_session(sid, {"user": user})

    @server.event
    async def who(sid: str) -> str:
        return (await server.get_session(sid))["user"]

    browser = flask_app.test_client()
    browser.get("/flask/set/user/ada")
    cookie: Any = browser.get_cookie("session")

    async def visit(url: str) -> str:
        stranger = socketio.AsyncSimpleClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await stranger.connect(url, transports=[transport])
        async with socketio.AsyncSimpleClient(reconnection=False) as client:
            await client.connect(url, transports=[transport], headers={"Cookie": f"session={cookie.value}"})
            return await client.call("who")

    app = SessionMiddleware.from_flask(socketio.ASGIApp(server, other_asgi_app=Starlette()), flask_app)
    with serve(beside(app, flask_app)) as url:
        assert asyncio.run(visit(url)) == "ada"
