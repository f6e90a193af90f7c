"""Applications that are odd and yet allowed: sessions stay apart, nothing is lost in silence, and caches are told."""

from __future__ import annotations

import enum
import json
import time
from typing import Any

import pytest

from starlette_flask import SessionMiddleware
from tests.asgi import KEY, Fickle, Reply, app_that, call, signed
from tests.trust import fuzz

ADA: dict[str, Any] = {"user": "ada"}
EVE: dict[str, Any] = {"user": "eve"}


def visit(session: Any) -> None:
    session["visits"] = session.get("visits", 0) + 1


async def answer(send: Any, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class TestScopeUsedAgain:
    """A scope that is used for a second request brings that request's session, and it is saved."""

    def test_for_another_user(self) -> None:
        found: list[Any] = []

        def look(session: Any) -> None:
            found.append(dict(session))
            visit(session)

        middleware, scope = SessionMiddleware(app_that(look), KEY), {}
        for content in (ADA, EVE):
            reply = call(middleware, cookie=signed(content), reply=Reply(scope))
            assert reply.saved == {**content, "visits": 1}
        assert found == [ADA, EVE]

    def test_for_another_try(self) -> None:
        """Something outside calls again where the first time failed."""
        tries = 0

        async def unreliable(scope: Any, receive: Any, send: Any) -> None:
            nonlocal tries
            tries += 1
            visit(scope["session"])
            if tries == 1:
                raise ConnectionError
            await answer(send)

        middleware = SessionMiddleware(unreliable, KEY)

        async def patient(scope: Any, receive: Any, send: Any) -> None:
            try:
                await middleware(scope, receive, send)
            except ConnectionError:
                await middleware(scope, receive, send)

        assert call(patient, cookie=signed(ADA)).saved == {**ADA, "visits": 1}

    def test_for_another_application(self) -> None:
        """One is asked after the other until one knows the path; each has a middleware of its own."""

        async def knows_nothing(scope: Any, receive: Any, send: Any) -> None:
            scope["session"].get("user")
            await answer(send, 404)

        apps = [SessionMiddleware(app, KEY) for app in (knows_nothing, app_that(visit))]

        async def cascade(scope: Any, receive: Any, send: Any) -> None:
            for app in apps:
                messages: list[Any] = []

                async def keep(message: Any, messages: list[Any] = messages) -> None:
                    messages.append(message)

                await app(scope, receive, keep)
                if messages[0]["status"] != 404:
                    for message in messages:
                        await send(message)
                    return

        reply = call(cascade, cookie=signed(ADA))
        assert (reply.saved, reply.vary) == ({**ADA, "visits": 1}, ["Cookie"])


class TestReplacedBeforeAnEqualMiddleware:
    """What was put in the session's place is the session further in, too: nobody is logged in again in there."""

    @pytest.mark.parametrize("content", [{}, None, EVE], ids=["emptied", "None", "another"])
    @pytest.mark.parametrize("writes", [False, True])
    def test_is_found_and_saved(self, content: Any, writes: bool) -> None:
        found: list[Any] = []

        def look(session: Any) -> None:
            found.append(dict(session))
            if writes:
                session["seen"] = True

        inner = SessionMiddleware(app_that(look), KEY)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = content
            await inner(scope, receive, send)

        reply = call(SessionMiddleware(outer, KEY), cookie=signed(ADA))
        assert found == [content or {}]
        assert reply.saved == {**(content or {}), **({"seen": True} if writes else {})}

    def test_a_session_of_another_request_is_content_like_any_other(self) -> None:
        kept: list[Any] = []

        def swap(scope: Any) -> None:
            kept.append(scope["session"])
            scope["session"] = kept[0]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            swap(scope)
            await answer(send)

        middleware = SessionMiddleware(app, KEY)
        assert [call(middleware, cookie=signed(content)).saved for content in (ADA, EVE)] == [None, ADA]


class TestErrorPage:
    """A page for a session that could not be stored was made for its user."""

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"headers": [(b"vary", b"Accept")]}, [(b"vary", b"Accept, Cookie")]),
            ({"headers": [(b"x", b"y")]}, [(b"x", b"y"), (b"vary", b"Cookie")]),
            ({"headers": None}, [(b"vary", b"Cookie")]),
            ({}, [(b"vary", b"Cookie")]),
        ],
    )
    def test_varies_as_in_flask(self, headers: dict[str, Any], expected: list[Any]) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"]["unstorable"] = object()
            try:
                await answer(send)
            except TypeError:
                await send({"type": "http.response.start", "status": 500, **headers})

        reply = call(SessionMiddleware(app, KEY), cookie=signed(ADA))
        assert reply.messages == [{"type": "http.response.start", "status": 500, "headers": expected}]


