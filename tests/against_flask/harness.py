"""One request, asked of a real Flask application and of this middleware with its settings, and the two answers."""

from __future__ import annotations

import logging
import operator
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from typing import Any, NamedTuple

import flask
import time_machine
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from starlette_flask import SessionMiddleware


def release(package: str) -> tuple[int, ...]:
    """Return a package's version as numbers, to leave out what an older one does not have."""
    return tuple(int(part) for part in version(package).split(".")[:3])


#: Whether this is the run of many thousand examples; see conftest.py.
CONFORMANCE = os.environ.get("HYPOTHESIS_PROFILE") == "conformance"

FLASK, WERKZEUG = release("flask"), release("werkzeug")
#: Werkzeug 3.1.9 reads Cookie fields by a new grammar; before, broken ones were read otherwise.
HAS_NEW_GRAMMAR = WERKZEUG >= (3, 1, 9)
#: Flask 3.1.0 signed with a fallback key (CVE-2025-47278), before there were none.
HAS_FALLBACKS = FLASK >= (3, 1, 1)

#: What was compared so far, by kind, each different thing once: the conformance run prints how much it was.
compared: dict[str, set[int]] = defaultdict(set)


def count(kind: str, *what: object) -> None:
    """Note that ``what`` was compared."""
    compared[kind].add(hash(repr(what)))


# The time and the log


NOW = 1_700_000_000  # Unix seconds


def frozen(now: float = NOW, microsecond: int = 0) -> Any:
    """Return a context in which the clock stands still."""
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return time_machine.travel(epoch + timedelta(seconds=now, microseconds=microsecond), tick=False)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def log_of_ours() -> Iterator[list[str]]:
    """Collect what this package logs."""
    logger, handler = logging.getLogger("starlette_flask"), _Lines()
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)


# What an application does to its session


def _unpack(session: Any) -> dict[Any, Any]:
    return {**session}


def _set(attribute: str) -> Callable[[Any, Any], None]:
    return lambda session, value: setattr(session, attribute, value)


def _inplace_or(session: Any, other: Any) -> None:
    session |= other


def _change_nested(session: Any, key: Any) -> None:
    value = session[key]
    if isinstance(value, list):
        value.append("more")
    else:
        value["more"] = 1


def _change_nested_and_say(session: Any, key: Any, modified: bool) -> None:
    """Change a value inside a value, and say whether that counts: Flask does not see it by itself."""
    _change_nested(session, key)
    session.modified = modified


#: The whole of dict, and what Flask adds.
OPERATIONS: dict[str, Callable[..., Any]] = {
    "session[key]": operator.getitem,
    "get": lambda session, *args: session.get(*args),
    "in": operator.contains,
    "len": len,
    "bool": bool,
    "list": list,
    "reversed": lambda session: list(reversed(session)),
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "dict": dict,
    "unpack": _unpack,
    "copy": lambda session: session.copy(),
    "==": operator.eq,
    "!=": operator.ne,
    "session |": operator.or_,
    "| session": lambda session, other: other | session,
    "permanent": operator.attrgetter("permanent"),
    "modified": operator.attrgetter("modified"),
    "session[key] =": operator.setitem,
    "del": operator.delitem,
    "pop": lambda session, *args: session.pop(*args),
    "pop(key=, default=)": lambda session, key, default: session.pop(key=key, default=default),
    "setdefault(key=, default=)": lambda session, key, default: session.setdefault(key=key, default=default),
    "popitem": lambda session: session.popitem(),
    "clear": lambda session: session.clear(),
    "setdefault": lambda session, *args: session.setdefault(*args),
    "update": lambda session, *args: session.update(*args),
    "update(**)": lambda session, keywords, *args: session.update(*args, **keywords),
    "|=": _inplace_or,
    "permanent =": _set("permanent"),
    "modified =": _set("modified"),
    "accessed =": _set("accessed"),
    "change nested, modified =": _change_nested_and_say,
}


#: And what both can be asked with different answers; see the deliberate differences.
OTHERS: dict[str, Callable[..., Any]] = {
    "change nested": _change_nested,
    "put in nested": lambda session, key, value: session[key].append(value),
    "new": operator.attrgetter("new"),
    "accessed": operator.attrgetter("accessed"),
    "repr": lambda session: _Shown(repr(session)),
}


class _Shown(str):
    """Text that is its own repr."""

    __slots__ = ()
    __repr__ = str.__str__


if FLASK < (3, 1, 3):  # see FlaskSide._view
    del OPERATIONS["accessed ="]
if WERKZEUG < (3, 1):  # which did not see it
    del OPERATIONS["|="]


@dataclass(frozen=True)
class Operation:
    """One thing that an application does to its session."""

    name: str
    args: tuple[Any, ...] = ()

    def __call__(self, session: Any) -> str:
        """Do it with values of its own; return what it returned or raised, as text, which tells 1 from True."""
        try:
            return repr((OPERATIONS | OTHERS)[self.name](session, *deepcopy(self.args)))
        except Exception as error:
            return type(error).__name__


