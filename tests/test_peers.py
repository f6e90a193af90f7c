"""Each point that the peers are tried on holds here; `python -m tests.peers` shows what happens elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.peers.peers import Ours
from tests.peers.points import POINTS, try_point

TABLE = Path(__file__).with_name("peers") / "README.md"
ROWS = [line.strip("| ").split(" | ") for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
OURS = {title: outcome for title, *_, outcome in ROWS}


def without_sizes(text: str) -> str:
    """A cookie's size depends on the zlib that compresses it."""
    return re.sub(r"\d{4,}", "N", text)


def test_the_table_has_a_row_for_each_point() -> None:
    assert list(OURS) == list(POINTS)


@pytest.mark.parametrize("title", POINTS)
def test_holds_here_as_the_table_says(title: str) -> None:
    outcome = try_point(title, Ours())
    assert outcome.holds, outcome.text
    assert without_sizes(str(outcome)) == without_sizes(OURS[title])
