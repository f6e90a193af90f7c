"""``--app`` and ``starlette-flask settings``, on applications of real frameworks in modules of the current folder."""

from __future__ import annotations

import base64
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.applications import Starlette
from starlette.routing import Mount

import starlette_flask
from starlette_flask import SessionCodec, SessionMiddleware
from starlette_flask._cli.application import _is_theirs
from starlette_flask.extensions.flask_login import remember_cookie
from tests import asgi

from .command_line import KEY, NOW, call, inspect, starlettes

HOUR = 3600
COOKIE = SessionCodec(KEY).dumps({"user": 1})
FLASK = f"""
from datetime import timedelta
from flask import Flask
flask_app = Flask(__name__)
flask_app.config.update(
    SECRET_KEY="current", SECRET_KEY_FALLBACKS=["older", {KEY!r}], SESSION_COOKIE_NAME="sid",
    PERMANENT_SESSION_LIFETIME={HOUR},
)
"""
ASGI = f"""
from functools import partial
from starlette_flask import SessionMiddleware
from starlette.applications import Starlette
settings = dict(
    secret_key="current", secret_key_fallbacks=["older", {KEY!r}], session_cookie="sid",
    permanent_session_lifetime={HOUR},
)
"""
WRAPPED = """
class Wrapper:
    def __init__(self, app):
        self.app = app
"""
#: Each module has its application at "app", with the settings above in one way or another.
APPLICATIONS = {
    "a Flask application": FLASK + "app = flask_app",
    "a Quart application": FLASK.replace("flask", "quart").replace("Flask", "Quart") + "app = quart_app",
    "a WSGI middleware around Flask's": FLASK + WRAPPED + "app = Wrapper(flask_app.wsgi_app)",
    "a Flask application in ASGI": FLASK + "from a2wsgi import WSGIMiddleware\napp = WSGIMiddleware(flask_app)",
    "the middleware": ASGI + "app = SessionMiddleware(None, **settings)",
    "a middleware around it": ASGI + WRAPPED + "app = Wrapper(Wrapper(SessionMiddleware(None, **settings)))",
    "around Quart's asgi_app": ASGI + "from quart import Quart\napp = Quart(__name__)\n"
    "app.asgi_app = SessionMiddleware(app.asgi_app, **settings)",
    "Starlette": ASGI + "app = Starlette()\napp.add_middleware(SessionMiddleware, **settings)",
    "Starlette, by position": ASGI
    + "app = Starlette()\napp.add_middleware(SessionMiddleware, settings.pop('secret_key'), **settings)",
    "Starlette, further in": ASGI + "from starlette.middleware.cors import CORSMiddleware\n"
    "app = Starlette()\napp.add_middleware(SessionMiddleware, **settings)\napp.add_middleware(CORSMiddleware)",
    "FastAPI, from Flask": ASGI + FLASK + "from fastapi import FastAPI\n"
    "app = FastAPI()\napp.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)",
    "FastAPI, a function": ASGI + "from fastapi import FastAPI\nfrom starlette.middleware import Middleware\n"
    "app = FastAPI(middleware=[Middleware(lambda app: app.state), "
    "Middleware(lambda app: SessionMiddleware(app, **settings))])",
    "Starlette, mounted": ASGI + "from starlette.routing import Mount, Route\n"
    "inner = Starlette()\ninner.add_middleware(SessionMiddleware, **settings)\n"
    "app = Starlette(routes=[Route('/', lambda request: None), Mount('/inner', app=inner)])",
    "Litestar, defined": ASGI + "from litestar import Litestar\nfrom litestar.middleware import DefineMiddleware\n"
    "app = Litestar([], middleware=[DefineMiddleware(SessionMiddleware, **settings)])",
    "Litestar, a partial": ASGI + "from litestar import Litestar\n"
    "app = Litestar([], middleware=[partial(SessionMiddleware, **settings)])",
    "Litestar, a function": ASGI + "from litestar import Litestar\ndef wrap(app):\n"
    "    return SessionMiddleware(app, **settings) if callable(app) else None\n"
    "app = Litestar([], middleware=[wrap])",
    "a class of its own": ASGI + "class Mine(SessionMiddleware):\n    pass\n"
    "app = Starlette()\napp.add_middleware(Mine, **settings)",
}
Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """What writes a module into the current folder and returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(source: str, name: str = "app_of_a_test") -> str:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        return name

    yield write
    for name in ("app_of_a_test", "module_of_a_test"):
        if name not in before:
            sys.modules.pop(name, None)


class TestApplication:
    """The keys, the name, the way of signing and the lifetime are those of the application."""

    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_that_is(self, module: Module, name: str) -> None:
        if name == "a Quart application" and metadata.version("quart") < "0.22":
            pytest.skip("it has no SECRET_KEY_FALLBACKS")
        target = f"{module(APPLICATIONS[name])}:app"
        report = inspect("--app", target, f"session=none; sid={COOKIE}", SECRET_KEY="not asked")
        assert report["opens"] is True
        assert report["key_source"] == f"secret_key_fallbacks[1] of {target}"
        assert report["keys"] == [
            f"secret_key of {target}",
            f"secret_key_fallbacks[1] of {target}",
            f"secret_key_fallbacks[0] of {target}",
        ]
        source = f"permanent_session_lifetime of {target}"
        assert (report["lifetime"], report["lifetime_source"]) == (HOUR, source)
        out = call("inspect", "--app", target, COOKIE).out
        assert f"\nlifetime 1 hour ({source}); PERMANENT_SESSION_LIFETIME in Flask, max_age in Starlette\n" in out
        assert f"\nkey      2 of 3, secret_key_fallbacks[1] of {target}, a fallback\n" in out
        assert not [key for key in ("current", "older", KEY) if key in out]

    @pytest.mark.parametrize("target", ["create_app()", "Shop.app", "Shop.create_app()"])
    def test_is_made_by_a_factory_or_found_in_an_object(self, module: Module, target: str) -> None:
        source = FLASK + "def create_app():\n    return flask_app\n" + "class Shop:\n    app = flask_app\n"
        name = module(source + "    create_app = staticmethod(create_app)\n")
        assert inspect("--app", f"{name}:{target}", f"sid={COOKIE}")["opens"] is True

    def test_has_its_own_way_of_signing(self, module: Module) -> None:
        settings = {"salt": "pepper", "signer_kwargs": {"sep": ":", "key_derivation": "concat"}}
        cookie = SessionCodec(KEY, **settings).dumps({"user": (1, 2)})  # type: ignore[arg-type]
        target = module(ASGI + f"app = SessionMiddleware(None, {KEY!r}, max_age=60, **{settings})") + ":app"
        report = inspect("--app", target, cookie)
        assert (report["opens"], report["format"], report["key"]) == (True, "flask", 1)
        assert report["lifetime_source"] == f"max_age of {target}"
        assert '"user": tuple [' in call("inspect", "--app", target, cookie).out
        (reason,) = inspect("--app", target, COOKIE.replace(".", ":"))["reasons"]
        assert (
            reason == f"none of the keys signed it (secret_key of {target}): another key did, or it was changed since"
        )

    @pytest.mark.parametrize(
        ("argv", "wrong"),
        [
            (("--salt", "x"), "--salt cookie-session"),
            (("--digest", "sha256"), "--digest sha1"),
            (("--key-derivation", "none"), "--key-derivation hmac"),
        ],
    )
    def test_is_overruled_by_options(self, module: Module, argv: tuple[str, ...], wrong: str) -> None:
        target = f"{module(APPLICATIONS['the middleware'])}:app"
        (reason,) = inspect("--app", target, f"sid={COOKIE}", *argv)["reasons"]
        assert reason == f"signed with key 2 (secret_key_fallbacks[1] of {target}), but with {wrong}"
        report = inspect(
            "--app", target, "--name", "other", "--key-env", "A", "--max-age", "9999", f"other={COOKIE}", A=KEY
        )
        assert (report["opens"], report["keys"], report["lifetime"]) == (True, ["$A"], 9999)

    @pytest.mark.parametrize(
        ("age", "reason"),
        [
            (-60, None),
            (-61, "it is from the future, by 1 minute 1 second: the clocks differ; leeway allows for some seconds"),
            (11, "it has expired: it is 11 seconds old, and the lifetime is 10 seconds (max_age of {}:app)"),
        ],
    )
    def test_allows_for_clocks(self, module: Module, age: int, reason: str | None) -> None:
        name = module(ASGI + f"app = SessionMiddleware(None, {KEY!r}, leeway=60, max_age=10)")
        reasons = inspect("--app", f"{name}:app", asgi.signed({"a": 1}, key=KEY, age=age))["reasons"]
        assert reasons == ([] if reason is None else [reason.format(name)])

    @pytest.mark.parametrize("accepts", [True, False])
    def test_may_open_starlettes_cookies(self, module: Module, accepts: bool) -> None:
        target = module(ASGI + f"app = SessionMiddleware(None, {KEY!r}, accept_starlette_cookies={accepts})") + ":app"
        with time_machine.travel(NOW, tick=False) as clock:
            cookie = starlettes({"user": 1})
            report = inspect("--app", target, cookie)
            assert (report["opens"], report["format"], report["content"]) == (accepts, "starlette", {"user": 1})
            out = call("inspect", "--app", target, cookie).out
            assert ("\ncontent  verified\n" in out) is accepts
            clock.shift(32 * 86400)
            (reason,) = inspect("--app", target, cookie)["reasons"]
            assert reason.startswith("it has expired" if accepts else "signed with key 1")

    @pytest.mark.parametrize(("has", "other"), [("text", "bytes"), ("bytes", "text")])
    def test_opens_starlettes_cookies_with_the_key_as_it_has_it_alone(
        self, module: Module, has: str, other: str
    ) -> None:
        """Starlette signs with ``str(key)``, which is ``"b'...'"`` for bytes."""
        keys: dict[str, str | bytes] = {"text": KEY, "bytes": KEY.encode()}
        source = ASGI + f"app = SessionMiddleware(None, {keys[has]!r}, accept_starlette_cookies=True)"
        target = f"{module(source)}:app"
        cookie = starlettes({"user": 1}, key=keys[other])
        report = inspect("--app", target, cookie)
        assert (report["opens"], report["format"], report["key"]) == (False, "starlette", 1)
        assert report["reasons"] == [
            f"signed with key 1 (secret_key of {target}) as {other}, where the application has it as {has}: "
            "to Starlette these are two keys"
        ]
        assert "\ncontent  signed with key 1, but not as" in call("inspect", "--app", target, cookie).out
        assert inspect("--app", target, starlettes({"user": 1}, key=keys[has]))["opens"] is True
        # As what the application would have a key from elsewhere, nobody says.
        assert inspect("--app", target, "--key-env", "A", cookie, A=KEY)["opens"] is True

    @pytest.mark.parametrize(("encode", "b"), [(".encode()", "b"), ("", "")], ids=["of bytes", "of text"])
    def test_has_its_own_serializer_which_never_gets_what_its_keys_did_not_sign(
        self, module: Module, encode: str, b: str
    ) -> None:
        source = (
            ASGI
            + f"""
