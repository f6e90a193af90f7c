"""The points, each tried on a peer: what happens there, and whether that is what one would hope for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import httpx
import time_machine
from pydantic import SecretStr

from starlette_flask.cookies import parse_set_cookie

from .peers import (
    SECRET_KEY,
    DoesNotApplyError,
    NotOfferedError,
    Peer,
    Starlette,
    View,
    flask_inside,
    server_side_inside,
)


@dataclass
class Outcome:
    """What happened; `holds` is `None` where the point does not apply."""

    text: str
    holds: bool | None = False

    def __str__(self) -> str:
        mark = {None: "\u2013", True: "\u2713", False: "\u2717"}[self.holds]
        return f"{mark} {self.text}"


@dataclass
class Answer:
    """A response: its Set-Cookie fields, other fields, and what was logged or warned about."""

    set_cookies: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[str]:
        return [cookie for cookie in self.set_cookies if cookie.partition("=")[0] == name]


class Visitor:
    """Someone whose browser keeps the cookies between requests."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.cookies = httpx.Cookies()
        #: Each cookie is sent in a field of its own, behind one that somebody else set, as browsers do over HTTP/2.
        self.splits_cookies = False

    def do(self, view: View, *settings: dict[str, Any], path: str = "/") -> Answer:
        """Have one request answered; an error of the application passes, unless the view is to fail."""
        scheme = "https" if any(each.get("https_only") for each in settings) else "http"

        async def get() -> httpx.Response:
            app: Any = self.peer.app(view, *settings)
            transport = httpx.ASGITransport(app, raise_app_exceptions=not view.fails)
            async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://peer") as client:
                client.cookies = self.cookies
                request = client.build_request("GET", path)
                if self.splits_cookies:
                    pairs = ["theme=dark", *request.headers.pop("cookie").split("; ")]
                    fields = [("cookie", pair) for pair in pairs]
                    request.headers = httpx.Headers([*request.headers.multi_items(), *fields])
                response = await client.send(request)
                self.cookies = client.cookies
                return response

        with listening() as told:
            response = asyncio.run(get())
        if response.status_code >= 500 and not view.fails:
            raise RuntimeError(f"status {response.status_code}")
        return Answer(response.headers.get_list("set-cookie"), dict(response.headers), told)

    def change(self, change: Callable[[Any], object], *settings: dict[str, Any]) -> Answer:
        return self.do(View(change), *settings)

    def session(self, *settings: dict[str, Any]) -> dict[str, Any]:
        """What the next request finds in the session."""
        seen: dict[str, Any] = {}
        self.change(lambda session: seen.update(session), *settings)
        return seen

    def inside(self) -> dict[str, Any]:
        """What the next request of a Flask application without a middleware finds."""
        seen: dict[str, Any] = {}
        headers = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies.jar)}
        flask_inside(lambda session: seen.update(session)).test_client(use_cookies=False).get("/", headers=headers)
        return seen

    def socket(self, *, denies: bool) -> Answer:
        """Open a WebSocket whose handler changes the session, and return what the handshake is answered with."""
        app = self.peer.app(View(lambda session: session.update(socket=1), denies=denies))
        messages: list[Any] = []
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/",
            "raw_path": b"/",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"peer")],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("peer", 80),
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        incoming = iter([{"type": "websocket.connect"}])

        async def receive() -> Any:
            for message in incoming:
                return message
            while not messages:
                await asyncio.sleep(0)
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Any) -> None:
            messages.append(message)

        with listening() as told:
            asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
        fields = list(messages[0].get("headers") or ())
        return Answer([value.decode() for name, value in fields if name.lower() == b"set-cookie"], {}, told)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what is logged as a warning or worse, and what is warned about."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield told
        told += [str(warning.message) for warning in warned if issubclass(warning.category, UserWarning)]
    finally:
        logging.getLogger().removeHandler(handler)


Point = Callable[[Visitor], Outcome]
POINTS: dict[str, Point] = {}


def point(title: str) -> Callable[[Point], Point]:
    """Add a row to the table."""

    def add(function: Point) -> Point:
        POINTS[title] = function
        return function

    return add


def try_point(title: str, peer: Peer) -> Outcome:
    """Return what happens; an error is an outcome, too."""
    try:
        return POINTS[title](Visitor(peer))
    except DoesNotApplyError as reason:
        return Outcome(str(reason), None)
    except NotOfferedError as lacking:
        return Outcome(str(lacking))
    except Exception as error:
        return Outcome(f"fails with {type(error).__name__}")


def saved_or_lost(holds: bool) -> Outcome:
    return Outcome("saved" if holds else "lost", holds)


