"""Hostile input for as long as you like, and what it costs: python -m tests.trust.fuzz [--seconds N].

Each target takes any bytes and raises where something does not hold. atheris, which follows the coverage of the
package, chooses the bytes where it is installed, otherwise hypothesis does. Then the time per byte is measured over
doubling lengths. The exit code is 0 if all held and all was linear.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from pprint import pformat
from typing import Any

from flask.json.tag import TaggedJSONSerializer as FlasksSerializer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Request

if __name__ == "__main__" and "--folder" in sys.argv:  # before the package is imported: its code is instrumented
    import atheris

    with atheris.instrument_imports(include=["starlette_flask"]):
        import starlette_flask.middleware.sessions  # noqa: F401

from starlette_flask import SessionCodec, SessionMiddleware, TaggedJSONSerializer
from starlette_flask.cookies import CookieWriter, parse_set_cookie, read_cookie

KEY, RETIRED, FOREIGN = "the key of the fuzzed", "its retired key", "a key that nobody here knows"
CONTENTS: list[dict[str, Any]] = [
    {"user": 7},
    {"cart": [1, (2, b"3")], "text": "a" * 99},
    {"_permanent": True, "a": 1},
]
FLASKS = {"key_derivation": "hmac", "digest_method": hashlib.sha1}


def plain(*keys: str, **signer_kwargs: Any) -> URLSafeTimedSerializer:
    """What Flask makes of these keys."""
    kwargs = {**FLASKS, **signer_kwargs}
    return URLSafeTimedSerializer(
        list(keys), salt="cookie-session", serializer=TaggedJSONSerializer(), signer_kwargs=kwargs
    )


def starlettes(content: Any, key: str = KEY) -> bytes:
    return TimestampSigner(key).sign(b64encode(json.dumps(content).encode()))


def signed(payload: bytes, key: str = KEY) -> bytes:
    """Any payload with a good signature of now."""
    return plain(key).make_signer().sign(payload)


def hmac_free(value: bytes) -> bytes:
    """A value without its signature: what was signed."""
    return value.rpartition(b".")[0]


GOOD = {plain(key).dumps(content).encode(): content for key in (KEY, RETIRED) for content in CONTENTS}
STARLETTES = {starlettes(content): content for content in ({"user": 7}, {"a": [1]})}
SIGNED = {hmac_free(value): content for value, content in {**GOOD, **STARLETTES}.items()}
FORGED = [plain(FOREIGN).dumps(CONTENTS[1]).encode(), starlettes(CONTENTS[0], FOREIGN)]
BOMB = signed(b"." + base64_encode(zlib.compress(bytes(1_000_000))), FOREIGN)

#: What the bytes from 0xA0 on stand for, so that few of them make something that gets far.
TOKENS = [
    *(b"session", b"session=", b'session="', b"; ", b'"', b'\\"', b"\\\\", b"\\041", b"\\377", b"\xff", b"\xc3\xa9"),
    *(*GOOD, *STARLETTES, *FORGED, BOMB, *{part for value in [*GOOD, *FORGED] for part in value.split(b".")}),
    *(b'{"', b'":', b'{" t":[', b'{" b":"', b'{" m":"', b'{" u":"', b'{" d":"', b'{" di":{" t__":', b"}}", b'"}'),
    *(b'"\\u0020t":', b"\\ud800", b"[" * 500, b'{"a":' * 300, b"9" * 400, b"9" * 5000, b"1e999", b"NaN", b"null"),
    *(b"; Path=", b"; Domain=", b"; Max-Age=", b"; Partitioned"),
    *(b"; Expires=Thu, 01 Jan ", b"9" * 11, b" 00:00:00 ", b"GMT", b"+9999", b"-0001"),
]
assert len(TOKENS) <= 0x60


def spelled(data: bytes) -> bytes:
    return b"".join(TOKENS[b - 0xA0] if 0xA0 <= b < 0xA0 + len(TOKENS) else bytes([b]) for b in data)


exact = partial(pformat, width=10**6)


def outcome(load: Callable[..., Any], *args: Any) -> object:
    try:
        return exact(load(*args))
    except BadData as error:
        return type(error)


# The targets.


def cookie_field(data: bytes) -> None:
    """A Cookie field is read as Werkzeug reads it, and reading raises nothing."""
    fields = spelled(data).split(b"\n")
    theirs = Request({"HTTP_COOKIE": b"; ".join(fields).decode("latin-1")}).cookies
    for name in ("session", "a"):
        ours = read_cookie([(b"cookie", field) for field in fields], name.encode())
        value = theirs.get(name)
        assert _without_high_bytes(ours) == _without_high_bytes(None if value is None else value.encode())


def _without_high_bytes(value: bytes | None) -> bytes | None:
    return value and re.sub(rb"[\x80-\xff]+", b"\xff", value)  # Werkzeug has text of some kind there


WRITER = CookieWriter("session")


def set_cookie(data: bytes) -> None:
    """Reading a Set-Cookie field raises nothing."""
    field = spelled(data)
    assert parse_set_cookie(field, "/a/b").path
    WRITER.is_set_by(b"session=" + field, "/a/b")


CODECS = [(SessionCodec(KEY, secret_key_fallbacks=[RETIRED]), plain(RETIRED, KEY))]
CODECS.append((SessionCodec(KEY, signer_kwargs={"sep": ":"}), plain(KEY, sep=":")))


def codec(data: bytes) -> None:
    """A value opens exactly where itsdangerous opens it, as what was signed, and only its errors are raised."""
    value = spelled(data)
    for ours, theirs in CODECS:
        found = outcome(ours.loads, value, 10**8)
        assert found == outcome(theirs.loads, value, 10**8)
        if isinstance(found, str):
            assert found == exact(SIGNED[hmac_free(value)])


def tagged_json(data: bytes) -> None:
    """Text is read as Flask reads it, or both fail; what was read can be written and read again."""
    text, ours = spelled(data).decode("utf-8", "replace"), TaggedJSONSerializer()
    read: list[Any] = []
    for serializer in (ours, FlasksSerializer()):
        try:
            read.append(serializer.loads(text))
        except Exception:
            read.append(Exception)
    assert exact(read[0]) == exact(read[1])
    if read[0] is not Exception:
        try:
            again = ours.loads(ours.dumps(read[0]))
        except (RecursionError, OverflowError):  # deeper to write than to read; a date that UTC does not have
            return
        assert exact(ours.loads(ours.dumps(again))) == exact(again)


SETTINGS: list[dict[str, Any]] = [
    {"secret_key_fallbacks": [RETIRED]},
    {"secret_key_fallbacks": [RETIRED], "accept_starlette_cookies": True, "leeway": 5},
    {"secret_key_fallbacks": [RETIRED], "max_age": 10**8, "refresh_each_request": False},
]


def answer(fields: list[bytes], choice: int) -> tuple[dict[str, Any], list[bytes]]:
    """What the application finds in its session, and the cookies of a response to a read, or to a write."""
    seen: dict[str, Any] = {}
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope["session"])
        if choice & 1:
            scope["session"]["written"] = True
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.extend(message["headers"])

    headers = [(b"cookie", field) for field in fields]
    middleware = SessionMiddleware(app, KEY, **SETTINGS[choice // 2 % len(SETTINGS)])
    coroutine: Any = middleware({"type": "http", "path": "/", "headers": headers}, None, send)
    try:
        coroutine.send(None)
    except StopIteration:
        return seen, [value for name, value in sent if name == b"set-cookie"]
    raise AssertionError("it waits for nothing")


def request(data: bytes) -> None:
    """No request raises, sets a cookie by itself, or has content that no key signed."""
    choice = data[0] if data else 0
    fields = spelled(data[1:]).split(b"\n")
    seen, cookies = answer(fields, choice)
    if not seen:
        assert len(cookies) == choice & 1
        return
    value = read_cookie([(b"cookie", field) for field in fields], b"session")
    assert value is not None
    assert seen == SIGNED[hmac_free(value)]
    rewritten = "_permanent" in seen or hmac_free(value) in map(hmac_free, STARLETTES)
    assert bool(cookies) >= choice & 1
    assert not cookies or rewritten or choice & 1
    for cookie in cookies:
        content = plain(KEY).loads(cookie.partition(b";")[0].partition(b"=")[2])
        assert content == {**seen, **({"written": True} if choice & 1 else {})}


def signed_but_strange(data: bytes) -> None:
    """A payload that a key signed may be anything: the request is served all the same, and can write."""
    choice, text = data[0] if data else 0, spelled(data[1:])
    shapes = (text, base64_encode(text), b"." + base64_encode(text), b"." + base64_encode(zlib.compress(text)))
    value = signed(shapes[choice >> 4 & 3])
    if read_cookie([(b"cookie", b"session=" + value)], b"session") != value:
        return  # cut short, by a semicolon say
    try:
        seen, cookies = answer([b"session=" + value], choice)
    except (RecursionError, OverflowError):
        assert choice & 1  # as in tagged_json: read, but too deep or too far from UTC to be written
        return
    assert len(cookies) == 1 if choice & 1 else not cookies or "_permanent" in seen


TARGETS = (cookie_field, set_cookie, codec, tagged_json, request, signed_but_strange)


# The engines. Each runs one target for some seconds and returns how often.


def with_atheris(target: Callable[[bytes], None], seconds: float) -> int:
    """In a process of its own, which libFuzzer ends as it likes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.trust.fuzz", "--engine", "atheris", "--target", target.__name__]
        command += ["--seconds", str(max(1, round(seconds))), "--folder", folder]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    done = re.search(r"^Done (\d+) runs", run.stderr, re.MULTILINE)
    if run.returncode or not done:
        found = re.search(r"^Base64: (.*)", run.stderr, re.MULTILINE)
        unit = spelled(b64decode(found[1])) if found else run.stderr[-2000:]
        raise AssertionError(f"{run.stdout[-3000:]}\nwith {unit!r}")
    return int(done[1])


