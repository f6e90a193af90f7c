"""A cache between the visitors and the application: nobody gets what was made for somebody else."""

from __future__ import annotations

import collections
import copy
import json
import operator
import pickle
import types
from collections.abc import Callable
from typing import Any

import flask
import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask import SessionMiddleware
from tests.asgi import KEY, Reply, call, flask_reader, signed
from tests.trust import fuzz

ADA: dict[str, Any] = {"cart": [1], "user": "ada"}


def _match(session: object) -> object:
    match session:
        case {"user": str(user), **rest}:
            return user, rest
        case {}:
            return "nobody"
    return None


def _unpacked(session: Any) -> object:
    first, *rest = [*session, "", ""]
    return first, rest


def _assigned(session: Any) -> object:
    try:
        (name,) = session
    except ValueError as error:
        return str(error)
    return name


#: Every way to read a session that there is in Python: what it gives ends up in the response.
WAYS: dict[str, Callable[[Any], object]] = {
    "[]": lambda s: s["user"],
    "[] of another key": lambda s: s["ada" if s.get("user") else "nobody"],
    "get": lambda s: s.get("user"),
    "get with a default": lambda s: s.get("user", "nobody"),
    "in": lambda s: "user" in s,
    "not in": lambda s: "user" not in s,
    "len": len,
    "bool": bool,
    "not": lambda s: not s,
    "if": lambda s: "in" if s else "out",
    "==": lambda s: s == ADA,
    "== from the left": lambda s: operator.eq(ADA, s),
    "!=": lambda s: s != {},
    "!= from the left": lambda s: operator.ne({}, s),
    "in a list": lambda s: s in [1, {}, None],
    "|": lambda s: s | {"x": 1},
    "| from the left": lambda s: {"x": 1} | s,
    "|= from the left": lambda s: operator.ior({"x": 1}, s),
    "copy": lambda s: s.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda s: pickle.loads(pickle.dumps(s)),
    "iteration": lambda s: [key for key in s],  # noqa: C416
    "iter": lambda s: next(iter(s), None),
    "reversed": lambda s: list(reversed(s)),
    "keys": lambda s: list(s.keys()),
    "values": lambda s: list(s.values()),
    "items": lambda s: list(s.items()),
    "keys as a set": lambda s: sorted(s.keys() & {"user"}),
    "list": list,
    "tuple": tuple,
    "set": lambda s: sorted(set(s)),
    "frozenset": lambda s: sorted(frozenset(s)),
    "sorted": sorted,
    "min": lambda s: min(s, default=None),
    "any": any,
    "sum": lambda s: sum(map(len, s)),
    "enumerate": lambda s: list(enumerate(s)),
    "zip": lambda s: list(zip(s, "ab")),  # noqa: B905
    "join": lambda s: ",".join(s),
    "dict": dict,
    "dict.fromkeys": lambda s: dict.fromkeys(s, 0),
    "dict of a dict": lambda s: dict(dict(s), x=1),
    "update of a dict": lambda s: operator.methodcaller("update", s)(made := {}) or made,
    "** in a dict": lambda s: {**s},
    "** in a call": lambda s: dict(**s),
    "* in a list": lambda s: [*s],
    "* in a call": lambda s: print(*s, end="") or [*s],
    "unpacking": _unpacked,
    "unpacking of one": _assigned,
    "match": _match,
    "OrderedDict": lambda s: list(collections.OrderedDict(s)),
    "Counter": lambda s: list(collections.Counter(list(s))),
    "ChainMap": lambda s: collections.ChainMap({}, s).get("user"),
    "UserDict": lambda s: collections.UserDict(s).data,
    "MappingProxyType": lambda s: types.MappingProxyType(s).get("user"),
    "SimpleNamespace": lambda s: vars(types.SimpleNamespace(**s)),
    "itemgetter": lambda s: operator.itemgetter("user")(s),
    "length_hint": operator.length_hint,
    "%": lambda s: "%(user)s" % s,  # noqa: UP031
    "format": lambda s: "{user}".format(**s),
    "format with the session": lambda s: "{[user]}".format(s),  # noqa: UP032
    "format_map": lambda s: "{user}".format_map(s),
    "json": lambda s: json.dumps({"session": s, "new": s.new}),  # its C code asks an empty dict for nothing
    "eval": lambda s: eval("user", {}, s),
    "jinja": lambda s: flask.Flask("templates").jinja_env.from_string("{{ s.user }}{{ s|length }}").render(s=s),
    "setdefault of what is there": lambda s: s.setdefault("user", "x") if s else None,
    "permanent": lambda s: s.permanent or len(s),
    "new": lambda s: s.new,
    "modified": lambda s: (s.modified, len(s)),
}


