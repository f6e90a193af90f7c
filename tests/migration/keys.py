"""The keys of both applications, from a file: a reload brings new ones, where an environment stays what it was."""

import json
import os
from pathlib import Path

_keys = json.loads(Path(os.environ["SHOP_KEYS"]).read_text("utf-8"))

SECRET_KEY: str = _keys["secret_key"]
FALLBACKS: list[str] = _keys["fallbacks"]
CSRF_KEY: str = _keys["csrf_key"]
CSRF_FALLBACKS: list[str] = _keys["csrf_fallbacks"]
