"""The session settings of a Flask or Quart application, as those of ``SessionMiddleware``. Imports neither."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypedDict, cast
from warnings import warn

from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from ..codec import retired_keys, reveal_secret
from ..tagged_json import TaggedJSONSerializer, json_default, untag_all
from ._checks import duration, shown

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
    cache_size: int


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
#: Those of them that Werkzeug leaves out for ``False`` and ``None`` alone. For 0 it writes ``Secure=0``, and browsers
#: look at the name alone.
_FLAGS = ("httponly", "https_only", "partitioned")
#: What ``get_signing_serializer`` gives.
_SIGNING = frozenset({"secret_key", "secret_key_fallbacks", "salt", "signer_kwargs", "serializer"})
#: The class, in Flask and in Quart, of interfaces that keep the session in a signed cookie.
_COOKIE_SESSIONS = "SecureCookieSessionInterface"
#: Methods whose answer depends on one request: where an application has its own, nothing here could match them.
_FIXED = ("open_session", "save_session", "should_set_cookie", "get_expiration_time", "is_null_session")
#: Names of Flask and Quart with which code asks for the request at hand.
_OF_A_REQUEST = frozenset({"request", "has_request_context", "websocket", "has_websocket_context"})


def flask_settings(flask_app: Any, **overrides: Unpack[Settings]) -> Settings:
    """Return keyword arguments for ``SessionMiddleware``: the application's settings, then ``overrides``.

    Asked are ``flask_app.config``, the ``get_*`` methods of ``flask_app.session_interface`` and its
    ``get_signing_serializer``, and ``flask_app.permanent_session_lifetime``; for an attribute of the cookie that
    is overridden, nothing is asked. ``current_app`` will do as ``flask_app``. What is returned can be deep-copied.

    All is asked now, without a request. What is set later does not count: Flask-Talisman makes the cookie Secure when
    the first request comes, so give ``https_only=True``. Warned about is what only the Flask application will do: a
    session class of its own, a ``set_cookie`` of its response class, a method that looks at the request.

    Raises ``ValueError`` where the application has no secret key, ``TypeError`` where its sessions are of another
    kind (kept on a server, signed in another way) or depend on the request at hand, and either for a value that no
    session could be saved with.
    """
    return read_settings(flask_app, overrides)


def read_settings(flask_app: Any, overrides: Settings) -> Settings:
    """Do as :func:`flask_settings`, for a caller whose own caller any warning is for."""
    flask_app = _application(flask_app)
    interface = flask_app.session_interface
    if not _is_a(interface, _COOKIE_SESSIONS):
        raise TypeError(f"flask_app keeps its sessions {_where(interface)}; only signed cookie sessions can be shared")
    for name in _FIXED:
        if not _is_framework(getattr(interface, name)):
            raise TypeError(
                f"{type(interface).__name__}.{name} is overridden, and its answers depend on the request; "
                f"from_flask cannot reproduce it"
            )
    asked = {
        setting: method
        for setting, method in _ASKED.items()
        if setting not in overrides and _is_asked(interface, method)
    }
    for alone in _of_flask_alone(flask_app, asked.values()):
        warn(f"from_flask: {alone}", stacklevel=3)

    config = flask_app.config
    # The framework asks within a request, so where `current_app` is known.
    with _context(flask_app)() if _has_own_code(interface, flask_app.json) else nullcontext():
        settings: dict[str, Any] = {name: _ask(interface, method, flask_app, name) for name, method in asked.items()}
        if _SIGNING - overrides.keys():
            settings.update(_signing(interface, flask_app))
    settings.update(
        {name: settings[name] is not None and settings[name] is not False for name in _FLAGS if name in settings}
    )
    settings["domain"] = settings.get("domain") or None  # Flask before 2.3 had False
    settings["refresh_each_request"] = bool(config["SESSION_REFRESH_EACH_REQUEST"])
    if "max_cookie_size" not in overrides:
        settings["max_cookie_size"] = _max_cookie_size(config.get("MAX_COOKIE_SIZE", 4093))
    if "permanent_session_lifetime" not in overrides:
        settings["permanent_session_lifetime"] = _lifetime(flask_app)
    settings.update(overrides)
    return cast("Settings", settings)


def _application(flask_app: Any) -> Any:
    """Return the application itself, also of a proxy for it: ``current_app``."""
    kind = cast("Any", type(flask_app))
    if hasattr(kind, "_get_current_object"):  # asked of the class, as an Eve application has any attribute
        try:
            flask_app = flask_app._get_current_object()
        except RuntimeError as error:  # "Working outside of application context"
            raise TypeError(
                "flask_app is current_app, and it is asked outside of an application context; "
                "give the application itself: current_app._get_current_object()"
            ) from error
    if not (_is_a(flask_app, "Flask") or _is_a(flask_app, "Quart")):
        raise TypeError(f"flask_app must be a Flask or Quart application, not {type(flask_app).__name__}")
    return flask_app


def _is_asked(interface: object, method: str) -> bool:
    """Return whether the framework knows a method of the interface, and so calls an application's own."""
    return any(_is_framework(base) and hasattr(base, method) for base in type(interface).__mro__)


def _of_flask_alone(flask_app: Any, methods: Iterable[str]) -> Iterator[str]:
    """Yield what an application does to its sessions' cookies on its own side alone."""
    interface, response = flask_app.session_interface, flask_app.response_class
    if not _is_framework(interface.session_class):
        name = getattr(interface.session_class, "__name__", repr(interface.session_class))
        yield f"{name} is the session's class in the Flask app alone"
    for name in ("set_cookie", "delete_cookie"):
        if not _is_framework(getattr(response, name)):
            yield f"{response.__name__}.{name} is overridden; it changes cookies of the Flask app alone"
    for name in methods:
        code = getattr(getattr(interface, name), "__code__", None)
        if not _OF_A_REQUEST.isdisjoint(getattr(code, "co_names", ())):
            yield f"{type(interface).__name__}.{name} looks at the request; its answer without one counts here"


def _where(interface: object) -> str:
    """Return where an interface of another kind than the framework's keeps sessions."""
    kind = type(interface)
    if kind.__module__.partition(".")[0] == "flask_session":
        return "on a server (Flask-Session)"
    return f"on a server or in another format ({kind.__module__}.{kind.__qualname__})"


def _max_cookie_size(value: Any) -> int:
    value = value or 0
    if not isinstance(value, (int, float)) or value < 0 or not float(value).is_integer():
        raise TypeError(f"MAX_COOKIE_SIZE must be a whole number of bytes, 0 or more, not {shown(value)}")
    return int(value)


def _lifetime(flask_app: Any) -> Any:
    try:
        lifetime = flask_app.permanent_session_lifetime  # makes a timedelta of the setting
    except (TypeError, ValueError, OverflowError):
        lifetime = flask_app.config["PERMANENT_SESSION_LIFETIME"]
    duration("PERMANENT_SESSION_LIFETIME", lifetime)
    return lifetime


def _ask(interface: Any, method: str, flask_app: Any, settings: str) -> Any:
    try:
        return getattr(interface, method)(flask_app)
    except Exception as error:  # "Working outside of request context", or what an application's own code raises then
        raise TypeError(
            f"{type(interface).__name__}.{method} raises {type(error).__name__} where there is no request, and "
            f"from_flask asks before there is one; give {settings} to from_flask instead"
        ) from error


def _signing(interface: Any, flask_app: Any) -> dict[str, Any]:
    """Return what makes the signature and what it is made over."""
    if _is_framework(interface.get_signing_serializer):  # which takes a text apart into keys of one character
        retired = retired_keys(flask_app.config.get("SECRET_KEY_FALLBACKS") or None, "SECRET_KEY_FALLBACKS")
        for number, key in enumerate(retired):
            reveal_secret(key, f"SECRET_KEY_FALLBACKS[{number}]")
        if flask_app.secret_key:
            reveal_secret(flask_app.secret_key, "SECRET_KEY")
    signing = _ask(interface, "get_signing_serializer", flask_app, ", ".join(sorted(_SIGNING)))
    if signing is None:
        raise ValueError("The Flask app has no secret key: set app.secret_key or config['SECRET_KEY'] first")
    plain = type(signing) is URLSafeTimedSerializer and signing.signer is TimestampSigner
    if not plain or signing.fallback_signers or signing.serializer_kwargs:
        raise TypeError(
            f"{type(interface).__name__}.get_signing_serializer uses custom signing; from_flask cannot reproduce it"
        )
    given = [flask_app.secret_key, *(flask_app.config.get("SECRET_KEY_FALLBACKS") or ())]
    *fallbacks, secret_key = (_as_given(key, given) for key in signing.secret_keys)
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


def _as_given(key: Any, given: list[Any]) -> Any:
    """Return a key of itsdangerous, which makes bytes of a text, as the application gave it.

    It makes a difference to ``accept_starlette_cookies``.
    """
    if key in [one for one in given if type(one) is type(key)]:  # python -bb lets no bytes be compared with a text
        return key
    try:
        return key.decode()
    except (UnicodeDecodeError, AttributeError):
        return key


