"""``from_flask``: what an application customized is honored or refused, never ignored in silence."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import json
import re
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import flask
import flask.json.tag
import pytest
from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from flask.json.provider import DefaultJSONProvider, JSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionInterface, SessionMixin
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from starlette_flask import SessionMiddleware
from starlette_flask.cookies import parse_set_cookie
from starlette_flask.middleware.flask_settings import flask_settings

from .harness import FLASK, NOW, Answer, Operation, Pair, Request, frozen, make_flask
from .strategies import Cookie, Item, Value
from .test_requests import DELETE, WRITE, same_answer


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application of middlewares that are only built."""


class Complex(flask.json.tag.JSONTag):
    """A tag of an application's own."""

    __slots__ = ()
    key = " c"

    def check(self, value: Any) -> bool:
        return isinstance(value, complex)

    def to_json(self, value: Any) -> Any:
        return [value.real, value.imag]

    def to_python(self, value: Any) -> Any:
        return complex(*value)


def tagged(*tags: type[flask.json.tag.JSONTag], **register: Any) -> flask.json.tag.TaggedJSONSerializer:
    serializer = flask.json.tag.TaggedJSONSerializer()
    for tag in tags:
        serializer.register(tag, **register)
    return serializer


class WithoutTuples(flask.json.tag.TaggedJSONSerializer):
    default_tags = [  # noqa: RUF012
        tag for tag in flask.json.tag.TaggedJSONSerializer.default_tags if tag is not flask.json.tag.TagTuple
    ]


class Hex(flask.json.tag.TagBytes):
    """Takes the place of another tag, its key and its name."""

    def to_json(self, value: Any) -> str:
        return value.hex()

    def to_python(self, value: Any) -> bytes:
        return bytes.fromhex(value)


Hex.__name__ = flask.json.tag.TagBytes.__name__


def in_place_of_bytes() -> flask.json.tag.TaggedJSONSerializer:
    serializer = tagged()
    serializer.order = [Hex(serializer) if isinstance(tag, Hex.__mro__[1]) else tag for tag in serializer.order]
    serializer.tags[" b"] = Hex(serializer)
    return serializer


def without_escaping(key: str) -> flask.json.tag.TaggedJSONSerializer:
    serializer = tagged()
    del serializer.tags[key]
    return serializer


class Shout(flask.json.tag.TaggedJSONSerializer):
    """Tags in its own way."""

    def tag(self, value: Any) -> Any:
        return super().tag(value.upper() if isinstance(value, str) else value)


class Reversed(flask.json.tag.TaggedJSONSerializer):
    """Writes in its own way, with ``app.json`` nevertheless."""

    def dumps(self, value: Any) -> str:
        return super().dumps(value)[::-1]

    def loads(self, value: str) -> Any:
        return super().loads(value[::-1])


class NeedsApp:
    """No tags, and nothing without the application."""

    def dumps(self, value: Any) -> str:
        return flask.current_app.name + json.dumps(value)

    def loads(self, value: str) -> Any:
        return json.loads(value.removeprefix(flask.current_app.name))


class AsksApp(Complex):
    """A tag whose meaning the application's configuration tells."""

    def to_json(self, value: Any) -> Any:
        return [flask.current_app.name, value.real, value.imag]

    def to_python(self, value: Any) -> Any:
        assert value[0] == flask.current_app.name
        return complex(*value[1:])


def sets_of_app(value: Any) -> Any:
    return [flask.current_app.name, *sets_to_lists(value)]


class Sets(DefaultJSONProvider):
    """JSON of an application's own."""

    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        return sorted(value) if isinstance(value, set) else DefaultJSONProvider.default(value)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(s, parse_float=Decimal, **kwargs)


class Decimals(DefaultJSONProvider):
    """Reads otherwise and writes as ever."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(s, parse_float=Decimal, **kwargs)


class Spaced(JSONProvider):
    """A provider made from scratch, as those for other JSON libraries are."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, indent=1)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)  # an older Flask reads its tags in here


def sets_to_lists(value: Any) -> Any:
    return sorted(value)


class Named(SecureCookieSessionInterface):
    """Says itself what the cookie is like."""

    def get_cookie_name(self, app: flask.Flask) -> str:
        return f"{app.name}_session"

    def get_cookie_domain(self, app: flask.Flask) -> str | None:
        return ".example.com:80"

    def get_cookie_path(self, app: flask.Flask) -> str:
        return "/deep/"

    def get_cookie_httponly(self, app: flask.Flask) -> bool:
        return False

    def get_cookie_secure(self, app: flask.Flask) -> bool:
        return True

    def get_cookie_samesite(self, app: flask.Flask) -> str | None:
        return "sTRICT"

    if FLASK >= (3, 1):

        def get_cookie_partitioned(self, app: flask.Flask) -> bool:
            return True


