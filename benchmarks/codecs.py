"""What signs and opens a cookie value, by itself, and the floor under all of them.

The floor is the C primitives that the format cannot do without, in a straight line, each by the fastest documented
call that makes the same bytes, on inputs prepared before: one HMAC (a copy of a prepared inner and outer hash),
base64 of payload and signature with the URL alphabet, zlib (a deflate stream with a window no larger than it
needs), one JSON encoder or decoder. Left out is all that holds them together, the timestamp, and the tags.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from flask import Flask
from flask_session_decoder import FlaskSessionDecoder
from itsdangerous import URLSafeTimedSerializer

from starlette_flask import SessionCodec

from .scenarios import LARGE, LOGGED_IN, OURS, SECRET_KEY, SMALL

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

#: Sessions by the length of their JSON: one that zlib shortens, one that it does not, one of 3 KB.
SESSIONS = {f"{len(_encode(session))} bytes": session for session in (LOGGED_IN, SMALL, LARGE)}
USERS = 2500
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
_decode = json.JSONDecoder().raw_decode

FLASK, DECODER, FLOOR = "Flask", "flask-session-decoder", "floor"


def codecs(session: dict[str, Any]) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return ``"loads"`` and ``"dumps"`` -> competitor -> a call, having checked that all do the same."""
    ours, flask = SessionCodec(SECRET_KEY), flask_serializer()
    decoder = FlaskSessionDecoder(secret_key=SECRET_KEY)
    value = flask.dumps(session)
    assert ours.loads(value) == flask.loads(value) == decoder.json(value) == session
    assert ours.dumps(session).rpartition(".")[0].rpartition(".")[0] == value.rpartition(".")[0].rpartition(".")[0]
    assert flask.loads(ours.dumps(session)) == session
    # Many users in turn, for all alike: that a value lies ready in a cache, of whatever kind, helps nobody.
    values = [ours.dumps({**session, "_user_id": f"{user:04}"}) for user in range(USERS)]
    next_value = cycle(values).__next__
    return {
        "loads": {
            OURS: lambda: ours.loads(next_value(), 3600),
            FLASK: lambda: flask.loads(next_value(), 3600),
            DECODER: lambda: decoder.json(next_value()),
            FLOOR: loads_floor(values),
        },
        "dumps": {OURS: lambda: ours.dumps(session), FLASK: lambda: flask.dumps(session), FLOOR: dumps_floor(value)},
    }


def flask_serializer() -> URLSafeTimedSerializer:
    """Return what Flask makes for every request to sign and open its session, inside an application context."""
    app = Flask("benchmark")
    app.config["SECRET_KEY"] = SECRET_KEY
    app.app_context().push()  # stays: inside a request there is one
    serializer: Any = app.session_interface
    return serializer.get_signing_serializer(app)


def loads_floor(values: Sequence[str]) -> Callable[[], Any]:
    """Return a call of the primitives by which the next of these values is opened."""
    parts = [(*others, serialized.decode()) for *others, serialized in map(_parts, values)]
    next_parts = cycle(parts).__next__
    inner, outer = _hashes()
    for signed, _, signature, _, _ in parts:
        assert _mac(inner, outer, signed) == _unbase64(signature), "the floor's HMAC is another one"
    if not values[0].startswith("."):

        def floor() -> None:
            signed, payload, signature, _, text = next_parts()
            _mac(inner, outer, signed)
            a2b_base64(signature.translate(_FROM_URL))
            a2b_base64(payload.translate(_FROM_URL))
            _decode(text)
    else:

        def floor() -> None:
            signed, payload, signature, data, text = next_parts()
            _mac(inner, outer, signed)
            a2b_base64(signature.translate(_FROM_URL))
            a2b_base64(payload.translate(_FROM_URL))
            zlib.decompress(data)
            _decode(text)

    return floor


def dumps_floor(value: str) -> Callable[[], Any]:
    """Return a call of the primitives by which a value is made. Whether zlib gains is found by trying, as in Flask."""
    signed, _, signature, data, serialized = _parts(value)
    session, digest = json.loads(serialized), _unbase64(signature)
    inner, outer = _hashes()
    window = 12 if len(serialized) <= 3800 else 15  # 4 KB are half the memory and the same matches
    assert _deflate(serialized, window)[2:] == zlib.compress(serialized)[2:], "the floor's deflate is another one"

    def floor() -> None:
        _encode(session)
        _deflate(serialized, window)
        b2a_base64(data, newline=False).translate(_TO_URL)
        _mac(inner, outer, signed)
        b2a_base64(digest, newline=False).translate(_TO_URL)

    return floor


def _parts(value: str) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Return a value's signed part, payload (padded), signature (padded), data under base64, and that inflated."""
    signed, _, signature = value.encode().rpartition(b".")
    payload = signed.rpartition(b".")[0]
    data = _unbase64(payload.lstrip(b"."))
    serialized = zlib.decompress(data) if payload.startswith(b".") else data
    return signed, _padded(payload.lstrip(b".")), _padded(signature), data, serialized


def _padded(text: bytes) -> bytes:
    return text + b"=" * (-len(text) % 4)


def _unbase64(text: bytes) -> bytes:
    return a2b_base64(_padded(text).translate(_FROM_URL))


def _hashes() -> tuple[Any, Any]:
    """Return the inner and the outer hash of an HMAC with Flask's derived key (RFC 2104)."""
    key = hmac.digest(SECRET_KEY.encode(), b"cookie-session", "sha1").ljust(64, b"\0")
    return hashlib.sha1(bytes(byte ^ 0x36 for byte in key)), hashlib.sha1(bytes(byte ^ 0x5C for byte in key))


def _mac(inner: Any, outer: Any, message: bytes) -> bytes:
    inner, outer = inner.copy(), outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


def _deflate(data: bytes, window: int) -> bytes:
    deflate = zlib.compressobj(wbits=window)
    return deflate.compress(data) + deflate.flush()
