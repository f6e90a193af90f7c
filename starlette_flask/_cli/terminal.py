"""Lines of text -> the terminal, in which nothing from outside can steer it or hide.

Facts:

- A cookie, an argument, a file's name and an error's text may hold anything, escape sequences included.
- What ``str.isprintable`` lets through and a reader cannot see: Unicode's default-ignorable characters that are no
  format characters (Hangul fillers, variation selectors, which can carry any bytes, and some more), and the braille
  blank.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TypeAlias

_COLORS = {"red": 31, "green": 32, "yellow": 33}
_NOT_PLAIN = re.compile(r"[^ -~]")
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

Lines: TypeAlias = list[tuple[str, str]]  # pairs of a color, or nothing, and a line


def printable(line: str) -> str:
    """Return ``line`` with everything escaped that could steer a terminal or hide."""
    return _NOT_PLAIN.sub(lambda match: match[0] if _is_visible(match[0]) else json.dumps(match[0])[1:-1], line)


def _is_visible(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character)


def show(lines: Lines) -> None:
    """Print lines to standard output, in color where that is a terminal.

    Raises ``ValueError`` where there is no standard output, ``OSError`` where it does not take them.
    """
    if not sys.stdout:
        raise ValueError("there is no standard output")
    colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        for color, line in lines:
            text = printable(line).encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)
            print(f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if colored and color else text)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at exit
        raise
