"""What hostile requests cost, as a table for people: python -m tests.trust.figures [--kib N].

Each input is made in three lengths, each four times the one before, and sent through the middleware with what costs
most switched on (a fallback key, Starlette's format). Time is the processor's, the median of several runs; memory is
what Python held at most beside the input. Where no key signed it, the length is the Cookie field's; where one did, it
is what the value unpacks to, about which a key holder decides. The exit code is 0 if no time grew faster than the
length and every request ended as it should.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

from itsdangerous.encoding import base64_encode

from tests.trust.fuzz import FOREIGN, GOOD, KEY, SHAPES, answer, signed

#: Sixteen times the length takes sixteen times as long, up to five times that where it outgrows the processor's
#: caches; what is quadratic takes 256 times as long.
GROWTH = 80.0

#: How many keys the application finds in its session.
NONE, ONE, MANY = range(1), range(1, 2), range(2, 1_000_000)
PERHAPS_ONE = range(2)  # how deep the json module reads depends on the Python


class Input(NamedTuple):
    """A Cookie field for a length, and the numbers of keys that the session may then have."""

    name: str
    make: Callable[[int], bytes]
    keys: range = NONE


def field(payload: bytes, key: str, *, packed: bool = False) -> bytes:
    serialized = b"." + base64_encode(zlib.compress(payload)) if packed else base64_encode(payload)
    return b"session=" + signed(serialized, key)


def packed_to(length: int) -> bytes:
    """A Cookie field of a length that nothing signed and that would unpack to a thousand times as much."""
    bomb = b"." + base64_encode(zlib.compress(bytes(length * 740)))
    return b"session=" + signed(bomb.ljust(length, b"A"), FOREIGN)


def one_key(value: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda length: field(b'{"a":%b}' % value(length), KEY, packed=True)


def many_keys(length: int) -> bytes:
    return field(b"{%b}" % b",".join(b'"%d":1' % number for number in range(length // 12)), KEY, packed=True)


#: Cookie fields that anybody can send.
UNSIGNED = [
    Input("other cookies", lambda n: b"name=value; " * (n // 12) + b"session=v"),
    Input("other cookies and a good one", lambda n: b"name=value; " * (n // 12) + b"session=" + next(iter(GOOD)), ONE),
    *(Input(name, lambda n, make=make: make(n) + b";session=v") for name, make in SHAPES.items()),
    Input("a zlib bomb", packed_to),
    Input("a long payload, another's signature", lambda n: field(b"[" * (n * 3 // 4), FOREIGN)),
    Input("many dots", lambda n: b"session=" + b"a.b." * (n // 4)),
]
#: What a key signed: an application that stores what its users send it, say.
SIGNED = [
    Input("a long text", one_key(lambda n: b'"%b"' % (b"a" * n)), ONE),
    Input("many keys", many_keys, MANY),
    Input("a list of numbers", one_key(lambda n: b"[%b]" % (b"1," * (n // 2))[:-1]), ONE),
    Input("tuples", one_key(lambda n: b"[%b]" % (b'{" t":[]},' * (n // 10))[:-1]), ONE),
    Input("escapes", one_key(lambda n: b'"%b"' % (b"\\ud800" * (n // 6))), ONE),
    Input("deep lists", one_key(lambda n: b"[" * (n // 2) + b"]" * (n // 2)), PERHAPS_ONE),
    Input("deep objects", one_key(lambda n: b'{"a":' * (n // 6) + b"1" + b"}" * (n // 6)), PERHAPS_ONE),
    Input("deep tuples", one_key(lambda n: b'{" t":[' * (n // 9) + b"]}" * (n // 9)), PERHAPS_ONE),
    Input("a huge integer", one_key(lambda n: b"9" * n)),
    Input("a zlib bomb", lambda n: field(bytes(n), KEY, packed=True)),
    Input("no JSON", lambda n: field(b"x" * n, KEY, packed=True)),
]


class Row(NamedTuple):
    """What an input of each of the lengths took."""

    name: str
    milliseconds: list[float]
    peak: float  # MiB, at the last length
    ended_well: bool

    @property
    def is_linear(self) -> bool:
        return self.milliseconds[-1] < GROWTH * max(self.milliseconds[0], 0.2)


def measured(given: Input, lengths: list[int], runs: int) -> Row:
    milliseconds, peak, ended_well = [], 0, True
    for length in lengths:
        cookie = given.make(length)
        times = []
        for _ in range(runs):
            start = time.process_time()
            seen, cookies = answer([cookie], 2)
            times.append((time.process_time() - start) * 1000)
        ended_well = ended_well and not cookies and len(seen) in given.keys
        milliseconds.append(median(times))
        del seen
        tracemalloc.start()
        answer([cookie], 2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return Row(given.name, milliseconds, peak / 2**20, ended_well)


def table(title: str, inputs: list[Input], lengths: list[int], runs: int) -> Iterator[tuple[str, bool]]:
    """The lines of a table, and whether what each says is as it should be."""
    sizes = [f"{length / 1024:g} KiB, ms" for length in lengths]
    cells = [title, *sizes, "twice the length, times", f"peak at {lengths[-1] / 1024:g} KiB, MiB"]
    yield f"| {' | '.join(cells)} |", True
    yield f"| --- |{' ---: |' * (len(cells) - 1)}", True
    for given in inputs:
        row = measured(given, lengths, runs)
        growth = (row.milliseconds[-1] / row.milliseconds[0]) ** (1 / (2 * len(lengths) - 2))
        figures = [*(f"{value:.2f}" for value in row.milliseconds), f"{growth:.1f}", f"{row.peak:.1f}"]
        remark = "" if row.is_linear else " **NOT LINEAR**"
        remark += "" if row.ended_well else " **WRONG SESSION OR COOKIE**"
        yield f"| {row.name} | {' | '.join(figures)} |{remark}", not remark


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.trust.figures", description=__doc__)
    parser.add_argument("--kib", type=int, default=1024, help="the largest of the three lengths (default: 1024)")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts (default: 5)")
    options = parser.parse_args(arguments)
    lengths, held = [options.kib * 1024 // part for part in (16, 4, 1)], True
    for title, inputs in {"Cookie field, no key signed it": UNSIGNED, "a value that a key signed": SIGNED}.items():
        for line, well in table(title, inputs, lengths, options.runs):
            held = held and well
            print(line, flush=True)
        print()
    print("all held" if held else "NOT ALL HELD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