# Asking both


@dataclass(frozen=True)
class Request:
    """What comes in, what the application does to its session, and the headers of its response."""

    cookies: tuple[bytes, ...] = ()  #: the Cookie fields
    operations: tuple[Operation, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Answer(NamedTuple):
    """A response as far as sessions go, what the operations said, whether the cookie was called too large."""

    status: int
    set_cookie: list[bytes]
    vary: list[bytes]
    outcomes: list[str]
    warned: bool


FAILED = Answer(500, [], [], [], False)


class FlaskSide:
    """A Flask application that does to its session what a request says.

    :param config: its settings, over the defaults and a secret key.
    :param interface: attributes of its session interface, such as ``salt``.
    :param app: the application, where it is one of a special kind.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        interface: Mapping[str, Any] | None = None,
        app: flask.Flask | None = None,
    ) -> None:
        self.flask = app or make_flask(config, interface)
        self.flask.add_url_rule("/", "view", self._view)
        self._client = self.flask.test_client(use_cookies=False)
        self._request = Request()
        self._outcomes: list[str] = []

    def ask_flask(self, request: Request) -> Answer:
        self._request = request
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            response = self._client.get("/", base_url="http://localhost/", environ_overrides=_environ(request))
        if response.status_code == 500:
            return FAILED
        return Answer(
            response.status_code,
            [value.encode("latin-1") for value in response.headers.getlist("Set-Cookie")],
            [value.encode("latin-1") for value in response.headers.getlist("Vary")],
            self._outcomes,
            any("is too large" in str(warning.message) for warning in caught),
        )

    def flask_opens(self, request: Request) -> bool:
        """Say whether Flask gets as far as the application; if not, it failed on the cookie."""
        context = self.flask.test_request_context(base_url="http://localhost/", environ_overrides=_environ(request))
        try:
            context.push()
        except Exception:
            return False
        finally:
            context.pop()
        return True

    @property
    def name(self) -> bytes:
        return self.flask.config["SESSION_COOKIE_NAME"].encode()

    def signing(self) -> URLSafeTimedSerializer:
        """Return Flask's own codec; to be used inside an application context."""
        signing = self.flask.session_interface.get_signing_serializer(self.flask)
        assert signing is not None
        return signing

    def _view(self) -> flask.Response:
        self._outcomes = [operation(flask.session) for operation in self._request.operations]
        if self._request.operations and FLASK < (3, 1, 3):
            flask.session.accessed = True  # before, only some ways of reading made it so
        response = flask.Response("")
        for name, value in self._request.headers:
            response.headers.add(name, value)
        return response


class Pair(FlaskSide):
    """A Flask application, and this middleware around a bare ASGI application with its settings.

    :param overrides: settings that are given to ``from_flask``.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        interface: Mapping[str, Any] | None = None,
        app: flask.Flask | None = None,
        **overrides: Any,
    ) -> None:
        super().__init__(config, interface, app)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SameSite=None without Secure
            self.ours = SessionMiddleware.from_flask(self._application, self.flask, **overrides)

    def ask_ours(self, request: Request) -> Answer:
        """Return our answer; an exception is what a server makes of it.

        :meth:`send_to_ours` lets it pass.
        """
        try:
            return self.send_to_ours(request)
        except Exception:
            return FAILED

    def send_to_ours(self, request: Request) -> Answer:
        self._request = request
        scope = {"type": "http", "path": "/", "headers": [(b"cookie", cookie) for cookie in request.cookies]}
        messages: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        with log_of_ours() as lines:
            drive(self.ours(scope, receive, send))
        start = messages[0]
        return Answer(
            start["status"],
            [value for name, value in start["headers"] if name.lower() == b"set-cookie"],
            [value for name, value in start["headers"] if name.lower() == b"vary"],
            self._outcomes,
            any("is too large" in line for line in lines),
        )

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self._outcomes = [operation(scope["session"]) for operation in self._request.operations]
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self._request.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def make_flask(config: Mapping[str, Any] | None = None, interface: Mapping[str, Any] | None = None) -> flask.Flask:
    """Return a Flask application that answers what it cannot do with 500, as in production."""
    app = flask.Flask("against_flask", static_folder=None)
    app.config.update({"SECRET_KEY": "a secret key", **(config or {})})
    app.logger.disabled = True  # the tracebacks
    app.session_interface = SecureCookieSessionInterface()
    for attribute, value in (interface or {}).items():
        setattr(app.session_interface, attribute, value)
    return app


def _environ(request: Request) -> dict[str, str]:
    """Return the Cookie fields as a WSGI server hands them over."""
    return {"HTTP_COOKIE": b";".join(request.cookies).decode("latin-1")} if request.cookies else {}


def drive(call: Coroutine[Any, Any, None]) -> None:
    """Run an ASGI application that never waits, without an event loop."""
    try:
        call.send(None)
    except StopIteration:
        return
    raise AssertionError("the application waited")
