"""A payload -> what it holds: for machines as JSON, and for people as JSON with the types that JSON lacks."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from math import isfinite
from typing import Any, cast

from itsdangerous.encoding import base64_decode

from ..tagged_json import is_dict

MOST = 1 << 20  # bytes to expand of what nobody vouches for: a few bytes of zlib can stand for gigabytes
_JSON_TYPES = (list, str, bool, int, float, type(None))


def expand(payload: bytes, compressed: bool, most: int) -> bytes:
    """Return the serialized content of a payload. Expands ``most`` bytes, or any number if that is 0."""
    data = base64_decode(payload)
    if not compressed:
        return data
    expanding = zlib.decompressobj()
    data = expanding.decompress(data, most)
    if not expanding.eof:
        cut = not most or len(data) < most
        raise ValueError("the zlib data is cut off" if cut else "it is over 1 MiB, too much to expand unverified")
    return data


def load(serialized: bytes, serializer: Any, is_text: bool) -> dict[str, Any]:
    """Return the session that a serializer, of text or of bytes, reads. Raises anything."""
    content = serializer.loads(serialized.decode() if is_text else serialized)
    if not is_dict(content):
        raise TypeError("it is not a JSON object")
    return content


def strict_json(serialized: bytes, notes: list[str]) -> Any:
    """Return the JSON of a content, without the numbers that JSON does not have: null, as JavaScript writes them."""
    dropped: list[str] = []

    def number(text: str) -> float | None:
        if isfinite(value := float(text)):
            return value
        dropped.append(text)
        return None

    try:
        content = json.loads(serialized, parse_constant=dropped.append, parse_float=number)
    except ValueError:
        notes.append("the application's own serializer writes no JSON: --json has no content")
        return None
    if dropped:
        notes.append(f"numbers that JSON does not have are null in --json: {', '.join(sorted({*dropped}))}")
    return content


def render(value: Any, line: str = "\n") -> str:
    """Return ``value`` as JSON, with the type's name before what JSON has no type for."""
    is_json = type(value) in _JSON_TYPES or is_dict(value)
    kind = "" if is_json else f"{type(value).__name__} "
    deeper = line + "  "
    if is_dict(value):
        items, ends = [f"{render(key)}: {render(item, deeper)}" for key, item in value.items()], "{}"
    elif isinstance(value, (list, tuple)):
        items, ends = [render(item, deeper) for item in cast("Sequence[Any]", value)], "[]"
    elif isinstance(value, bytes):
        return kind + repr(value)
    else:
        return kind + json.dumps(value, ensure_ascii=False, default=str)
    return kind + ends[0] + (deeper + f",{deeper}".join(items) + line if items else "") + ends[1]
