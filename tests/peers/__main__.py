"""Try each point on each peer, and write what happened to README.md beside this file: `python -m tests.peers`."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from .peers import Flask, LitestarCookies, Ours, Peer, Published, Quart, Starlette
from .points import POINTS, try_point

TABLE = Path(__file__).with_name("README.md")

HEAD = """\
# What other session middlewares do

`nox -s peers` writes this file: it tries each row on the released versions, by a function in `tests/peers/points.py`.
A cross stands where a change, a log-out or a user is lost without a word, or where a setting is unsafe or missing; a
dash where the point does not apply.
"""


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())  # what frameworks log of a failure is in the table
    warnings.simplefilter("ignore")
    peers: list[Peer] = [Starlette(), Flask(), Quart(), Published(), LitestarCookies(), Ours()]
    lines = [HEAD, row(["point", *(peer.name for peer in peers)]), "|---|" + "---|" * len(peers)]
    lines += [row([title, *(str(try_point(title, peer)) for peer in peers)]) for title in POINTS]
    TABLE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