def _serializer(serializer: Any, flask_app: Any) -> Any:
    """Return what writes the bytes that ``serializer`` writes inside a request of ``flask_app``.

    There, Flask's tagged JSON goes through ``app.json`` (``flask.json.dumps``). Quart's does not: its tags are
    Flask's and look for a Flask application, so keys stay in their order.
    """
    context = _context(flask_app)
    if not _is_tagged(serializer):
        return _OfApplication(serializer, context)
    if not _is_a(flask_app, "Flask"):
        return _OfApplication(_TaggedJSON(serializer, _quart_dumps, json.loads), context)
    provider = flask_app.json
    has_own_code = not (_is_flasks_code(serializer) and _is_flasks_code(provider))
    if not has_own_code and _is_default(serializer, provider):
        return None
    tagged = _TaggedJSON(serializer, provider.dumps, provider.loads)
    # To leave Flask's context runs what the application does then: it is entered only where it may be asked.
    return _OfApplication(tagged, context if has_own_code else nullcontext)


def _context(flask_app: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Return what enters a context of the application, where ``current_app`` is known; equal for one application."""
    return flask_app.app_context if _is_a(flask_app, "Flask") else MethodType(_quart_context, flask_app)


@contextmanager
def _quart_context(app: Any) -> Generator[None]:
    """Do as ``async with app.app_context()``, without a loop, and without what the application does at its end."""
    current = sys.modules["quart.globals"]._cv_app
    token = current.set(app.app_context())
    try:
        yield
    finally:
        current.reset(token)


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
class _OfApplication:
    """A serializer that belongs to an application, called in a context of it: there ``current_app`` is known."""

    _serializer: Any
    _context: Callable[[], AbstractContextManager[Any]]

    def dumps(self, value: Any) -> Any:
        with self._context():
            return self._serializer.dumps(value)

    def loads(self, value: Any) -> Any:
        with self._context():
            return self._serializer.loads(value)

    def __deepcopy__(self, memo: Any) -> _OfApplication:
        """Return itself: it leads to the application, which cannot be copied."""
        return self


def _has_own_code(interface: Any, provider: Any) -> bool:
    """Return whether anything that is asked of an application is its own and may ask ``current_app``."""
    names = (*_ASKED.values(), "get_signing_serializer")
    methods = [getattr(interface, name) for name in names if hasattr(interface, name)]
    return not (
        all(map(_is_framework, methods))
        and _is_tagged(interface.serializer)
        and _is_flasks_code(interface.serializer)
        and _is_flasks_code(provider)
    )


def _is_tagged(serializer: Any) -> bool:
    """Return whether a serializer is Flask's, perhaps with an application's own tags."""
    return hasattr(serializer, "untag") and _is_framework(serializer.dumps) and _is_framework(serializer.loads)


def _is_flasks_code(thing: Any) -> bool:
    """Return whether a tagged serializer, with its tags, or a JSON provider runs no code of the application's."""
    parts = [thing, thing.dumps, thing.loads]
    parts += [*thing.order, *thing.tags.values()] if hasattr(thing, "tags") else [getattr(thing, "default", None)]
    return all(map(_is_framework, parts))


def _is_default(serializer: Any, provider: Any) -> bool:
    """Return whether Flask's code is also set up as Flask does it, so that this package's serializer will do."""
    standard = TaggedJSONSerializer()
    return (
        [type(tag).__name__ for tag in serializer.order] == [type(tag).__name__ for tag in standard.order]
        and serializer.tags.keys() == standard.tags.keys()
        and provider.sort_keys is True
        and provider.ensure_ascii is True
    )


def _is_a(thing: Any, name: str) -> bool:
    """Return whether it is an instance of the framework's class of that name, or a proxy of one."""
    return any(_is_framework(base) and base.__name__ == name for base in thing.__class__.__mro__)


def _is_framework(thing: Any) -> bool:
    """Return whether a class, function or object's class is that of Flask, Quart or Werkzeug, not an application's.

    Of a function counts where it was written: ``functools.wraps`` gives it the ``__module__`` of another.
    """
    function = getattr(thing, "__func__", thing)
    if isinstance(function, FunctionType):
        module = function.__globals__.get("__name__")
    else:
        module = (thing if isinstance(thing, type) else type(thing)).__module__
    return str(module).partition(".")[0] in ("flask", "quart", "werkzeug")