class Signing(SecureCookieSessionInterface):
    """Makes its codec itself, of the usual class."""

    def get_signing_serializer(self, app: flask.Flask) -> URLSafeTimedSerializer | None:
        kwargs = {"key_derivation": "concat", "digest_method": hashlib.sha512}
        return URLSafeTimedSerializer([b"old", b"new"], b"salt", json, signer_kwargs=kwargs)


class ShortLived(flask.Flask):
    permanent_session_lifetime = timedelta(seconds=90.5)  # type: ignore[assignment]


def with_interface(**attributes: Any) -> flask.Flask:
    return make_flask(interface=attributes)


def with_class(interface: type[SessionInterface]) -> flask.Flask:
    app = make_flask()
    app.session_interface = interface()
    return app


def with_json(**attributes: Any) -> flask.Flask:
    app = make_flask()
    for name, value in attributes.items():
        setattr(app.json, name, value)
    return app


def with_provider(provider: type[JSONProvider], **interface: Any) -> flask.Flask:
    app = make_flask(interface=interface)
    app.json = provider(app)
    return app


def short_lived() -> flask.Flask:
    app = ShortLived("short", static_folder=None)
    app.secret_key = "k"
    return app


CUSTOMISED: dict[str, Callable[[], flask.Flask]] = {
    "salt": lambda: with_interface(salt="another"),
    "salt of bytes": lambda: with_interface(salt=b"\xff"),
    "digest": lambda: with_interface(digest_method=hashlib.sha256),
    "digest by name": lambda: with_interface(digest_method="sha256"),
    "digest and derivation": lambda: with_interface(digest_method=hashlib.sha3_512, key_derivation="django-concat"),
    "no derivation": lambda: with_interface(key_derivation="none"),
    "cookie methods": lambda: with_class(Named),
    "get_signing_serializer": lambda: with_class(Signing),
    "a tag": lambda: with_interface(serializer=tagged(Complex)),
    "a tag before the others": lambda: with_interface(serializer=tagged(Complex, index=0)),
    "other default tags": lambda: with_interface(serializer=WithoutTuples()),
    "a method tag": lambda: with_interface(serializer=Shout()),
    "methods dumps and loads": lambda: with_interface(serializer=Reversed()),
    "serializer json": lambda: with_interface(serializer=json),
    "serializer that needs the app": lambda: with_interface(serializer=NeedsApp()),
    "a tag that asks the app": lambda: with_interface(serializer=tagged(AsksApp)),
    "a JSON default that asks the app": lambda: with_json(default=sets_of_app),
    "keys in their order": lambda: with_json(sort_keys=False),
    "not only ASCII": lambda: with_json(ensure_ascii=False),
    "default of JSON": lambda: with_json(default=sets_to_lists),
    "a JSON provider": lambda: with_provider(Sets),
    "a JSON provider and a tag": lambda: with_provider(Sets, serializer=tagged(Complex)),
    "a JSON provider that reads": lambda: with_provider(Decimals),
    "a JSON provider from scratch": lambda: with_provider(Spaced),
    "a tag in another's place": lambda: with_interface(serializer=in_place_of_bytes()),
    "a tag that is written only": lambda: with_interface(serializer=without_escaping(" t")),
    "lifetime": short_lived,
}
MAPPINGS: list[dict[str, Any]] = [
    {"b": "ü", "a": (1, [b"x"]), "_permanent": True},
    {"b": "ü", "a": 1.5},
    {"b": {2: 1, 1: 2}, " c": [1, 2]},
    {" c": [1, 2]},
    {"z": 1 + 2j},
    {"z": {3, 1, 2}},
    {"z": {3, 1, 2}, "a": Item()},
    {"z": [(1j,), {"b": 1, "a": 2}]},
    {"long": "text " * 50},
]


def written_and_read(pair: Pair) -> Iterator[Answer]:
    """Return our answers to the writing of each mapping, and to reading it back."""
    for mapping in MAPPINGS:
        answer = pair.ask_ours(Request((), (Operation("update", (mapping,)),)))
        yield answer
        for field in answer.set_cookie:
            yield pair.ask_ours(Request((field.partition(b";")[0],), (Operation("dict"),)))


