"""Where this project does otherwise than Flask: the whole list, each entry shown on both, with its reason."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flask
import pytest
from itsdangerous.encoding import base64_encode, int_to_bytes

from starlette_flask import SessionMiddleware

from .harness import (
    FAILED,
    FLASK,
    NOW,
    WERKZEUG,
    Answer,
    FlaskSide,
    Operation,
    Pair,
    Request,
    drive,
    frozen,
    log_of_ours,
)
from .strategies import Unstorable, Value
from .test_requests import WRITE

READ = (Operation("dict"),)


@dataclass(frozen=True)
class Difference:
    """What Flask does, what this project does, and why."""

    what: str
    why: str
    theirs: Any
    ours: Any
    show: Callable[[], tuple[Any, Any]]


# What of an answer an entry is about


def status(answer: Answer) -> int:
    return answer.status


def opened(answer: Answer) -> object:
    """Return what ``dict(session)`` said, or that there was no answer."""
    return 500 if answer == FAILED else answer.outcomes[0]


def outcomes(answer: Answer) -> list[str]:
    return answer.outcomes


def vary(answer: Answer) -> list[bytes]:
    return answer.vary


def saved(answer: Answer) -> object:
    """Return the fields that set the cookie, its value as an ellipsis."""
    if answer == FAILED:
        return 500
    return " | ".join(re.sub(r"=[\w.-]{30,}", "=...", field.decode()) for field in answer.set_cookie)


# How an entry is shown


def asked(
    see: Callable[[Answer], Any],
    request: Request | Callable[[Pair], Request],
    config: Mapping[str, Any] | None = None,
    interface: Mapping[str, Any] | None = None,
) -> Callable[[], tuple[Any, Any]]:
    """Ask both, and compare what is to be seen."""

    def show() -> tuple[Any, Any]:
        pair = Pair(config, interface)
        sent = request if isinstance(request, Request) else request(pair)
        return see(pair.ask_flask(sent)), see(pair.ask_ours(sent))

    return show


def refused(
    config: Mapping[str, Any], see: Callable[[Answer], Any] = saved, request: Request = WRITE
) -> Callable[[], tuple[Any, Any]]:
    """Ask Flask; ours is not even built."""

    def show() -> tuple[Any, Any]:
        theirs = see(FlaskSide(config).ask_flask(request))
        try:
            Pair(config)
        except (TypeError, ValueError) as error:
            return theirs, type(error).__name__
        return theirs, "built"

    return show


def with_cookie(value: Value, operations: tuple[Operation, ...] = READ, **more: Any) -> Callable[[Pair], Request]:
    """Return a request with a signed cookie."""
    return lambda pair: Request((b"session=" + value.render(pair, NOW),), operations, **more)


def signed(text: str) -> Callable[[Pair], Request]:
    """Return a request whose cookie has a good signature over any JSON text."""
    return with_cookie(Value(base64_encode(text), "raw"))


def signed_at(timestamp: bytes, behind: bytes = b"") -> Callable[[Pair], Request]:
    """Return a request whose cookie has a good signature over any timestamp, and perhaps more behind it."""

    def request(pair: Pair) -> Request:
        value = base64_encode('{"a":1}') + b"." + base64_encode(timestamp)
        signature = pair.signing().make_signer().get_signature(value)
        return Request((b"session=" + value + b"." + signature + behind,), READ)

    return request


def fail(session: Any) -> None:
    session["a"] = 1
    raise LookupError


async def failing(scope: Any, receive: Any, send: Any) -> None:
    fail(scope["session"])


def unhandled() -> tuple[Any, Any]:
    """Both change the session, then fail."""
    side = FlaskSide()
    side.flask.add_url_rule("/fail", view_func=lambda: fail(flask.session))
    theirs = side.flask.test_client().get("/fail")

    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    ours = SessionMiddleware.from_flask(failing, side.flask)
    with pytest.raises(LookupError):
        drive(ours({"type": "http", "path": "/", "headers": []}, send, send))
    return (theirs.status_code, "Set-Cookie" in theirs.headers), messages


def reported() -> tuple[Any, Any]:
    """Both send a cookie that is too large."""
    pair = Pair({"MAX_COOKIE_SIZE": 50})
    with log_of_ours() as lines:
        theirs = (int(pair.ask_flask(WRITE).warned), len(lines))
    with log_of_ours() as lines, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pair.send_to_ours(WRITE)
    return theirs, (len(caught), len(lines))


def told() -> tuple[Any, Any]:
    """SameSite=None is set without Secure."""
    side = FlaskSide({"SESSION_COOKIE_SAMESITE": "None"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        side.ask_flask(WRITE)
        theirs = len(caught)
        SessionMiddleware.from_flask(failing, side.flask)
    return theirs, len(caught) - theirs


def fails_with() -> tuple[Any, Any]:
    """A value that cannot be stored: what reaches the server."""
    pair, request = Pair(), Request((), (Operation("session[key] =", ("a", Unstorable({1}))),))
    theirs = pair.ask_flask(request).status
    try:
        return theirs, pair.send_to_ours(request)
    except TypeError as error:
        return theirs, type(error).__name__


class Bytes:
    """A serializer whose form is not text."""

    def dumps(self, value: Any) -> bytes:
        return repr(value).encode()

    def loads(self, value: bytes) -> Any:
        return eval(value)


NESTED = Value({"a": [1]})
EMPTY = "{}"
OPENED = "{'a': 1}"
WRITTEN = "session=...; HttpOnly; Path=/"

DIFFERENCES = [
    # The request
    Difference(
        "A signed payload that is no JSON",
        "Only somebody with the key can write it; a user cannot get rid of a cookie that every page answers with 500",
        500,
        EMPTY,
        asked(opened, signed("no JSON")),
    ),
    Difference(
        "A signed payload that is JSON, but no object",
        "as above",
        500,
        EMPTY,
        asked(opened, signed("[1]")),
    ),
    Difference(
        "A signed payload that is a list of pairs",
        "Flask's dict() takes it by accident; nothing writes it",
        OPENED,
        EMPTY,
        asked(opened, signed('[["a",1]]')),
    ),
    Difference(
        "A signed payload with a tag that does not hold what it says",
        "as above: such a cookie ends the session, not the service",
        500,
        EMPTY,
        asked(opened, signed('{"a":{" u":"no UUID"}}')),
    ),
    Difference(
        "A signed timestamp that is no date",
        "as above",
        500,
        EMPTY,
        asked(opened, signed_at(int_to_bytes(2**64 - 1))),
    ),
    # The session
    Difference(
        "A change inside a nested value, without session.modified = True",
        "To lose it is nobody's intention",
        "",
        WRITTEN,
        asked(saved, with_cookie(NESTED, (Operation("change nested", ("a",)),))),
    ),
    Difference(
        "A value inside a nested one that cannot be stored, without session.modified = True",
        "It is saved as above, so it fails like any other",
        200,
        500,
        asked(status, with_cookie(NESTED, (Operation("put in nested", ("a", Unstorable({1}))),))),
    ),
    Difference(
        "Whether the session is new",
        "Flask's cookie session says False always, and its documentation not to rely on it",
        ["False"],
        ["True"],
        asked(outcomes, Request((), (Operation("new"),))),
    ),
    Difference(
        "Whether the session was accessed",
        "Flask's flask.session marks it at any use, this question included",
        (["True"], [b"Cookie"]),
        (["False"], []),
        asked(lambda answer: (answer.outcomes, answer.vary), Request((), (Operation("accessed"),))),
    ),
    Difference(
        "repr(session)",
        "It ends up in logs; what it shows is nobody's business there",
        ["<SecureCookieSession {'a': 1}>"],
        ["<Session: 1 keys>"],
        asked(outcomes, with_cookie(Value({"a": 1}), (Operation("repr"),))),
    ),
    # The response
    Difference(
        "The application's response has several Vary fields",
        "Flask drops all but the first, and shared caches then mix up what depends on the others",
        [b"Accept, Cookie"],
        [b"Accept, Origin, Cookie"],
        asked(vary, Request((), READ, (("Vary", "Accept"), ("Vary", "Origin")))),
    ),
    Difference(
        "A Vary field that is no list of header names",
        "Flask puts its items into quotes, ours leaves them as the application wrote them",
        [b'Accept, "a b", Cookie'],
        [b"Accept, a b, Cookie"],
        asked(vary, Request((), READ, (("Vary", "Accept, a b"),))),
    ),
    Difference(
        "The application's response sets the session's cookie itself",
        "Of two cookies the browser keeps one; ours sends one, with the changes of both",
        "session=; Max-Age=0; Path=/ | " + WRITTEN,
        WRITTEN,
        asked(saved, Request((), WRITE.operations, (("Set-Cookie", "session=; Max-Age=0; Path=/"),))),
    ),
    Difference(
        "The application fails after it changed the session",
        "The page for the error is made outside the middleware, by the framework or the server",
        (500, True),
        [],
        unhandled,
    ),
    Difference(
        "A value that cannot be stored, or keys that cannot be sorted",
        "500 as well, but the exception reaches the server instead of Flask's own handler",
        500,
        "TypeError",
        fails_with,
    ),
    Difference(
        "A cookie that is larger than browsers take",
        "Servers log; few show Python warnings. Counted are (warnings, lines of the log)",
        (1, 0),
        (0, 1),
        reported,
    ),
    Difference(
        "A serializer that makes bytes",
        "Flask cannot put bytes into a cookie; ours can, as they are base64 by then",
        500,
        WRITTEN,
        asked(saved, WRITE, interface={"serializer": Bytes()}),
    ),
    # The settings
    Difference(
        "No secret key",
        "Flask has a session that can be read; ours says what is missing when the application starts",
        ["{}", "RuntimeError"],
        "ValueError",
        refused({"SECRET_KEY": None}, outcomes, Request((), (*READ, *WRITE.operations))),
    ),
    *[
        Difference(
            f"The secret key {key!r}",
            "Everybody can guess it: an environment variable that is not set, or a mask",
            WRITTEN,
            "ValueError",
            refused({"SECRET_KEY": key}),
        )
        for key in (" ", "None", "null", "UNDEFINED", "***", b"**********")
    ],
    Difference(
        "A secret key that is a bytearray",
        "Neither Flask nor itsdangerous promise that it works, and what can change in place is no key",
        WRITTEN,
        "TypeError",
        refused({"SECRET_KEY": bytearray(b"key")}),
    ),
    Difference(
        "An empty key among SECRET_KEY_FALLBACKS",
        "as above: it opens what anybody signs",
        WRITTEN,
        "ValueError",
        refused({"SECRET_KEY_FALLBACKS": [""]}),
    ),
    *[
        Difference(
            f"The cookie name {name!r}",
            "It is no cookie name: Flask cannot read it back, or it says something else to the browser",
            theirs,
            "ValueError",
            refused({"SESSION_COOKIE_NAME": name}),
        )
        for name, theirs in [
            ("my session", "my session=...; HttpOnly; Path=/"),
            ("a; Domain", "a; Domain=...; HttpOnly; Path=/"),
            ("", "=...; HttpOnly; Path=/"),
        ]
    ],
    *[
        Difference(
            f"The path {path!r}",
            "Browsers ignore a path that does not begin with a slash; and what was meant by these is not clear",
            f"session=...; HttpOnly; Path={written}",
            "ValueError",
            refused({"SESSION_COOKIE_PATH": path}),
        )
        for path, written in [("app", "app"), ("/a;b", "/a%3Bb"), ("/a\n", "/a%0A")]
    ],
    *[
        Difference(
            f"The domain {domain!r}",
            "Browsers drop a cookie with a domain that is no host name",
            f"session=...; Domain={written}; HttpOnly; Path=/",
            "ValueError",
            refused({"SESSION_COOKIE_DOMAIN": domain}),
        )
        for domain, written in [
            ("exa mple.com", "exa mple.com"),
            ("a.example; Secure", "a.example; Secure"),
            ("example.com.", "example.com."),
            ("https://example.com", "https"),
            (".", ""),
        ]
    ],
    Difference(
        "An empty domain",
        "Browsers ignore the attribute, so it is left out",
        "session=...; Domain=; HttpOnly; Path=/",
        WRITTEN,
        asked(saved, WRITE, {"SESSION_COOKIE_DOMAIN": ""}),
    ),
    Difference(
        "SameSite with a word that there is not",
        "An error when the application starts instead of 500 from each response that sets the cookie",
        500,
        "ValueError",
        refused({"SESSION_COOKIE_SAMESITE": "relaxed"}),
    ),
    Difference(
        "SameSite=None without Secure",
        "Browsers reject the cookie; ours warns when it is built",
        0,
        1,
        told,
    ),
    Difference(
        "A name that begins with __Host- or __Secure-, without what browsers then require",
        "They drop the cookie",
        "__Host-session=...; HttpOnly; Path=/",
        "ValueError",
        refused({"SESSION_COOKIE_NAME": "__Host-session"}),
    ),
    *[
        Difference(
            f"SESSION_COOKIE_{name} = {value!r}",
            "Flask writes the value; browsers look at the name alone, which is what ours has",
            theirs,
            written,
            asked(saved, WRITE, {f"SESSION_COOKIE_{name}": value}),
        )
        for name, value, theirs, written in [
            ("SECURE", 1, "session=...; Secure=1; HttpOnly; Path=/", "session=...; Secure; HttpOnly; Path=/"),
            ("SECURE", 0, "session=...; Secure=0; HttpOnly; Path=/", "session=...; Secure; HttpOnly; Path=/"),
            ("HTTPONLY", 1, "session=...; HttpOnly=1; Path=/", WRITTEN),
            ("HTTPONLY", 0, "session=...; HttpOnly=0; Path=/", WRITTEN),
            (
                *("PARTITIONED", 0, "session=...; HttpOnly; Path=/; Partitioned=0"),
                "session=...; Secure; HttpOnly; Path=/; Partitioned",  # else browsers drop it
            ),
        ]
    ],
    *[
        Difference(
            f"MAX_COOKIE_SIZE = {value!r}",
            "No number of bytes: an error when the application starts instead of 500, or of a warning for each cookie",
            theirs,
            "TypeError",
            refused({"MAX_COOKIE_SIZE": value}),
        )
        for value, theirs in [("4093", 500), (-1, WRITTEN), (0.5, WRITTEN)]
    ],
    Difference(
        "A lifetime that is a text",
        "An error when the application starts instead of 500",
        500,
        "TypeError",
        refused({"PERMANENT_SESSION_LIFETIME": "3600"}, request=Request((), (Operation("permanent =", (True,)),))),
    ),
    Difference(
        "A negative lifetime",
        "No cookie would ever open",
        WRITTEN,
        "ValueError",
        refused({"PERMANENT_SESSION_LIFETIME": -1}),
    ),
    Difference(
        "A lifetime that ends after the year 9999",
        "An error when the application starts instead of 500",
        500,
        "ValueError",
        refused(
            {"PERMANENT_SESSION_LIFETIME": 9000 * 366 * 86_400},
            request=Request((), (Operation("permanent =", (True,)),)),
        ),
    ),
]


@pytest.mark.skipif(FLASK < (3, 1, 3) or WERKZEUG < (3, 1, 9), reason="the list is about the newest releases")
class TestDeliberateDifferences:
    """Each entry holds, for Flask as for ours; what is not listed is the same in both."""

    @pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.what)
    def test_shown_on_both(self, difference: Difference) -> None:
        with frozen():
            assert difference.show() == (difference.theirs, difference.ours)
        assert difference.theirs != difference.ours
        assert difference.why
