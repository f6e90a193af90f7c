"""The competitors: session middlewares as their users set them up, driven by hand.

No event loop and no server: a coroutine that never waits is run by one ``send(None)``, so that what is measured is
the middleware. The application underneath is the same few lines for all; it takes ``scope["session"]`` as it is,
because what a framework's ``request.session`` adds is equal for all of them, and calls what the framework calls in
it: ``mark_accessed()`` where Starlette would, ``load()`` where starsessions' users call ``load_session(request)``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Request, Response
from litestar import Litestar, get
from litestar.middleware.session.base import SessionMiddleware as LitestarMiddleware
from litestar.middleware.session.client_side import CookieBackendConfig
from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware
from starsessions import CookieStore
from starsessions import SessionMiddleware as StarsessionsMiddleware

from starlette_flask import SessionMiddleware
from tests.peers.published import load_published

from .scenarios import (
    FLASK,
    LITESTAR,
    OURS,
    PUBLISHED,
    SECRET_KEY,
    STARLETTE,
    STARSESSIONS,
    Headers,
    Scenario,
    do_nothing,
    http_scope,
    request_headers,
    response_headers,
    session_cookies,
)

App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]
Work = Callable[[Any], Any]
#: Serves one request and returns nothing; what a benchmark calls.
Call = Callable[[], None]


async def receive() -> Any:
    """Return the whole of an empty request body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def discard(message: Any) -> None:
    """Send to nowhere."""


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the coroutine waits for something")


async def respond(send: Any) -> None:
    """Send a small response."""
    await send({"type": "http.response.start", "status": 200, "headers": response_headers()})
    await send({"type": "http.response.body", "body": b'{"items":2,"total":"29.90"}'})


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Answer without looking at any session."""
    await respond(send)


def plain_app(work: Work) -> App:
    """Return an application that works on the session as it is."""
    if work is do_nothing:
        return bare

    async def app(scope: Any, receive: Any, send: Any) -> None:
        work(scope["session"])
        await respond(send)

    return app


def marking_app(work: Work) -> App:
    """Return an application that marks the session as accessed, as Starlette's ``request.session`` does."""
    if work is do_nothing:
        return bare

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"]
        session.mark_accessed()
        work(session)
        await respond(send)

    return app


def loading_app(work: Work) -> App:
    """Return an application that loads the session first, where it wants one."""
    if work is do_nothing:
        return bare

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await scope["session_handler"].load()
        work(scope["session"])
        await respond(send)

    return app


#: What a competitor's time is more than: the name of the benchmark to subtract.
BARE_APP, BARE_WERKZEUG = "bare ASGI application", "bare Werkzeug request and response"
PEER_NAMES = (OURS, PUBLISHED, STARLETTE, STARSESSIONS, LITESTAR, FLASK)


class Peer:
    """A competitor behind ASGI. Calls include a new scope, as a server makes one for every request."""

    over = BARE_APP

    def __init__(
        self,
        name: str,
        wrap: Callable[[App], Any],
        app: Callable[[Work], App] = plain_app,
        *,
        state: dict[str, Any] | None = None,
        refresh: Work = do_nothing,
    ) -> None:
        self.name = name
        self._wrap, self._app, self._state = wrap, app, state or {}
        #: What a user has to do in the handler for a cookie with a new date.
        self.refresh = refresh

    def call(self, work: Work, requests: Sequence[Headers]) -> Call:
        """Return the call that serves the next of these requests."""
        return self._caller(self._wrap(self._app(work)), requests, discard)

    def bare(self, requests: Sequence[Headers]) -> Call:
        """Return the call that serves the same requests without a session."""
        return self._caller(bare, requests, discard)

    def respond(self, work: Work, headers: Headers) -> Headers:
        """Serve one request and return the response's headers."""
        messages: list[Any] = []

        async def send(message: Any) -> None:
            messages.append(message)

        self._caller(self._wrap(self._app(work)), [headers], send)()
        return [(name.lower(), value) for name, value in messages[0]["headers"]]

    def _caller(self, app: Any, requests: Sequence[Headers], send: Any) -> Call:
        scope, next_headers = {**http_scope([]), **self._state}, cycle(requests).__next__

        def call() -> None:
            # "state" is where Litestar remembers the cookies it parsed: it must be new each time.
            drive(app({**scope, "headers": next_headers(), "state": {}}, receive, send))

        return call


class FlaskPeer(Peer):
    """Flask's own ``open_session`` and ``save_session``, the reference. Bare are Werkzeug's request and response."""

    over = BARE_WERKZEUG

    def __init__(self) -> None:
        super().__init__(FLASK, lambda app: app)
        self._flask = Flask("benchmark")
        self._flask.config["SECRET_KEY"] = SECRET_KEY
        self._flask.app_context().push()  # stays: inside a request there is one

    def call(self, work: Work, requests: Sequence[Headers]) -> Call:
        app, interface = self._flask, self._flask.session_interface
        next_environ = cycle([_environ(headers) for headers in requests]).__next__

        def call() -> None:
            request = Request(next_environ())
            session: Any = interface.open_session(app, request)
            if work is not do_nothing:
                session.accessed = True  # as RequestContext.session has it
                work(session)
            response = Response()
            interface.save_session(app, session, response)

        return call

    def bare(self, requests: Sequence[Headers]) -> Call:
        next_environ = cycle([_environ(headers) for headers in requests]).__next__

        def call() -> None:
            Request(next_environ())
            Response()

        return call

    def respond(self, work: Work, headers: Headers) -> Headers:
        request, response = Request(_environ(headers)), Response()
        session: Any = self._flask.session_interface.open_session(self._flask, request)
        if work is not do_nothing:
            session.accessed = True
            work(session)
        self._flask.session_interface.save_session(self._flask, session, response)
        return [(name.lower().encode(), value.encode()) for name, value in response.headers]


