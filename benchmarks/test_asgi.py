"""What a session costs per request, by scenario: ``pytest benchmarks/test_asgi.py``.

What a middleware adds is its time less that of the bare application in the same group.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .peers import BARE_APP, BARE_WERKZEUG, PEER_NAMES, Peer, prepare
from .scenarios import FLASK, OURS, SCENARIOS, Scenario

BARE = {BARE_APP: OURS, BARE_WERKZEUG: FLASK}


@pytest.mark.parametrize("name", [*BARE, *PEER_NAMES])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_request(benchmark: BenchmarkFixture, competitors: dict[str, Peer], scenario: Scenario, name: str) -> None:
    peer = competitors[BARE.get(name, name)]
    prepared = prepare(peer, scenario)
    benchmark.group = scenario.name
    benchmark(prepared.bare if name in BARE else prepared.call)
