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
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from time import time
from typing import Any

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


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def _unbase64(text: bytes) -> bytes:
    # Padded by the length as it came and read leniently, so that what itsdangerous accepts is accepted, no more.
    return a2b_base64(text.translate(_FROM_URL) + b"=" * (-len(text) % 4))


def sha1(data: bytes = b"") -> Any:
    """Flask's default digest, looked up when it is used: FIPS builds have no SHA-1 (``flask.sessions._lazy_sha1``)."""
    return hashlib.sha1(data)


def reveal_secret(key: object, setting: str = "secret_key") -> str | bytes:
    """Return the text or bytes of a secret key: a ``str``, ``bytes``, or an object that holds one.

    Objects may have ``get_secret_value()`` (pydantic) or a ``__str__`` of their own class (Starlette's ``Secret``).
    Raises ``TypeError`` or ``ValueError``, which name the setting and never the key, for anything that would sign
    with a key that everybody can guess: nothing, ``None``, or the stars that mask a secret.
    """
    secret: Any = key
    if hasattr(secret, "get_secret_value"):
        secret = secret.get_secret_value()
    elif not isinstance(secret, (str, bytes)) and _has_own_str(type(key)):
        secret = str(secret)
    if not isinstance(secret, (str, bytes)):
        raise TypeError(
            f"{setting} must be str, bytes, or an object with get_secret_value() or a __str__ of its own, "
            f"not {type(key).__name__}"
        )
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    if re.fullmatch(r"\s*(\**|None)\s*", text):
        raise ValueError(f"{setting} is empty or masked (given: a {type(key).__name__}); set a long random secret")
    return secret


def _has_own_str(kind: type) -> bool:
    return any("__str__" in vars(base) for base in kind.__mro__ if base is not object)