def saved_or_told(visitor: Visitor, key: str, told: list[str]) -> Outcome:
    """Whether a change to `key` on the path `/shop` is saved or reported by these names, without its "VALUE"."""
    if key in visitor.session():
        return Outcome("saved", True)
    lines = [line for line in told if repr(key) in line]
    holds = len(lines) == 1 and "/shop" in lines[0] and "VALUE" not in lines[0]
    return Outcome("lost, and logged with path and key" if holds else "lost silently", holds)


# Nested changes


@point('`session["cart"].append(1)`')
def append(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(cart=[]))
    visitor.change(lambda session: session["cart"].append(1))
    return saved_or_lost(visitor.session() == {"cart": [1]})


@point("a change in a dict in a list in a tuple")
def deep(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(a=([{"b": 1}],)))
    visitor.change(lambda session: session["a"][0][0].update(b=2))
    return saved_or_lost(visitor.session()["a"][0] == [{"b": 2}])


@point("`1` becomes `True` in a list")
def one_is_true(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(a=[1]))
    visitor.change(lambda session: session["a"].__setitem__(0, True))
    return saved_or_lost(visitor.session()["a"][0] is True)


@point("nested values are only read")
def read(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(a={"z": [1], "b": {"y": 1, "a": 2}}))
    cookies = visitor.change(lambda session: session["a"]["z"]).set_cookies
    return Outcome("sets the cookie again" if cookies else "no cookie", not cookies)


# Both sides


@point("a mounted Flask app and the app around it both change the session")
def both(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(user=7))
    mounted = flask_inside(lambda session: session.update(inner=1))
    cookies = visitor.do(View(lambda session: session.update(outer=1), mounted=mounted)).of("session")
    after = visitor.session()
    if after == {"user": 7, "inner": 1, "outer": 1}:
        return Outcome(f"both are saved, in {len(cookies)} cookie", len(cookies) == 1)
    lost = [
        name for key, name in (("inner", "Flask's"), ("outer", "the outer"), ("user", "the old")) if key not in after
    ]
    return Outcome(f"{len(cookies)} cookies; lost: {', '.join(lost)}")


@point("a log-out in the mounted app, a change around it")
def log_out(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(user=7))
    mounted = flask_inside(lambda session: session.clear())
    visitor.do(View(lambda session: session.update(visits=1), mounted=mounted))
    undone = "user" in visitor.session()
    return Outcome("undone: the user is logged in" if undone else "stays", not undone)


@point("a log-in in the mounted app, nothing changes around it")
def log_in(visitor: Visitor) -> Outcome:
    mounted = flask_inside(lambda session: session.update(user=7))
    cookies = visitor.do(View(mounted=mounted)).of("session")
    holds = visitor.inside() == {"user": 7} and len(cookies) == 1
    return Outcome("Flask's cookie passes" if holds else f"lost: {len(cookies)} cookies", holds)


@point("a second change in the mounted app, nothing changes around it")
def passes(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(user=7))
    mounted = flask_inside(lambda session: session.update(inner=1))
    visitor.do(View(mounted=mounted))
    after = visitor.inside()
    if after == {"user": 7, "inner": 1}:
        return Outcome("Flask's cookie passes", True)
    lost = [name for key, name in (("inner", "Flask's change"), ("user", "the user")) if key not in after]
    return Outcome(f"lost: {', '.join(lost)}")


@point("the mounted app sets a cookie of that name for another path")
def other_path(visitor: Visitor) -> Outcome:
    mounted = flask_inside(lambda session: session.update(inner=1))
    mounted.config["SESSION_COOKIE_PATH"] = "/sub"
    answer = visitor.do(View(lambda session: session.update(outer=1), mounted=mounted))
    holds = len(answer.of("session")) == 2 and answer.of("other") != []
    return Outcome("both go out" if holds else f"{len(answer.set_cookies)} cookies go out", holds)


@point("the mounted app sets a cookie of that name that is rejected, and the app around it changes the session")
def foreign(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(user=7))
    mounted = flask_inside(lambda session: session.update(inner=1))
    mounted.config["SECRET_KEY"] = "another key"
    answer = visitor.do(View(lambda session: session.update(outer=1), mounted=mounted))
    told = any("outer" in line for line in answer.told)
    cookies = len(answer.of("session"))
    return Outcome(f"{cookies} cookie(s), {'logged' if told else 'silently'}", cookies == 1 and told)