class Secret:
    def dumps(self, value):
        return repr(value){encode}
    def loads(self, data):
        assert {b}"evil" not in data
        return {{"shape": complex(1, 2), **eval(data)}}
codec = __import__("starlette_flask").SessionCodec({KEY!r}, serializer=Secret())
app = SessionMiddleware(None, {KEY!r}, serializer=codec.serializer)
"""
        )
        name = module(source)
        inspect("--app", f"{name}:app", COOKIE)
        cookie = sys.modules[name].codec.dumps({"user": 1})
        report = inspect("--app", f"{name}:app", cookie)
        assert (report["opens"], report["content"]) == (True, None)
        assert report["notes"] == ["the application's own serializer writes no JSON: --json has no content"]
        result = call("inspect", "--app", f"{name}:app", cookie)
        assert (result.code, '"shape": complex "(1+2j)"' in result.out) == (0, True)
        evil = SessionCodec("another").dumps({"evil": 1})
        assert inspect("--app", f"{name}:app", evil)["content"] == {"evil": 1}

    def test_may_warn_of_its_settings(self, module: Module) -> None:
        name = module(ASGI + "app = Starlette()\napp.add_middleware(SessionMiddleware, same_site='none', **settings)")
        (note,) = inspect("--app", f"{name}:app", f"sid={COOKIE}")["notes"]
        assert note.startswith("same_site='none' without https_only=True")

    def test_signs_too(self, module: Module) -> None:
        target = f"{module(APPLICATIONS['Starlette'])}:app"
        result = call("sign", "--app", target, "--cookie", '{"a": 1}')
        name, _, value = result.out.strip().partition("=")
        assert (name, SessionCodec("current").loads(value)) == ("sid", {"a": 1})

    def test_may_refuse_what_is_to_be_signed(self, module: Module) -> None:
        picky = """
