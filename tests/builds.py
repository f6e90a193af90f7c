"""What one build of Python has and another lacks."""

from __future__ import annotations

import importlib
import sysconfig
from typing import Any

import pytest

#: A build in which threads run in parallel, without a global interpreter lock (PEP 703).
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def orjson_dumps(value: object) -> bytes:
    """As ``orjson.dumps``, skipping the test on free-threaded builds, which orjson is not made for; on no other."""
    orjson: Any = pytest.importorskip("orjson") if FREE_THREADED else importlib.import_module("orjson")
    return orjson.dumps(value)
