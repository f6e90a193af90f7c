"""The package as a whole: its public names, what it imports, and the interpreters that lack something."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any

import pytest

import starlette_flask
from starlette_flask.testing import session_transaction

PACKAGE = Path(starlette_flask.__file__).parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "starlette_flask."))
FRAMEWORKS = ("starlette", "fastapi", "flask", "werkzeug", "quart", "litestar", "flask_login", "flask_wtf", "jinja2")


def run(code: str, *options: str) -> str:
    """Run a program in an interpreter of its own, where nothing is imported yet; return what it printed."""
    # -I keeps this folder and the environment out; so the package is found where this very one is.
    start = f"import sys; sys.path.append({str(PACKAGE.parent)!r})\n"
    command = [sys.executable, "-I", "-W", "error", *options, "-c", start + textwrap.dedent(code)]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Block())
"""


class TestPublicNames:
    """The names of the contract are where it says."""

    @pytest.mark.parametrize(
        ("home", "name"),
        [
            ("starlette_flask.middleware.sessions", "SessionMiddleware"),
            ("starlette_flask.middleware.flask_settings", "flask_settings"),
            ("starlette_flask.session", "Session"),
            ("starlette_flask.codec", "SessionCodec"),
            ("starlette_flask.tagged_json", "TaggedJSONSerializer"),
            ("starlette_flask.tagged_json", "JSONTag"),
        ],
    )
    def test_at_home_and_in_the_package(self, home: str, name: str) -> None:
        thing = getattr(importlib.import_module(home), name)
        assert thing is getattr(starlette_flask, name)
        assert (thing.__module__, thing.__name__) == (home, name)
        assert thing.__doc__

    def test_session_transaction_has_a_module_of_its_own(self) -> None:
        """Only tests need it, so only they import it."""
        names: dict[str, Any] = {}
        exec("from starlette_flask.testing import *", names)
        assert {name for name in names if name != "__builtins__"} == {"session_transaction"}
        assert "session_transaction" not in starlette_flask.__all__

    def test_all(self) -> None:
        assert sorted(starlette_flask.__all__) == [
            "JSONTag",
            "Session",
            "SessionCodec",
            "SessionMiddleware",
            "TaggedJSONSerializer",
            "flask_settings",
        ]
        names: dict[str, Any] = {}
        exec("from starlette_flask import *", names)
        assert {name for name in names if not name.startswith("__")} == {*starlette_flask.__all__}

    @pytest.mark.parametrize("name", ["flashing", "flask_login", "flask_wtf"])
    def test_all_of_an_extension(self, name: str) -> None:
        """``from ... import *`` gives every public function and class that the module itself defines, and no more."""
        module = importlib.import_module(f"starlette_flask.extensions.{name}")
        names: dict[str, Any] = {}
        exec(f"from {module.__name__} import *", names)
        own = {name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__}
        assert {name for name in names if name != "__builtins__"} == {name for name in own if name[0] != "_"}
        assert sorted(module.__all__) == module.__all__

    def test_it_is_typed(self) -> None:
        assert (PACKAGE / "py.typed").is_file()

    def test_the_annotations_mean_something_when_the_program_runs(self) -> None:
        """Frameworks look at them, and ``from __future__ import annotations`` would hide a name that is missing."""
        for thing in (
            starlette_flask.SessionMiddleware.__init__,
            starlette_flask.SessionMiddleware.__call__,
            starlette_flask.SessionCodec.__init__,
            starlette_flask.SessionCodec.dumps,
            starlette_flask.SessionCodec.loads,
            starlette_flask.TaggedJSONSerializer.register,
            starlette_flask.Session,
        ):
            assert typing.get_type_hints(thing)
        if sys.version_info >= (3, 11):  # typing.Unpack came then
            assert "overrides" in typing.get_type_hints(starlette_flask.SessionMiddleware.from_flask.__call__)
            assert "settings" in typing.get_type_hints(session_transaction)

    def test_asgi_names_the_parts_of_the_protocol(self) -> None:
        asgi = importlib.import_module("starlette_flask.asgi")
        assert len(typing.get_args(asgi.ASGIApp)[0]) == 3
        assert typing.get_args(asgi.Send)[0] == [asgi.Message]
        assert typing.get_args(asgi.Receive)[0] == []
        assert typing.get_args(typing.get_args(asgi.Receive)[1]) == (asgi.Message,)
        assert typing.get_args(asgi.Scope) == typing.get_args(asgi.Message) == (str, Any)


def imports_of(path: Path) -> set[str]:
    """The modules of this package that a file imports, by their path inside it."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(
                [*package[: len(package) - node.level + 1], node.module or ""] if node.level else [node.module or ""]
            )
            found.add(base.strip("."))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "starlette_flask"}


class TestImports:
    """itsdangerous is the one dependency, and nothing imports upwards."""

    def test_no_framework_is_imported(self) -> None:
        names = FRAMEWORKS
        printed = run(
            BLOCK.format(names=names)
            + f"""
