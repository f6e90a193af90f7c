"""The session settings of a Flask or Quart application, as those of ``SessionMiddleware``. Imports neither."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, cast
from warnings import warn

from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from ..tagged_json import TaggedJSONSerializer, json_default, untag_all

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack


class Settings(TypedDict, total=False):
    """The settings of ``SessionMiddleware``, each with the type that it takes."""

    secret_key: object
    session_cookie: str
    max_age: int | None
    path: str | None
    same_site: str | None
    https_only: bool
    domain: str | None
    partitioned: bool
    secret_key_fallbacks: Iterable[object] | None
    permanent_session_lifetime: timedelta | float
    refresh_each_request: bool
    httponly: bool
    salt: str | bytes
    signer_kwargs: Mapping[str, Any] | None
    serializer: Any
    max_cookie_size: int
    leeway: int
    allow_path_regex: str | re.Pattern[str] | None
    accept_starlette_cookies: bool


#: A session interface's methods and the setting that each gives. Applications override them; so they are asked.
_ASKED = {
    "session_cookie": "get_cookie_name",
    "domain": "get_cookie_domain",
    "path": "get_cookie_path",
    "httponly": "get_cookie_httponly",
    "https_only": "get_cookie_secure",
    "same_site": "get_cookie_samesite",
    "partitioned": "get_cookie_partitioned",  # Flask 3.1
}
#: Methods whose answer depends on one request: where an application has its own, nothing here could match them.
_FIXED = ("open_session", "save_session", "should_set_cookie", "get_expiration_time", "is_null_session")


def flask_settings(flask_app: Any, **overrides: Unpack[Settings]) -> Settings:
    """Return keyword arguments for ``SessionMiddleware``: the application's settings, then ``overrides``.

    Asked are ``flask_app.config``, the ``get_*`` methods of ``flask_app.session_interface`` and its
    ``get_signing_serializer``, and ``flask_app.permanent_session_lifetime``; for an attribute of the cookie that
    is overridden, nothing is asked.

    Raises ``ValueError`` where the application has no secret key, ``TypeError`` where its sessions are of another
    kind (kept on a server, signed in another way) or depend on the request at hand.
    """
    interface = getattr(flask_app, "session_interface", None)
    if interface is None:
        raise TypeError(f"flask_app must be a Flask or Quart application, not {type(flask_app).__name__}")
    for name in _FIXED:
        if not _is_framework(getattr(interface, name, None)):
            raise TypeError(f"{type(interface).__name__}.{name} is its own, and from_flask cannot follow it")
    session_class = getattr(interface, "session_class", None)
    if session_class is not None and not _is_framework(session_class):
        warn(
            f"from_flask: {session_class.__name__} is the session's class in the Flask app alone",
            stacklevel=3,
        )

    # Flask asks within a request, so where `current_app` is known; Quart's context is none to enter from here.
    with flask_app.app_context() if _is_flask(flask_app) else nullcontext():
        settings: dict[str, Any] = {
            setting: _ask(interface, method, flask_app)
            for setting, method in _ASKED.items()
            if setting not in overrides and hasattr(interface, method)
        }
        settings.update(_signing(interface, flask_app))
    settings["domain"] = settings.get("domain") or None  # Flask before 2.3 had False
    config = flask_app.config
    settings["refresh_each_request"] = config["SESSION_REFRESH_EACH_REQUEST"]
    settings["max_cookie_size"] = config.get("MAX_COOKIE_SIZE", 4093) or 0
    settings["permanent_session_lifetime"] = flask_app.permanent_session_lifetime
    settings.update(overrides)
    return cast("Settings", settings)


def _ask(interface: Any, method: str, flask_app: Any) -> Any:
    try:
        return getattr(interface, method)(flask_app)
    except RuntimeError as error:  # "Working outside of request context"
        raise TypeError(
            f"{type(interface).__name__}.{method} needs a request, and from_flask asks before there is one; "
            f"give the setting to from_flask instead"
        ) from error


def _signing(interface: Any, flask_app: Any) -> dict[str, Any]:
    """Return what makes the signature and what it is made over."""
    signing = _ask(interface, "get_signing_serializer", flask_app)
    if signing is None:
        raise ValueError("The Flask app has no secret key: set app.secret_key or config['SECRET_KEY'] first")
    plain = type(signing) is URLSafeTimedSerializer and signing.signer is TimestampSigner
    if not plain or signing.fallback_signers or signing.serializer_kwargs:
        raise TypeError(f"{type(interface).__name__}.get_signing_serializer signs in a way of its own")
    *fallbacks, secret_key = signing.secret_keys
    signer = signing.make_signer()  # what is not in signer_kwargs is itsdangerous' default here, not Flask's
    return {
        "secret_key": secret_key,
        "secret_key_fallbacks": fallbacks,
        "salt": signing.salt,
        "signer_kwargs": {
            "key_derivation": signer.key_derivation,
            "digest_method": signer.digest_method,
            **signing.signer_kwargs,
        },
        "serializer": _serializer(signing.serializer, flask_app),
    }


def _serializer(serializer: Any, flask_app: Any) -> Any:
    """Return what writes the bytes that ``serializer`` writes inside a request of ``flask_app``.

    There, Flask's tagged JSON goes through ``app.json`` (``flask.json.dumps``). Quart's does not: its tags are
    Flask's and look for a Flask application, so keys stay in their order.
    """
    is_flask = _is_flask(flask_app)
    tagged = hasattr(serializer, "untag") and _is_framework(serializer.dumps) and _is_framework(serializer.loads)
    if not tagged:
        return _InAppContext(serializer, flask_app) if is_flask else serializer
    if not is_flask:
        return _TaggedJSON(serializer, _quart_dumps, json.loads)
    if _is_default(serializer, flask_app.json):
        return None
    return _TaggedJSON(serializer, flask_app.json.dumps, flask_app.json.loads)


def _quart_dumps(value: Any, **settings: Any) -> str:
    return json.dumps(value, default=json_default, **settings)


@dataclass(frozen=True)
class _TaggedJSON:
    """An application's own tags and its own JSON. Tags that it registers later count, too."""

    _tagged: Any
    _dumps: Callable[..., str]
    _loads: Callable[[Any], Any]

    def dumps(self, value: Any) -> str:
        return self._dumps(self._tagged.tag(value), separators=(",", ":"))

    def loads(self, value: str) -> Any:
        return untag_all(self._tagged.untag, self._loads(value))


