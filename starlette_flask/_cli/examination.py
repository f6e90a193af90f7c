"""A cookie's value -> what it is, which key signed it, whether it opens or why not, and what it holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from itertools import product
from time import time
from urllib.parse import unquote_to_bytes

from itsdangerous import BadData, BadPayload, BadSignature, SignatureExpired, Signer
from itsdangerous.encoding import base64_decode

from ..codec import SessionCodec, decode_date, is_current
from ..extensions.flask_login import decode_remember_cookie
from ..starlette_format import StarletteFormat
from ..tagged_json import TaggedJSONSerializer
from .browser import judge
from .content import MOST, expand, load, render, strict_json
from .cookie_text import Cookie
from .expectation import DERIVATIONS, DIGESTS, Expectation, digest_name
from .keys import Key
from .report import FORMATS, Report, duration, lifetime_in_words

_ANY = Key("", b"any")  # to ask how an application signs, whatever its keys

# What signatures are tried with, beside what was asked for. The salts: Flask and Quart, Starlette, what itsdangerous'
# serializers have by default, Flask-WTF's token, Flask-Session's identifiers.
_SALTS = ("cookie-session", "itsdangerous.Signer", "itsdangerous", "wtf-csrf-token", "flask-session")
_KEY_CHANGES: dict[str, Callable[[bytes], bytes]] = {  # what becomes of a key on its way through files and shells
    "": bytes,
    " without the blanks around it": bytes.strip,
    " without the quotes around it": lambda key: key.strip(b"\"'"),
    " with a line break behind it": lambda key: key + b"\n",
}
_VALUE_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "there are blanks or line breaks in it": lambda value: b"".join(value.split()),
    "there are quotes around it": lambda value: value.strip(b"\"'"),
    "it is URL-encoded, which no server undoes": unquote_to_bytes,
}
_PATTERNS = {
    "deleted": rb"(null)?",
    "flask-login": rb".+\|[0-9a-f]{128}",
    "django": rb"\.?[\w-]+:[\w-]+:[\w-]+",
    "jwt": rb"eyJ[\w-]+\.eyJ[\w-]{4,}\.[\w-]*",
    "session-id": rb"(?!eyJ|e30)[\w-]{16,64}(\.[\w-]{27})?",
}


def examine(cookie: Cookie, expected: Expectation, notes: list[str]) -> Report:
    """Return what there is to say about a cookie, where an application expects what ``expected`` has."""
    value, reasons = cookie.value, list[str]()
    for reason, change in _VALUE_CHANGES.items():
        if (changed := change(value)) != value:
            reasons.append(reason)
            value = changed
    compressed = value.startswith(b".")
    sep = expected.codec(_ANY).make_signer().sep
    pieces = value[compressed:].split(sep)
    report = Report(
        # An application that chose its separator is believed; others are recognized by theirs.
        format="flask" if sep != b"." and len(pieces) == 3 else _format(value, pieces),
        compressed=compressed,
        size=cookie.size,
        size_of=cookie.size_of,
        lifetime=expected.lifetime,
        lifetime_source=expected.lifetime_source,
        keys=[key.source for key in expected.keys],
        notes=[*notes, *cookie.notes],
        reasons=reasons,
    )
    if report.format == "flask":
        _examine_signed(value, pieces, expected, report)
    else:
        report.reasons.append(FORMATS[report.format])
        if report.format == "flask-login":
            _examine_remember_cookie(value, expected.keys, report)
    if cookie.field is not None:
        report.verdict = verdict = judge(cookie.field)
        report.browser = {"keeps": not verdict.reasons, **verdict._asdict()}
        report.browser["until"] = verdict.until and verdict.until.isoformat()
        report.notes += report.browser.pop("notes")
        report.reasons += report.browser.pop("reasons")
    if expected.keys:
        report.opens = report.key is not None and not report.reasons
    return report


def _format(value: bytes, pieces: list[bytes]) -> str:
    for name, pattern in _PATTERNS.items():
        if re.fullmatch(pattern, value):
            return name
    if value.startswith((b"eyJ", b"e30", b".eJ")) or (len(pieces) == 3 and len(pieces[2]) in DIGESTS.values()):
        return "flask"
    try:
        return "litestar" if b"additional_authenticated_data=" in base64_decode(value) else "unknown"
    except BadData:
        return "unknown"


def _examine_signed(value: bytes, pieces: list[bytes], expected: Expectation, report: Report) -> None:
    """Say what holds for a value in three pieces: payload, time and signature."""
    try:
        _, stamp, signature = pieces
        signed_at = datetime.fromtimestamp(decode_date(stamp), timezone.utc)
        report.signed_at, report.age = signed_at.isoformat(), int(time()) - int(signed_at.timestamp())
        whole = len(signature) in DIGESTS.values()
    except (OSError, OverflowError, ValueError):
        whole = False
    codec = _opened(value, expected, report)
    if codec is None and not whole:
        report.reasons.append(
            "it is cut off or damaged: it takes payload, time and signature (27 characters with sha1)"
        )
    if codec is None and not _opened_as_starlettes(value, expected, report):
        _signed_otherwise(value, expected, report)
    try:
        serialized = expand(pieces[0], report.compressed, 0 if codec else MOST)
        if codec is None and _is_csrf_token(serialized):
            report.format = "flask-wtf"
            report.reasons.append(FORMATS[report.format])
            return
        if report.format == "flask" and report.key is None and _looks_like_starlettes(pieces[0], serialized):
            report.format = "starlette"
            report.reasons.append(FORMATS[report.format])
        # An application's own serializer may do anything: it gets what its own key signed, and nothing else.
        serializer = codec.serializer if codec else json if report.format == "starlette" else TaggedJSONSerializer()
        report.text = render(load(serialized, serializer, not codec or codec.is_text_serializer))
        report.content = strict_json(serialized, report.notes)
    except Exception as error:  # the tags and the nesting may be an attacker's
        report.reasons.append(f"its content is damaged, or not Flask's: {type(error).__name__}, {error}")


def _opened(value: bytes, expected: Expectation, report: Report) -> SessionCodec | None:
    """Return the codec whose key signed the value as it should be, if any; say which key, and whether the age fits."""
    for number, key in enumerate(expected.keys, 1):
        codec = expected.codec(key)
        try:
            codec.loads(value, expected.lifetime, leeway=expected.leeway)
        except SignatureExpired:
            _say_age(report.age, expected, report)
        except BadSignature:
            continue
        except BadPayload:
            pass  # said where the content is read
        _say_key(number, key, report)
        report.is_verified = True
        return codec
    return None


def _opened_as_starlettes(value: bytes, expected: Expectation, report: Report) -> bool:
    """Do as ``_opened`` for the format of Starlette's own middleware, which is opened if the application says so."""
    for number, key in enumerate(expected.keys, 1):
        opened = _open_starlettes(value, key)
        if opened is None:
            continue
        form, signed_at = opened
        report.format = "starlette"
        _say_key(number, key, report)
        signed = f"signed with key {number} ({key.source}) as {form}"
        report.is_verified = expected.starlette is not None and expected.starlette.open(value) is not None
        if expected.starlette is None:
            report.reasons.append(f"{signed}, but in {FORMATS['starlette']}")
        elif not report.is_verified:
            other = "bytes" if form == "text" else "text"
            report.reasons.append(
                f"{signed}, where the application has it as {other}: to Starlette these are two keys"
            )
        elif not is_current(signed_at, expected.lifetime, expected.leeway):
            _say_age(report.age, expected, report)
        return True
    return False


