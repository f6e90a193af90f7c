"""Figures -> `benchmarks/README.md`, where the tables of each command stand between two markers."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

README = Path(__file__).parent / "README.md"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace(text: str, name: str, content: str) -> str:
    """Return a document with ``content`` between ``<!-- NAME -->`` and ``<!-- end -->``.

    Raises ``ValueError`` where there is not one pair of these.
    """
    replaced, count = re.subn(
        rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- end -->)",
        lambda found: f"{found[1]}\n{content}\n{found[2]}",
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"{name!r} has {count} pairs of markers, not one")
    return replaced


def write(name: str, content: str) -> None:
    """Put ``content`` between the markers of that name in `benchmarks/README.md`."""
    README.write_text(replace(README.read_text("utf-8"), name, content), "utf-8")


def machine() -> str:
    """Return what the figures were measured with, and when."""
    processor = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        processor = next(iter(re.findall(r"model name\s*: (.+)", info.read_text())), processor)
    return f"{platform.python_implementation()} {platform.python_version()} on {processor}, {date.today().isoformat()}"