class Sealed:
    """A serializer that does not open for ever what it wrote, as one that encrypts may have it."""

    def dumps(self, value: Any) -> str:
        return json.dumps([int(time.time()), value])

    def loads(self, text: str) -> Any:
        written, value = json.loads(text)
        if time.time() - written > 60:
            raise ValueError("too old")
        return value


class TestSerializerOfItsOwn:
    """It is asked for every request: what it refuses today was not to be remembered from yesterday."""

    def test_may_refuse_what_it_opened(self, time_machine: Any) -> None:
        time_machine.move_to(1_700_000_000, tick=False)
        middleware = SessionMiddleware(app_that(lambda s: s.update(a=1)), KEY, serializer=Sealed())
        cookie = call(middleware).set_cookies[0].partition(";")[0].partition("=")[2]
        reader = SessionMiddleware(app_that(), KEY, serializer=Sealed())
        for age, opens in ((0, True), (20, True), (40, True), (61, False), (99, False)):
            time_machine.move_to(1_700_000_000 + age, tick=False)
            assert bool(call(reader, cookie=cookie).scope["session"]) is opens


class TestOldCookieFromInside:
    """What is too old is not made young by joining it with a change from outside."""

    def test_is_not_signed_anew(self) -> None:
        """An application inside that sends back the cookie it was sent."""
        old = signed(ADA, age=40 * 86_400)
        headers = [(b"set-cookie", f"session={old}; HttpOnly; Path=/; SameSite=Lax".encode())]
        reply = call(SessionMiddleware(app_that(visit, headers=headers), KEY), cookie=old)
        assert reply.set_cookies == [headers[0][1].decode()]