class Picky:
    def dumps(self, value):
        return 1 / 0 if value else "{}"
    def loads(self, text):
        return {}
"""
        name = module(picky + ASGI + f"app = SessionMiddleware(None, {KEY!r}, serializer=Picky())")
        why = f"ZeroDivisionError: division by zero ({Path.cwd() / name}.py, line 4)"
        err = f"starlette-flask: the serializer refuses this content: {why}\n"
        assert call("sign", "--app", f"{name}:app", '{"a": 1}') == (2, "", err)

    def test_is_looked_for_in_the_current_folder_first(self, module: Module, tmp_path: Path) -> None:
        name = module(FLASK)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / f"{name}.py").write_text("flask_app = None")
        sys.path.insert(0, str(tmp_path / "elsewhere"))
        assert inspect("--app", f"{name}:flask_app", f"sid={COOKIE}")["opens"] is True

    @pytest.mark.parametrize(
        ("folder", "theirs"),
        [
            (Path(os.__file__).parent / "site-packages", True),
            (Path(os.__file__).parent / "json", False),
            (Path(starlette_flask.__file__).parents[1], True),
            (Path(starlette_flask.__file__).parent, False),
        ],
        ids=["installed", "Python's", "beside ours", "ours"],
    )
    def test_its_errors_are_told_with_a_line_that_is_neither_pythons_nor_ours(
        self, folder: Path, theirs: bool
    ) -> None:
        """What is installed for all of this Python's environments is below the standard library."""
        assert _is_theirs(str(folder / "module.py")) is theirs

    def test_prints_where_it_is_not_taken_for_the_report(self, module: Module) -> None:
        name = module("print('loaded')\n" + FLASK)
        result = call("inspect", "--json", "--app", f"{name}:flask_app", f"sid={COOKIE}")
        assert (result.report["opens"], result.err) == (True, "loaded\n")

    @pytest.mark.parametrize(
        ("source", "target", "words"),
        [
            (
                "",
                "app",
                "'app' does not name an application: write module:attribute, such as shop.main:app, or "
                "shop.main:create_app() for a function without arguments that makes it\n",
            ),
            ("", "{}:create_app(1)", "does not name an application"),
            ("", "{}.py:app", "{}.py is a file: write its module, {}:app\n"),
            ("", "{}.py:make()", "{}.py is a file: write its module, {}:make()\n"),
            (
                "",
                "no_such_module_here:app",
                "no_such_module_here cannot be imported from {here}: ModuleNotFoundError: "
                "No module named 'no_such_module_here'\n",
            ),
            ("", "{}:app", "{}:app cannot be found: AttributeError: module '{}' has no attribute 'app'"),
            ("\n1 / 0", "{}:app", "{} cannot be imported from {here}: ZeroDivisionError: division by zero ({here}"),
            ("\n1 / 0", "{}:app", "{}.py, line 2)"),
            ("import os; os.environ['MISSING_HERE']", "{}:app", ": KeyError: 'MISSING_HERE' ({here}"),
            ("raise SystemExit('bye\\nhunter2')", "{}:app", ": SystemExit: bye ("),
            ("raise ValueError('\\x1b\\u202e')", "{}:app", "ValueError: \\u001b\\u202e ("),
            ("app = (", "{}:app", ": SyntaxError: "),
            (
                "def make(): return None",
                "{}:make()",
                "there is no Flask or Quart application and no SessionMiddleware in",
            ),
            ("def make(): 1 / 0", "{}:make()", "{}:make() fails: ZeroDivisionError: division by zero ("),
            ("def make(x): pass", "{}:make()", "{}:make() fails: TypeError: make() missing 1 required positional"),
            ("def make(): pass", "{}:make", "is of type function; if it makes the application, write {}:make()\n"),
            ("app = 5", "{}:app", "in {}:app, which is of type int\n"),
            (ASGI + "app = Starlette()\n", "{}:app", "in {}:app, which is of type Starlette\n"),
            (ASGI + "app = Starlette()\napp.app = app", "{}:app", "in {}:app, which is of type Starlette\n"),
            (
                WRAPPED + "class Endless:\n    app = property(lambda _: Endless())\napp = Endless()",
                "{}:app",
                "type Endless\n",
            ),
            (
                ASGI + "app = Starlette()\napp.add_middleware(SessionMiddleware, secret_key='')",
                "{}:app",
                "the settings of {}:app cannot be read: ValueError: secret_key is empty",
            ),
            (
                "from flask import Flask\napp = Flask(__name__)",
                "{}:app",
                "the settings of {}:app cannot be read: ValueError: The Flask app has no secret key",
            ),
        ],
    )
    def test_that_cannot_be_looked_at_is_told_why(self, module: Module, source: str, target: str, words: str) -> None:
        name = module(source)
        result = call("inspect", "--app", target.replace("{}", name), COOKIE)
        assert (result.code, result.out) == (2, "")
        assert words.replace("{}", name).replace("{here}", str(Path.cwd())) in result.err
        assert result.err.count("\n") == 1
        assert "hunter2" not in result.err


