"""Mistakes that type checkers have to report: an ignore comment that is not needed is an error, in both."""

from __future__ import annotations

from typing import Any

from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.testclient import TestClient

from starlette_flask import JSONTag, Session, SessionCodec, SessionMiddleware, TaggedJSONSerializer
from starlette_flask.extensions.flashing import flash
from starlette_flask.extensions.flask_login import load_user_id, login_user, remember_cookie, user_id
from starlette_flask.testing import session_transaction


async def app(scope: Any, receive: Any, send: Any) -> None: ...


flask_app = Flask(__name__)
starlette_app = Starlette()
session = Session()
codec = SessionCodec("a secret")
any_value: Any = "a secret"

# Settings
SessionMiddleware(app)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SessionMiddleware(app, "a secret", max_age="3600")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SessionMiddleware(app, "a secret", samesite="lax")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SessionMiddleware(app, "a secret", https_only="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SessionMiddleware(app, "a secret", leeway=0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SessionMiddleware(app, "a secret", "s", None, "/", "lax", False, None, False, ())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SessionMiddleware(app, "a secret", cache_size=1e6)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SessionMiddleware(None, "a secret")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Middleware(SessionMiddleware)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Middleware(SessionMiddleware, secret="a secret")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
starlette_app.add_middleware(SessionMiddleware, secret_key="a secret", maxage=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Settings from Flask
SessionMiddleware.from_flask(app)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SessionMiddleware.from_flask(app, flask_app, maxage=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SessionMiddleware.from_flask(app, flask_app, leeway="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
starlette_app.add_middleware(SessionMiddleware.from_flask)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
starlette_app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app, maxage=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# The session
session[1] = "one"  # type: ignore[index]  # pyright: ignore[reportArgumentType]
session.permanent = "yes"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
session.new = False  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
session.permament = True  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

# The codec and its serializer
SessionCodec("a secret", ["an old secret"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
codec.loads({"user": "ada"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
codec.loads("", leeway="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
number: int = codec.dumps({})  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
TaggedJSONSerializer().register(JSONTag(TaggedJSONSerializer()))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# The extensions
request = Request({"type": "http", "headers": [], "session": session})
user_id(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
login_user(request, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
load_user_id(request, "a secret", protection="Strong")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cookie: str = remember_cookie(request, "a secret")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
flash(session.get, "hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class NumberTag(JSONTag):
    def check(self, value: Any) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return "yes"


# Tests
session_transaction(flask_app.test_client(), secret_key="a secret")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
session_transaction(TestClient(app), any_value)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
session_transaction(TestClient(app), secret_key="a secret", maxage=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