class TestHonoured:
    """An application's own ways give the same requests the same answers."""

    @pytest.mark.parametrize("make", CUSTOMISED.values(), ids=CUSTOMISED)
    def test_a_customized_app(self, make: Callable[[], flask.Flask]) -> None:
        pair = Pair(app=make())
        saved = 0
        for mapping in MAPPINGS:
            answer = same_answer(pair, Request((), (Operation("update", (mapping,)),)))
            for field in answer.set_cookie:
                saved += 1
                kept = field.partition(b";")[0]
                for operation in (Operation("dict"), Operation("session[key] =", ("b", 0))):
                    assert same_answer(pair, Request((kept,), (operation,))).outcomes != ["{}"]
                same_answer(pair, Request((kept,)), NOW + 90)
                same_answer(pair, Request((kept,)), NOW + 91)
        assert saved >= 4  # of mappings that the application can store
        same_answer(pair, DELETE)

    @pytest.mark.parametrize("make", CUSTOMISED.values(), ids=CUSTOMISED)
    def test_it_has_bytes_of_its_own(self, make: Callable[[], flask.Flask]) -> None:
        """Otherwise the test above would hold for a from_flask that looks at nothing."""
        standard, customized = Pair({"SECRET_KEY": make().secret_key}), Pair(app=make())
        with frozen():
            answers = [[*written_and_read(pair)] for pair in (standard, customized)]
        assert answers[0] != answers[1]

    @pytest.mark.parametrize("make", CUSTOMISED.values(), ids=CUSTOMISED)
    def test_the_settings_can_be_copied(self, make: Callable[[], flask.Flask]) -> None:
        """As Litestar does below its application layer."""
        settings = flask_settings(make())
        assert copy.deepcopy(settings) == settings

    @pytest.mark.parametrize(
        ("make", "leaves"),
        [
            (lambda: make_flask(), False),
            (lambda: with_json(sort_keys=False), False),
            (lambda: with_json(default=sets_to_lists), True),
            (lambda: with_interface(serializer=tagged(Complex)), True),
            (lambda: with_interface(serializer=json), True),
        ],
        ids=["Flask's own", "keys in their order", "default of JSON", "a tag", "serializer json"],
    )
    def test_an_application_context_is_for_code_of_its_own(
        self, make: Callable[[], flask.Flask], leaves: bool
    ) -> None:
        """To leave one runs what the application does then: it may close a connection to a database."""
        app = make()
        left: list[Any] = []
        app.teardown_appcontext(left.append)
        pair = Pair(app=app)
        assert bool(left) is leaves
        left.clear()
        (field,) = pair.ask_ours(WRITE).set_cookie
        assert bool(left) is leaves
        left.clear()
        pair.ask_ours(Request((field.partition(b";")[0],), (Operation("dict"),)))
        assert bool(left) is leaves

    @pytest.mark.parametrize(
        "config",
        [
            {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_HTTPONLY": None},
            {"SESSION_REFRESH_EACH_REQUEST": 0},
            {"SESSION_REFRESH_EACH_REQUEST": 1},
            {"MAX_COOKIE_SIZE": 60.0},
            {"MAX_COOKIE_SIZE": True},
            {"MAX_COOKIE_SIZE": None},
            {"PERMANENT_SESSION_LIFETIME": 90.5},
            {"PERMANENT_SESSION_LIFETIME": True},
        ],
        ids=str,
    )
    def test_settings_as_flask_takes_them(self, config: dict[str, Any]) -> None:
        pair = Pair(config)
        permanent = (Operation("permanent =", (True,)), *WRITE.operations)
        (field,) = same_answer(pair, Request((), permanent)).set_cookie
        same_answer(pair, Request((field.partition(b";")[0],)))
        same_answer(pair, Request((field.partition(b";")[0],)), NOW + 91)

    def test_current_app(self) -> None:
        app = with_interface(serializer=tagged(Complex))
        with app.app_context():
            settings = flask_settings(flask.current_app)
        assert settings == flask_settings(app)
        problem = "flask_app is current_app, and it is asked outside of an application context"
        what_to_do = re.escape("give the application itself: current_app._get_current_object()")
        with pytest.raises(TypeError, match=f"^{problem}; {what_to_do}$"):
            flask_settings(flask.current_app)

    def test_a_proxy_of_another_kind(self) -> None:
        app = with_interface(serializer=tagged(Complex))
        assert flask_settings(weakref.proxy(app)) == flask_settings(app)

    def test_an_application_that_makes_up_its_attributes(self) -> None:
        """As Eve does, a subclass of Flask."""

        class MakesUp(flask.Flask):
            def __getattr__(self, name: str) -> Any:
                return lambda: None

        app = MakesUp("app", static_folder=None)
        app.secret_key = "k"
        assert flask_settings(app)["secret_key"] == "k"

    @pytest.mark.parametrize("value", [0, "", 1, "False", None, False, True], ids=repr)
    @pytest.mark.parametrize("setting", ["SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY"])
    def test_a_flag_that_is_no_bool_is_one_to_browsers(self, setting: str, value: Any) -> None:
        """Werkzeug writes ``Secure=0``, of which browsers see that the cookie is Secure."""
        pair = Pair({setting: value})
        with frozen():
            ours, flasks = (parse_set_cookie(ask(WRITE).set_cookie[0]) for ask in (pair.ask_ours, pair.ask_flask))
        assert ours.attributes.keys() == flasks.attributes.keys()

    def test_a_method_that_the_framework_does_not_know(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Flask before 3.1 has no ``get_cookie_partitioned`` and does not call an application's."""
        monkeypatch.delattr(SessionInterface, "get_cookie_partitioned", raising=False)
        app = with_class(type("Own", (SecureCookieSessionInterface,), {"get_cookie_partitioned": lambda *_: True}))
        assert "partitioned" not in flask_settings(app)

    @pytest.mark.parametrize("method", ["get_cookie_name", "get_signing_serializer"])
    def test_a_method_that_asks_the_application(self, method: str) -> None:
        def call(self: Any, app: flask.Flask) -> Any:
            assert flask.current_app.name == app.name
            return getattr(SecureCookieSessionInterface, method)(self, app)

        app = with_class(type("OwnInterface", (SecureCookieSessionInterface,), {method: call}))
        assert flask_settings(app) == flask_settings(make_flask())

    @pytest.mark.parametrize("keys", [["new", "old"], [b"new", b"old"], [b"\xff", "old"]], ids=repr)
    def test_keys_stay_what_they_are(self, keys: list[Any]) -> None:
        """Text or bytes makes no difference to Flask's format, but one to what Starlette signed with them."""
        settings = flask_settings(make_flask({"SECRET_KEY": keys[0], "SECRET_KEY_FALLBACKS": keys[1:]}))
        assert settings["secret_key"] == keys[0]
        assert settings["secret_key_fallbacks"] == (keys[1:] if FLASK >= (3, 1) else [])
        own = flask_settings(with_class(signs_with(URLSafeTimedSerializer)))["secret_key"]
        assert own == make_flask().secret_key
        for key in (b"\xff", memoryview(b"key")):  # what is no text, and what cannot be one
            assert flask_settings(with_class(with_keys(key)))["secret_key"] == key

    def test_keys_where_python_compares_no_bytes_with_text(self) -> None:
        program = (
            "import flask, starlette_flask\n"
            "app = flask.Flask('app')\n"
            "app.config.update(SECRET_KEY='new', SECRET_KEY_FALLBACKS=[b'old'])\n"
            "print(starlette_flask.flask_settings(app)['secret_key'])"
        )
        done = subprocess.run([sys.executable, "-bb", "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("new\n", "")

    def test_a_tag_that_is_registered_later(self) -> None:
        serializer = tagged(Complex)
        pair = Pair(interface={"serializer": serializer})

        class Range(Complex):
            key = " r"

            def check(self, value: Any) -> bool:
                return isinstance(value, range)

            def to_json(self, value: Any) -> Any:
                return [value.start, value.stop]

            def to_python(self, value: Any) -> Any:
                return range(*value)

        serializer.register(Range)
        answer = same_answer(pair, Request((), (Operation("session[key] =", ("a", range(1, 2))),)))
        kept = answer.set_cookie[0].partition(b";")[0]
        assert same_answer(pair, Request((kept,), (Operation("get", ("a",)),))).outcomes == ["range(1, 2)"]

    @pytest.mark.parametrize("make", [dict, lambda: {"serializer": flask.json}])
    def test_a_codec_that_says_less_than_flasks(self, make: Callable[[], dict[str, Any]]) -> None:
        """itsdangerous derives the key otherwise where nobody says how, and writes with any module that can."""
        app = with_class(signs_with(URLSafeTimedSerializer, **make()))
        signing = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        with frozen(), app.app_context():
            (cookie,) = [*same_answer(Pair(app=app), WRITE).set_cookie]
            assert signing.loads(cookie.partition(b"=")[2].partition(b";")[0])


class OwnSession(SecureCookieSession):
    """A session class of an application's own."""


class OwnSerializer(URLSafeTimedSerializer):
    """Signs in a way of its own."""


class OwnSigner(TimestampSigner):
    """Dates in a way of its own."""


class ServerSide(SessionInterface):
    """Keeps sessions elsewhere, as Flask-Session does."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> SessionMixin:
        return OwnSession()

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Put it there."""


def own(method: str) -> type[SecureCookieSessionInterface]:
    """Return an interface with a method of its own, which does what it did and says that it is Flask's."""

    @functools.wraps(getattr(SecureCookieSessionInterface, method))
    def call(self: Any, *args: Any) -> Any:
        return getattr(SecureCookieSessionInterface, method)(self, *args)

    return type("OwnInterface", (SecureCookieSessionInterface,), {method: call})


def signs_with(make: Callable[..., Any], **kwargs: Any) -> type[SecureCookieSessionInterface]:
    def call(self: Any, app: flask.Flask) -> Any:
        return make(app.secret_key, **kwargs)

    return type("OwnInterface", (SecureCookieSessionInterface,), {"get_signing_serializer": call})


def with_keys(*keys: Any) -> type[SecureCookieSessionInterface]:
    def call(self: Any, app: flask.Flask) -> Any:
        return URLSafeTimedSerializer([*keys])

    return type("OwnInterface", (SecureCookieSessionInterface,), {"get_signing_serializer": call})


def asks_request(method: str) -> type[SecureCookieSessionInterface]:
    def call(self: Any, app: flask.Flask) -> Any:
        return flask.request.is_secure

    return type("OwnInterface", (SecureCookieSessionInterface,), {method: call})


def guarded(self: Any, app: flask.Flask) -> str:
    return "None" if flask.has_request_context() and flask.g.embedded else "Lax"


def guarded_otherwise(self: Any, app: flask.Flask) -> str:
    try:
        return "None" if flask.request.is_secure else "Lax"
    except RuntimeError:
        return "Lax"


websocket, has_websocket_context = flask.request, flask.has_request_context  # Quart has them by these names


def guarded_in_quart(self: Any, app: flask.Flask) -> str:
    return "None" if has_websocket_context() else "Lax"


def guarded_otherwise_in_quart(self: Any, app: flask.Flask) -> str:
    try:
        return "None" if websocket.is_secure else "Lax"
    except RuntimeError:
        return "Lax"


REQUEST_RULES = ("open_session", "save_session", "should_set_cookie", "get_expiration_time", "is_null_session")


class TestRefused:
    """What cannot be followed is an error when the middleware is built, and says what it is."""

    @pytest.mark.parametrize("method", [*REQUEST_RULES])
    def test_a_rule_of_its_own_about_single_requests(self, method: str) -> None:
        why = "is overridden, and its answers depend on the request; from_flask cannot reproduce it"
        with pytest.raises(TypeError, match=rf"^OwnInterface\.{method} {why}$"):
            Pair(app=with_class(own(method)))
        wrapped = functools.update_wrapper(functools.partial(bool), getattr(SecureCookieSessionInterface, method))
        for replaced in (lambda *args: True, wrapped):
            with pytest.raises(TypeError, match=rf"SecureCookieSessionInterface\.{method} "):
                Pair(interface={method: replaced})

    def test_sessions_that_are_kept_elsewhere(self) -> None:
        class OfExtension(ServerSide):
            __module__ = "flask_session.redis.redis"

        for interface, where in [
            (ServerSide, r"on a server or in another format \([\w.]+\.ServerSide\)"),
            (OfExtension, r"on a server \(Flask-Session\)"),  # the real one: tests/libraries/flask_session_refused.py
        ]:
            with pytest.raises(TypeError, match=rf"^flask_app keeps its sessions {where}; only signed"):
                Pair(app=with_class(interface))

    @pytest.mark.parametrize(
        "interface",
        [
            signs_with(OwnSerializer),
            signs_with(URLSafeTimedSerializer, signer=OwnSigner),
            signs_with(URLSafeTimedSerializer, fallback_signers=[{"key_derivation": "concat"}]),
            signs_with(URLSafeTimedSerializer, serializer_kwargs={"indent": 1}),
        ],
    )
    def test_a_signature_of_its_own(self, interface: type[SecureCookieSessionInterface]) -> None:
        with pytest.raises(TypeError, match=r"OwnInterface\.get_signing_serializer"):
            Pair(app=with_class(interface))

    @pytest.mark.parametrize("method", ["get_cookie_secure", "get_cookie_domain", "get_cookie_name"])
    def test_a_setting_that_depends_on_the_request(self, method: str) -> None:
        app = with_class(asks_request(method))
        overrides = {
            "get_cookie_secure": {"https_only": True},
            "get_cookie_domain": {"domain": None},
            "get_cookie_name": {"session_cookie": "s"},
        }
        (setting,) = overrides[method]
        with pytest.raises(
            TypeError, match=rf"OwnInterface\.{method} raises RuntimeError .*; give {setting} to from_fl"
        ):
            Pair(app=app)
        SessionMiddleware.from_flask(nothing, app, **overrides[method])

    def test_a_setting_that_cannot_be_had_yet(self) -> None:
        """Whatever an application's own code raises where there is no request."""
        app = with_class(
            type("Own", (SecureCookieSessionInterface,), {"get_cookie_domain": lambda *_: flask.g.tenant})
        )
        with pytest.raises(
            TypeError, match=r"^Own\.get_cookie_domain raises AttributeError .*; give domain to from_fl"
        ):
            Pair(app=app)

    def test_a_codec_that_depends_on_the_request(self) -> None:
        app = with_class(asks_request("get_signing_serializer"))
        names = "salt, secret_key, secret_key_fallbacks, serializer, signer_kwargs"
        with pytest.raises(TypeError, match=rf"OwnInterface\.get_signing_serializer .*; give {names} to from_flask"):
            Pair(app=app)
        signing: Any = {"secret_key": "k", "secret_key_fallbacks": [], "signer_kwargs": {}, "serializer": None}
        SessionMiddleware.from_flask(nothing, app, salt="s", **signing)
        with pytest.raises(TypeError):  # not all of them
            SessionMiddleware.from_flask(nothing, app, **signing)

    def test_no_application(self) -> None:
        with pytest.raises(TypeError, match=r"^flask_app must be a Flask or Quart application, not str$"):
            SessionMiddleware.from_flask(nothing, "app")

    def test_an_interface_that_is_none(self) -> None:
        app = make_flask()
        app.session_interface = object()  # type: ignore[assignment]
        with pytest.raises(TypeError, match=r"^flask_app keeps its sessions .*\(builtins\.object\)"):
            SessionMiddleware.from_flask(nothing, app)

    @pytest.mark.parametrize("fallbacks", ["retired", b"retired", {"retired": 1}, 5], ids=repr)
    def test_fallbacks_that_are_no_list(self, fallbacks: Any) -> None:
        """Flask takes a text apart into keys of one letter."""
        kind = type(fallbacks).__name__
        with pytest.raises(TypeError, match=rf"^SECRET_KEY_FALLBACKS must be a list of keys, .* not {kind}$"):
            Pair({"SECRET_KEY_FALLBACKS": fallbacks})

    def test_fallbacks_that_a_codec_of_its_own_does_not_ask_for(self) -> None:
        app = with_class(Signing)
        app.config["SECRET_KEY_FALLBACKS"] = "whatever"
        assert flask_settings(app)["secret_key_fallbacks"] == ["old"]

    @pytest.mark.parametrize(
        ("setting", "value", "error"),
        [
            ("MAX_COOKIE_SIZE", "4093", r"TypeError: MAX_COOKIE_SIZE must be a .*, not '4093' \(str\)"),
            ("MAX_COOKIE_SIZE", 4093.5, r"TypeError: MAX_COOKIE_SIZE must be a .*, not 4093\.5 \(float\)"),
            ("MAX_COOKIE_SIZE", float("inf"), r"TypeError: MAX_COOKIE_SIZE must be a .*, not inf \(float\)"),
            ("SECRET_KEY", 5, r"TypeError: SECRET_KEY must be str, bytes, .* not int"),
            ("SECRET_KEY_FALLBACKS", ["old", ""], r"ValueError: SECRET_KEY_FALLBACKS\[1\] is empty or masked"),
            ("MAX_COOKIE_SIZE", -1, r"TypeError: MAX_COOKIE_SIZE must be a .*, 0 or more, not -1 \(int\)"),
            ("PERMANENT_SESSION_LIFETIME", "3600", r"TypeError: PERMANENT_SESSION_LIFETIME must .* '3600' \(str\)"),
            ("PERMANENT_SESSION_LIFETIME", None, r"TypeError: PERMANENT_SESSION_LIFETIME must be .* not None"),
            ("PERMANENT_SESSION_LIFETIME", float("nan"), r"ValueError: PERMANENT_SESSION_LIFETIME=nan must be from 0"),
            ("PERMANENT_SESSION_LIFETIME", float("inf"), r"ValueError: PERMANENT_SESSION_LIFETIME=inf must be from 0"),
            ("PERMANENT_SESSION_LIFETIME", -1, r"ValueError: PERMANENT_SESSION_LIFETIME=-1.0 must be from 0 seconds"),
        ],
    )
    def test_a_value_that_is_none(self, setting: str, value: Any, error: str) -> None:
        with pytest.raises((TypeError, ValueError)) as refused:
            Pair({setting: value})
        assert re.match(error, f"{type(refused.value).__name__}: {refused.value}")
        if "KEY" not in setting:
            Pair({setting: value}, **{setting.lower(): 60})

    @pytest.mark.parametrize("key", [None, "", b""])
    def test_no_secret_key(self, key: Any) -> None:
        what_to_do = r"set app\.secret_key or config\['SECRET_KEY'\] first"
        with pytest.raises(ValueError, match=rf"^The Flask app has no secret key: {what_to_do}$"):
            Pair({"SECRET_KEY": key})

    def test_a_session_class_of_its_own_is_warned_about(self) -> None:
        app = with_interface(session_class=OwnSession)
        with pytest.warns(UserWarning, match="^from_flask: OwnSession is the session's class in the Flask app alone$"):
            SessionMiddleware.from_flask(nothing, app)
        same_answer(Pair(app=app), WRITE)

    def test_a_session_class_without_a_name(self) -> None:
        with pytest.warns(
            UserWarning, match=r"^from_flask: functools.partial\(.* is the session's class in the Flask app"
        ):
            flask_settings(with_interface(session_class=functools.partial(OwnSession)))

    @pytest.mark.parametrize("name", ["set_cookie", "delete_cookie"])
    def test_a_response_class_that_changes_cookies_is_warned_about(self, name: str) -> None:
        app = make_flask()
        app.response_class = type("OwnResponse", (flask.Response,), {name: lambda *args, **kwargs: None})
        with pytest.warns(
            UserWarning, match=rf"^from_flask: OwnResponse\.{name} is overridden; .* the Flask app alone$"
        ):
            flask_settings(app)

    @pytest.mark.parametrize("looks", [guarded, guarded_otherwise, guarded_in_quart, guarded_otherwise_in_quart])
    def test_a_method_that_looks_at_the_request_is_warned_about(self, looks: Any) -> None:
        """Where it has an answer without one, too; unless the setting is given."""
        app = with_class(type("Own", (SecureCookieSessionInterface,), {"get_cookie_samesite": looks}))
        with pytest.warns(
            UserWarning, match=r"^from_flask: Own\.get_cookie_samesite looks at the request; "
        ) as caught:
            assert flask_settings(app)["same_site"] == "Lax"
        assert len(caught) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            flask_settings(app, same_site="lax")
            flask_settings(with_class(Named))
            flask_settings(with_interface(get_cookie_samesite=functools.partial(lambda site, app: site, "lax")))

    def test_the_warning_names_the_line_that_called(self) -> None:
        with pytest.warns(UserWarning, match="OwnSession") as caught:
            SessionMiddleware.from_flask(nothing, with_interface(session_class=OwnSession))
        assert caught[0].filename == __file__

    def test_it_is_refused_before_anything_is_served(self) -> None:
        app = Starlette(middleware=[Middleware(SessionMiddleware.from_flask, flask_app=with_class(ServerSide))])
        with pytest.raises(TypeError, match="ServerSide"):
            app.build_middleware_stack()


class TestReadWhenBuilt:
    """The settings are those of the moment at which the middleware is built."""

    def test_a_later_change_of_the_app_changes_nothing(self) -> None:
        pair = Pair({"SECRET_KEY": "before"})
        with frozen():
            before = pair.ask_ours(WRITE)
            assert before == pair.ask_flask(WRITE)
            pair.flask.config.update(SECRET_KEY="after", SESSION_COOKIE_NAME="other", SESSION_COOKIE_SECURE=True)
            assert pair.ask_ours(WRITE) == before != pair.ask_flask(WRITE)
            assert Pair(app=with_config_of(pair.flask)).ask_ours(WRITE) == pair.ask_flask(WRITE)

    def test_with_add_middleware_it_is_built_at_the_first_request(self) -> None:
        flask_app = make_flask()
        app = Starlette(routes=[Route("/", write)])
        app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
        flask_app.config["SESSION_COOKIE_NAME"] = "set_later"
        with TestClient(app) as client:
            assert "set_later" in client.get("/").cookies


class TestSize:
    """A cookie's size is limited as in Flask: by ``MAX_COOKIE_SIZE``, and not where that is 0."""

    @pytest.mark.parametrize("limit", [0, 50, 4093])
    def test_the_limit_is_that_of_the_app(self, limit: int) -> None:
        long = Request((), (Operation("session[key] =", ("a", "x")), Operation("session[key] =", ("b", "y" * 30))))
        assert same_answer(Pair({"MAX_COOKIE_SIZE": limit}), long).warned is (limit == 50)

    def test_without_the_setting_it_is_flasks_default(self) -> None:
        app = make_flask()
        del app.config["MAX_COOKIE_SIZE"]
        assert flask_settings(app)["max_cookie_size"] == flask.Flask.default_config["MAX_COOKIE_SIZE"]


class TestSerializer:
    """An application with Flask's own tags and JSON needs nothing of Flask's to serialize its sessions."""

    def test_this_package_s_own_is_used(self) -> None:
        assert flask_settings(make_flask())["serializer"] is None
        assert flask_settings(with_interface(serializer=tagged(Complex)))["serializer"] is not None


def with_config_of(app: flask.Flask) -> flask.Flask:
    return make_flask(app.config)


OVERRIDES: dict[str, tuple[Any, bytes]] = {
    "session_cookie": ("other", b"other="),
    "max_age": (60, b"; Max-Age=60"),
    "path": ("/deep", b"; Path=/deep"),
    "same_site": ("strict", b"; SameSite=Strict"),
    "https_only": (True, b"; Secure"),
    "domain": ("example.com", b"; Domain=example.com"),
    "permanent_session_lifetime": (60, b"; Expires=Tue, 14 Nov 2023 22:14:20 GMT"),
}


class TestOverrides:
    """Settings that are given to from_flask count instead of the application's."""

    @pytest.mark.parametrize("setting", OVERRIDES)
    def test_a_setting(self, setting: str) -> None:
        value, text = OVERRIDES[setting]
        permanent = Request((), (Operation("permanent =", (True,)),))
        with frozen():
            assert text not in Pair().ask_ours(permanent).set_cookie[0]
            assert text in Pair(**{setting: value}).ask_ours(permanent).set_cookie[0]

    def test_httponly(self) -> None:
        assert b"HttpOnly" not in Pair(httponly=False).ask_ours(WRITE).set_cookie[0]

    @pytest.mark.parametrize("setting", ["secret_key", "salt"])
    def test_what_signs(self, setting: str) -> None:
        pair = Pair(**{setting: "another"})
        with frozen():
            assert pair.ask_ours(WRITE) != pair.ask_flask(WRITE)

    def test_refreshing_and_size(self) -> None:
        pair = Pair(refresh_each_request=False, max_cookie_size=10)
        with frozen():
            cookie = Cookie(Value({"_permanent": True})).render(pair, NOW, None)
            assert cookie is not None
            assert pair.ask_flask(Request((cookie,))).set_cookie
            assert not pair.ask_ours(Request((cookie,))).set_cookie
            assert pair.ask_ours(WRITE).warned

    def test_a_setting_that_there_is_not(self) -> None:
        with pytest.raises(TypeError, match="cookie_name"):
            Pair(cookie_name="s")


async def write(request: StarletteRequest) -> PlainTextResponse:
    request.session["a"] = 1
    return PlainTextResponse("ok")


class Subclass(SessionMiddleware):
    """One of an application's own."""


class TestAddMiddleware:
    """``add_middleware(SessionMiddleware.from_flask, flask_app=...)`` is all that an application needs."""

    def test_it_is_bound_to_the_class_that_it_is_asked_of(self) -> None:
        app = make_flask()
        for owner in (SessionMiddleware, Subclass):
            assert type(owner.from_flask(nothing, app)) is owner
            assert type(owner(nothing, "key").from_flask(nothing, app)) is owner

    def test_tools_may_patch_what_is_given(self) -> None:
        """They look at its ``__call__`` and assign another one, which is not what makes the middleware."""
        given: Any = SessionMiddleware.from_flask
        assert given.__call__.__name__ == "__call__"
        given.__call__ = nothing
        assert type(given(nothing, make_flask())) is SessionMiddleware

    def test_it_says_what_it_is(self) -> None:
        assert SessionMiddleware.from_flask.__name__ == "from_flask"
        assert [*inspect.signature(SessionMiddleware.from_flask).parameters] == ["app", "flask_app", "overrides"]
        assert "session settings" in inspect.getdoc(SessionMiddleware.from_flask)  # type: ignore[operator]

    def expected(self, flask_app: flask.Flask) -> bytes:
        return Pair(app=flask_app).ask_flask(WRITE).set_cookie[0]

    def test_starlette(self) -> None:
        flask_app = make_flask({"SESSION_COOKIE_NAME": "shared", "SESSION_COOKIE_SAMESITE": "lax"})
        app = Starlette(routes=[Route("/", write)])
        app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)
        with frozen(), TestClient(app) as client:
            assert client.get("/").headers["set-cookie"].encode() == self.expected(flask_app)

    def test_starlette_with_a_list_of_middleware(self) -> None:
        flask_app = make_flask()
        middleware = [Middleware(SessionMiddleware.from_flask, flask_app=flask_app, https_only=True)]
        app = Starlette(routes=[Route("/", write)], middleware=middleware)
        with frozen(), TestClient(app) as client:
            assert "; Secure" in client.get("/").headers["set-cookie"]

    def test_fastapi(self) -> None:
        flask_app = make_flask({"SESSION_COOKIE_NAME": "shared"})
        app = FastAPI()
        app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app)

        @app.get("/")
        async def index(request: FastAPIRequest) -> str:
            request.session["a"] = 1
            return "ok"

        with frozen(), TestClient(app) as client:
            assert client.get("/").headers["set-cookie"].encode() == self.expected(flask_app)