@point("both sides `flash` a message")
def flashes(visitor: Visitor) -> Outcome:
    mounted = flask_inside(lambda session: flask.flash("Flask's"))
    view = View(lambda session: session.update(_flashes=[("message", "the outer")]), mounted=mounted)
    visitor.do(view)
    arrived = [message for _, message in visitor.session().get("_flashes", [])]
    lost = [message for message in ("Flask's", "the outer") if message not in arrived]
    return Outcome(f"lost: {', '.join(lost)}" if lost else "both arrive", not lost)


@point("a log-in around the mounted app, which greets the user in the same request")
def handed_on(visitor: Visitor) -> Outcome:
    seen: dict[str, Any] = {}
    mounted = flask_inside(lambda session: seen.update(session))
    visitor.do(View(between=lambda session: session.update(user=7), mounted=mounted), {}, {})
    return Outcome("Flask sees the user" if seen == {"user": 7} else "Flask sees nobody", seen == {"user": 7})


@point("cookies in several `Cookie` fields, as over HTTP/2")
def split(visitor: Visitor) -> Outcome:
    seen: dict[str, Any] = {}
    visitor.change(lambda session: session.update(app=7))
    visitor.splits_cookies = True
    visitor.change(lambda session: seen.update(session))
    another = Visitor(visitor.peer)
    another.do(View(mounted=flask_inside(lambda session: session.update(mounted=7))))
    another.splits_cookies = True
    another.do(View(mounted=flask_inside(lambda session: seen.update(session))))
    blind = [name for key, name in (("app", "the app"), ("mounted", "the mounted Flask app")) if key not in seen]
    return Outcome(
        f"no user for {' and '.join(blind)}" if blind else "the app and a mounted one see the user", not blind
    )


@point("another library's server-side session inside, under another name")
def server_side(visitor: Visitor) -> Outcome:
    visitor.change(lambda session: session.update(user=7))
    visitor.do(View(inside=server_side_inside(lambda session: session.update(card="SECRET"))))
    outer = visitor.session()
    holds = outer == {"user": 7}
    return Outcome("each has its own" if holds else f"the outer cookie then holds {outer}", holds)


# The cookie deleted


@point("`response.delete_cookie(name)` for a name with `__Host-`")
def delete_cookie(visitor: Visitor) -> Outcome:
    name = "__Host-session"
    settings = {"session_cookie": name, "https_only": True}
    visitor.change(lambda session: session.update(user=7), settings)
    fields = visitor.do(View(deletes=name), settings).of(name)
    cookies = [parse_set_cookie(field.encode(), "/") for field in fields]
    # Browsers ignore what has such a name and no Secure (RFC 6265bis 4.1.3.2).
    out = any(cookie.deletes and "secure" in cookie.attributes for cookie in cookies)
    return Outcome("the user is out" if out else "browsers ignore it: the user stays logged in", out)


# The session replaced


def replaced(visitor: Visitor, replace: Callable[[Any], object], expected: dict[str, Any]) -> Outcome:
    if visitor.peer.no_scope:
        raise DoesNotApplyError(visitor.peer.no_scope)
    visitor.change(lambda session: session.update(user=7))
    visitor.do(View(replace=replace))
    after = visitor.session()
    return Outcome("saved" if after == expected else f"the session stays {after}", after == expected)


@point('`scope["session"]` replaced by a dict')
def by_a_dict(visitor: Visitor) -> Outcome:
    return replaced(visitor, lambda scope: scope.update(session={"a": 1}), {"a": 1})


@point('`scope["session"]` set to `None` or the framework\'s empty marker')
def by_nothing(visitor: Visitor) -> Outcome:
    return replaced(visitor, lambda scope: scope.update(session=visitor.peer.cleared), {})


@point('`scope["session"]` removed')
def removed(visitor: Visitor) -> Outcome:
    return replaced(visitor, lambda scope: scope.pop("session"), {})


# Late changes


@point("a change while the body streams")
def late(visitor: Visitor) -> Outcome:
    told = visitor.do(View(late=lambda session: session.update(late="VALUE")), path="/shop").told
    return saved_or_told(visitor, "late", told)


@point("a change after the request, by a task that outlives it")
def after_the_end(visitor: Visitor) -> Outcome:
    kept: list[Any] = []
    visitor.do(View(kept.append), path="/shop")
    with listening() as told:
        try:
            kept[0].update(late="VALUE")
        except RuntimeError as error:
            return Outcome(f"fails with {type(error).__name__}", True)
    return saved_or_told(visitor, "late", told)


@point("a change before an error that nobody handles")
def before_an_error(visitor: Visitor) -> Outcome:
    told = visitor.do(View(lambda session: session.update(a="VALUE"), fails=True), path="/shop").told
    return saved_or_told(visitor, "a", told)