def _open_starlettes(value: bytes, key: Key) -> tuple[str, int] | None:
    """Return whether Starlette's own middleware signed it with this key as text or as bytes, and when."""
    for form, secret in key.forms().items():
        opened = StarletteFormat([secret]).open(value)
        if opened is not None:
            return form, opened[1]
    return None


def _looks_like_starlettes(payload: bytes, serialized: bytes) -> bool:
    """Return whether a payload that no known key signed is Starlette's by its look.

    Its base64 is padded; where it happens to need none, there are still blanks in its JSON.
    """
    if set(b"=+/") & set(payload):
        return True
    content = json.loads(serialized)
    return bool(content) and json.dumps(content) == serialized.decode()


def _is_csrf_token(serialized: bytes) -> bool:
    """Return whether it is what Flask-WTF signs: a random text, not an object."""
    return re.fullmatch(rb'"[0-9a-f]{40}"', serialized) is not None


def _signed_otherwise(value: bytes, expected: Expectation, report: Report) -> None:
    """Look for a key that signed the value in another way, and say which and how it differs from what is expected."""
    asked = expected.codec(_ANY).make_signer()
    asked_digest = digest_name(asked.digest_method)
    salts = dict.fromkeys((expected.salt, *_SALTS))
    ways = product(enumerate(expected.keys, 1), _KEY_CHANGES.items(), salts, DERIVATIONS, DIGESTS)
    for (number, key), (changes, change), salt, derivation, digest in ways:
        if not Signer(change(key.secret), salt, ".", derivation, getattr(hashlib, digest)).validate(value):
            continue
        options = f" --salt {salt!s}" * (salt != expected.salt)
        options += f" --key-derivation {derivation}" * (derivation != asked.key_derivation)
        options += f" --digest {digest}" * (digest != asked_digest)
        _say_key(number, key, report)
        how = f", but with{options}" * bool(options)
        report.reasons.append(f"signed with key {number} ({key.source}){changes}{how}")
        return
    _say_no_key(expected.keys, report)


def _examine_remember_cookie(value: bytes, keys: Sequence[Key], report: Report) -> None:
    """Say which key made Flask-Login's remember cookie, and for whom."""
    text = value.decode("utf-8", "replace")
    for number, key in enumerate(keys, 1):
        # Flask-Login encodes a key in Latin-1, where everything else takes UTF-8.
        secrets = {key.secret, key.secret.decode("utf-8", "ignore").encode("latin-1", "ignore")} - {b""}
        if any(decode_remember_cookie(text, secret) is not None for secret in secrets):
            _say_key(number, key, report)
            report.notes.append(f"it remembers the user {text.rpartition('|')[0]!r}, signed with {key.source}")
            return
    _say_no_key(keys, report)


def _say_key(number: int, key: Key, report: Report) -> None:
    report.key, report.key_source = number, key.source
    report.signer = f"{key.source}{', a fallback' * key.is_fallback}"


def _say_no_key(keys: Sequence[Key], report: Report) -> None:
    if keys:
        tried = ", ".join(key.source for key in keys)
        report.reasons.append(f"none of the keys signed it ({tried}): another key did, or it was changed since")


def _say_age(age: int | None, expected: Expectation, report: Report) -> None:
    """Say that a signature is too old or from the future; ``None`` is a date beyond the calendar."""
    if age is None or age < -expected.leeway:
        ahead = "" if age is None else f", by {duration(-age)}"
        report.reasons.append(f"it is from the future{ahead}: the clocks differ; leeway allows for some seconds")
    else:
        lifetime = lifetime_in_words(expected.lifetime, expected.lifetime_source)
        report.reasons.append(f"it has expired: it is {duration(age)} old, and the lifetime is {lifetime}")
