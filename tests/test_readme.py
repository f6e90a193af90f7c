"""Every code block of the README runs, and does what the text around it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask import session as flask_session
from httpx import ASGITransport, AsyncClient
from starlette.testclient import TestClient

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SECRET_KEY = "a long random secret"
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))


def run(name: str) -> dict[str, Any]:
    """Run one example as a module and return what it defines."""
    module = ModuleType(f"readme_{name}")
    sys.modules[module.__name__] = module  # frameworks look there for what annotations name
    # Not inheriting this module's future annotations: an example has none.
    exec(compile(EXAMPLES[name], f"README.md: {name}", "exec", dont_inherit=True), vars(module))
    return vars(module)


def flask_reads(cookie: str) -> dict[str, Any]:
    """Return the session that a real Flask application with the README's key finds in a cookie."""
    app = Flask(__name__)
    app.secret_key = SECRET_KEY

    @app.get("/")
    def show() -> dict[str, Any]:
        return dict(flask_session)

    client = app.test_client()
    client.set_cookie("session", cookie)
    return client.get("/").get_json()


def test_every_python_block_is_an_example() -> None:
    assert len(re.findall(r"^```python$", README, re.MULTILINE)) == len(EXAMPLES) > 0


class TestExamples:
    """The applications in the README count, and a Flask application reads what they counted."""

    def test_from_flask_counts_together_on_both_sides(self) -> None:
        client = TestClient(run("from_flask")["app"])
        counts = [client.get(path).json()["count"] for path in ("/count", "/flask/count", "/count", "/flask/count")]
        assert counts == [1, 2, 3, 4]

    @pytest.mark.parametrize("name", ["starlette", "litestar", "asgi"])
    def test_a_count_that_flask_reads(self, name: str) -> None:
        client = TestClient(run(name)["app"])
        assert [client.get("/count").json() for _ in range(2)] == [{"count": 1}, {"count": 2}]
        assert flask_reads(client.cookies["session"]) == {"count": 2}

    @pytest.mark.anyio
    async def test_quart(self) -> None:
        async with AsyncClient(transport=ASGITransport(run("quart")["app"]), base_url="http://test") as client:
            assert [(await client.get("/count")).json() for _ in range(2)] == [{"count": 1}, {"count": 2}]
            assert flask_reads(client.cookies["session"]) == {"count": 2}

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    def test_fastapi_users(self) -> None:
        client = TestClient(run("fastapi")["app"])
        assert client.get("/greet").json() == "Hello, stranger"
        assert [client.get(path).status_code for path in ("/account", "/count")] == [401, 401]
        flask_app = Flask(__name__)
        flask_app.secret_key = SECRET_KEY
        signing = flask_app.session_interface.get_signing_serializer(flask_app)
        assert signing is not None
        client.cookies.set("session", signing.dumps({"_user_id": "42", "_fresh": True}))
        assert client.get("/greet").json() == "Hello, 42"
        assert client.get("/account").json() == "42"
        assert client.get("/count").json() == 1

    def test_codec(self) -> None:
        assert flask_reads(run("codec")["cookie"])["_user_id"] == "42"

    def test_extensions(self) -> None:
        client = TestClient(run("extensions")["app"])
        token = client.get("/form").json()["csrf_token"]
        assert client.post("/login", data={"name": "ada", "csrf_token": "no"}).status_code == 400
        assert client.post("/login", data={"name": "ada", "csrf_token": token}).json() == "in"
        assert flask_reads(client.cookies["session"])["_user_id"] == "ada"
        assert client.get("/form").json()["messages"] == ["Hello, ada"]
        assert client.post("/logout").json() == "out"
        assert "_user_id" not in flask_reads(client.cookies["session"])


class TestText:
    """What the README names is there."""

    def test_settings(self) -> None:
        from inspect import signature

        from starlette_flask import SessionMiddleware

        table = README.partition("## Settings")[2].partition("## Recipes")[0]
        named = [
            name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", cell)
        ]
        parameters = [name for name in signature(SessionMiddleware).parameters if name != "app"]
        assert sorted(named) == sorted(parameters)

    def test_files_and_sessions(self) -> None:
        for path in re.findall(r"`((?:tests|benchmarks)/[\w/.]+)`", README):
            assert (ROOT / path).exists(), path
        noxfile = (ROOT / "noxfile.py").read_text("utf-8")
        for session in re.findall(r"nox -s (\w+)", README):
            assert f"def {session}(" in noxfile, session

    def test_each_row_of_the_table_of_peers_is_one_of_the_whole_table(self) -> None:
        whole = (ROOT / "tests/peers/README.md").read_text("utf-8").splitlines()
        table = re.findall(r"^\|.*$", README.partition("<!-- peers -->")[2].partition("<!-- end -->")[0], re.MULTILINE)
        assert table
        assert set(table) <= set(whole)

    def test_commands_of_the_package(self) -> None:
        shown = subprocess.run(
            [sys.executable, "-m", "starlette_flask", "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert "inspect" in shown
        assert "sign" in shown
