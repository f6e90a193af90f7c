"""Figures of `benchmarks.compare` -> tables and a chart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from xml.sax.saxutils import escape

from . import document
from .document import markdown
from .scenarios import FLASK, HITS, LITESTAR, MANY, MEANS, MISS, MISSES, OURS, PUBLISHED, STARLETTE, STARSESSIONS

CHART = document.README.parent / "overhead.svg"
PEERS = (OURS, STARLETTE, PUBLISHED, STARSESSIONS, LITESTAR, FLASK)
#: Group -> competitor -> seconds.
Times = dict[str, dict[str, float]]


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean."""
    return exp(sum(map(log, ratios)) / len(ratios))


def ratios(times: Times) -> dict[str, dict[str, float]]:
    """Return row -> competitor -> how many times ours its overhead is, the means first."""
    rows = {group: {name: row[name] / row[OURS] for name in PEERS} for group, row in times.items() if OURS in row}
    means = {
        _mean(mean): {name: geometric_mean([rows[row][name] for row in scenarios]) for name in PEERS}
        for mean, scenarios in MEANS.items()
    }
    return {**means, **rows}


def _mean(mean: str) -> str:
    return f"geometric mean, {mean}"


def request_tables(times: Times) -> str:
    """Return the overhead per request of every competitor, relative to ours, and ours in microseconds."""
    table, misses = ratios(times), {name for name in times if MISS in name}
    hits = [name for name in times if name in table and name not in misses]
    parts = {
        "Cache hits: one user comes again and again.": [_mean(HITS), *hits],
        f"Cache misses: {MANY:,} users in turn, more than there is room for.": [
            _mean(MISSES),
            *sorted(misses, key=list(times).index),
        ],
    }
    return "\n\n".join(f"{title}\n\n{_request_table(times, table, names)}" for title, names in parts.items())


def _request_table(times: Times, table: Times, names: Sequence[str]) -> str:
    rows = []
    for name in names:
        ours = f"{times[name][OURS] * 1e6:.1f} us" if name in times else ""
        rows.append([name, ours, *(f"{table[name][peer]:.1f}" for peer in PEERS[1:])])
    return markdown(["", OURS, *(f"{peer}, relative to ours" for peer in PEERS[1:])], rows)


def codec_table(times: Times) -> str:
    """Return the codec alone, as a multiple of the floor."""
    names = list(dict.fromkeys(name for row in times.values() for name in row if name != "floor"))
    rows = [
        [group, f"{row['floor'] * 1e6:.1f} us", *(f"{row[n] / row['floor']:.2f}" if n in row else "" for n in names)]
        for group, row in times.items()
    ]
    return markdown(["", "floor", *(f"{name}, relative to the floor" for name in names)], rows)


def growth_table(times: Times) -> str:
    """Return the overhead per request as it grows, in microseconds, and by how much for each of what grows."""
    names = list(next(iter(times.values())))
    rows = [[group, *(f"{row[name] * 1e6:.1f}" for name in names)] for group, row in times.items()]
    if len({re.sub(r"\d+", "", group) for group in times}) == 1:
        (least, first), *_, (most, last) = ((int(re.sub(r"\D", "", group)), row) for group, row in times.items())
        slopes = {name: (last[name] - first[name]) / (most - least) for name in names}
        rows.append([f"for each, from {least} to {most}", *(f"{slopes[name] * 1e6:.3f}" for name in names)])
    return markdown(["us", *names], rows)


STYLE = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.group { font-weight: 600 }
.figure, .note { fill: #59636e; font-size: 12px }
rect { fill: #afb8c1 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .figure, .note { fill: #9198a1 }
  rect { fill: #57606a }
  .ours { fill: #4493f8 }
}
"""
LEFT, BAR, WIDTH, LONGEST = 170, 17, 760, 480


#: Label, how long the bar is to be in any unit, and the figure behind it.
Bars = list[tuple[str, float, str]]


def request_svg(times: Times, machine: str) -> str:
    """Return a bar chart of the overheads relative to ours: the means, and the scenarios that they are of."""
    groups: dict[str, Bars] = {}
    for name, row in ratios(times).items():
        if name not in times:
            groups[name] = [(peer, ratio, f"{ratio:.1f}") for peer, ratio in row.items()]
        elif any(name in scenarios for scenarios in MEANS.values()):
            groups[name] = [(peer, row[peer], f"{row[peer]:.1f} ({times[name][peer] * 1e6:.1f} us)") for peer in row]
    return svg("Overhead per request relative to starlette-flask's; shorter is faster", groups, machine)


def svg(title: str, groups: Mapping[str, Bars], note: str) -> str:
    """Return a bar chart; the longest bar of all groups fills the width."""
    scale = LONGEST / max(length for bars in groups.values() for _, length, _ in bars)
    parts, y = list[str](), 44
    for name, bars in groups.items():
        parts.append(f'<text class="group" x="0" y="{y}">{escape(name)}</text>')
        for label, length, figure in bars:
            y += BAR
            parts.extend(_bar(y, label, max(1, length * scale), figure))
        y += 2 * BAR
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {WIDTH} {y + 14}" role="img">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>",
            f'<text class="group" x="0" y="18">{escape(title)}</text>',
            *parts,
            f'<text class="note" x="0" y="{y}">{escape(note)}</text>\n</svg>\n',
        )
    )


def _bar(y: int, label: str, length: float, figure: str) -> Iterator[str]:
    kind = ' class="ours"' if label == OURS else ""
    yield f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{escape(label)}</text>'
    yield f'<rect{kind} x="{LEFT}" y="{y - 11}" width="{length:.1f}" height="13" rx="2"/>'
    yield f'<text class="figure" x="{LEFT + length + 6:.1f}" y="{y}">{escape(figure)}</text>'


def write(requests: Times, codec: Times, growths: Sequence[Times], machine: str) -> None:
    """Put the tables into `benchmarks/README.md`, and the chart beside it."""
    note = f"{machine}. Absolute times are of this one machine."
    document.write("requests", f"{note}\n\n{request_tables(requests)}")
    document.write("codec", codec_table(codec))
    document.write("growth", "\n\n".join(map(growth_table, growths)))
    CHART.write_text(request_svg(requests, note), encoding="utf-8")