class SessionCodec(URLSafeTimedSerializer):
    """Signs a session and opens it again, with the bytes that Flask writes inside a request.

    An attacker may hand any text to :meth:`loads`. It is believed only once its signature has been compared, in
    constant time, with one made by a known key; nothing is decompressed or parsed before that. The content of a
    value is not secret: whoever holds it can read it.

    :param secret_key: signs, and opens. See :func:`reveal_secret` for what it may be.
    :param secret_key_fallbacks: retired keys, oldest first, that still open (Flask's ``SECRET_KEY_FALLBACKS``).
    :param salt: keeps signatures of different purposes apart (``SecureCookieSessionInterface.salt``).
    :param signer_kwargs: itsdangerous' ``key_derivation``, ``digest_method``, ``algorithm``, ``sep``; what is not
        given stays as Flask has it, ``hmac`` and SHA-1.
    :param serializer: what makes text or bytes of a mapping, Flask's tagged JSON unless given.
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
        if isinstance(secret_key_fallbacks, (str, bytes)):  # would be taken apart into keys of one character
            raise TypeError("secret_key_fallbacks must be a list of keys, not a single one")
        keys = [reveal_secret(key, "each of secret_key_fallbacks") for key in secret_key_fallbacks or ()]
        keys.append(reveal_secret(secret_key))  # itsdangerous wants the current key last
        super().__init__(
            [want_bytes(key) for key in keys],
            salt=salt,
            serializer=TaggedJSONSerializer() if serializer is None else serializer,
            signer_kwargs={"key_derivation": "hmac", "digest_method": sha1, **(signer_kwargs or {})},
        )
        signer = self.make_signer()
        # Deriving the keys and starting the HMACs here saves most of what a signature costs; copies go on from there.
        self._macs = [_begin_hmac(signer, key) for key in reversed(self.secret_keys)] if _is_plain(signer) else []
        self._sep = signer.sep
        #: Equal for two codecs that open and sign alike; shows no key.
        self.identity: tuple[object, ...] = (
            tuple(mac.digest() for mac in self._macs) or id(self),
            type(self.serializer) if serializer is None else id(self.serializer),
        )
        self._stamp = (0, b"")  # the last second that was signed in, and its text

    # Writing: mapping -> serialized -> payload -> signed value.

    def serialize(self, mapping: Mapping[str, Any]) -> bytes:
        """Return the serialized session, tagged JSON in ASCII: equal for what Flask would write alike.

        Raises ``TypeError`` for a value that cannot be stored and for keys that cannot be sorted, as Flask does.
        """
        return want_bytes(self.serializer.dumps(mapping))

    def dump_payload(self, obj: Any) -> bytes:
        """Return the payload of ``obj``: what stands before the timestamp."""
        return self._pack(self.serialize(obj))

    def _pack(self, serialized: bytes) -> bytes:
        compressed = zlib.compress(serialized)
        # The condition is itsdangerous' (URLSafeSerializerMixin.dump_payload), and decides about the bytes.
        if len(compressed) < len(serialized) - 1:
            return b"." + _base64(compressed)
        return _base64(serialized)

    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:
        """Return the signed cookie value of the mapping ``obj``, dated now.

        Raises what :meth:`serialize` does.
        """
        return self.sign(self.serialize(obj), salt)

    def sign(self, serialized: bytes, salt: str | bytes | None = None) -> str:
        """Return the signed cookie value of what :meth:`serialize` returned."""
        payload = self._pack(serialized)
        if salt is not None or not self._macs:
            return self.make_signer(salt).sign(payload).decode()
        now = int(time())
        second, stamp = self._stamp
        if now != second:
            stamp = _base64(now.to_bytes((now.bit_length() + 7) // 8, "big"))
            self._stamp = (now, stamp)
        signed = payload + b"." + stamp
        mac = self._macs[0].copy()
        mac.update(signed)
        return (signed + b"." + _base64(mac.digest())).decode()

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

        :param max_age: seconds after which a signature is too old. Given that, one from the future is refused, too.
        :param leeway: seconds by which it may lie in the future all the same.

        Raises itsdangerous' ``BadData`` family and nothing else: ``SignatureExpired`` for age, ``BadSignature`` or
        ``BadTimeSignature`` for a signature that no known key made, ``BadPayload`` for signed content that is broken.
        """
        try:
            value = want_bytes(s)
            parts = value.rsplit(b".", 2)
        except (UnicodeEncodeError, AttributeError, TypeError):
            raise BadSignature("A signed value is ASCII text") from None
        if salt is not None or not self._macs or len(parts) != 3:
            return self._loads_generally(value, max_age, return_timestamp, salt, leeway)
        payload, stamp, signature = parts
        if not self._is_signed(value[: -len(signature) - 1], signature):
            raise BadTimeSignature("Signature does not match", payload, _date_signed(stamp))
        try:
            signed_at = int.from_bytes(_unbase64(stamp), "big")
        except ValueError:
            raise BadTimeSignature("Malformed timestamp", payload) from None
        age = int(time()) - signed_at
        if max_age is not None and not -leeway <= age <= max_age:
            raise SignatureExpired(_age_text(age, max_age), payload, _date_signed(stamp))
        data = self.load_payload(payload)
        return (data, _date_signed(stamp)) if return_timestamp else data

    def _loads_generally(
        self, value: bytes, max_age: int | None, return_timestamp: bool, salt: str | bytes | None, leeway: int
    ) -> Any:
        """Open a value by way of itsdangerous: any algorithm, separator and salt, and its own errors."""
        try:
            data, signed_at = super().loads(value, None, True, salt)
        except (ValueError, OverflowError, OSError) as error:  # a signed timestamp that is no date
            raise BadTimeSignature("Malformed timestamp") from error
        age = int(time()) - int(signed_at.timestamp())
        if max_age is not None and not -leeway <= age <= max_age:
            raise SignatureExpired(_age_text(age, max_age), date_signed=signed_at)
        return (data, signed_at) if return_timestamp else data

    def _is_signed(self, signed: bytes, signature: bytes) -> bool:
        try:
            claimed = _unbase64(signature)
        except ValueError:
            return False
        for begun in self._macs:  # the current key first: nearly always the one
            mac = begun.copy()
            mac.update(signed)
            if hmac.compare_digest(mac.digest(), claimed):
                return True
        return False

    def load_payload(self, payload: bytes, *args: Any, **kwargs: Any) -> Any:
        """Return what a payload holds; only for one whose signature was verified.

        Raises ``BadPayload`` for broken base64, zlib, UTF-8, JSON or tags; its ``original_error`` says which.
        """
        if args or kwargs:  # itsdangerous lets callers name another serializer
            return super().load_payload(payload, *args, **kwargs)
        try:
            serialized = _unpack(payload)
            loads: Any = self.serializer.loads
            return loads(serialized.decode() if self.is_text_serializer else serialized)
        except Exception as error:  # a tag or serializer may raise anything
            raise BadPayload("Could not load the payload", original_error=error) from error

    def serialized(self, value: str | bytes) -> bytes:
        """Return what :meth:`serialize` made before :meth:`sign`, of a value that this codec signed or opened."""
        return _unpack(self._payload(value))

    def content(self, value: str | bytes) -> Any:
        """Return anew what a value holds that this codec signed or opened before."""
        return self.load_payload(self._payload(value))

    def _payload(self, value: str | bytes) -> bytes:
        return want_bytes(value).rsplit(self._sep, 2)[0]


def _unpack(payload: bytes) -> bytes:
    if payload.startswith(b"."):
        return zlib.decompress(_unbase64(payload[1:]))
    return _unbase64(payload)


def _is_plain(signer: Signer) -> bool:
    """Say whether a signature is an HMAC and the separator a dot; anything else goes through itsdangerous."""
    return type(signer.algorithm) is HMACAlgorithm and signer.sep == b"."


def _begin_hmac(signer: Signer, secret_key: bytes) -> hmac.HMAC:
    """Return the HMAC of a key before its message, by OpenSSL where the digest has a name that it knows."""
    algorithm: Any = signer.algorithm
    key, digest_method = signer.derive_key(secret_key), algorithm.digest_method
    generic = hmac.new(key, digestmod=digest_method)
    try:
        named = hmac.new(key, digestmod=digest_method().name)
    except (AttributeError, ValueError):
        return generic
    return named if named.digest() == generic.digest() else generic


def _date_signed(stamp: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(int.from_bytes(_unbase64(stamp), "big"), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _age_text(age: int, max_age: int) -> str:
    return f"Signature age is over {max_age} seconds" if age > max_age else "Signature lies in the future"
