"""What belongs to neither framework: the customers, and what a basket is."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

CUSTOMERS = {"1": "Ada", "2": "Grace", "3": "Barbara", "4": "Frances", "5": "Karen", "6": "Radia"}


def add_to_basket(session: MutableMapping[str, Any], name: str, side: str) -> None:
    """Put one more into the basket: a dict in a list in a dict, with a UUID, a time and a tuple."""
    items = session.setdefault("basket", {"items": []})["items"]
    for item in items:
        if item["name"] == name:
            item["count"] += 1
            item["by"] = (*item["by"], side)[-3:]
            break
    else:
        items.append({"id": uuid4(), "name": name, "count": 1, "at": datetime.now(timezone.utc), "by": (side,)})
