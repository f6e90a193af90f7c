"""Each point that the peers are tried on holds here; `python -m tests.peers` shows what happens elsewhere."""

from __future__ import annotations

import pytest

from tests.peers.peers import Ours
from tests.peers.points import POINTS, try_point


class TestThisPackage:
    """No row of the table has a cross in this package's column."""

    @pytest.mark.parametrize("title", POINTS)
    def test_holds(self, title: str) -> None:
        outcome = try_point(title, Ours())
        assert outcome.holds, outcome.text