class SharedCache:
    """Keeps every response, also one with Set-Cookie, for all who send the same as it varies on (RFC 9111 4.1)."""

    def __init__(self, app: Any) -> None:
        self.app, self.kept, self.hits = app, [], 0  # type: ignore[var-annotated]

    def get(self, cookie: str | None = None, *, language: bytes = b"en") -> Reply:
        fields = {"accept-language": language, "cookie": cookie}
        for varies, theirs, reply in self.kept:
            if all(fields.get(name) == theirs.get(name) for name in varies):
                self.hits += 1
                return reply
        reply = call(self.app, cookie=cookie, headers=[(b"accept-language", language)])
        varies = [name.strip().lower() for field in reply.vary for name in field.split(",")]
        if "*" not in varies:
            self.kept.append((varies, fields, reply))
        return reply


def answering(use: Callable[[Any], object], *, vary: bytes = b"") -> Any:
    """An application whose response says what `use` found in the session; the error where there was one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            body, status = repr(use(scope["session"])), 200
        except (KeyError, NameError, TypeError) as error:
            body, status = repr(error), 404
        headers = [(b"vary", vary)] if vary else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})

    return app


def body(reply: Reply) -> bytes:
    return reply.messages[-1]["body"]


class TestReading:
    """A response that says something of the session is for those alone who send that very cookie."""

    @pytest.mark.parametrize("name", WAYS)
    def test_each_gets_their_own(self, name: str) -> None:
        middleware = SessionMiddleware(answering(WAYS[name]), KEY)
        cookies = [signed(ADA), None, signed({"user": "eve"}), "broken"]
        alone = [body(call(middleware, cookie=cookie)) for cookie in cookies]
        assert len(set(alone)) > 1  # it does say something
        cache = SharedCache(middleware)
        for _ in range(2):
            assert [body(cache.get(cookie)) for cookie in cookies] == alone
        assert cache.hits == 4
        assert all(reply.vary == ["Cookie"] and not reply.set_cookies for _, _, reply in cache.kept)

    @pytest.mark.parametrize(
        "use",
        [
            lambda s: s.pop("user", "nobody"),
            lambda s: s.pop("user"),
            lambda s: s.__delitem__("user"),
            lambda s: s.popitem(),
        ],
        ids=["pop with a default", "pop", "del", "popitem"],
    )
    def test_what_was_not_there_to_be_taken_out(self, use: Callable[[Any], object]) -> None:
        """Nothing is changed by it, and yet the response tells what the session lacks."""
        cache = SharedCache(SessionMiddleware(answering(use), KEY))
        nobody = cache.get(None)
        assert (nobody.vary, nobody.set_cookies) == (["Cookie"], [])
        assert body(cache.get(signed(ADA))) != body(nobody)

    def test_beside_what_the_application_varies_on(self) -> None:
        cache = SharedCache(SessionMiddleware(answering(len, vary=b"Accept-Language"), KEY))
        visitors = ((signed(ADA), b"2"), (None, b"0"))
        for language in (b"en", b"de", b"en"):
            for cookie, count in visitors:
                assert body(cache.get(cookie, language=language)) == count
        assert cache.hits == 2

    @pytest.mark.parametrize("name", ["in", "len", "bool", "[]", "get", "==", "iteration", "none"])
    def test_as_flask(self, name: str) -> None:
        """CVE-2026-27205: before 3.1.3, Flask said nothing where only the keys were looked at."""
        use = WAYS.get(name, lambda _: "nothing")
        flask_app = flask_reader()
        flask_app.add_url_rule("/", view_func=lambda: repr(use(flask.session)))
        client = flask_app.test_client(use_cookies=False)
        for content in (ADA, {**ADA, "_permanent": True}):
            cookie = signed(content)
            theirs = client.get("/", headers={"Cookie": f"session={cookie}"})
            ours = call(SessionMiddleware(answering(use), KEY), cookie=cookie)
            assert ours.vary == theirs.headers.getlist("Vary")
            assert body(ours) == theirs.data
            assert bool(ours.vary) is (name != "none" or "_permanent" in content)

    def test_by_the_request_of_a_framework(self) -> None:
        """The serializer in C calls no method of the session; Starlette's `request.session` has marked it before."""
        app = FastAPI()

        @app.get("/")
        async def session(request: Request) -> dict[str, Any]:
            return request.session

        app.add_middleware(SessionMiddleware, secret_key=KEY)
        cache = SharedCache(lambda scope, *channels: app({**scope, "query_string": b"", "root_path": ""}, *channels))
        replies = [cache.get(cookie) for cookie in (signed(ADA), None, signed(ADA))]
        assert [json.loads(body(reply)) for reply in replies] == [ADA, {}, ADA]


async def redirect(request: Request) -> Response:
    return RedirectResponse(f"/of/{request.session.get('user')}", 303)


