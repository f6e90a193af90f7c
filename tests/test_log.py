"""What the log says of a request: at DEBUG what came and what became of it, and a warning for each way of losing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware

from starlette_flask import SessionMiddleware, TaggedJSONSerializer
from tests.asgi import KEY, app_that, call, signed
from tests.test_starlette_cookies import by_starlette

BEFORE = {"user": 7, "cart": [1]}
DELETION = b"session=; Max-Age=0; Path=/"


def write(session: Any) -> None:
    session["a"] = 1


def discard(session: Any) -> None:
    session["a"] = 1
    session.modified = False


def pair(value: str) -> bytes:
    return f"session={value}".encode()


class TestDebugLine:
    """One line a request: absent, rejected and why, or opened, with what and how old; saved or not and why."""

    @pytest.mark.parametrize("serializer", [None, TaggedJSONSerializer()], ids=["the standard", "its own"])
    @pytest.mark.parametrize(
        ("field", "text"),
        [
            (lambda: b"a=1", "no cookie"),
            (lambda: b"session=", "no cookie"),
            (lambda: b"session=x", "rejected: BadSignature"),
            (lambda: pair(signed(BEFORE, age=4000)), "rejected: SignatureExpired: Signature age is over 3600 seconds"),
            (lambda: pair(signed(BEFORE, age=-9)), "rejected: SignatureExpired: Signature timestamp is in the future"),
            (lambda: pair(signed(BEFORE, age=60)), "opened with the current key, signed 60 s ago"),
            (lambda: pair(signed(BEFORE, key="old")), "opened with fallback key 2, signed 0 s ago"),
            (lambda: pair(signed(BEFORE, key="newer")), "opened with fallback key 1, signed 0 s ago"),
            (lambda: pair(by_starlette(BEFORE, age=5)), "opened in Starlette's format, signed 5 s ago"),
            (
                lambda: pair(signed(BEFORE)) + b"; a=b; session=x",
                "opened with the current key, signed 0 s ago (2 cookies of this name, the first counts)",
            ),
        ],
    )
    def test_what_came(
        self,
        field: Callable[[], bytes],
        text: str,
        serializer: Any,
        caplog: pytest.LogCaptureFixture,
        time_machine: Any,
    ) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware = SessionMiddleware(
            app_that(),
            KEY,
            secret_key_fallbacks=["old", "newer"],
            permanent_session_lifetime=3600,
            accept_starlette_cookies=True,
            serializer=serializer,
        )
        time_machine.move_to(1_000_000_000, tick=False)
        call(middleware, headers=[(b"cookie", field())], path="/p")
        assert caplog.messages == [f"Session 'session' on path '/p': {text}; not saved, as nothing changed"]

    @pytest.mark.parametrize(
        ("change", "content", "inner", "text"),
        [
            (write, BEFORE, [], "saved"),
            (lambda s: s.clear(), BEFORE, [], "deleted"),
            (dict, {"_permanent": True}, [], "saved again, as it is permanent"),
            (discard, BEFORE, [], "not saved, as nothing changed"),
            (dict, BEFORE, [pair(signed({"b": 1})) + b"; Path=/"], "saved by an application inside"),
            (dict, BEFORE, [pair(signed(BEFORE)) + b"; Path=/"], "saved again by an application inside"),
            (write, BEFORE, [pair(signed(BEFORE)) + b"; Path=/"], "saved, merged with what an application inside set"),
            (dict, BEFORE, [DELETION], "deleted"),
            (
                dict,
                {},
                [b"session=x; Path=/"],
                "not saved, as an application inside set a cookie of that name that was rejected",
            ),
        ],
    )
    def test_what_became_of_it(
        self, change: Any, content: Any, inner: list[bytes], text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        app = app_that(change, headers=[(b"set-cookie", field) for field in inner])
        call(SessionMiddleware(app, KEY), cookie=signed(content))
        assert caplog.messages[-1].partition("; ")[2] == text

    def test_of_a_websocket_that_was_refused(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        call(SessionMiddleware(app_that(write, start="websocket.close"), KEY), kind="websocket")
        assert caplog.messages[-1].partition("; ")[2] == "not saved, as the connection was refused"

    def test_to_read_one_of_starlettes_saves_it(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware = SessionMiddleware(app_that(lambda s: s.get("user")), KEY, accept_starlette_cookies=True)
        call(middleware, cookie=by_starlette({"user": 7}))
        assert caplog.messages[-1].partition("; ")[2] == "saved"

    @pytest.mark.parametrize(
        ("changes", "outcome", "tells"),
        [
            ([write, write], "saved", True),
            ([write, lambda s: s.clear()], "deleted", True),
            ([write, dict], "saved again, as it is permanent", True),
            ([dict, write], "saved", False),
            ([dict, dict], "saved again, as it is permanent", False),
        ],
        ids=["twice", "deleted", "undone", "once", "renewed"],
    )
    def test_two_requests_that_changed_one_cookie(
        self, changes: list[Any], outcome: str, tells: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Side by side, both began with what it held; the client keeps what the slower response set.

        To renew it undoes what another request changed, but changes nothing itself.
        """
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware, cookie = SessionMiddleware(app_that(dict), KEY), signed({"_permanent": True, "user": 7})
        for change in changes:
            middleware.app = app_that(change)
            call(middleware, cookie=cookie)
            call(middleware, cookie=signed({"user": id(change)}))  # another one
        told = "; another request with the same cookie was saved, too: the last response to arrive wins"
        first, second = (line.partition("; ")[2] for line in caplog.messages[::2])
        assert told not in first
        assert second == outcome + told * tells

    @pytest.mark.parametrize("cookie", [None, signed(BEFORE)], ids=["no cookie", "a change, then none"])
    def test_two_requests_that_did_not(self, cookie: str | None, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware = SessionMiddleware(app_that(write), KEY)
        for change in (write, write if cookie is None else dict):
            middleware.app = app_that(change)
            call(middleware, cookie=cookie)
        assert "another request" not in caplog.text

    @pytest.mark.parametrize(("others", "tells"), [(63, True), (64, False)])
    def test_the_last_64_that_changed_one_are_remembered(
        self, others: int, tells: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware, cookie = SessionMiddleware(app_that(write), KEY), signed({"user": 7})
        for value in (cookie, *(signed({"other": number}) for number in range(others)), cookie):
            call(middleware, cookie=value)
        also = "; another request with the same cookie was saved, too: the last response to arrive wins"
        assert caplog.messages[-1].partition("; ")[2] == "saved" + (also if tells else "")

    def test_without_a_response(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")

        async def app(scope: Any, receive: Any, send: Any) -> None: ...

        call(SessionMiddleware(app, KEY))
        assert caplog.messages == [
            "Session 'session' on path '/': no cookie; not saved, as the application sent no response"
        ]

    def test_of_a_request_that_was_cancelled(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            call(SessionMiddleware(app, KEY))
        assert caplog.messages == ["Session 'session' on path '/': no cookie; not saved, as the request was cancelled"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


class TestPath:
    """A session written where the cookie does not come back is a warning, once for each application."""

    @pytest.mark.parametrize(
        ("path", "root_path", "warns"),
        [
            ("/", "", True),
            ("/flaskish", "", True),
            ("/flask", "", False),
            ("/flask/page", "", False),
            ("/page", "/flask", False),
            ("/page", "/other", True),
        ],
    )
    def test_that_is_not_covered(
        self, path: str, root_path: str, warns: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        middleware = SessionMiddleware(app_that(write), KEY, path="/flask")
        for _ in range(2):
            assert call(middleware, path=path, root_path=root_path).saved == {"a": 1}
        assert warnings(caplog) == warns * [
            f"Session 'session' was written on path {path!r}, which its cookie's path does not cover: the browser "
            "does not send it back there. Set path to '/', unless a proxy strips a prefix."
        ]

    def test_that_is_not_covered_after_one_that_is(self, caplog: pytest.LogCaptureFixture) -> None:
        middleware = SessionMiddleware(app_that(write), KEY, path="/flask")
        for path in ("/flask", "/page"):
            call(middleware, path=path)
        assert len(warnings(caplog)) == 1

    def test_is_no_matter_where_nothing_is_written(self, caplog: pytest.LogCaptureFixture) -> None:
        call(SessionMiddleware(app_that(dict), KEY, path="/flask"), cookie=signed(BEFORE))
        assert warnings(caplog) == []


def pages(page: Callable[[Any], object], app: Any) -> Any:
    """An application that answers its own error, after doing `page` to the session."""

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except TypeError:
            page(scope)
            await send({"type": "http.response.start", "status": 500, "headers": [(b"x", b"y")]})

    return answering


def put(value: Any) -> Callable[[Any], object]:
    return lambda scope: scope.update(session=value)


@pytest.mark.parametrize(
    ("change", "page", "saved", "warning"),
    [
        (lambda scope: scope["session"].update(x=object()), lambda scope: scope["session"].pop("x"), BEFORE, None),
        (lambda scope: scope["session"].update(x=object()), dict, None, "they cannot be stored; changed keys: 'x'"),
        (put({"x": object()}), dict, None, "they cannot be stored; changed keys: 'cart', 'user', 'x'"),
        (put({"x": object()}), put({"y": 1}), {"y": 1}, None),
        (put(5), dict, None, None),
    ],
    ids=["mended", "not mended", "replaced", "replaced and mended", "replaced by no mapping"],
)
def test_the_page_that_answers_a_failed_save(
    change: Any, page: Any, saved: Any, warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It saves what the session then is; where that fails, too, a warning says what is lost.

    What cannot be a session at all changed nothing of it.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        change(scope)
        await send({"type": "http.response.start", "status": 200})

    caplog.set_level(logging.DEBUG, "starlette_flask")
    reply = call(SessionMiddleware(pages(page, app), KEY), cookie=signed(BEFORE))
    assert (reply.start["status"], reply.fields("x"), reply.saved) == (500, ["y"], saved)
    outcome = caplog.messages[-1].partition("; ")[2]
    assert outcome == ("not saved, as it cannot be stored" if saved is None else "saved")
    reason = "Changes to session 'session' were lost on path '/' because "
    assert warnings(caplog) == ([] if warning is None else [reason + warning])


def test_such_a_page_leaves_the_session_of_another_middleware_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    sessions: list[Any] = []
    theirs = StarletteMiddleware(app_that(sessions.append), "theirs", "theirs")

    async def ours(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["x"] = object()
        await pages(dict, theirs)(scope, receive, send)

    reply = call(SessionMiddleware(ours, KEY), cookie=signed(BEFORE))
    assert reply.scope["session"] is sessions[0]
    (text,) = warnings(caplog)
    assert text.endswith("they cannot be stored; changed keys: 'x'")


class TestStarlettesMiddlewareUnderOurName:
    """As libraries bring it along. Its cookie passes; what it lacks of our session is reported, and nothing else."""

    @pytest.mark.parametrize(
        ("accept", "keys"), [(False, "'cart', 'user'"), (True, "'cart'")], ids=["", "accept_starlette_cookies"]
    )
    def test_replaces_our_session(self, accept: bool, keys: str, caplog: pytest.LogCaptureFixture) -> None:
        library = StarletteMiddleware(app_that(lambda s: s.update(user=8)), KEY)
        reply = call(SessionMiddleware(library, KEY, accept_starlette_cookies=accept), cookie=signed(BEFORE))
        (cookie,) = reply.set_cookies
        assert "httponly; samesite=lax" in cookie, "it is its own"
        (text,) = warnings(caplog)
        assert text.endswith(f"set a cookie of that name that was rejected; changed keys: {keys}")

    def test_loses_nothing_where_there_was_none(self, caplog: pytest.LogCaptureFixture) -> None:
        library = StarletteMiddleware(app_that(lambda s: s.update(user=7)), KEY)
        call(SessionMiddleware(library, KEY))
        assert warnings(caplog) == []


@pytest.mark.parametrize("kept", [{"b": 2}, {}], ids=["some", "all"])
def test_a_conflict_names_what_was_lost(kept: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    inner = [(b"set-cookie", pair(signed({**BEFORE, "user": 8, "a": 1})) + b"; Path=/")]
    app = app_that(lambda s: s.update(user=9, a=1, **kept), headers=inner)
    reply = call(SessionMiddleware(app, KEY), cookie=signed(BEFORE), path="/p")
    assert reply.saved == {**BEFORE, "user": 8, "a": 1, **kept}
    assert warnings(caplog) == [
        "Changes to session 'session' were lost on path '/p' because an application inside changed them, too; "
        "changed keys: 'user'"
    ]
