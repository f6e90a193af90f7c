"""The session settings of a Flask application -> code that goes on with them when Flask is gone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

from itsdangerous import want_bytes

from ..extensions.flask_login import remember_cookie
from ..middleware.flask_settings import _is_framework, _quart_dumps, _TaggedJSON
from ..middleware.sessions import SessionMiddleware
from .application import find_flask_settings
from .expectation import digest_name


def _defaults(function: Callable[..., object]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(function).parameters.items()}


_DEFAULTS, _REMEMBER_DEFAULTS = _defaults(SessionMiddleware), _defaults(remember_cookie)
#: The arguments of :func:`remember_cookie`, and where Flask-Login has them.
_REMEMBER_COOKIE = {
    "name": "REMEMBER_COOKIE_NAME",
    "duration": "REMEMBER_COOKIE_DURATION",
    "path": "REMEMBER_COOKIE_PATH",
    "domain": "REMEMBER_COOKIE_DOMAIN",
    "https_only": "REMEMBER_COOKIE_SECURE",
    "httponly": "REMEMBER_COOKIE_HTTPONLY",
    "same_site": "REMEMBER_COOKIE_SAMESITE",
    "refresh_each_request": "REMEMBER_COOKIE_REFRESH_EACH_REQUEST",
}


def code(target: str) -> list[str]:
    """Return lines of code that give ``app`` the settings of a Flask or Quart application, keys left out.

    What cannot be written as code is told in comments. Raises ``ValueError`` where the settings cannot be read.
    """
    comments: list[str] = []
    flask_app, settings = find_flask_settings(target, comments)
    arguments = list(_arguments(dict(settings), comments))
    flask_login = list(_flask_login(flask_app))
    modules = [name for name in ("base64", "hashlib", "os") if any(f"{name}." in text for _, text in arguments)]
    return [
        f"# Session settings of {target}, without the keys: set those in the environment.",
        *(f"# {comment}" for comment in comments),
        *(f"import {name}" for name in modules),
        *(["from datetime import timedelta"] if "timedelta(" in f"{arguments}{flask_login}" else []),
        "",
        "from starlette_flask import SessionMiddleware",
        "",
        "app.add_middleware(  # of FastAPI and Starlette; around any other: app = SessionMiddleware(app, ...)",
        "    SessionMiddleware,",
        *(f"    {name}={text}," for name, text in arguments),
        ")",
        *flask_login,
    ]


def _arguments(settings: dict[str, Any], comments: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys, each setting that is not the middleware's default, and their code."""
    yield "secret_key", _key("SECRET_KEY", settings.pop("secret_key"))
    fallbacks = enumerate(settings.pop("secret_key_fallbacks"), 1)
    keys = [_key(f"SECRET_KEY_FALLBACK_{number}", key) for number, key in fallbacks]
    yield "secret_key_fallbacks", f"[{', '.join(keys)}]"  # also without any: the next rotation needs the place
    if (serializer := settings.pop("serializer")) is not None:
        comments.append(
            f"serializer is left out, because {_own_serializer(serializer._serializer)}. Without it, sessions are "
            "written in other bytes, and do not open where they need it: give an object with the same dumps and loads"
        )
    if signing := ", ".join(_signing(settings.pop("signer_kwargs"), comments)):
        yield "signer_kwargs", f"{{{signing}}}"
    if want_bytes(salt := settings.pop("salt")) != want_bytes(_DEFAULTS["salt"]):
        yield "salt", ascii(salt)
    for name, value in settings.items():
        if value != _DEFAULTS[name]:
            yield name, _literal(value)


def _literal(value: Any) -> str:
    if isinstance(value, str):  # perhaps a member of an enum, which would show its name
        value = str.__str__(value)
    return ascii(value).removeprefix("datetime.")  # of a timedelta


