"""An ASGI application called by hand, and its session cookies made and read by a real Flask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from typing import Any, TypeVar

import time_machine
from flask import Flask

from starlette_flask import TaggedJSONSerializer

KEY = "a secret key of the tests"
ASGIApp = Callable[..., Awaitable[None]]
T = TypeVar("T")
STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


def flask_reader(key: str | bytes = KEY, **config: Any) -> Flask:
    """A Flask application that signs and opens cookies with `key`."""
    app = Flask("reader")
    app.config.update(SECRET_KEY=key, **config)
    return app


@cache
def _signing(key: str | bytes) -> tuple[Flask, Any]:
    """A Flask application, and what signs and opens its cookies. To make them takes a millisecond."""
    app = flask_reader(key)
    interface: Any = app.session_interface
    return app, interface.get_signing_serializer(app)


def signed(content: Any, *, key: str | bytes = KEY, age: float = 0) -> str:
    """The cookie value that Flask writes for `content`, signed `age` seconds ago."""
    app, signing = _signing(key)
    with app.app_context(), time_machine.travel(time.time() - age, tick=False):
        return signing.dumps(content)


def opened(value: str, *, key: str | bytes = KEY) -> Any:
    """What Flask finds in a cookie value; an error of itsdangerous where it does not open."""
    app, signing = _signing(key)
    with app.app_context():
        return signing.loads(value)


@dataclass
class Reply:
    """What an application sent, and the scope as it left it."""

    scope: MutableMapping[str, Any]
    messages: list[MutableMapping[str, Any]] = field(default_factory=list)

    @property
    def start(self) -> MutableMapping[str, Any]:
        (start,) = (message for message in self.messages if message["type"] in STARTS)
        return start

    def fields(self, name: str) -> list[str]:
        return [
            value.decode("latin-1") for key, value in self.start.get("headers", ()) if key.lower() == name.encode()
        ]

    @property
    def set_cookies(self) -> list[str]:
        return self.fields("set-cookie")

    @property
    def vary(self) -> list[str]:
        return self.fields("vary")

    @property
    def saved(self) -> Any:
        """The session in the only cookie of that name; `{}` where it is deleted, `None` where there is no cookie."""
        cookies = [cookie for cookie in self.set_cookies if cookie.startswith("session=")]
        if not cookies:
            return None
        (cookie,) = cookies
        value = cookie.partition(";")[0].partition("=")[2]
        if not value:
            assert f"Expires={formatdate(0, usegmt=True)}; Max-Age=0" in cookie
            return {}
        return opened(value)


def call(
    app: ASGIApp,
    *,
    cookie: str | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    path: str = "/",
    kind: str = "http",
    reply: Reply | None = None,
    **scope: Any,
) -> Reply:
    """Call `app` once. `cookie` is the value of the cookie `session`; errors of the application pass."""
    cookies = [] if cookie is None else [(b"cookie", f"session={cookie}".encode())]
    if reply is None:
        reply = Reply({})
    reply.scope.update({"type": kind, "method": "GET", "path": path, "headers": [*headers, *cookies]}, **scope)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        reply.messages.append(message)

    asyncio.run(app(reply.scope, receive, send))  # type: ignore[arg-type]
    return reply


def wait_for(found: Callable[[], T]) -> T:
    """What `found` returns once it is anything: a server's application ends a little after its response.

    Where other programs keep the machine busy, "a little" has taken longer than 5 seconds.
    """
    for _ in range(3000):
        if result := found():
            return result
        time.sleep(0.01)
    raise TimeoutError


def app_that(
    change: Callable[[Any], object] = lambda _session: None,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    late: Callable[[Any], object] = lambda _session: None,
    start: str = "http.response.start",
) -> ASGIApp:
    """An application that does `change` to its session, answers with `headers`, and then does `late` to it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        change(scope["session"])
        await send({"type": start, "status": 200, "headers": list(headers)})
        late(scope["session"])
        await send({"type": start.rpartition(".")[0] + ".body", "body": b""})

    return app


class Fickle(TaggedJSONSerializer):
    """A serializer that one day reads no more."""

    broken = False

    def loads(self, value: Any) -> Any:
        if self.broken:
            raise LookupError
        return super().loads(value)