async def unchanged(request: Request) -> Response:
    return Response(status_code=304, headers={"ETag": request.session.get("user", "nobody")})


async def refused(request: Request) -> Response:
    raise HTTPException(403, f"not for {request.session.get('user')}")


async def streamed(request: Request) -> Response:
    return StreamingResponse(iter(request.session.get("user", "nobody")))


async def found(request: Request) -> Response:
    return PlainTextResponse(request.session.get("user", "nobody"))


async def socket(websocket: WebSocket) -> None:
    user = websocket.session.get("user")
    if websocket.url.path.endswith("denied"):
        await websocket.send_denial_response(PlainTextResponse(f"not for {user}", 403))
    else:
        await websocket.accept(headers=[(b"x-user", str(user).encode())])


ROUTES = [
    *(Route(f"/{view.__name__}", view) for view in (redirect, unchanged, refused, streamed, found)),
    *(WebSocketRoute(f"/{name}", socket) for name in ("accepted", "denied")),
]
SITE = Starlette(routes=[*ROUTES, Mount("/mounted", routes=ROUTES)])


@pytest.mark.parametrize("under", ["", "/mounted"])
@pytest.mark.parametrize("settings", [{}, {"allow_path_regex": "/"}, {"accept_starlette_cookies": True}], ids=str)
class TestEveryKindOfResponse:
    """Whatever the method, the status and the kind of the response, it varies on the cookie that it depends on."""

    def ask(self, settings: Any, path: str, kind: str = "http", method: str = "GET") -> list[Reply]:
        middleware, headers = SessionMiddleware(SITE, KEY, **settings), [(b"host", b"test")]
        scope: dict[str, Any] = {"query_string": b"", "root_path": "", "method": method, "scheme": "http"}
        scope.update(extensions={"websocket.http.response": {}}, asgi={"spec_version": "2.4"})
        cookies = [signed(ADA), None, signed({"user": "eve"})] * 2  # the second time, what was opened is remembered
        return [call(middleware, path=path, kind=kind, cookie=each, headers=headers, **scope) for each in cookies]

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("view", [redirect, unchanged, refused, streamed, found], ids=lambda view: view.__name__)
    def test_of_http(self, view: Any, method: str, under: str, settings: Any) -> None:
        replies = self.ask(settings, f"{under}/{view.__name__}", method=method)
        assert len({repr(reply.messages) for reply in replies}) == 3
        assert [reply.vary for reply in replies] == [["Cookie"]] * 6
        assert not any(reply.set_cookies for reply in replies)

    @pytest.mark.parametrize("name", ["accepted", "denied"])
    def test_of_a_websocket(self, name: str, under: str, settings: Any) -> None:
        replies = self.ask(settings, f"{under}/{name}", "websocket")
        assert len({repr(reply.messages) for reply in replies}) == 3
        assert [reply.vary for reply in replies] == [["Cookie"]] * 6


class TestStreaming:
    """What a body reads after the response has begun comes too late for the headers, as in Flask: read before."""

    def test_as_flask(self) -> None:
        flask_app = flask_reader()

        @flask_app.get("/late")
        def late() -> flask.Response:
            return flask.Response(flask.stream_with_context(flask.session["user"] for _ in "1"))

        @flask_app.get("/early")
        def early() -> flask.Response:
            user = flask.session["user"]
            return flask.Response(user for _ in "1")

        async def ours(scope: Any, receive: Any, send: Any) -> None:
            user = scope["session"]["user"] if scope["path"] == "/early" else None
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": (user or scope["session"]["user"]).encode()})

        client = flask_app.test_client(use_cookies=False)
        for path, vary in (("/late", []), ("/early", ["Cookie"])):
            theirs = client.get(path, headers={"Cookie": f"session={signed(ADA)}"})
            reply = call(SessionMiddleware(ours, KEY), cookie=signed(ADA), path=path)
            assert body(reply) == theirs.data == b"ada"
            assert reply.vary == theirs.headers.getlist("Vary") == vary


class TestCVE:
    """What went wrong in Flask goes right here, behind a cache that keeps whatever it may."""

    def test_cve_2023_30861(self) -> None:
        """A permanent session that nothing touched is refreshed: its cookie goes to nobody else."""
        cache = SharedCache(SessionMiddleware(answering(lambda _: "public"), KEY))
        mine = cache.get(signed({**ADA, "_permanent": True}))
        assert (len(mine.set_cookies), mine.vary) == (1, ["Cookie"])
        for other in (None, "broken", signed({"user": "eve"})):
            assert cache.get(other) is not mine

    @pytest.mark.parametrize("name", ["in", "not in", "len", "bool", "iteration", "keys", "list", "sorted"])
    def test_cve_2026_27205(self, name: str) -> None:
        """A response that depends on which keys there are, but on no value, depends on the session."""
        cache = SharedCache(SessionMiddleware(answering(WAYS[name]), KEY))
        mine, nobody = cache.get(signed(ADA)), cache.get(None)
        assert body(mine) != body(nobody)
        assert mine.vary == nobody.vary == ["Cookie"]


