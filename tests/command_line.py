"""The command line in process, as a shell runs it, and the cookies that real applications set for it."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timezone
from typing import Any, NamedTuple

import flask
import pytest
import time_machine
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as StarlettesMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from starlette_flask.__main__ import main

KEY, OLD_KEY = "the current key", "a retired key"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class Result(NamedTuple):
    code: object
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)


def call(*argv: str, stdin: bytes = b"", encoding: str = "utf-8", **environment: str) -> Result:
    """Run `main` with standard streams as a shell's pipes are, and no variables but those given."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, errors) for errors in ("strict", "backslashreplace"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLASK_SECRET_KEY", "SECRET_KEY", "NO_COLOR"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        for name, stream in (("stdin", io.TextIOWrapper(io.BytesIO(stdin))), ("stdout", out), ("stderr", err)):
            patch.setattr(sys, name, stream)
        try:
            code: object = main(argv)
        except SystemExit as stop:
            code = stop.code
    for stream in (out, err):
        stream.seek(0)
    return Result(code, out.read(), err.read())


def inspect(*argv: str, **options: Any) -> Any:
    """Return the report of `inspect --json`."""
    return call("inspect", "--json", *argv, **options).report


def make_flask(key: str | bytes = KEY) -> flask.Flask:
    """Return a Flask application that sets nothing but its key."""
    app = flask.Flask(__name__)
    app.secret_key = key
    return app


def set_cookie(content: dict[str, Any], *, key: str | bytes = KEY, age: int = 0, **interface: Any) -> str:
    """Return the Set-Cookie field of a Flask application, with what is given set on its session interface."""
    app = make_flask(key)
    app.session_interface = type("Own", (SecureCookieSessionInterface,), interface)()

    @app.get("/")
    def write() -> str:
        flask.session.update(content)
        return ""

    with time_machine.travel(NOW.timestamp() - age, tick=False):
        return app.test_client().get("/").headers["Set-Cookie"]


def value(content: dict[str, Any], **options: Any) -> str:
    return set_cookie(content, **options).partition(";")[0].partition("=")[2]


def starlettes(content: dict[str, Any], *, key: str | bytes = KEY) -> str:
    """Return the cookie value of an application with Starlette's own middleware."""

    def write(request: Request) -> Response:
        request.session.update(content)
        return Response()

    app = Starlette(routes=[Route("/", write)])
    app.add_middleware(StarlettesMiddleware, secret_key=key)
    return TestClient(app).get("/").headers["Set-Cookie"].partition(";")[0].partition("=")[2]


def signed(payload: bytes, *, key: str = KEY, **how: Any) -> str:
    """Return any payload, dated now and signed as Flask signs."""
    how = {"salt": "cookie-session", "key_derivation": "hmac", **how}
    return TimestampSigner(key, **how).sign(payload).decode()
