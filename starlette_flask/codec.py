"""A session mapping <-> the signed cookie value: tagged JSON inside, itsdangerous around it.

A value is ``payload.timestamp.signature``, each part base64 for URLs without padding. The payload is the tagged JSON
text; where zlib makes it shorter by more than a byte, the compressed text with a ``.`` before it. The timestamp is
Unix seconds, the signature an HMAC over what stands before it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from itertools import takewhile
from os import PathLike
from time import time
from typing import Any, cast

from itsdangerous import (
    BadPayload,
    BadSignature,
    BadTimeSignature,
    SignatureExpired,
    URLSafeTimedSerializer,
    want_bytes,
)
from itsdangerous.signer import HMACAlgorithm, Signer

from .tagged_json import TaggedJSONSerializer

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"===", b"==", b"=")


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def _unbase64(text: bytes) -> bytes:
    # Padded by the length as it came and read leniently, so that what itsdangerous accepts is accepted, no more.
    return a2b_base64(text.translate(_FROM_URL) + _PADDING[len(text) & 3])


def is_current(signed_at: int, max_age: int, leeway: int) -> bool:
    """Return whether a signature of the second ``signed_at`` is neither too old nor from the future.

    As ``itsdangerous.TimestampSigner.unsign`` with a ``max_age``; it knows no ``leeway`` for the latter. All are
    seconds.
    """
    return -leeway <= int(time()) - signed_at <= max_age


def sha1(data: bytes = b"") -> Any:
    """Flask's default digest, looked up when it is used: FIPS builds have no SHA-1 (``flask.sessions._lazy_sha1``)."""
    return hashlib.sha1(data)


def reveal_secret(key: object, setting: str = "secret_key") -> str | bytes:
    """Return the text or bytes of a secret key: a ``str``, ``bytes``, or an object that holds one.

    Objects may have ``get_secret_value()`` (pydantic) or a ``__str__`` of their own class (Starlette's ``Secret``).
    Raises ``TypeError`` or ``ValueError``, which name the setting and never the key, for anything that would sign
    with a key that everybody can guess: nothing, ``None``, or the stars that mask a secret.
    """
    if key is None:
        raise TypeError(f"{setting} is None: is the environment variable set?")
    secret: Any = key
    if hasattr(secret, "get_secret_value"):
        secret = secret.get_secret_value()
    elif not isinstance(secret, (str, bytes, PathLike)) and _has_own_str(type(key)):  # a path is no secret
        secret = str(secret)
    if not isinstance(secret, (str, bytes)):
        raise TypeError(
            f"{setting} must be str, bytes, or an object with get_secret_value() or a __str__ of its own, "
            f"not {type(key).__name__}"
        )
    _check_text(setting, secret)
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    if re.fullmatch(r"\s*(\**|none|null|undefined)\s*", text, re.IGNORECASE) or (
        "***" in text and not isinstance(key, (str, bytes))
    ):
        raise ValueError(f"{setting} is empty or masked (given: a {type(key).__name__}); set a long random secret")
    return secret


def _check_text(setting: str, text: str | bytes) -> None:
    """Raise ``ValueError`` for what has no UTF-8: of an environment variable that is not UTF-8, Python makes such."""
    try:
        want_bytes(text)
    except UnicodeEncodeError:  # which shows the text
        raise ValueError(f"{setting} has a character that UTF-8 lacks; give it as bytes") from None


def reveal_secrets(secret_key: object, secret_key_fallbacks: Iterable[object] | None) -> list[str | bytes]:
    """Return all keys in itsdangerous' order: retired ones as given, oldest first, and last the one that signs.

    Raises as :func:`reveal_secret` and :func:`retired_keys`.
    """
    keys = enumerate(retired_keys(secret_key_fallbacks))
    return [*(reveal_secret(key, f"secret_key_fallbacks[{at}]") for at, key in keys), reveal_secret(secret_key)]


