"""Flask's ``session_transaction`` for the test clients of ASGI applications.

Facts about ``http.cookiejar``, where clients built on httpx keep their cookies:

- A cookie is identified by its domain, path and name. A server's cookie without ``Domain`` belongs to the request's
  host, and a host without a dot counts as ``<host>.local``. A cookie set by hand, ``client.cookies["session"] = ...``
  or ``cookies={...}`` of the constructor, has the domain ``""``: it goes to every host, and it stays there beside the
  server's cookie of the same name.
- ``Secure`` cookies are not sent over http, not even to localhost.
- A ``Domain`` without a dot is refused.

So nothing here makes a cookie. A request is served by a real ``SessionMiddleware``, and the jar is asked for the
request's ``Cookie`` field and given the response's ``Set-Cookie`` field, just as the client does.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from email.message import Message as Headers
from http.cookiejar import Cookie, CookieJar
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import Request

from .asgi import Message
from .middleware.flask_settings import Settings
from .middleware.sessions import SessionMiddleware
from .session import Session

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["session_transaction"]


class _Cookies(Protocol):
    @property
    def jar(self) -> CookieJar: ...


class _Client(Protocol):
    @property
    def cookies(self) -> _Cookies: ...
    @property
    def base_url(self) -> object: ...


@contextmanager
def session_transaction(client: _Client, **settings: Unpack[Settings]) -> Generator[Session, None, None]:
    """Open the session in a client's cookie, to be read and changed in a ``with`` block.

    What is in the session at the end of the block is the client's cookie from then on, as if the server had set it:
    the server's next ``Set-Cookie`` replaces it. An emptied session removes the cookie; an exception in the block
    changes nothing. Any other cookie of this name that the client would send there is removed: it would shadow ours.

    :param client: a test client of Starlette, FastAPI or Litestar, an ``httpx.Client`` or ``httpx.AsyncClient``, or
        any other with a ``base_url`` and httpx's ``cookies``. An asynchronous one, too, takes a plain ``with``.
    :param settings: those that the application gives to ``SessionMiddleware``; of a Flask application,
        ``session_transaction(client, **flask_settings(flask_app))``.

    Raises ``ValueError`` naming the setting, before the block, where the client would not send the cookie back, and
    ``TypeError`` at its end for a value that cannot be stored.
    """
    jar = getattr(getattr(client, "cookies", None), "jar", None)
    if not isinstance(jar, CookieJar):
        raise TypeError(f"client must be a client with httpx's cookies, not {type(client).__name__}")
    settings.pop("allow_path_regex", None)  # it chooses among the application's paths, and the block is none of them
    middleware = SessionMiddleware(_application, **settings)
    cookie, url = _place(middleware._cookie.field(b"-"), str(getattr(client, "base_url", "")), settings)
    scope = {"type": "http", "path": unquote(urlsplit(url).path), "headers": [(b"cookie", _sent(jar, url).encode())]}
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    # Nothing in there waits for an event loop, so it can be run by hand, also where a loop is running.
    request = middleware(scope, None, send)
    try:
        yield request.send(None)
        with suppress(StopIteration):
            request.send(None)
    finally:
        request.close()

    fields = [value.decode() for name, value in messages[0]["headers"] if name == b"set-cookie"]
    if fields:
        for other in list(jar):
            if other.name == cookie.name and _is_sent(other, url):
                jar.clear(other.domain, other.path, other.name)
        jar.extract_cookies(_response(fields), _request(url))


async def _application(scope: Any, _receive: Any, send: Any) -> None:
    """Hand the session to whoever runs this by hand, and respond once it is resumed."""
    await _pause(scope["session"])
    await send({"type": "http.response.start", "headers": []})


@types.coroutine
def _pause(session: Session) -> Generator[Session, None, None]:
    yield session


def _place(field: bytes, base_url: str, settings: Settings) -> tuple[Cookie, str]:
    """Return the cookie of a Set-Cookie field, and a URL at which the client gets it and sends it back.

    Raises ``ValueError`` where there is no such URL.
    """
    base = urlsplit(base_url)
    shown = base._replace(netloc=base.netloc.rpartition("@")[2]).geturl()  # without a password
    if base.scheme not in ("http", "https") or not base.hostname:
        raise ValueError(f"base_url={shown!r} of the client must be a URL such as 'http://testserver'")
    response = _response([field.decode()])
    (cookie,) = CookieJar().make_cookies(response, _request(base_url))
    path = cookie.path if cookie.path.startswith(base.path) else base.path
    url = base._replace(path=path).geturl()
    jar = CookieJar()
    jar.extract_cookies(response, _request(url))
    if _sent(jar, url):
        return cookie, url
    problem = f"the client would not send the cookie to its base_url {shown!r}"
    if cookie.secure and base.scheme == "http":
        setting = "https_only" if settings.get("https_only") else "partitioned"
        raise ValueError(f"{setting}=True: {problem}; give the client a base_url with https")
    if cookie.domain_specified:
        raise ValueError(
            f"domain={settings.get('domain')!r}: {problem}; the domain must have a dot, and be the host or its parent"
        )
    raise ValueError(f"path={settings.get('path')!r}: {problem}, nor below; give one that fits")


def _is_sent(cookie: Cookie, url: str) -> bool:
    jar = CookieJar()
    jar.set_cookie(cookie)
    return bool(_sent(jar, url))


def _sent(jar: CookieJar, url: str) -> str:
    """Return the Cookie field that a client sends to ``url``, ``""`` for none."""
    request = _request(url)
    jar.add_cookie_header(request)
    return request.get_header("Cookie", "")


def _request(url: str) -> Request:
    return Request(url)  # noqa: S310  # for a jar to look at; nothing opens it


def _response(set_cookie: Iterable[str]) -> Any:
    """Return as much of a response of ``urllib`` as a jar looks at."""
    headers = Headers()
    for field in set_cookie:
        headers["Set-Cookie"] = field
    return types.SimpleNamespace(info=lambda: headers)
