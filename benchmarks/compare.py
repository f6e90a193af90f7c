"""Compare quickly, in one process, all competitors in turn: ``python -m benchmarks.compare [--only REGEX] [--all]``.

``--write`` puts the tables and the chart of all competitors into `benchmarks/`.

A round lets every competitor serve requests for 2 ms, in changing order; of many rounds the lowest decile counts.
What disturbs the machine for longer than a round slows all alike, and the ratios stay.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Hashable, Mapping
from itertools import repeat
from statistics import quantiles
from time import process_time
from typing import Any, TypeVar

from . import document
from .chart import geometric_mean, write
from .codecs import FLOOR, SESSIONS, codecs
from .growth import GROWTHS
from .peers import PEER_NAMES, Call, Prepared, checkout, peers, prepare
from .scenarios import HITS, MEANS, OURS, PUBLISHED, SCENARIOS, STARLETTE

K = TypeVar("K", bound=Hashable)
#: The least geometric mean of how many times ours a competitor's overhead is, where the cookie is cached.
TARGETS = {PUBLISHED: 4.0, STARLETTE: 2.9}
CODEC_TARGET = 1.6


def interleave(calls: Mapping[K, Callable[[], Any]], seconds: float, burst: float = 0.002) -> dict[K, float]:
    """Return the seconds that each call takes, measured in turn for ``seconds`` each, ``burst`` seconds at a time."""
    counts = {key: max(1, int(burst / min(_time(call, 3) for _ in range(5)))) for key, call in calls.items()}
    times: dict[K, list[float]] = {key: [] for key in calls}
    order = list(calls)
    for _ in range(max(20, int(seconds / burst))):
        random.shuffle(order)
        for key in order:
            times[key].append(_time(calls[key], counts[key]))
    return {key: quantiles(found, n=10)[0] for key, found in times.items()}


def _time(call: Callable[[], Any], count: int) -> float:
    start = process_time()
    for _ in repeat(None, count):
        call()
    return (process_time() - start) / count


def overheads(groups: Mapping[str, Mapping[str, Prepared]], seconds: float) -> dict[str, dict[str, float]]:
    """Return group -> competitor -> seconds over the bare application, all measured in turn."""
    calls: dict[tuple[str, str], Call] = {}
    for group, prepared in groups.items():
        for name, (call, bare, over) in prepared.items():
            calls[group, name], calls[group, over] = call, bare
    times = interleave(calls, seconds)
    return {
        group: {name: times[group, name] - times[group, over] for name, (_, _, over) in prepared.items()}
        for group, prepared in groups.items()
    }


def print_table(table: Mapping[str, Mapping[str, float]]) -> None:
    """Print the overheads, and how many times ours they are."""
    names = list(next(iter(table.values())))
    print("Overhead over the bare application, us, and in brackets how many times ours")
    print(f"{'':24}", *(f"{name:>22}" for name in names))
    for scenario, row in table.items():
        cells = (f"{row[name] * 1e6:12.1f} ({row[name] / row[OURS]:5.2f}) " for name in names)
        print(f"{scenario:24}", *(f"{cell:>22}" for cell in cells))


def print_means(table: Mapping[str, Mapping[str, float]]) -> None:
    """Print the geometric means, and of the cache hits whether the targets are reached."""
    for mean, scenarios in MEANS.items():
        if not table.keys() >= set(scenarios):
            continue
        for name, target in TARGETS.items():
            ratios = [table[scenario][name] / table[scenario][OURS] for scenario in scenarios]
            found = geometric_mean(ratios)
            verdict = f" (target {target}): {'reached' if found >= target else 'MISSED'}" if mean == HITS else ""
            print(f"{mean}, against {name:21} {found:5.2f}, least {min(ratios):.2f}{verdict}")


def compare_codecs(seconds: float) -> dict[str, dict[str, float]]:
    """Print what loads and dumps take, and how many times the floor that is. Return the seconds."""
    found: dict[str, dict[str, float]] = {}
    print("\nThe codec alone, us, and in brackets how many times the floor")
    for size, session in SESSIONS.items():
        for direction, calls in codecs(session).items():
            found[f"{direction}, {size}"] = times = interleave(calls, seconds)
            cells = (f"{name} {time * 1e6:.1f} ({time / times[FLOOR]:.2f})" for name, time in times.items())
            verdict = "" if times[OURS] <= CODEC_TARGET * times[FLOOR] else f"  MISSED, target {CODEC_TARGET}"
            print(f"  {size:10} {direction}: ", ", ".join(cells), verdict)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.2, help="for each competitor and scenario (0.2)")
    parser.add_argument("--all", action="store_true", help="every peer, not only those that the targets name")
    parser.add_argument("--write", action="store_true", help="every peer, into benchmarks/README.md and the chart")
    parser.add_argument("--only", default="", help="a regular expression for scenarios; then without the codec")
    parser.add_argument("--beside", metavar="FOLDER", help="only this package and the one in another checkout")
    options = parser.parse_args()

    scenarios = [scenario for scenario in SCENARIOS if re.search(options.only, scenario.name)]
    competitors = peers()
    names = PEER_NAMES if options.all or options.write else (OURS, *TARGETS)
    if options.beside:
        competitors[options.beside] = checkout(options.beside)
        names = (OURS, options.beside)
    table: dict[str, dict[str, float]] = {}
    for scenario in scenarios:
        prepared = {name: prepare(competitors[name], scenario) for name in names}
        table |= overheads({scenario.name: prepared}, options.seconds)
    print_table(table)
    if options.beside:
        return
    print_means(table)
    if options.only:
        return
    codec_times = compare_codecs(options.seconds)
    if options.write:
        growths = [overheads(dict(growth(competitors)), options.seconds) for growth in GROWTHS]
        write(table, codec_times, growths, document.machine())


if __name__ == "__main__":
    main()
