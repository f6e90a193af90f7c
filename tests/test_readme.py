"""The README against the code: every Python block runs and does what the text around it says, and what is named is."""

from __future__ import annotations

import logging
import re
import sys
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import Depends
from flask import Flask
from flask import session as flask_session
from httpx import ASGITransport, AsyncClient
from starlette.testclient import TestClient

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from starlette_flask import SessionMiddleware
from tests.command_line import call

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


def test_examples_are_type_checked() -> None:
    """`nox -s typing` checks the copies in `tests/typing/readme`, which are equal to the README's examples."""
    copies = (ROOT / "tests/typing/readme").glob("*_example.py")
    checked = {path.stem.removesuffix("_example"): path for path in copies}
    # a2wsgi's types fit neither Flask's nor Starlette's; the example of a test imports the reader's own module.
    assert EXAMPLES.keys() - checked.keys() == {"from_flask", "logging", "testing"}
    for name, path in checked.items():
        assert path.read_text("utf-8") == EXAMPLES[name], f"copy the example to {path.relative_to(ROOT)}"


class TestExamples:
    """The applications in the README count, and a Flask application reads what they counted."""

    def test_from_flask_counts_together_on_both_sides(self) -> None:
        client = TestClient(run("from_flask")["app"])
        assert [client.get(path).json()["count"] for path in ("/new", "/old", "/new", "/old")] == [1, 2, 3, 4]

    @pytest.mark.parametrize("name", ["starlette", "fastapi", "litestar"])
    def test_a_count_that_flask_reads(self, name: str) -> None:
        client = TestClient(run(name)["app"])
        assert [client.get("/count").json()["count"] for _ in range(2)] == [1, 2]
        assert flask_reads(client.cookies["session"]) == {"count": 2, "_permanent": True}

    def test_what_fastapi_makes_of_a_whole_session_is_for_one_visitor(self) -> None:
        """Its serializer reads a dict's memory, which nothing notices."""
        example = run("fastapi")
        app, current_session = example["app"], Depends(example["current_session"])

        def whole(session: Any = current_session) -> Any:
            return session

        app.add_api_route("/whole", whole)
        assert TestClient(app).get("/whole").headers["Vary"] == "Cookie"

    @pytest.mark.anyio
    async def test_quart(self) -> None:
        async with AsyncClient(transport=ASGITransport(run("quart")["app"]), base_url="http://test") as client:
            assert [(await client.get("/count")).json()["count"] for _ in range(2)] == [1, 2]
            assert flask_reads(client.cookies["session"]) == {"count": 2, "_permanent": True}

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    def test_codec(self) -> None:
        assert flask_reads(run("codec")["cookie"])["_user_id"] == "42"

    def test_extensions(self) -> None:
        client = TestClient(run("extensions")["app"], base_url="https://testserver")
        assert client.post("/login", data={"name": "ada"}).status_code == 400
        token = client.get("/form").json()["csrf_token"]
        assert client.post("/login", data={"name": "ada", "csrf_token": token}).json() == "in"
        assert flask_reads(client.cookies["session"])["_user_id"] == "ada"
        assert client.get("/form").json()["messages"] == ["Hello, ada"]
        del client.cookies["session"]
        remembered = client.get("/form").json()
        assert remembered["user"] == "ada"
        assert client.post("/logout").status_code == 400
        assert client.post("/logout", data={"csrf_token": remembered["csrf_token"]}).json() == "out"
        assert client.get("/form").json()["user"] is None
        assert "remember_token" not in client.cookies

    def test_testing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = ModuleType("app")
        vars(app).update(run("from_flask"))
        monkeypatch.setitem(sys.modules, "app", app)
        run("testing")["test_count"]()

    def test_logging(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.NOTSET, "starlette_flask")  # and back, once the example has set it
        run("logging")
        client = TestClient(run("from_flask")["app"])
        shown = re.search(r"^\d+:DEBUG:starlette_flask:(.*)$", README, re.MULTILINE)
        assert shown is not None
        for _ in range(2):
            client.get("/new")
        assert [record.getMessage() for record in caplog.records if record.name == "starlette_flask"][-1] == re.sub(
            r"\d+ s ago", "0 s ago", shown[1]
        )


class TestText:
    """What the README names is there."""

    def test_settings(self) -> None:
        table = README.partition("## Settings")[2].partition("###")[0]
        named = [
            name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", cell)
        ]
        parameters = signature(SessionMiddleware).parameters.keys() - {"app"}
        assert sorted(named) == sorted(parameters)

    @pytest.mark.parametrize("name", ["README.md", "tests/README.md"])
    def test_files_and_sessions(self, name: str) -> None:
        text = (ROOT / name).read_text("utf-8")
        for path in re.findall(r"`((?:tests|benchmarks)/[\w/.]+)`", text):
            assert (ROOT / path).exists(), path
        noxfile = (ROOT / "noxfile.py").read_text("utf-8")
        for session in re.findall(r"nox -s (\w+)", text):
            assert f"def {session}(" in noxfile, session

    @pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "tests/README.md"])
    def test_links(self, name: str) -> None:
        """Each relative link leads to a file, each anchor to a heading."""
        for target in re.findall(r"\]\((?!https:)([^)]+)\)", (ROOT / name).read_text("utf-8")):
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            assert file.resolve().exists(), target
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [
                re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings
            ]

    def test_on_pypi(self) -> None:
        """The build makes links and pictures absolute, and each leads to the file that is meant."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        text = README
        for substitution in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
            text = re.sub(substitution["pattern"], substitution["replacement"], text)
        repository = project["project"]["urls"]["Homepage"]
        raw = repository.replace("//github.com", "//raw.githubusercontent.com")
        files = re.findall(rf"\]\((?:{repository}/blob|{raw})/main/(.*?)\)", text)
        assert files == re.findall(r"\]\((?!https:|#)(.*?)\)", README) != []
        assert re.findall(rf"!\[[^]]*\]\((?!{raw}/main/)", text) == []

    def test_commands_of_the_package(self) -> None:
        commands = set(re.findall(r"starlette-flask (?=\w+ [-\w])(\w+)", README))
        assert commands == {"inspect", "settings", "sign"}
        for command in commands:
            assert call(command, "--help").code == 0
        assert "--app" in call("inspect", "--help").out

    def test_comparison(self) -> None:
        """Each row has the marks that it has in the whole table, which `nox -s peers` writes."""
        (header, *rows), (whole_header, *whole_rows) = (
            [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
            for text in (
                README.partition("<!-- comparison -->")[2],
                (ROOT / "tests/peers/README.md").read_text("utf-8"),
            )
        )
        columns = [[name.split()[0] for name in whole_header].index(name) for name in header]
        whole = [[row[0], *(row[column][0] for column in columns[1:])] for row in whole_rows]
        assert len(rows) == 6
        assert [row for row in rows if row not in whole] == []