def _environ(headers: Headers) -> dict[str, Any]:
    fields = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in headers}
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/cart", "wsgi.url_scheme": "https", **fields}


def peers() -> dict[str, Peer]:
    """Return the competitors by name, this package first."""
    published: Any = load_published()
    litestar = CookieBackendConfig(secret=SECRET_KEY.encode())
    route = get("/cart")(_litestar_handler)
    state = {"litestar_app": Litestar([route]), "route_handler": route}
    found = [
        Peer(OURS, lambda app: SessionMiddleware(app, SECRET_KEY), marking_app),
        Peer(
            PUBLISHED,
            lambda app: published.SessionMiddleware(app, SECRET_KEY),
            refresh=_change,
        ),
        Peer(STARLETTE, lambda app: StarletteMiddleware(app, SECRET_KEY), marking_app, refresh=_assign),
        Peer(LITESTAR, lambda app: LitestarMiddleware(app, litestar._backend_class(litestar)), state=state),
        Peer(
            STARSESSIONS,
            lambda app: StarsessionsMiddleware(app, CookieStore(SECRET_KEY), lifetime=14 * 86400, rolling=True),
            loading_app,
            refresh=len,  # it is written again once it was loaded
        ),
        FlaskPeer(),
    ]
    return {peer.name: peer for peer in found}


def checkout(folder: str) -> Peer:
    """Return the package in another checkout as a competitor named ``folder``."""
    here = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "starlette_flask"}
    sys.path.insert(0, folder)
    try:
        other = importlib.import_module("starlette_flask")
    finally:
        sys.path.remove(folder)
        for name in list(sys.modules):
            if name.partition(".")[0] == "starlette_flask":
                del sys.modules[name]
        sys.modules.update(here)
    assert Path(str(other.__file__)).is_relative_to(folder), f"no package in {folder}"
    return Peer(folder, lambda app: other.SessionMiddleware(app, SECRET_KEY), marking_app)


async def _litestar_handler() -> None:
    """Stand in a scope as the handler that Litestar found."""


def _assign(session: Any) -> None:
    session["_permanent"] = True


def _change(session: Any) -> None:
    session["_refreshed"] = True  # a change is all that 0.1.0 sees


class Prepared(NamedTuple):
    """A scenario for one competitor."""

    call: Call
    #: The same without a session, and its name.
    bare: Call
    over: str


def prepare(peer: Peer, scenario: Scenario, requests: Sequence[Headers] | None = None) -> Prepared:
    """Return what to measure, having checked that it does what it should.

    Unless told otherwise, the cookies are the competitor's own: what it set when a handler filled an empty session.
    """
    requests = requests or [request_headers(cookies) for cookies in cookies_of(peer, scenario)]
    work = peer.refresh if scenario.saves and scenario.work is do_nothing else scenario.work
    check(peer, scenario, requests[0], work)
    return Prepared(peer.call(work, requests), peer.bare(requests), peer.over)


_cookies: dict[tuple[Peer, str, int, bool], list[bytes | None]] = {}


def cookies_of(peer: Peer, scenario: Scenario) -> list[bytes | None]:
    """Return the session's cookies of each of a scenario's users, made once for scenarios that begin alike."""
    found = _cookies.setdefault((peer, repr(scenario.starts_with), scenario.users, scenario.tampered), [])
    if found:
        return found
    for user in range(scenario.users):
        content = scenario.session(user)
        if not content:
            found.append(None)
            continue
        cookies = session_cookies(peer.respond(lambda session, new=content: session.update(new), request_headers()))
        found.append(tamper(cookies) if scenario.tampered else cookies)
    return found


def check(peer: Peer, scenario: Scenario, headers: Headers, work: Work) -> None:
    """Raise ``AssertionError`` where a competitor does not do a scenario's work."""
    expected = {} if scenario.tampered else scenario.session(0)
    assert _content(peer, headers) == expected, f"{peer.name} does not open its cookie: {scenario.name}"
    returned: list[Any] = []
    response = peer.respond(work if work is do_nothing else lambda session: returned.append(work(session)), headers)
    if scenario.returns is not None:
        assert returned == [scenario.returns], f"{peer.name} reads {returned}: {scenario.name}"
    if scenario.saves:
        saved = _content(peer, request_headers(session_cookies(response)))
        changed = {key for key in saved if saved[key] != expected.get(key)}
        wanted = {"locale"} if work is scenario.work is not do_nothing else changed
        assert saved.keys() >= expected.keys(), f"{peer.name} loses {expected.keys() - saved.keys()}: {scenario.name}"
        assert changed == wanted, f"{peer.name} saves {changed}: {scenario.name}"


def _content(peer: Peer, headers: Headers) -> dict[str, Any]:
    """Return what a handler finds in the session."""
    found: dict[str, Any] = {}
    peer.respond(found.update, headers)
    found.pop("__metadata__", None)  # starsessions' own
    return found


def tamper(cookies: bytes) -> bytes:
    """Return cookies with one character of the payload changed, which neither a signature nor encryption lets pass."""
    other = b"B" if cookies[60:61] == b"A" else b"A"
    return cookies[:60] + other + cookies[61:]
