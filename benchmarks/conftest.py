"""The competitors, loaded once."""

from __future__ import annotations

import pytest

from .peers import Peer, peers


@pytest.fixture(scope="session")
def competitors() -> dict[str, Peer]:
    return peers()