def _flask_login(flask_app: Any) -> Iterator[str]:
    """Yield lines with the settings of Flask-Login, where the application has it, that are not its defaults."""
    manager, config = getattr(flask_app, "login_manager", None), flask_app.config
    if manager is None:
        return
    protection = config.get("SESSION_PROTECTION", manager.session_protection)
    if protection not in ("basic", "strong"):  # to Flask-Login, any other is none
        protection = None
    cookie = {name: config.get(setting, _REMEMBER_DEFAULTS[name]) for name, setting in _REMEMBER_COOKIE.items()}
    cookie["domain"] = cookie["domain"] or None  # browsers ignore an empty one
    remember = {name: value for name, value in cookie.items() if value != _REMEMBER_DEFAULTS[name]}
    load = {"protection": protection} if protection != "basic" else {}
    name = {"remember_cookie": remember["name"]} if "name" in remember else {}
    yield ""
    yield "# Flask-Login's, for the functions of starlette_flask.extensions.flask_login:"
    for constant, call, arguments in (
        ("LOAD_USER_ID", "load_user_id(request, SECRET_KEY, **LOAD_USER_ID)", load | name),
        ("LOGOUT_USER", "logout_user(request, **LOGOUT_USER)", name),
        ("REMEMBER_COOKIE", "remember_cookie(request, SECRET_KEY, **REMEMBER_COOKIE)", remember),
    ):
        items = (f'"{argument}": {_literal(value)}' for argument, value in arguments.items())
        yield f"{constant} = {{{', '.join(items)}}}  # {call}"


def _key(name: str, secret: str | bytes) -> str:
    """Return code that takes a key from the environment, whose values are text without zero bytes.

    Bytes that are not ASCII stay bytes: of a text, Flask-Login makes others, in Latin-1.
    """
    is_text = "\0" not in secret if isinstance(secret, str) else secret.isascii() and b"\0" not in secret
    return f'os.environ["{name}"]' if is_text else f'base64.b64decode(os.environ["{name}_BASE64"])'


def _signing(signer_kwargs: dict[str, Any], comments: list[str]) -> Iterator[str]:
    """Yield the items of ``signer_kwargs`` that are not Flask's."""
    for name, value in signer_kwargs.items():
        if isinstance(value, (str, bytes)):
            text: str | None = _literal(value)
        else:
            text = _digest(value) if name == "digest_method" else None
        if text is None:
            comments.append(
                f"signer_kwargs[{name!r}] is left out, because it is an object of type {type(value).__name__}; "
                "without it, no cookie of the application opens"
            )
        elif (name, text) not in (("key_derivation", "'hmac'"), ("digest_method", "hashlib.sha1")):
            yield f'"{name}": {text}'


def _digest(method: Any) -> str | None:
    """Return the code of a digest of hashlib's; ``None`` for any other, one with another length for example."""
    name = digest_name(method)
    if not hasattr(hashlib, name):
        return None
    is_hashlibs = hmac.digest(b"key", b"text", name) == hmac.new(b"key", b"text", method).digest()
    return f"hashlib.{name}" if is_hashlibs else None


def _own_serializer(serializer: Any) -> str:
    """Say what makes the bytes of an application's sessions differ from those of Flask's own JSON with tags."""
    tagged = serializer._tagged if isinstance(serializer, _TaggedJSON) else serializer
    if tagged is serializer or not _is_framework(tagged):
        return f"the application has its own, {_name(tagged)}"
    if tags := [_name(tag) for tag in tagged.order if not _is_framework(tag)]:
        return f"the application has tags of its own: {', '.join(tags)}"
    if serializer._dumps is _quart_dumps:
        return "the application's JSON is Quart's, which keeps keys in their order"
    provider = getattr(serializer._dumps, "__self__", serializer._dumps)
    if not _is_framework(provider):
        return f"the application's JSON is its own, {_name(provider)}"
    return "the application's tags or JSON settings are not Flask's defaults"


def _name(thing: Any) -> str:
    """Return the name of a module or class, or that of an object's class."""
    return getattr(thing, "__name__", type(thing).__name__)
