"""What signing and opening a session costs by itself, and the floor: ``pytest benchmarks/test_codec.py``."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .codecs import DECODER, FLASK, FLOOR, SESSIONS, codecs
from .scenarios import OURS


@pytest.mark.parametrize("name", [OURS, FLASK, DECODER, FLOOR])
@pytest.mark.parametrize("direction", ["loads", "dumps"])
@pytest.mark.parametrize("size", SESSIONS)
def test_codec(benchmark: BenchmarkFixture, size: str, direction: str, name: str) -> None:
    calls = codecs(SESSIONS[size])[direction]
    if name not in calls:
        pytest.skip(f"{name} has no {direction}")
    benchmark.group = f"{direction}, {size}"
    benchmark(calls[name])
