"""The codec by itself, with the serializer and a tag of one's own."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from typing_extensions import assert_type

from starlette_flask import JSONTag, SessionCodec, SessionMiddleware, TaggedJSONSerializer

codec = SessionCodec("a secret", secret_key_fallbacks=["an old secret"])
value = codec.dumps({"user": "ada"})
assert_type(value, str)
assert_type(codec.loads(value), Any)
assert_type(codec.loads(value, max_age=60, leeway=2), Any)
try:
    content, signed_at = codec.loads(value.encode(), return_timestamp=True)
except BadData as error:
    print(error.message)

itsdangerous_serializer: URLSafeTimedSerializer = codec


class TagDecimal(JSONTag):
    """Keeps `Decimal`, which Flask would turn into text."""

    __slots__ = ()
    key = " dec"

    def check(self, value: Any) -> bool:
        return isinstance(value, Decimal)

    def to_json(self, value: Any) -> Any:
        return str(value)

    def to_python(self, value: Any) -> Any:
        return Decimal(value)


serializer = TaggedJSONSerializer()
serializer.register(TagDecimal)
serializer.register(TagDecimal, force=True, index=0)
assert_type(serializer.dumps({"price": Decimal("1.50")}), str)
assert_type(serializer.loads("{}"), Any)
assert_type(serializer.tag((1, 2)), Any)
assert_type(serializer.untag({" t": [1, 2]}), Any)
assert_type(serializer.tags, dict[str, JSONTag])
assert_type(serializer.order, list[JSONTag])

strong = SessionCodec(
    b"a secret",
    salt=b"another salt",
    signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    serializer=serializer,
)


async def app(scope: Any, receive: Any, send: Any) -> None: ...


SessionMiddleware(app, "a secret", serializer=serializer)
