"""The demo: its command as a user runs it, and its check on an application that does not hold."""

from __future__ import annotations

import html
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from flask import Flask
from starlette.testclient import TestClient

from starlette_flask import SessionCodec
from tests.apps import demo, fastapi_side
from tests.apps.walk import walk

ROOT = Path(__file__).parent.parent
#: Flask-Login's own warning, since Python 3.12, is no error.
WARNINGS = ["-W", "error", "-W", "ignore:datetime.datetime.utcnow:DeprecationWarning"]
COMMAND = [sys.executable, *WARNINGS, "-m", "tests.apps.demo"]

Wrapper = Callable[..., Any]


def drops_cookies_of_fastapi(app: Any) -> Wrapper:
    """The changes that FastAPI's forms make are never saved."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def send_without(message: Any) -> None:
            if scope.get("method") == "POST" and not scope["path"].startswith("/flask") and "headers" in message:
                kept = [header for header in message["headers"] if header[0] != b"set-cookie"]
                message = {**message, "headers": kept}
            await send(message)

        await app(scope, receive, send_without)

    return wrapped


def sets_the_cookie_always(app: Any) -> Wrapper:
    """Every response sends the request's cookie back, as Starlette's middleware did for long."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        cookies = [value for name, value in scope.get("headers", ()) if name == b"cookie"]

        async def send_with(message: Any) -> None:
            if message["type"] == "http.response.start":
                again = [(b"set-cookie", value) for value in cookies]
                message = {**message, "headers": [*message["headers"], *again]}
            await send(message)

        await app(scope, receive, send_with)

    return wrapped


class TestCommand:
    """The command does what its welcome and its help say, and leaves by the right exit code."""

    def test_check_holds(self) -> None:
        done = subprocess.run([*COMMAND, "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "All 27 steps held" in done.stdout
        steps = re.split(r"^ ?\d+\. ", done.stdout, flags=re.MULTILINE)[1:]
        assert len(steps) == len({step.splitlines()[0] for step in steps}) == 27
        basket = [re.findall(r"^  (.) basket\S*", step, re.MULTILINE) for step in steps]
        assert basket[4:11] == [["+"], [" "], [" ", "+"], [" ", "~"], [" ", "~"], [" ", "-"], ["+", "-"]]
        assert steps[0].splitlines()[1:] == ["    no session", ""]

    def test_serves_until_ctrl_c(self) -> None:
        key = secrets.token_hex()
        with subprocess.Popen(
            [*COMMAND, "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "DEMO_SECRET_KEY": key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            try:
                url = next(filter(None, (re.search(r"http://\S+/flask/", line) for line in process.stdout)))[0]
                page = httpx.get(url, trust_env=False)
                assert page.status_code == 200
                assert "This page is <span>Flask</span>" in page.text
            finally:
                process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
        assert output.endswith("\nStopped.\n")
        flask_app = Flask("reader")
        flask_app.config["SECRET_KEY"] = key
        serializer = flask_app.session_interface.get_signing_serializer(flask_app)  # type: ignore[attr-defined]
        assert "csrf_token" in serializer.loads(page.cookies["session"])

    def test_a_port_that_is_taken(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert demo.main(["--port", str(port)]) == 2
        said = capsys.readouterr().err
        assert f"can't listen on 127.0.0.1 port {port}" in said
        assert "nox -s demo -- --port 0" in said


class TestPages:
    """Both sides show what the request's cookie is."""

    @pytest.fixture(params=["/", "/flask/"])
    def visit(self, request: pytest.FixtureRequest) -> Callable[[str], str]:
        def visit(cookie: str) -> str:
            client = TestClient(demo.create_app("key"), headers={"Cookie": f"session={cookie}"})
            return html.unescape(re.sub(r"<[^>]+>", "", client.get(request.param).text))

        return visit

    def test_size_age_content_and_value(self, visit: Callable[[str], str]) -> None:
        with time_machine.travel("2026-01-02 03:04:05+00:00", tick=False) as clock:
            cookie = SessionCodec("key").dumps({"<basket>": [(1, 2)]})
            clock.shift(5000)
            page = visit(cookie)
        assert f"{len('session' + cookie)} bytes of at most 4,096" in page
        assert "signed 5,000 s ago, at\n        03:04:05 UTC" in page
        assert '{\n  "<basket>": [\n    {"<tuple>": [1, 2]}\n  ]\n}' in page
        assert cookie in page

    def test_a_cookie_that_another_key_signed(self, visit: Callable[[str], str]) -> None:
        cookie = SessionCodec("another key").dumps({"basket": []})
        page = visit(cookie)
        assert "This request brought no valid cookie." in page
        assert cookie not in page

    def test_fastapi_signs_out_a_customer_who_is_not_there_any_more(self) -> None:
        cookie = SessionCodec("key").dumps({"_user_id": "9", "_fresh": True, "basket": []})
        client = TestClient(demo.create_app("key"), headers={"Cookie": f"session={cookie}"})
        assert client.get("/debug/session").json()["session"] == {"basket": []}


class TestBrokenDemo:
    """The check exits with 1 and names the step, whichever promise the application breaks."""

    @pytest.fixture
    def failure(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Any], str]:
        def run(app: Any) -> str:
            monkeypatch.setattr(demo, "create_app", lambda _key: app)
            assert demo.main(["--check"]) == 1
            return capsys.readouterr().out.splitlines()[-1]

        return run

    def test_another_secret_key(self, failure: Callable[[Any], str]) -> None:
        last = failure(demo.create_app("flask's key", secret_key="FastAPI's key"))
        assert last.startswith("FAILED in step 2, 'Both pages open, and know nobody': ")

    def test_a_change_that_is_not_saved(self, failure: Callable[[Any], str]) -> None:
        last = failure(drops_cookies_of_fastapi(demo.create_app("key")))
        assert last.startswith("FAILED in step 5, 'FastAPI puts tea in the basket; Flask shows it': ")

    def test_a_cookie_on_every_response(self, failure: Callable[[Any], str]) -> None:
        last = failure(sets_the_cookie_always(demo.create_app("key")))
        assert last.endswith("FastAPI set a cookie when it was only read")

    def test_a_log_out_that_does_nothing(self, failure: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fastapi_side, "logout_user", lambda _request: None)
        last = failure(demo.create_app("key"))
        assert last.startswith("FAILED in step 17, ")
        assert last.endswith("Flask still greets somebody")

    def test_a_server_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        assert walk(f"http://127.0.0.1:{port}") == 1
        assert "FAILED in step 1, 'A new visitor has no session, and looking makes none': ConnectError" in (
            capsys.readouterr().out
        )
