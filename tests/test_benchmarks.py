"""`benchmarks/README.md` tells how its figures are made, and the commands that write them find their places."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import document
from benchmarks.scenarios import LOGGED_IN, MANY, MISS, SCENARIOS, SECRET_KEY
from starlette_flask import SessionMiddleware

ROOT = Path(__file__).parent.parent
TEXT = document.README.read_text("utf-8")


class TestDocument:
    """Each set of tables has its place, and what the text names is there."""

    @pytest.mark.parametrize("name", ["load", "requests", "codec", "growth"])
    def test_figures_replace_those_before(self, name: str) -> None:
        once = document.replace(TEXT, name, "| new |")
        assert once.count("| new |") == 1
        assert document.replace(once, name, "| newer |") == document.replace(TEXT, name, "| newer |")
        assert re.findall("^#.*", once, re.MULTILINE) == re.findall("^#.*", TEXT, re.MULTILINE)

    def test_a_place_that_is_missing_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="'other' has 0 pairs"):
            document.replace(TEXT, "other", "")

    def test_commands_and_files(self) -> None:
        noxfile = (ROOT / "noxfile.py").read_text("utf-8")
        for session in re.findall(r"nox -s (\w+)", TEXT):
            assert f"def {session}(" in noxfile
        for module in re.findall(r"python -m ([\w.]+)", TEXT):
            assert find_spec(module), module
        for file in re.findall(r"!\[.*?\]\((.*?)\)", TEXT):
            assert (ROOT / "benchmarks" / file).exists()


class TestScenarios:
    """A benchmark of cache misses has none but misses, and of cache hits none but hits."""

    def test_more_users_than_there_is_room_for(self) -> None:
        middleware = SessionMiddleware(_no_app, SECRET_KEY)
        values = [middleware._codec.dumps({**LOGGED_IN, "_user_id": str(user)}).encode() for user in range(MANY)]
        for _ in range(2):
            for value in values:
                assert middleware._verified.get(value) is None
                middleware.open(b"session=" + value)
        assert {scenario.users for scenario in SCENARIOS if MISS in scenario.name} == {MANY}
        assert {scenario.users for scenario in SCENARIOS if MISS not in scenario.name} == {1}


async def _no_app(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError
