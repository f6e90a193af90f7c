"""Options and an application -> what the session cookie is expected to be: its name, keys, signing and lifetime."""

from __future__ import annotations

import argparse
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ..codec import SessionCodec
from ..starlette_format import StarletteFormat
from .application import find_middleware
from .keys import Key, read_keys
from .report import ASSUMED

DERIVATIONS = ("hmac", "django-concat", "concat", "none")
DIGESTS = {"sha1": 27, "sha256": 43, "sha384": 64, "sha512": 86}  # and the length of a signature


def digest_name(method: Any) -> str:
    """Return the name of a ``digest_method``, which may be a function of hashlib's, one around it, or a name."""
    return getattr(hmac.new(b"", b"", method), "name", "").removeprefix("hmac-")


@dataclass(frozen=True)
class Expectation:
    """What an application expects of its session cookie, as far as this program was told."""

    keys: list[Key]
    name: str = "session"
    salt: str | bytes = "cookie-session"
    signer_kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    serializer: Any = None
    lifetime: int = 31 * 86400  #: seconds that a signature is valid
    lifetime_source: str = ASSUMED  #: what says so
    leeway: int = 0
    starlette: StarletteFormat | None = None  #: opens cookies of Starlette's own middleware, if they are accepted

    def codec(self, key: Key) -> SessionCodec:
        """Return what signs and opens with one of the keys."""
        return SessionCodec(key.secret, salt=self.salt, signer_kwargs=self.signer_kwargs, serializer=self.serializer)


def expectation(options: argparse.Namespace, notes: list[str]) -> Expectation:
    """Return what the options say; where they are silent, what the application of ``--app`` has, or Flask by default.

    Raises ``ValueError`` or ``OSError`` for an option that cannot be followed.
    """
    keys = options.key_env, options.key_file, options.ask_key
    expected = _of_application(options.app, notes) if options.app else Expectation(read_keys(*keys))
    changes: dict[str, Any] = {  # an empty salt is one
        name: given for name in ("name", "salt") if (given := getattr(options, name)) is not None
    }
    if options.app and any(keys):
        changes["keys"] = others = read_keys(*keys)
        if expected.starlette is not None:  # nobody says whether the application would have them as text or bytes
            changes["starlette"] = StarletteFormat([form for key in others for form in key.forms().values()])
    signing = dict(expected.signer_kwargs)
    if options.key_derivation:
        signing["key_derivation"] = options.key_derivation
    if options.digest:
        signing["digest_method"] = getattr(hashlib, options.digest)
    if (max_age := getattr(options, "max_age", None)) is not None:  # "sign" has no such option
        changes |= {"lifetime": max_age, "lifetime_source": "--max-age"}
    return replace(expected, signer_kwargs=signing, **changes)


def _of_application(target: str, notes: list[str]) -> Expectation:
    middleware = find_middleware(target, notes)
    codec = middleware._codec
    *fallbacks, current = codec.secret_keys
    keys = [
        Key(f"secret_key_fallbacks[{number}] of {target}", secret, is_fallback=True)
        for number, secret in enumerate(fallbacks)
    ]
    setting = "permanent_session_lifetime" if middleware._max_age is None else "max_age"
    return Expectation(
        keys=[Key(f"secret_key of {target}", current), *reversed(keys)],
        name=middleware._cookie.name.decode(),
        salt=cast("bytes", codec.salt),
        signer_kwargs=codec.signer_kwargs,
        serializer=codec.serializer,
        lifetime=middleware._opens_for,
        lifetime_source=f"{setting} of {target}",
        leeway=middleware._leeway,
        starlette=middleware._starlette,
    )