def retired_keys(keys: Iterable[object] | None, setting: str = "secret_key_fallbacks") -> tuple[object, ...]:
    """Return retired keys as a tuple. Raises ``TypeError`` for a single key in their place, or a mapping."""
    given: Any = () if keys is None else keys
    kind = _kind(given)
    # A text would be taken apart into keys of one character, and a mapping's keys are names that anybody can guess.
    if isinstance(given, (str, bytes, bytearray, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{setting} must be a list of keys, oldest first, not {kind}")
    return tuple(cast("Iterable[object]", given))


def _kind(value: object) -> str:
    return type(value).__name__


def _has_own_str(kind: type) -> bool:
    """Return whether a class, not a built-in one, has its own ``__str__``: that of ``object`` shows no secret."""
    return any("__str__" in vars(base) for base in kind.__mro__ if base.__module__ not in ("builtins", "enum"))


class SessionCodec(URLSafeTimedSerializer):
    """Signs sessions and opens them, with the bytes that Flask writes inside a request.

    An attacker may hand any text to :meth:`loads`. It is believed only once its signature has been compared, in
    constant time, with one made by a known key; nothing is decompressed or parsed before that. The content of a
    value is not secret: whoever holds it can read it.

    :param secret_key: signs, and opens. See :func:`reveal_secret` for what it may be.
    :param secret_key_fallbacks: retired keys, oldest first, that still open (Flask's ``SECRET_KEY_FALLBACKS``).
    :param salt: keeps signatures of different purposes apart (``SecureCookieSessionInterface.salt``).
    :param signer_kwargs: itsdangerous' ``key_derivation``, ``digest_method``, ``algorithm``, ``sep``; by default
        Flask's, ``hmac`` and SHA-1.
    :param serializer: turns a mapping into text or bytes and back; by default Flask's tagged JSON.

    Raises ``TypeError`` or ``ValueError``, which name the setting, for one that cannot work; a key is never shown.

    A codec can be copied and pickled where its serializer can.
    """

    def __init__(
        self,
        secret_key: object,
        *,
        secret_key_fallbacks: Iterable[object] | None = (),
        salt: str | bytes = "cookie-session",
        signer_kwargs: Mapping[str, Any] | None = None,
        serializer: Any = None,
    ) -> None:
        if not isinstance(cast("object", salt), (str, bytes)):
            raise TypeError(f"salt must be a str or bytes, not {_kind(salt)}")
        _check_text("salt", salt)
        if serializer is None:
            serializer, identity = TaggedJSONSerializer(), TaggedJSONSerializer
        else:
            identity = serializer
        if not (callable(getattr(serializer, "dumps", None)) and callable(getattr(serializer, "loads", None))):
            raise TypeError(f"serializer must be an object with dumps() and loads(), not {_kind(serializer)}")
        super().__init__(
            [want_bytes(key) for key in reveal_secrets(secret_key, secret_key_fallbacks)],
            salt=salt,
            serializer=serializer,
            signer_kwargs={"key_derivation": "hmac", "digest_method": sha1, **_checked(signer_kwargs)},
        )
        signer = self.make_signer()
        #: Equal for two codecs that open and sign alike; shows no key.
        self.identity: tuple[object, ...] = (self._fingerprints(signer), signer.sep, identity)
        self._begin(signer)

    def _fingerprints(self, signer: Signer) -> tuple[bytes, ...]:
        """Return what tells the keys apart. Raises ``ValueError`` if the signer cannot sign."""
        try:
            return tuple(signer.algorithm.get_signature(signer.derive_key(key), b"") for key in self.secret_keys)
        except Exception as error:  # a function of the application's own may raise anything
            raise ValueError(
                f"signer_kwargs: this digest_method or algorithm cannot sign ({_kind(error)}: {error}); "
                f"give a digest_method such as hashlib.sha256"
            ) from error

    def _begin(self, signer: Signer) -> None:
        """Prepare what is used for each value."""
        # The current key first. To derive a key and begin its HMAC here, and go on from a copy, takes 0.6 us a
        # signature; hmac.digest with a derived key takes 1.4 us.
        states = [_begin_hmac(signer, key) for key in reversed(self.secret_keys)]
        self._hmac_states = [state for state in states if state is not None]
        self._loads: Callable[[Any], Any] = self.serializer.loads
        self._stamp = (0, b".")  # the last second that was signed in, and its text behind a dot

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle takes along: a started hash can be neither copied nor pickled."""
        return {name: value for name, value in vars(self).items() if name != "_hmac_states"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin(self.make_signer())

    def key_number(self, value: bytes) -> int:
        """Return which key made the signature of a value that opens: 0 the current one, 1 the newest fallback."""
        signer = self.make_signer()

        def has_signed(key: bytes) -> bool:
            signer.secret_keys = [key]
            return Signer.validate(signer, value)

        return len(list(takewhile(lambda key: not has_signed(key), reversed(self.secret_keys))))

    # Writing: mapping -> serialized -> payload -> signed value.

    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:
        """Return the signed cookie value of the mapping ``obj``, dated now.

        Raises ``TypeError`` for a value that cannot be stored and for keys that cannot be sorted, ``ValueError`` or
        ``RecursionError`` for one that contains itself, ``OverflowError`` for a date that is before year 1 in UTC.
        """
        payload = self.pack(self.serialize(obj))
        return (self.sign(payload, int(time())) if salt is None else self.make_signer(salt).sign(payload)).decode()

    def serialize(self, obj: Any) -> bytes:
        """Return the serialized mapping, tagged JSON in ASCII, which is equal for equal sessions."""
        serialized: Any = self.serializer.dumps(obj)
        return serialized.encode() if isinstance(serialized, str) else serialized

    def deserialize(self, serialized: bytes) -> Any:
        """Return the mapping that :meth:`serialize` made this of. Raises ``BadPayload`` where there is none."""
        try:
            return self._loads(serialized.decode() if self.is_text_serializer else serialized)
        except Exception as error:  # a tag or serializer may raise anything
            raise BadPayload("Could not load the payload", original_error=error) from error

    def pack(self, serialized: bytes) -> bytes:
        """Return the payload of a serialized mapping."""
        compressed = zlib.compress(serialized)
        # The condition is itsdangerous' (URLSafeSerializerMixin.dump_payload), and decides about the bytes.
        shorter = len(compressed) < len(serialized) - 1
        return b"." + _base64(compressed) if shorter else _base64(serialized)

    def sign(self, payload: bytes, now: int) -> bytes:
        """Return the signed value of a payload, dated ``now`` in Unix seconds.

        Raises ``OverflowError`` for a date before 1970.
        """
        if not self._hmac_states:
            signer = self.make_signer()  # whose own sign() would take the time of the call
            return Signer.sign(signer, payload + signer.sep + _encode_date(now))
        second, dated = self._stamp
        if now != second:
            dated = b"." + _encode_date(now)
            self._stamp = (now, dated)
        signed = payload + dated
        return signed + b"." + _base64(_finish_hmac(self._hmac_states[0], signed))

    # Reading: signed value -> payload -> serialized -> mapping.

    def loads(  # type: ignore[override]  # as TimedSerializer.loads, which puts max_age before salt
        self,
        s: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
        salt: str | bytes | None = None,
        *,
        leeway: int = 0,
    ) -> Any:
        """Return what the signed value ``s`` holds; with ``return_timestamp``, a pair of it and the aware datetime.

        :param max_age: seconds after which a signature is too old. With it, one from the future is rejected, too.
        :param leeway: seconds by which it may still be in the future.

        Raises itsdangerous' ``BadData`` family and nothing else: ``SignatureExpired`` for age, ``BadSignature`` or
        ``BadTimeSignature`` for a signature that no known key made, ``BadPayload`` for signed content that is broken.
        """
        try:
            value = s if isinstance(s, bytes) else s.encode()
        except (UnicodeEncodeError, AttributeError):
            raise BadSignature("A signed value is ASCII text") from None
        opened = self.open(value, max_age, leeway, salt)
        if opened is None:
            raise BadTimeSignature("Signature does not match", value.rsplit(b".", 2)[0])
        data, _, signed_at = opened
        if not return_timestamp:
            return data
        date_signed = _date(signed_at)
        if date_signed is None:
            raise BadTimeSignature("Malformed timestamp")
        return data, date_signed

    def open(
        self, value: bytes, max_age: int | None = None, leeway: int = 0, salt: str | bytes | None = None
    ) -> tuple[Any, bytes, int] | None:
        """Do as :meth:`loads`; return the mapping, its serialized form and when it was signed, in Unix seconds.

        ``None`` stands for a signature that no known key made: raising takes longer than finding out.
        """
        signed, _, signature = value.rpartition(b".")
        payload, separator, stamp = signed.rpartition(b".")
        if salt is not None or not separator or not self._hmac_states:
            payload, stamp = self._unsign(value, salt)
        elif not self._is_signed(signed, signature):
            return None
        # Nothing above this line looks into the payload, and nothing below it runs for one that no known key signed.
        try:
            signed_at = decode_date(stamp)
        except ValueError:
            raise BadTimeSignature("Malformed timestamp", payload) from None
        if max_age is not None and not is_current(signed_at, max_age, leeway):
            reason = f"age is over {max_age} seconds" if signed_at <= time() else "timestamp is in the future"
            raise SignatureExpired(f"Signature {reason}", payload, _date(signed_at))
        try:
            serialized = zlib.decompress(_unbase64(payload[1:])) if payload[:1] == b"." else _unbase64(payload)
        except Exception as error:  # memory may be short, too
            raise BadPayload("Could not decode the payload", original_error=error) from error
        return self.deserialize(serialized), serialized, signed_at

    def _is_signed(self, signed: bytes, signature: bytes) -> bool:
        """Return whether a known key made the signature; the current one, nearly always."""
        try:
            claimed = _unbase64(signature)
        except ValueError:
            return False
        for state in self._hmac_states:  # noqa: SIM110  # any() makes a generator: 0.3 us
            if hmac.compare_digest(_finish_hmac(state, signed), claimed):
                return True
        return False

    def _unsign(self, value: bytes, salt: str | bytes | None) -> tuple[bytes, bytes]:
        """Return payload and timestamp by way of itsdangerous: any algorithm, separator and salt, and its errors."""
        signer = self.make_signer(salt)
        try:
            signed = Signer.unsign(signer, value)
        except BadSignature as error:
            has_timestamp = error.payload is not None and signer.sep in error.payload
            raise (BadTimeSignature if has_timestamp else BadSignature)("Signature does not match") from None
        payload, separator, stamp = signed.rpartition(signer.sep)
        if not separator:
            raise BadTimeSignature("timestamp missing", payload=signed)
        return payload, stamp


_SIGNER_KWARGS = ("algorithm", "digest_method", "key_derivation", "sep")
_KEY_DERIVATIONS = ("hmac", "concat", "django-concat", "none", None)


def _checked(signer_kwargs: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the arguments of a signer as given. Raises ``TypeError`` or ``ValueError`` for what none would take."""
    given: Any = {} if signer_kwargs is None else signer_kwargs
    if not isinstance(given, Mapping):
        raise TypeError(f"signer_kwargs must be a mapping of names to values, or None, not {_kind(given)}")
    checked = cast("Mapping[str, Any]", given)
    for name in checked:
        if name not in _SIGNER_KWARGS:
            raise TypeError(f"signer_kwargs has {name!r}; it may have {', '.join(map(repr, _SIGNER_KWARGS))}")
    if (derivation := checked.get("key_derivation")) not in _KEY_DERIVATIONS:
        raise ValueError(
            f"signer_kwargs: key_derivation={derivation!r} must be 'hmac', 'concat', 'django-concat' or 'none'"
        )
    separator = checked.get("sep", b".")
    if not isinstance(separator, (str, bytes)):
        raise TypeError(f"signer_kwargs: sep must be a str or bytes, not {_kind(separator)}")
    try:
        Signer("", sep=separator)
    except ValueError:
        raise ValueError(
            f"signer_kwargs: sep={separator!r} must not be empty, a letter, a digit, '-', '_' or '='"
        ) from None
    return checked


def _begin_hmac(signer: Signer, secret_key: bytes) -> tuple[Any, Any] | None:
    """Return a key's HMAC as far as it goes without a message: its inner and outer hash (RFC 2104).

    ``None`` where a signature is something else than an HMAC behind a dot; itsdangerous makes those.
    """
    if type(signer.algorithm) is not HMACAlgorithm or signer.sep != b".":
        return None
    begin, key = signer.algorithm.digest_method, signer.derive_key(secret_key)
    try:
        size = begin().block_size
        key = (begin(key).digest() if len(key) > size else key).ljust(size, b"\0")
        return begin(bytes(byte ^ 0x36 for byte in key)), begin(bytes(byte ^ 0x5C for byte in key))
    except (TypeError, AttributeError):  # a name or a bare constructor, which hmac.new takes as well
        return None


def _finish_hmac(state: tuple[Any, Any], message: bytes) -> bytes:
    inner, outer = state
    inner = inner.copy()
    inner.update(message)
    outer = outer.copy()
    outer.update(inner.digest())
    return cast("bytes", outer.digest())


def _encode_date(seconds: int) -> bytes:
    return _base64(seconds.to_bytes((seconds.bit_length() + 7) // 8, "big"))


def decode_date(stamp: bytes) -> int:
    """Return the Unix seconds in the middle of a signed value. Raises ``ValueError`` for what is no base64."""
    return int.from_bytes(_unbase64(stamp), "big")


def _date(timestamp: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