@dataclass(frozen=True)
class _InAppContext:
    """A serializer of an application's own, called as Flask calls it: where ``current_app`` is that application."""

    _serializer: Any
    _flask_app: Any

    def dumps(self, value: Any) -> Any:
        with self._flask_app.app_context():
            return self._serializer.dumps(value)

    def loads(self, value: Any) -> Any:
        with self._flask_app.app_context():
            return self._serializer.loads(value)


def _is_default(serializer: Any, provider: Any) -> bool:
    """Say whether an application has neither tags nor JSON of its own, so that this package's serializer will do."""
    standard = TaggedJSONSerializer()
    return (
        _is_framework(type(serializer))
        and [type(tag).__name__ for tag in serializer.order] == [type(tag).__name__ for tag in standard.order]
        and all(_is_framework(type(tag)) for tag in [*serializer.order, *serializer.tags.values()])
        and serializer.tags.keys() == standard.tags.keys()
        and _is_framework(type(provider))
        and _is_framework(provider.default)
        and provider.sort_keys is True
        and provider.ensure_ascii is True
    )


def _is_flask(app: Any) -> bool:
    return any(_is_framework(base) and base.__name__ == "Flask" for base in type(app).__mro__)


def _is_framework(thing: Any) -> bool:
    """Say whether a class or function is Flask's or Quart's own, not an application's."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("flask", "quart")
