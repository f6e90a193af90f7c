"""What tests/migration/README.md shows is what the trial beside it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "migration"
GUIDE = (HERE / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
#: What a stage consists of, besides the shop itself.
CONFIGURATION = [
    *("beside.py", "flask_gone.py", "keys.py", "login_moved.py", "mounted.py", "users.py"),
    *(f"nginx/{path.name}" for path in HERE.glob("nginx/*.conf")),
]


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(BLOCKS)])
def test_each_block_of_the_guide_stands_in_the_file_that_it_names(name: str, block: str) -> None:
    assert f"\n{block}" in "\n" + (HERE / name).read_text("utf-8")


@pytest.mark.parametrize("name", CONFIGURATION)
def test_the_guide_shows_all_of_a_stage(name: str) -> None:
    assert (name, (HERE / name).read_text("utf-8")) in BLOCKS


def test_the_guide_shows_how_each_server_is_started() -> None:
    shown = "".join(block for name, block in BLOCKS if name == "Procfile")
    assert shown == (HERE / "Procfile").read_text("utf-8")


def test_a_block_that_names_no_file_is_a_command() -> None:
    fences = re.findall(r"^(.*)\n```(.*)$", GUIDE, re.MULTILINE)
    openings = fences[::2]
    assert len(openings) > len(BLOCKS)
    assert {language for before, language in openings if not before.startswith("<!-- file: ")} == {"sh"}