@point("a session written where its cookie's path does not reach")
def out_of_reach(visitor: Visitor) -> Outcome:
    view = View(lambda session: session.update(a="VALUE"))
    told = [line for line in visitor.do(view, {"path": "/flask"}, path="/shop").told if "/shop" in line]
    return Outcome("lost, and logged with the path" if told else "lost silently", bool(told))


# WebSockets


@point("a change before `websocket.accept`")
def accepted(visitor: Visitor) -> Outcome:
    return socket(visitor, denies=False)


@point("a change before a WebSocket's denial response")
def denied(visitor: Visitor) -> Outcome:
    return socket(visitor, denies=True)


def socket(visitor: Visitor, *, denies: bool) -> Outcome:
    if visitor.peer.name.startswith("Flask"):
        raise DoesNotApplyError("no WebSockets")
    return saved_or_lost(len(visitor.socket(denies=denies).of("session")) == 1)


# Starlette's cookies


@point("a cookie of Starlette's middleware with the same key")
def starlettes(visitor: Visitor) -> Outcome:
    if isinstance(visitor.peer, Starlette):
        raise DoesNotApplyError("its own")
    starlette = Visitor(Starlette())
    starlette.change(lambda session: session.update(user=7))
    visitor.cookies = starlette.cookies
    try:
        settings = ({"accept_starlette_cookies": True},)
        visitor.peer.app(View(), *settings)
    except NotOfferedError:
        settings = ()
    opens = visitor.session(*settings) == {"user": 7}
    rewritten = opens and visitor.session() == {"user": 7}
    return Outcome("opens, and is rewritten" if rewritten else "is rejected", rewritten)


# Settings


@point("a signature from a clock that is 5 seconds ahead")
def leeway(visitor: Visitor) -> Outcome:
    with time_machine.travel(time.time() + 5, tick=False):
        visitor.change(lambda session: session.update(user=7))
    try:
        settings = ({"leeway": 10},)
        visitor.peer.app(View(), *settings)
    except NotOfferedError:
        settings = ()
    opens = visitor.session(*settings) == {"user": 7}
    how = "with `leeway`" if settings else "always"
    return Outcome(f"opens, {how}" if opens else "is rejected", opens)


@point("a signature from last year")
def old(visitor: Visitor) -> Outcome:
    with time_machine.travel(time.time() - 365 * 24 * 3600, tick=False):
        visitor.change(lambda session: session.update(user=7))
        jar = [(cookie.name, cookie.value or "") for cookie in visitor.cookies.jar]
    visitor.cookies = httpx.Cookies(jar)
    opens = visitor.session() == {"user": 7}
    return Outcome("opens" if opens else "is rejected", not opens)


@point("sessions for some paths only")
def paths(visitor: Visitor) -> Outcome:
    settings = {"allow_path_regex": "/shop"}
    answer = visitor.do(View(lambda session: session.update(a=1)), settings, path="/shop")
    try:
        elsewhere = visitor.do(View(lambda session: session.update(a=2)), settings, path="/static")
    except Exception:  # the view asks for a session, and there is none
        return Outcome("a setting", len(answer.of("session")) == 1)
    return Outcome("all paths have one", elsewhere.of("session") == [])


@point("a cookie of more than 4093 bytes")
def large(visitor: Visitor) -> Outcome:
    text = base64.b85encode(hashlib.shake_256(b"").digest(4000)).decode()
    answer = visitor.change(lambda session: session.update(text=text))
    sizes = [len(cookie) for cookie in answer.set_cookies]
    told = any("4093" in line for line in answer.told)
    if max(sizes) > 4093:
        return Outcome(f"one of {max(sizes)} bytes, {'with a warning' if told else 'silently'}", told)
    return Outcome(f"split into {len(sizes)}", visitor.session() == {"text": text})


@point("two equal middlewares, one inside the other")
def equal(visitor: Visitor) -> Outcome:
    view = View(lambda session: session.update(b=2), between=lambda session: session.update(a=1))
    cookies = len(visitor.do(view, {}, {}).of("session"))
    after = visitor.session()
    holds = cookies == 1 and after == {"a": 1, "b": 2}
    return Outcome(f"{cookies} cookie(s), content {after}", holds)


@point("two middlewares of different names")
def names(visitor: Visitor) -> Outcome:
    view = View(lambda session: session.update(b=2), between=lambda session: session.update(a=1))
    visitor.do(view, {"session_cookie": "outer"}, {"session_cookie": "inner"})
    outer, inner = (visitor.session({"session_cookie": name}) for name in ("outer", "inner"))
    holds = (outer, inner) == ({"a": 1}, {"b": 2})
    return Outcome("each has its own" if holds else f"outer: {outer}, inner: {inner}", holds)


# Unsafe settings


def secret(visitor: Visitor, value: Any) -> Outcome:
    """What happens with this secret key: when the app is built, and then when a session is written."""
    try:
        visitor.peer.app(View(), {"secret_key": value})
    except NotOfferedError:
        raise
    except Exception as error:
        return Outcome(f"refused: {type(error).__name__}", True)
    try:
        visitor.change(lambda session: session.update(user=7), {"secret_key": value})
    except Exception as error:
        return Outcome(f"accepted, and a write fails with {type(error).__name__}")
    return Outcome("accepted")


@point("an empty secret key")
def empty_secret(visitor: Visitor) -> Outcome:
    return secret(visitor, "")


@point("`None` as secret key")
def no_secret(visitor: Visitor) -> Outcome:
    return secret(visitor, None)


@point("a secret key that is all stars")
def stars(visitor: Visitor) -> Outcome:
    return secret(visitor, "*" * 32)


@point("a pydantic `SecretStr` as secret key")
def masked(visitor: Visitor) -> Outcome:
    given = {"secret_key": SecretStr(SECRET_KEY)}
    outcome = secret(visitor, given["secret_key"])
    if outcome.text != "accepted":
        return Outcome(outcome.text, outcome.holds)
    if visitor.session() == {"user": 7}:
        return Outcome("signs with the secret", True)
    forged = visitor.session({"secret_key": "**********"}) == {"user": 7}
    return Outcome("signs with the ten stars, as anyone can" if forged else "signs with something else")


@point("a cookie name with a line break")
def injection(visitor: Visitor) -> Outcome:
    settings = {"session_cookie": "a\r\nX-Injected: 1\r\nb"}
    try:
        visitor.peer.app(View(), settings)
    except Exception as error:
        return Outcome(f"refused: {type(error).__name__}", True)
    try:
        cookies = visitor.change(lambda session: session.update(user=7), settings).set_cookies
    except Exception as error:
        return Outcome(f"accepted, and a write fails with {type(error).__name__}")
    return Outcome("accepted, and sent" if any("\r\n" in cookie for cookie in cookies) else "accepted")


def built(visitor: Visitor, settings: dict[str, Any]) -> tuple[str, Answer]:
    """How a writing request's app is built: "refused", "warned about" or "accepted"; and its answer."""
    try:
        with listening() as told:
            visitor.peer.app(View(), settings)
    except NotOfferedError:
        raise
    except Exception as error:
        return f"refused: {type(error).__name__}", Answer()
    answer = visitor.change(lambda session: session.update(user=7), settings)
    return "warned about" if told else "accepted", answer


@point("a name with `__Host-`, without Secure")
def prefix(visitor: Visitor) -> Outcome:
    text, _ = built(visitor, {"session_cookie": "__Host-session"})
    return Outcome(text, text.startswith("refused"))


@point("`SameSite=None` without Secure")
def same_site(visitor: Visitor) -> Outcome:
    text, _ = built(visitor, {"same_site": "none"})
    return Outcome(text, text == "warned about")


@point("`Partitioned` without Secure")
def partitioned(visitor: Visitor) -> Outcome:
    text, answer = built(visitor, {"partitioned": True})
    implied = any("; secure" in cookie.lower() for cookie in answer.set_cookies)
    return Outcome("implies Secure" if implied else text, implied)


@point("`repr(session)`")
def representation(visitor: Visitor) -> Outcome:
    shown: list[str] = []
    visitor.change(lambda session: (session.update(card="CONTENT"), shown.append(repr(session))))
    holds = "CONTENT" not in shown[0]
    return Outcome("hides the content" if holds else "shows the content", holds)


# FIPS


@point("without SHA-1, as in a FIPS build")
def fips(visitor: Visitor) -> Outcome:
    def no_sha1(*_: Any, **__: Any) -> Any:
        raise ValueError("no SHA-1 here")

    sha1 = hashlib.sha1
    hashlib.sha1 = no_sha1
    try:
        try:
            settings: tuple[dict[str, Any], ...] = ({"digest_method": hashlib.sha256},)
            visitor.change(lambda session: session.update(user=7), *settings)
        except NotOfferedError:
            settings = ()
            visitor.change(lambda session: session.update(user=7))
        return Outcome("works", visitor.session(*settings) == {"user": 7})
    finally:
        hashlib.sha1 = sha1
