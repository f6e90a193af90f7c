"""What both sides of the demo share: customers, the basket, and how a session is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

TEMPLATES = Path(__file__).parent / "templates"

CUSTOMERS = {"1": "Ada Lovelace", "2": "Grace Hopper", "3": "Zoë <Łukasz> & Co."}

MOST_ITEMS = 6
LONGEST_TEXT = 40  # characters; the whole session travels in one cookie of 4 kB


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
    now = datetime.now(timezone.utc)
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


def page(side: str, base: str, session: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of the session as it was received; `base` is the path of this side."""
    received = json.dumps(describe(dict(session)), indent=2, sort_keys=True, ensure_ascii=False)
    return {
        "side": side,
        "base": base,
        "other": {"Flask": ("FastAPI", "/"), "FastAPI": ("Flask", "/flask/")}[side],
        "customers": CUSTOMERS,
        "basket": session.get("basket", []),
        "received": received,
        "longest": LONGEST_TEXT,
    }
