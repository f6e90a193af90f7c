"""What both sides of the demo share: customers, the basket, and how a session and its cookie are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from itsdangerous import BadSignature, URLSafeTimedSerializer

TEMPLATES = Path(__file__).parent / "templates"

CUSTOMERS = {"1": "Ada Lovelace", "2": "Grace Hopper", "3": "Zoë <Łukasz> & Co."}

MOST_ITEMS = 6
LONGEST_TEXT = 40  # characters; the whole session travels in one cookie of 4 kB

COOKIE = "session"
LARGEST_COOKIE = 4096  # bytes of name and value that browsers keep


def put(basket: list[dict[str, Any]], name: str, side: str) -> bool:
    """Put one `name` more into the basket, in place; false if there is no room."""
    name = name.strip()[:LONGEST_TEXT]
    for item in basket:
        if item["name"] == name:
            item["count"] += 1
            item["by"] = (*item["by"], side)[-3:]
            return True
    if not name or len(basket) >= MOST_ITEMS:
        return False
    now = datetime.now(timezone.utc).replace(microsecond=0)
    basket.append({"id": uuid4(), "name": name, "count": 1, "added": now, "by": (side,)})
    return True


def take_out(basket: list[dict[str, Any]], item_id: str) -> None:
    """Take an item out of the basket, in place; one that is not there is no error."""
    basket[:] = [item for item in basket if str(item["id"]) != item_id]


def describe(value: object) -> Any:
    """A value as JSON that shows its type, too: a tuple as `{"<tuple>": [...]}`."""
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [describe(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, tuple):
        shown: Any = [describe(item) for item in value]
    elif isinstance(value, datetime):
        shown = value.isoformat()
    else:
        shown = str(value)
    return {f"<{type(value).__name__}>": shown}


def lines(session: Mapping[str, Any]) -> str:
    """A session as JSON, with a line for each key and each item of a list."""

    def line(value: object) -> str:
        if isinstance(value, list) and value:
            return "[\n    " + ",\n    ".join(map(line, value)) + "\n  ]"
        return json.dumps(value, ensure_ascii=False)

    return "{\n  " + ",\n  ".join(f"{line(key)}: {line(value)}" for key, value in sorted(session.items())) + "\n}"


def received(value: str | None, serializer: URLSafeTimedSerializer) -> dict[str, Any] | None:
    """The session cookie of a request, decoded by one side's own serializer; `None` without a valid one."""
    if value is None:
        return None
    try:
        session, signed_at = serializer.loads(value, return_timestamp=True)
    except BadSignature:
        return None
    return {
        "parts": value.rsplit(".", 2),
        "bytes": len(f"{COOKIE}{value}"),
        "signed_at": signed_at,
        "age": int((datetime.now(timezone.utc) - signed_at).total_seconds()),
        "session": lines(describe(session)),
    }


def page(side: str, base: str) -> dict[str, Any]:
    """What every page says of its side; `base` is that side's path."""
    return {
        "side": side,
        "base": base,
        "other": {"Flask": ("FastAPI", "/"), "FastAPI": ("Flask", "/flask/")}[side],
        "customers": CUSTOMERS,
        "longest": LONGEST_TEXT,
        "largest": LARGEST_COOKIE,
    }
