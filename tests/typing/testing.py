"""Tests of applications: `session_transaction` with the clients of each framework."""

from __future__ import annotations

from datetime import timedelta

import httpx
import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
from litestar import Litestar
from litestar.testing import AsyncTestClient
from litestar.testing import TestClient as LitestarTestClient
from typing_extensions import assert_type

from starlette_flask import Session
from starlette_flask.middleware.flask_settings import flask_settings
from starlette_flask.testing import session_transaction

flask_app = Flask(__name__)
flask_app.secret_key = "a secret"

client = TestClient(FastAPI())
with session_transaction(client, secret_key="a secret") as session:
    assert_type(session, Session)
    session["user"] = 7
    session.permanent = True
with session_transaction(
    TestClient(FastAPI(), base_url="https://example.org"),
    secret_key=b"a secret",
    session_cookie="__Host-session",
    https_only=True,
    permanent_session_lifetime=timedelta(days=7),
) as session:
    session["user"] = 8
with session_transaction(client, **flask_settings(flask_app)) as session:
    del session["user"]

with session_transaction(LitestarTestClient(Litestar()), secret_key="a secret") as session:
    session["user"] = 7
with session_transaction(httpx.Client(base_url="http://localhost"), secret_key="a secret") as session:
    session["user"] = 7
with session_transaction(httpx2.Client(base_url="http://localhost"), secret_key="a secret") as session:
    session["user"] = 7


async def asynchronous(
    client: httpx.AsyncClient, other: httpx2.AsyncClient, litestar: AsyncTestClient[Litestar]
) -> None:
    with session_transaction(client, secret_key="a secret") as session:
        session["user"] = 7
    with session_transaction(other, secret_key="a secret", max_age=3600) as session:
        session["user"] = 7
    with session_transaction(litestar, secret_key="a secret") as session:
        session["user"] = 7