#: Flask applications, and the settings of SessionMiddleware that their code is to have, beside the key.
FLASK_APPS = {
    "nothing of its own": ("", "same_site"),
    "everything in its config": (
        """
app.config.update(
    SECRET_KEY_FALLBACKS=["hunter1", b"hunter\\xff2"],
    SESSION_COOKIE_NAME="__Host-sid", SESSION_COOKIE_SAMESITE="None",
    SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=False, SESSION_COOKIE_PARTITIONED=True,
    SESSION_REFRESH_EACH_REQUEST=False, MAX_COOKIE_SIZE=0, PERMANENT_SESSION_LIFETIME=timedelta(hours=1, seconds=5),
)
""",
        "session_cookie httponly https_only same_site partitioned refresh_each_request "
        "max_cookie_size permanent_session_lifetime",
    ),
    "a path and a domain": (
        "app.config.update(SESSION_COOKIE_PATH='/caf\\u00e9', SESSION_COOKIE_DOMAIN='example.com', "
        "SESSION_COOKIE_SAMESITE='Lax')",
        "domain path same_site",
    ),
    "settings of a text's subclass": (
        "class Text(str):\n    __repr__ = object.__repr__\n"
        "class Own(SecureCookieSessionInterface):\n    key_derivation = Text('concat')\n"
        "app.session_interface = Own()\napp.config['SESSION_COOKIE_NAME'] = Text('sid')",
        "signer_kwargs session_cookie same_site",
    ),
    "a key of bytes that are text": ("app.secret_key = 'hunter\\u00e9'.encode()", "same_site"),
    "a key of any text": ("app.secret_key = 'hunter\\0'", "same_site"),
    "a key of any bytes": ("app.secret_key = b'hunter\\0'", "same_site"),
    "its own way of signing": (
        "class Own(SecureCookieSessionInterface):\n    salt = 'pepper'\n    key_derivation = 'concat'\n"
        "    digest_method = staticmethod(hashlib.sha512)\napp.session_interface = Own()",
        "signer_kwargs salt same_site",
    ),
    "another digest's name": (
        "class Own(SecureCookieSessionInterface):\n    digest_method = 'sha256'\napp.session_interface = Own()",
        "signer_kwargs same_site",
    ),
}
HEAD = """
import hashlib
from datetime import timedelta
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
app = Flask(__name__)
app.secret_key = "hunter3"
"""


