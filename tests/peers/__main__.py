"""Try each point on each peer, and print a Markdown table of what happened: `python -m tests.peers`."""

from __future__ import annotations

import logging
import warnings

from .peers import Flask, LitestarCookies, Ours, Peer, Published, Quart, Starlette
from .points import POINTS, try_point


def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())  # what frameworks log of a failure is in the table
    warnings.simplefilter("ignore")
    peers: list[Peer] = [Starlette(), Flask(), Quart(), Published(), LitestarCookies(), Ours()]
    print("| point |", " | ".join(peer.name for peer in peers), "|")
    print("|---|" + "---|" * len(peers))
    for title in POINTS:
        print(f"| {title} |", " | ".join(str(try_point(title, peer)) for peer in peers), "|")


if __name__ == "__main__":
    main()