class TestDeepSession:
    """A session that opened, however deep it is nested, fails no request that only reads it."""

    @pytest.mark.parametrize("depth", [300, 500, 700, 900, 940, 960, 980, 1500, 2500])
    @pytest.mark.parametrize("text", ['{"a":%b,"user":"ada"}', '{"a":%b,"t":{" t":[]},"user":"ada"}'])
    def test_read_and_answered_from_deep_within(self, depth: int, text: str) -> None:
        payload = text.encode() % (b"[" * depth + b"]" * depth)
        cookie = fuzz.signed(fuzz.base64_encode(payload), KEY).decode()

        def nested(level: int, send: Any, message: Any) -> Any:
            return nested(level - 1, send, message) if level else send(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["session"].get("user") in ("ada", None)
            await nested(60, send, {"type": "http.response.start", "status": 200, "headers": []})

        assert call(SessionMiddleware(app, KEY), cookie=cookie).set_cookies == []

    @pytest.mark.parametrize("depth", [300, 380, 420, 460])
    def test_opened_again_from_deep_within(self, depth: int) -> None:
        """A date in a list is kept as text, which is read again for each request."""
        text = b'{"a":%b,"d":[{" d":"Sun, 09 Sep 2001 01:46:40 GMT"}]}' % (b"[" * depth + b"]" * depth)
        headers = [(b"cookie", b"session=" + fuzz.signed(fuzz.base64_encode(text), KEY))]
        found: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            found.append(scope["session"].new)

        middleware = SessionMiddleware(app, KEY)

        def request(level: int) -> None:
            if level:
                request(level - 1)
            else:
                with pytest.raises(StopIteration):
                    middleware({"type": "http", "path": "/", "headers": headers}, None, None).send(None)  # type: ignore[arg-type]

        for level in (0, 300):
            request(level)
        assert found[0] is False
        assert len(found) == 2

    @pytest.mark.parametrize("depth", [900, 960, 980])
    def test_logged_out_of(self, depth: int) -> None:
        payload, new = b'{"a":%b}' % (b"[" * depth + b"]" * depth), []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            new.append(scope["session"].new)
            scope["session"] = None
            await answer(send)

        cookie = fuzz.signed(fuzz.base64_encode(payload), KEY).decode()
        assert call(SessionMiddleware(app, KEY), cookie=cookie).saved == (None if new == [True] else {})


class Names(str, enum.Enum):
    COOKIE = "session"


class Ages(int, enum.Enum):
    DAY = 86_400


class TestSettingsOfAnEnum:
    """A member of an enum counts as its value, also where its text is its name."""

    def test_name_and_age(self) -> None:
        middleware = SessionMiddleware(app_that(visit), KEY, Names.COOKIE, Ages.DAY)
        reply = call(middleware, cookie=signed(ADA))
        assert reply.saved == {**ADA, "visits": 1}
        assert "; Max-Age=86400; " in reply.set_cookies[0]


class RaisingModel:
    """What an application may put at ``scope["session"]``, and fails when it is read."""

    def model_dump(self) -> Any:
        raise RuntimeError


class Choosy:
    """A serializer that does not take everything."""

    loads = staticmethod(json.loads)

    def dumps(self, value: Any) -> str:
        if "user" in value:
            raise TypeError("no users here")
        return json.dumps(value)


class TestNothingRaisesIntoTheApplication:
    """What the middleware finds out for itself fails no request, and stands before no error of the application."""

    @pytest.mark.parametrize("depth", [700, 800, 900, 920])
    def test_a_log_out_from_deep_within(self, depth: int) -> None:
        cookie = fuzz.signed(fuzz.base64_encode(b'{"a":%b}' % (b"[" * depth + b"]" * depth)), KEY).decode()
        new = []

        def nested(level: int, send: Any, message: Any) -> Any:
            return nested(level - 1, send, message) if level else send(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            new.append(scope["session"].new)
            scope["session"] = None
            await nested(100, send, {"type": "http.response.start", "status": 200, "headers": []})

        assert call(SessionMiddleware(app, KEY), cookie=cookie).saved == (None if new == [True] else {})

    def test_the_page_that_answers_a_session_that_cannot_be_read(self) -> None:
        """Whatever it raised, the application's developer sees it once."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = RaisingModel()
            with pytest.raises(RuntimeError):
                await answer(send)
            await answer(send, 500)

        assert call(SessionMiddleware(app, KEY), cookie=signed(ADA)).start["status"] == 500

    def test_a_late_session_that_cannot_be_read(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answer(send)
            scope["session"] = RaisingModel()
            raise ConnectionError

        with pytest.raises(ConnectionError):
            call(SessionMiddleware(app, KEY), cookie=signed(ADA))

    def test_a_starlette_cookie_that_the_serializer_refuses(self) -> None:
        cookie = fuzz.starlettes(ADA, KEY).decode()
        middleware = SessionMiddleware(app_that(dict), KEY, serializer=Choosy(), accept_starlette_cookies=True)
        assert call(middleware, cookie=cookie).set_cookies == []

    def test_a_session_replaced_where_the_old_one_cannot_be_compared(self) -> None:
        serializer = Fickle()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            serializer.broken = True
            scope["session"] = EVE
            await answer(send)

        assert call(SessionMiddleware(app, KEY, serializer=serializer), cookie=signed(ADA)).saved == EVE

    def test_a_late_change_that_cannot_be_compared(self, caplog: pytest.LogCaptureFixture) -> None:
        serializer = Fickle()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answer(send)
            serializer.broken = True
            scope["session"]["late"] = 1
            raise ConnectionError

        with pytest.raises(ConnectionError):
            call(SessionMiddleware(app, KEY, serializer=serializer), cookie=signed(ADA))
        assert "lost on path '/' because the response had already started; changed keys: 'late', 'user'" in caplog.text


def pretend(session: Any) -> None:
    session.accessed = False


class TestAccessTakenBack:
    """An application that sets ``accessed = False`` keeps Vary away, and loses nothing that there is to save."""

    def test_a_change(self) -> None:
        def change(session: Any) -> None:
            visit(session)
            pretend(session)

        assert call(SessionMiddleware(app_that(change), KEY), cookie=signed(ADA)).saved == {**ADA, "visits": 1}

    @pytest.mark.parametrize("modified", [False, True])
    def test_a_renewal(self, modified: bool) -> None:
        def say_so(session: Any) -> None:
            session.modified = modified
            pretend(session)

        permanent = {**ADA, "_permanent": True}
        assert call(SessionMiddleware(app_that(say_so), KEY), cookie=signed(permanent)).saved == permanent

    def test_nothing_to_save(self) -> None:
        def look(session: Any) -> None:
            session.get("user")
            session.modified = False
            pretend(session)

        reply = call(SessionMiddleware(app_that(look), KEY), cookie=signed(ADA))
        assert (reply.set_cookies, reply.vary) == ([], [])

    @pytest.mark.parametrize("content", [None, EVE])
    def test_another_session_in_its_place(self, content: Any) -> None:
        inner = SessionMiddleware(app_that(pretend), KEY)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            scope["session"] = content
            await inner(scope, receive, send)

        assert call(SessionMiddleware(outer, KEY), cookie=signed(ADA)).saved == (content or {})

    def test_a_cookie_in_starlettes_format(self) -> None:
        """It is rewritten where somebody looked at it, and there it is left."""
        middleware = SessionMiddleware(app_that(pretend), KEY, accept_starlette_cookies=True)
        assert call(middleware, cookie=fuzz.starlettes(ADA, KEY).decode()).saved is None