WITHOUT_SERIALIZER = (
    ". Without it, sessions are written in other bytes, and do not open where they need it: give an object with the "
    "same dumps and loads"
)
OF_SIGNING = (
    "signer_kwargs[{!r}] is left out, because it is an object of type {}; without it, no cookie of the application "
    "opens"
)


class TestSettings:
    """``starlette-flask settings`` prints code that does as ``from_flask``, without the keys."""

    def test_the_code(self, module: Module) -> None:
        source = (
            "import flask_login\nflask_login.LoginManager(app)\napp.config.update(SESSION_COOKIE_NAME='sid', "
            "REMEMBER_COOKIE_NAME='keep', PERMANENT_SESSION_LIFETIME=timedelta(seconds=60))\napp.secret_key = b'\\xff'"
        )
        name = module(HEAD + source)
        assert call("settings", f"{name}:app").out == textwrap.dedent(
            f"""\
            # Session settings of {name}:app, without the keys: set those in the environment.
            import base64
            import os
            from datetime import timedelta

            from starlette_flask import SessionMiddleware

            app.add_middleware(  # of FastAPI and Starlette; around any other: app = SessionMiddleware(app, ...)
                SessionMiddleware,
                secret_key=base64.b64decode(os.environ["SECRET_KEY_BASE64"]),
                secret_key_fallbacks=[],
                session_cookie='sid',
                same_site=None,
                permanent_session_lifetime=timedelta(seconds=60),
            )

            # Flask-Login's, for the functions of starlette_flask.extensions.flask_login:
            LOAD_USER_ID = {{"remember_cookie": 'keep'}}  # load_user_id(request, SECRET_KEY, **LOAD_USER_ID)
            LOGOUT_USER = {{"remember_cookie": 'keep'}}  # logout_user(request, **LOGOUT_USER)
            REMEMBER_COOKIE = {{"name": 'keep'}}  # remember_cookie(request, SECRET_KEY, **REMEMBER_COOKIE)
            """
        )

    @pytest.mark.parametrize("name", FLASK_APPS)
    @pytest.mark.parametrize("permanent", [True, False])
    def test_the_code_does_as_from_flask(
        self, module: Module, monkeypatch: pytest.MonkeyPatch, name: str, permanent: bool
    ) -> None:
        source, expected = FLASK_APPS[name]
        result = call("settings", f"{(found := module(HEAD + source))}:app")
        assert (result.code, result.err) == (0, "")
        assert "hunter" not in result.out
        assert result.out.count("#") == 2
        flask_app = sys.modules[found].app
        for variable, key in (
            ("SECRET_KEY", flask_app.secret_key),
            *(
                (f"SECRET_KEY_FALLBACK_{at}", key)
                for at, key in enumerate(flask_app.config["SECRET_KEY_FALLBACKS"] or (), 1)
            ),
        ):
            as_bytes = key if isinstance(key, bytes) else key.encode()
            monkeypatch.setenv(f"{variable}_BASE64", base64.b64encode(as_bytes).decode())
            if as_bytes.isascii() and b"\0" not in as_bytes:
                monkeypatch.setenv(variable, as_bytes.decode())

        inner = asgi.app_that(lambda session: session.update(user=(1, 2), **{"_permanent": True} if permanent else {}))
        app = Starlette(routes=[Mount("/", inner)])
        exec(result.out, {"app": app})
        middleware: Any = app.build_middleware_stack().app  # type: ignore[attr-defined]
        given = [line.strip().partition("=")[0] for line in result.out.splitlines() if line.startswith("    ")]
        assert given == ["SessionMiddleware,", "secret_key", "secret_key_fallbacks", *expected.split()]
        with time_machine.travel(NOW, tick=False):
            ours, theirs = asgi.call(middleware), asgi.call(SessionMiddleware.from_flask(inner, flask_app))
        assert ours.set_cookies == theirs.set_cookies != []
        assert ours.vary == theirs.vary
        for key in flask_app.config["SECRET_KEY_FALLBACKS"] or ():  # they open what they signed
            codec = middleware._codec
            value = SessionCodec(key, salt=codec.salt, signer_kwargs=codec.signer_kwargs).dumps({"old": 1})
            assert codec.loads(value) == {"old": 1}

    @pytest.mark.parametrize(
        ("source", "comment"),
        [
            (
                "class Tag(JSONTag):\n    key = ' x'\nclass Other(JSONTag):\n    key = ' y'\n"
                "class Own(SecureCookieSessionInterface):\n    serializer = TaggedJSONSerializer()\n"
                "app.session_interface = Own()\nOwn.serializer.register(Tag)\nOwn.serializer.register(Other)",
                f"serializer is left out, because the application has tags of its own: Tag, Other{WITHOUT_SERIALIZER}",
            ),
            (
                "class Pickles:\n    dumps, loads = staticmethod(pickle.dumps), staticmethod(pickle.loads)\n"
                "class Own(SecureCookieSessionInterface):\n    serializer = Pickles()\napp.session_interface = Own()",
                f"serializer is left out, because the application has its own, Pickles{WITHOUT_SERIALIZER}",
            ),
            (
                "class Tagged(TaggedJSONSerializer):\n    pass\n"
                "class Own(SecureCookieSessionInterface):\n    serializer = Tagged()\napp.session_interface = Own()",
                f"serializer is left out, because the application has its own, Tagged{WITHOUT_SERIALIZER}",
            ),
            (
                "class Own(SecureCookieSessionInterface):\n    def get_signing_serializer(self, app):\n"
                "        return URLSafeTimedSerializer(app.secret_key, serializer=json)\n"
                "app.session_interface = Own()",
                f"serializer is left out, because the application has its own, json{WITHOUT_SERIALIZER}",
            ),
            (
                "app.json.dumps = json.dumps",
                f"serializer is left out, because the application's JSON is its own, dumps{WITHOUT_SERIALIZER}",
            ),
            (
                "class Own(DefaultJSONProvider):\n    pass\napp.json = Own(app)",
                f"serializer is left out, because the application's JSON is its own, Own{WITHOUT_SERIALIZER}",
            ),
            (
                "app.json.sort_keys = False",
                "serializer is left out, because the application's tags or JSON settings are not Flask's defaults"
                f"{WITHOUT_SERIALIZER}",
            ),
            (
                "class Own(SecureCookieSessionInterface):\n    def get_signing_serializer(self, app):\n"
                "        found = super().get_signing_serializer(app)\n"
                "        found.signer_kwargs['algorithm'] = HMACAlgorithm(hashlib.sha256)\n        return found\n"
                "app.session_interface = Own()",
                OF_SIGNING.format("algorithm", "HMACAlgorithm"),
            ),
            (
                "class Own(SecureCookieSessionInterface):\n"
                "    digest_method = staticmethod(lambda data=b'': hashlib.blake2b(data, digest_size=20))\n"
                "app.session_interface = Own()",
                OF_SIGNING.format("digest_method", "function"),
            ),
            (
                "class Nameless:\n    digest_size, block_size = 20, 64\n"
                "    def __init__(self, data=b''):\n        self.sha1 = hashlib.sha1(data)\n"
                "    def update(self, data):\n        self.sha1.update(data)\n"
                "    def digest(self):\n        return self.sha1.digest()\n"
                "    def copy(self):\n        other = Nameless()\n        other.sha1 = self.sha1.copy()\n"
                "        return other\nclass Own(SecureCookieSessionInterface):\n    digest_method = Nameless\n"
                "app.session_interface = Own()",
                OF_SIGNING.format("digest_method", "type"),
            ),
            (
                "class Own(SecureCookieSession):\n    pass\nclass Interface(SecureCookieSessionInterface):\n"
                "    session_class = Own\napp.session_interface = Interface()",
                "from_flask: Own is the session's class in the Flask app alone",
            ),
        ],
    )
    def test_what_cannot_be_pasted_is_told_in_a_comment(self, module: Module, source: str, comment: str) -> None:
        imports = (
            "import json\nimport pickle\nfrom itsdangerous import URLSafeTimedSerializer\n"
            "from itsdangerous.signer import HMACAlgorithm\nfrom flask.json.tag import JSONTag, "
            "TaggedJSONSerializer\nfrom flask.json.provider import DefaultJSONProvider\n"
            "from flask.sessions import SecureCookieSession\n"
        )
        result = call("settings", f"{module(imports + HEAD + source)}:app")
        assert result.code == 0
        assert f"\n# {comment}\n" in result.out
        app = Starlette()
        exec(result.out.replace('os.environ["SECRET_KEY"]', '"any key"'), {"app": app})
        assert isinstance(app.build_middleware_stack().app, SessionMiddleware)  # type: ignore[attr-defined]

    @pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # Flask-Login's
    @pytest.mark.parametrize(
        ("config", "protection"),
        [
            ({}, "basic"),
            ({"SESSION_PROTECTION": "strong", "REMEMBER_COOKIE_DURATION": timedelta(days=30)}, "strong"),
            (
                {
                    "SESSION_PROTECTION": None,
                    "REMEMBER_COOKIE_NAME": "keep",
                    "REMEMBER_COOKIE_DURATION": HOUR,
                    "REMEMBER_COOKIE_PATH": "/shop",
                    "REMEMBER_COOKIE_DOMAIN": "example.com",
                    "REMEMBER_COOKIE_SECURE": True,
                    "REMEMBER_COOKIE_HTTPONLY": False,
                    "REMEMBER_COOKIE_SAMESITE": "Lax",
                    "REMEMBER_COOKIE_REFRESH_EACH_REQUEST": True,
                },
                None,
            ),
            ({"SESSION_PROTECTION": "off", "REMEMBER_COOKIE_DOMAIN": ""}, None),
        ],
        ids=["none", "some", "all", "none that counts"],
    )
    def test_of_flask_login(self, module: Module, config: dict[str, Any], protection: str | None) -> None:
        """The remember cookie is the one that Flask-Login sets with them."""
        login = (
            "from datetime import timedelta\nimport datetime, flask_login\nflask_login.LoginManager(app)\n"
            f"app.config.update({config!r})\n"
            "@app.get('/')\ndef log_in():\n    user = flask_login.UserMixin()\n    user.id = 'ada'\n"
            "    flask_login.login_user(user, remember=True)\n    return 'in'"
        )
        result = call("settings", f"{(found := module(HEAD + login))}:app")
        names: dict[str, Any] = {"app": Starlette()}
        exec(result.out.replace('os.environ["SECRET_KEY"]', '"any key"'), names)
        name = config.get("REMEMBER_COOKIE_NAME")
        assert names["LOAD_USER_ID"].get("protection", "basic") == protection
        assert names["LOAD_USER_ID"].get("remember_cookie") == names["LOGOUT_USER"].get("remember_cookie") == name
        refreshes = names["REMEMBER_COOKIE"].get("refresh_each_request", False)
        assert refreshes is config.get("REMEMBER_COOKIE_REFRESH_EACH_REQUEST", False)
        flask_app = sys.modules[found].app
        with time_machine.travel(NOW, tick=False):
            theirs = flask_app.test_client().get("/").headers.getlist("Set-Cookie")
            session = {"_user_id": "ada", "_remember": "set"}
            ours = remember_cookie(session, flask_app.secret_key, **names["REMEMBER_COOKIE"])
        assert ours in [field.replace(" Domain=;", "") for field in theirs]  # which browsers ignore

    def test_nothing_is_imported_that_is_not_used(self, module: Module) -> None:
        lines = call("settings", f"{module(HEAD)}:app").out.splitlines()
        assert [line for line in lines if "import" in line] == [
            "import os",
            "from starlette_flask import SessionMiddleware",
        ]

    def test_of_quart(self, module: Module) -> None:
        result = call("settings", f"{module(APPLICATIONS['a Quart application'])}:app")
        assert "left out, because the application's JSON is Quart's, which keeps keys in their order. " in result.out

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (
                ASGI + "app = Starlette()",
                "there is no Flask or Quart application in {}:app, which is of type Starlette",
            ),
            (
                HEAD + "app.config['SESSION_COOKIE_NAME'] = 'a b'",
                "the settings of {}:app cannot be read: ValueError: sess",
            ),
            (
                HEAD + "app.secret_key = None",
                "the settings of {}:app cannot be read: ValueError: The Flask app has no",
            ),
        ],
    )
    def test_that_cannot_be_read_are_told(self, module: Module, source: str, words: str) -> None:
        name = module(source)
        result = call("settings", f"{name}:app")
        assert (result.code, result.out) == (2, "")
        assert words.replace("{}", name) in result.err