def as_atheris_child(target: Callable[[bytes], None], seconds: float, folder: str) -> None:
    corpus = Path(folder, "corpus")
    corpus.mkdir()
    for start in range(0, len(TOKENS), 3):  # neighbours that make sense together, to begin with
        (corpus / str(start)).write_bytes(bytes(range(0xA0 + start, 0xA0 + min(start + 6, len(TOKENS)))))
    limits = [f"-max_total_time={seconds:.0f}", "-max_len=200", "-timeout=10", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], target)
    atheris.Fuzz()


#: Any bytes, tokens of any kind, and such as stand beside each other and make sense together.
inputs = st.binary(max_size=20) | st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=1),
        st.integers(0xA0, 0xFF).map(lambda start: bytes([start])),
        st.tuples(st.integers(0xA0, 0xFF), st.integers(2, 5)).map(
            lambda run: bytes(range(run[0], min(sum(run), 256)))
        ),
    ),
    max_size=12,
).map(b"".join)


def with_hypothesis(target: Callable[[bytes], None], seconds: float) -> int:
    executions, until = 0, time.monotonic() + seconds

    @settings(
        max_examples=500,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def run(data: bytes) -> None:
        nonlocal executions
        executions += 1
        target(data)

    while time.monotonic() < until:
        seed(time.time_ns())(run)()
    return executions


# Time per byte.

#: Cookie fields of any length that a careless parser takes quadratic time or more for.
SHAPES: dict[str, Callable[[int], bytes]] = {
    "= blanks quote x": lambda n: b"a=" + b" " * n + b'"x',
    "blanks": lambda n: b" " * n + b"session=v",
    "blanks behind": lambda n: b"session=v" + b" " * n + b"x",
    "blanks in quotes": lambda n: b'session="' + b" " * n,
    "tabs and blanks": lambda n: b"session" + b"\t " * (n // 2) + b"x",
    "semicolons": lambda n: b";" * n,
    "quotes": lambda n: b'"' * n,
    "quotes behind =": lambda n: b'a="' * (n // 3),
    "open quotes": lambda n: b'a=";' * (n // 4),
    "open quotes and blanks": lambda n: b'a= " ;' * (n // 6),
    "backslashes": lambda n: b'session="' + b"\\" * n,
    "escapes": lambda n: b'session="' + b"\\377" * (n // 4) + b'"',
    "escapes, open": lambda n: b'session="' + b'\\"' * (n // 2),
    "escapes, then x": lambda n: b'session="' + b"\\\\" * (n // 2) + b'"x',
    "the name": lambda n: b"session" * (n // 7),
    "the name and blanks": lambda n: b"session " * (n // 8),
    "the name and quotes": lambda n: b'session=" ; ' * (n // 12),
    "names": lambda n: b"session;" * (n // 8) + b"session=v",
    "almost the name": lambda n: b" sessio;" * (n // 8),
    "pairs": lambda n: b"abc=def; " * (n // 9),
    "one value": lambda n: b"session=" + b"A" * n,
    "dots": lambda n: b"session=" + b"." * n,
    "a long signature": lambda n: b"session=" + FORGED[0] + b"!" * n,
    "an unsigned bomb": lambda n: b"session=." + b"A" * n + hmac_free(FORGED[0]),
}
FIELDS: dict[str, Callable[[int], bytes]] = {
    "sets: semicolons": lambda n: b"session=v" + b";" * n,
    "sets: blanks": lambda n: b"session=" + b" " * n + b"; Path=" + b" " * n + b"x",
    "sets: escapes": lambda n: b'session="' + b"\\3" * (n // 2) + b'"',
    "sets: paths": lambda n: b"session=v" + b"; Path=/a" * (n // 9),
    "sets: digits": lambda n: b"session=v; Max-Age=" + b"0" * n,
}


def costs(run: Callable[[bytes], object], shape: Callable[[int], bytes], *sizes: int) -> tuple[float, float, float]:
    """The exponent of the time's growth with the length (1: linear, 2: quadratic), and ns a byte at both ends."""
    points: list[tuple[float, float]] = []
    for size in sizes:
        data, times = shape(size), []
        for _ in range(3):
            start = time.perf_counter()
            run(data)
            times.append(time.perf_counter() - start)
        points.append((math.log(len(data)), math.log(min(times))))
        if min(times) > 20:  # no need to wait for the next
            break
    # By least squares.
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    grows = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    first, last = (math.exp(b - a) * 1e9 for a, b in (points[0], points[-1]))
    return grows, first, last


def peak(run: Callable[[bytes], object], data: bytes) -> float:
    """The most memory that is held beside ``data`` at once, in its bytes."""
    tracemalloc.start()
    try:
        run(data)
        return tracemalloc.get_traced_memory()[1] / len(data)
    finally:
        tracemalloc.stop()


def linear() -> bool:
    """Print what a request costs with each shape of field, ours and, in short, in Werkzeug's parser.

    Many servers refuse a field of more than 64 KiB. What needs memory takes up to ten times longer beyond that, where
    the processor's caches end; that alone makes 1.5 of an exponent of 1 here.
    """
    held = True
    print("\n                        |         a request of ours            |  Werkzeug's parser")
    print("                        |          ns/byte  ns/byte  peak at   |          ns/byte")
    print("time ~ length**exponent | exponent  64 KiB    4 MiB  1 MiB     | exponent   8 KiB")
    for name, shape in {**SHAPES, **FIELDS}.items():
        run = _request if name in SHAPES else _set_cookie
        grows, fast, slow = costs(run, shape, *(2**power for power in range(16, 23)))
        row = f"{name:24}|{grows:9.2f}{fast:8.1f}{slow:9.1f}{peak(run, shape(2**20)):7.1f} MiB  |"
        if name in SHAPES:
            theirs, _, slow = costs(_werkzeug, shape, 1024, 2048, 4096, 8192)
            row += f"{theirs:9.2f}{slow:8.1f}"
        held = held and grows < 1.7
        print(row + "   NOT LINEAR" * (grows >= 1.7), flush=True)
    return held


def _request(field: bytes) -> object:
    return answer([field + b";session=v"], 2)  # without the name, nothing is parsed


def _set_cookie(field: bytes) -> object:
    return parse_set_cookie(field, "/")


def _werkzeug(field: bytes) -> object:
    return parse_cookie(field.decode("latin-1"))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.trust.fuzz", description=__doc__)
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser.add_argument("--seconds", type=float, default=240, help="for all targets together (default: 240)")
    parser.add_argument("--engine", choices=["atheris", "hypothesis"], default=("hypothesis", "atheris")[has_atheris])
    parser.add_argument("--target", choices=[target.__name__ for target in TARGETS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        as_atheris_child(globals()[options.target], options.seconds, options.folder)
    targets = [target for target in TARGETS if options.target in (None, target.__name__)]
    engine = with_atheris if options.engine == "atheris" else with_hypothesis
    held, total = True, 0
    print(f"{options.engine}, {options.seconds / len(targets):.0f} s each")
    for target in targets:
        try:
            executions = engine(target, options.seconds / len(targets))
        except Exception as error:
            held = False
            print(f"{target.__name__:20} FAILED: {type(error).__name__}: {error}", flush=True)
        else:
            total += executions
            print(f"{target.__name__:20}{executions:12,} executions, all held", flush=True)
    print(f"{'together':20}{total:12,}")
    held = (options.target is not None or linear()) and held
    print("\nall held" if held else "\nNOT ALL HELD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