before = set(sys.modules)
import importlib
for name in {MODULES!r}:
    importlib.import_module(name)
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
"""
        )
        assert set(printed.split()) <= {"starlette_flask", "itsdangerous", "markupsafe"}
        assert "starlette_flask" in printed

    def test_the_block_works(self) -> None:
        printed = run(
            BLOCK.format(names=FRAMEWORKS)
            + "try:\n    import flask.json\nexcept ModuleNotFoundError as error:\n    print(error)"
        )
        assert printed == "blocked: flask\n"

    def test_the_ground_floor_stands_on_nothing(self) -> None:
        """But for types: which are immutable, and what a cookie holds."""
        floor = {
            "asgi": set(),
            "cookies": set(),
            "tagged_json": set(),
            "contents": {"tagged_json"},
            "session": {"contents"},
            "starlette_format": {"codec", "tagged_json"},
            "verified": {"contents"},
            "codec": {"tagged_json"},
        }
        for module, below in floor.items():
            assert imports_of(PACKAGE / f"{module}.py") == {f"starlette_flask.{name}" for name in below}

    def test_no_extension_knows_the_middleware(self) -> None:
        for path in (PACKAGE / "extensions").glob("*.py"):
            assert not any("middleware" in name for name in imports_of(path))

    def test_what_is_not_public_says_so(self) -> None:
        """By a ``_`` before its name, or in its first line."""
        public = {
            "__init__", "__main__", "codec", "session", "tagged_json", "middleware/__init__", "middleware/sessions",
            "middleware/flask_settings",
            "testing",
        }  # fmt: skip
        for path in PACKAGE.rglob("*.py"):
            name = path.relative_to(PACKAGE).with_suffix("").as_posix()
            if name not in public and not name.startswith("extensions/") and "/_" not in f"/{name}":
                assert " Private." in path.read_text("utf-8").partition("\n")[0], name

    def test_every_module_is_looked_at(self) -> None:
        files = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
        assert {name.removesuffix(".__init__") for name in files} == {"starlette_flask", *MODULES}


class TestWithoutMarkupsafe:
    """Where markupsafe is not installed, a ``str`` subclass stands in for ``Markup``."""

    def test_markup_round_trips(self) -> None:
        printed = run(
            BLOCK.format(names=("markupsafe", *FRAMEWORKS))
            + """
import asyncio, json
from starlette_flask import SessionCodec, SessionMiddleware
from starlette_flask.tagged_json import Markup

codec = SessionCodec("secret")
value = codec.loads(codec.dumps({"html": Markup("<b>&amp;</b>"), "text": "<b>"}))
assert type(value["html"]) is Markup and type(value["text"]) is str
assert value["html"] == "<b>&amp;</b>" == value["html"].__html__()
assert codec.loads(codec.dumps(value)) == value
assert "markupsafe" not in sys.modules
print(codec.serialize(value).decode())
"""
        )
        assert printed == '{"html":{" m":"<b>&amp;</b>"},"text":"<b>"}\n'


NO_SHA1 = """
import hashlib, _hashlib

def refuse(*args, **kwargs):
    raise SystemExit("SHA-1 was used")

new = hashlib.new
hashlib.sha1 = _hashlib.openssl_sha1 = refuse
hashlib.new = lambda name, *args, **kwargs: refuse() if name.lower() == "sha1" else new(name, *args, **kwargs)
"""
USE = """
import asyncio
from starlette_flask import SessionCodec, SessionMiddleware

options = {{"secret_key_fallbacks": ["retired"], "signer_kwargs": {signer_kwargs}}}
codec = SessionCodec("secret", **options)
value = codec.dumps({{"user": "ada"}})
assert codec.loads(value, max_age=60) == {{"user": "ada"}}
assert codec.loads(codec.dumps({{}}, "salt"), salt="salt") == {{}}

async def app(scope, receive, send):
    scope["session"]["seen"] = dict(scope["session"])
    await send({{"type": "http.response.start", "status": 200}})

async def send(message):
    print(codec.loads(dict(message["headers"])[b"set-cookie"].split(b";")[0].partition(b"=")[2]))

middleware = SessionMiddleware(app, "secret", **options)
for cookie in (value, value[:-2], SessionCodec("retired", **options).dumps({{"user": "eve"}}), "x"):
    scope = {{"type": "http", "path": "/", "headers": [(b"cookie", b"session=" + cookie.encode())]}}
    asyncio.run(middleware(scope, None, send))
"""


class TestWithoutSHA1:
    """FIPS builds of Python have no SHA-1: it is looked up when it is used, and not used with another digest."""

    @pytest.mark.parametrize(
        "signer_kwargs",
        [
            "{'digest_method': hashlib.sha256}",
            "{'digest_method': hashlib.sha512, 'key_derivation': 'concat'}",
            "{'digest_method': hashlib.sha256, 'sep': ':'}",
            "{'digest_method': lambda data=b'': hashlib.blake2b(data, digest_size=20)}",
        ],
    )
    def test_another_digest_never_touches_it(self, signer_kwargs: str) -> None:
        printed = run(NO_SHA1 + USE.format(signer_kwargs=signer_kwargs)).splitlines()
        ada, eve = ({"user": name, "seen": {"user": name}} for name in ("ada", "eve"))
        assert list(map(ast.literal_eval, printed)) == [ada, {"seen": {}}, eve, {"seen": {}}]

    def test_the_default_would(self) -> None:
        with pytest.raises(AssertionError, match="SHA-1 was used"):
            run(NO_SHA1 + USE.format(signer_kwargs="None"))

    def test_importing_does_not(self) -> None:
        imports = "".join(f"import {name}\n" for name in MODULES if not name.endswith("__main__"))
        assert run(NO_SHA1 + imports + "print('imported')") == "imported\n"