class TestSetting:
    """A response that sets the cookie is for nobody else."""

    @pytest.mark.parametrize(
        ("cookie", "use", "settings"),
        [
            pytest.param(signed({**ADA, "_permanent": True}), lambda _: None, {}, id="refreshed (CVE-2023-30861)"),
            pytest.param(
                signed({**ADA, "_permanent": True}), lambda _: None, {"max_age": 86_400}, id="refreshed, with max_age"
            ),
            pytest.param(
                fuzz.starlettes(ADA, KEY).decode(),
                dict,
                {"accept_starlette_cookies": True},
                id="rewritten in Flask's format",
            ),
            pytest.param(signed(ADA), lambda s: s.update(a=1), {}, id="changed"),
            pytest.param(signed(ADA), lambda s: s.mark_modified(), {}, id="marked"),
            pytest.param(signed(ADA), lambda s: s["cart"].append(2), {}, id="changed inside"),
            pytest.param(signed(ADA), lambda s: s.clear(), {}, id="emptied"),
            pytest.param(None, lambda s: s.update(a=1), {}, id="begun"),
        ],
    )
    def test_nobody_else_gets_the_cookie(self, cookie: str, use: Callable[[Any], object], settings: Any) -> None:
        cache = SharedCache(SessionMiddleware(answering(use), KEY, **settings))
        mine = cache.get(cookie)
        assert len(mine.set_cookies) == 1
        assert mine.vary == ["Cookie"]
        for other in (signed({"user": "eve", "cart": []}), "broken"):
            assert cache.get(other) is not mine
        assert cache.get(cookie) is mine

    def test_joined_with_one_from_inside(self) -> None:
        """Also where the application inside sets the cookie without Vary, and ours only changes its format."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"set-cookie", f"session={signed({'inner': 1})}; HttpOnly; Path=/; SameSite=Lax".encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})

        middleware = SessionMiddleware(app, KEY, accept_starlette_cookies=True)
        reply = call(middleware, cookie=fuzz.starlettes(ADA, KEY).decode())
        assert (reply.saved, reply.vary) == ({**ADA, "inner": 1}, ["Cookie"])

    def test_by_replacing_the_session(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = {"user": "new"}
            await send({"type": "http.response.start", "status": 200})

        for content in (ADA, None, {"user": "new"}):
            reply = call(SessionMiddleware(app, KEY), cookie=None if content is None else signed(content))
            assert reply.vary == ["Cookie"]
            assert reply.saved == (None if content == {"user": "new"} else {"user": "new"})


class TestNeither:
    """A response that has nothing to do with the session is for all, whatever cookie they send."""

    cookies = (signed(ADA), None, "broken", "", signed(ADA, age=10**8), signed({"_permanent": False}))

    @pytest.mark.parametrize(
        "use",
        [
            lambda _: "the same",
            lambda s: isinstance(s, dict),
            lambda s: s is None,
            lambda s: callable(s.get),
            lambda s: type(s).__name__,
        ],
    )
    def test_is_kept_for_all(self, use: Callable[[Any], object]) -> None:
        for first in self.cookies:
            cache = SharedCache(SessionMiddleware(answering(use), KEY))
            reply = cache.get(first)
            assert (reply.vary, reply.set_cookies) == ([], [])
            for cookie in self.cookies:
                assert cache.get(cookie) is reply

    def test_of_another_session_further_in(self) -> None:
        """That one is read, ours is not: its cookie is the inner middleware's to vary on, and that one did not."""

        class Other(dict):  # type: ignore[type-arg]
            modified = False

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = Other(user="somebody")
            await send({"type": "http.response.start", "status": 200, "headers": []})

        reply = call(SessionMiddleware(app, KEY), cookie=signed(ADA))
        assert (reply.vary, reply.set_cookies) == ([], [])

    def test_of_a_permanent_session_that_is_not_refreshed(self) -> None:
        permanent = signed({**ADA, "_permanent": True})
        reply = call(SessionMiddleware(answering(lambda _: ""), KEY, refresh_each_request=False), cookie=permanent)
        assert (reply.vary, reply.set_cookies) == ([], [])

    def test_of_a_path_without_a_session(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        permanent = signed({**ADA, "_permanent": True})
        reply = call(SessionMiddleware(app, KEY, allow_path_regex="/account"), cookie=permanent, path="/static")
        assert (reply.vary, reply.set_cookies) == ([], [])
