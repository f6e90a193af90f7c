"""What a session costs in a server: ``python -m benchmarks.load [--write]``; briefly, with ``--rounds 1 --users 250``.

One FastAPI application under uvicorn, loaded by wrk over the loopback interface with the cookies of 250, 2,500 and
25,000 users: in turn, and drawn by Zipf's law, where the n-th user comes 1/n as often as the first.

- CPU: the user and system time of the server's process, by request, less that of the bare application. One process
  serves all competitors, in turns of 50 requests over one connection, so that what slows the machine, or one process
  (where its memory lies, how its hashes fall), slows all alike; of many turns, the median of the differences.
- Requests per second: as wrk counts them, of a process for each competitor, loaded alone; the best of the rounds.
- Memory: that process's peak (VmHWM) after all of its loads, so this runs on Linux.

Litestar's middleware needs Litestar and is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from fastapi import FastAPI, Request

# Nothing of this folder that imports a competitor: what a server imports shows in its memory.
from . import document
from .chart import svg
from .scenarios import (
    COOKIES_AFTER,
    COOKIES_BEFORE,
    LOGGED_IN,
    OURS,
    PUBLISHED,
    SECRET_KEY,
    STARLETTE,
    STARSESSIONS,
    Headers,
    http_scope,
    session_cookies,
)

BARE = "bare application"
TURNS = "/turns"
NAMES = (BARE, OURS, STARLETTE, PUBLISHED, STARSESSIONS)
PATHS = ("/untouched", "/read", "/write")
USERS = (250, 2_500, 25_000)
CONNECTIONS = 16
#: How many requests one competitor serves before the next one's turn, where one process serves all.
TURN = 50
DRAWS = 100_000
CHART = document.README.parent / "load.svg"
#: With so many users in turn, the most of Starlette's CPU over the bare application that ours may take.
TARGET_LOAD, TARGETS = (2_500, "in turn"), {"/untouched": 0.40, "/read": 0.45, "/write": 0.85}

# The competitors take turns of so many requests. Each request is the next user's of an order, which goes on where the
# load before left off.
SCRIPT = """
local order, competitors, count, turn = {}, {}, 0, 0
function init(args)
  count, turn = tonumber(args[2]), tonumber(args[3])
  for user in io.lines(args[1]) do
    order[#order + 1] = tonumber(user) + 1
  end
  for at = 4, #args, 2 do
    local requests = {}
    for cookie in io.lines(args[at + 1]) do
      requests[#requests + 1] = wrk.format("GET", args[at], { ["Cookie"] = cookie })
    end
    competitors[#competitors + 1] = requests
  end
end
function request()
  local cycle, at = math.floor(count / (turn * #competitors)), count % (turn * #competitors)
  count = count + 1
  return competitors[math.floor(at / turn) + 1][order[(cycle * turn + at % turn) % #order + 1]]
end
"""


def orders(users: int) -> dict[str, Sequence[int]]:
    """Return the users in the orders in which they come, each to be repeated."""
    weights = [1 / (rank + 1) for rank in range(users)]
    drawn = random.Random(users).choices(range(users), weights, k=DRAWS)
    return {"in turn": range(users), "by Zipf's law": drawn}


# The servers


def application(name: str) -> Any:
    """Return the FastAPI application with a competitor's middleware."""
    app = FastAPI()
    loads = name == STARSESSIONS

    @app.get("/untouched")
    async def untouched() -> dict[str, Any]:
        return {"user": None}

    @app.get("/login/{user}")
    async def login(request: Request, user: str) -> dict[str, Any]:
        if loads:
            await request.scope["session_handler"].load()
        request.session.update(LOGGED_IN, _user_id=user)
        return {"user": user}

    @app.get("/read")
    async def read(request: Request) -> dict[str, Any]:
        if loads:
            await request.scope["session_handler"].load()
        return {"user": None if name == BARE else request.session["_user_id"]}

    @app.get("/write")
    async def write(request: Request) -> dict[str, Any]:
        if loads:
            await request.scope["session_handler"].load()
        if name != BARE:
            request.session["locale"] = "fr_FR"
        return {"user": None}

    if name == OURS:
        from starlette_flask import SessionMiddleware

        app.add_middleware(SessionMiddleware, secret_key=SECRET_KEY)
    elif name == PUBLISHED:
        from tests.peers.published import load_published

        app.add_middleware(load_published().SessionMiddleware, secret_key=SECRET_KEY)
    elif name == STARLETTE:
        from starlette.middleware.sessions import SessionMiddleware as StarletteMiddleware

        app.add_middleware(StarletteMiddleware, secret_key=SECRET_KEY)
    elif name == STARSESSIONS:
        from starsessions import CookieStore
        from starsessions import SessionMiddleware as StarsessionsMiddleware

        app.add_middleware(StarsessionsMiddleware, store=CookieStore(SECRET_KEY))
    return app


class Competition:
    """An ASGI application that serves each competitor's under its number, ``/0/untouched``, and times their turns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._applications = {str(NAMES.index(name)): application(name) for name in names}
        #: Each turn: the competitor's number, the process's CPU time when it began, and the requests since then.
        self._turns: list[list[Any]] = [["", 0.0, 0]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _, number, path = scope["path"].split("/", 2)
        if number != self._turns[-1][0]:
            self._turns.append([number, time.process_time(), 0])
        self._turns[-1][2] += 1
        if number != TURNS.strip("/"):
            path = f"/{path}"
            await self._applications[number]({**scope, "path": path, "raw_path": path.encode()}, receive, send)
            return
        turns, self._turns = self._turns, self._turns[-1:]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": json.dumps(turns).encode()})


def serve(names: Sequence[str]) -> None:
    """Serve until terminated; print the port first."""
    import uvicorn

    # With the protocol by its name: asyncio turns Nagle's algorithm off only where it finds it, and a client then
    # waits 40 ms for the second part of a response.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        config = uvicorn.Config(Competition(names), log_level="warning", access_log=False, lifespan="off")
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(config).run([listener])


def cookie_fields(name: str, users: int) -> list[str]:
    """Return the Cookie field that each user sends after a log-in, with the cookie that the competitor set."""
    around = COOKIES_BEFORE.decode(), COOKIES_AFTER.decode()
    if name == BARE:
        return ["; ".join(around)] * users
    app = application(name)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def log_in(user: int) -> str:
        sent.clear()
        path = f"/login/{user}"
        await app({**http_scope([]), "path": path, "raw_path": path.encode(), "state": {}}, receive, send)
        headers: Headers = sent[0]["headers"]
        return "; ".join((around[0], session_cookies(headers).decode(), around[1]))

    async def log_all_in() -> list[str]:
        return [await log_in(user) for user in range(users)]

    return asyncio.run(log_all_in())


class Server(NamedTuple):
    """A process that serves some of the competitors."""

    names: Sequence[str]
    process: subprocess.Popen[str]
    port: int

    def peak_memory(self) -> float:
        """Return the largest resident size so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) / 1024

    def turns(self) -> list[dict[str, float]]:
        """Return the CPU seconds by request of each competitor, for each cycle of whole turns since the last call."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"{TURNS}/")
        turns = json.loads(connection.getresponse().read())
        connection.close()
        cycles: list[dict[str, float]] = [{}]
        for (number, started, requests), (_, ended, _) in pairwise(turns):
            if number == "0":
                cycles.append({})
            if requests == TURN:
                cycles[-1][NAMES[int(number)]] = (ended - started) / requests
        return [cycle for cycle in cycles if len(cycle) == len(self.names)]


@contextmanager
def running(names: Sequence[str], cookies: dict[str, Path]) -> Iterator[Server]:
    """Start a server, and see that it opens and saves its users' sessions."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", "--serve", *names], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        server = Server(names, process, int(process.stdout.readline()))
        for name in names:
            with cookies[name].open() as fields:
                check(name, server.port, next(fields).strip())
        yield server
    finally:
        process.terminate()
        process.wait()


def check(name: str, port: int, field: str) -> None:
    """Raise ``AssertionError`` where a competitor does not do its work for the first user."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for path, user, saves in (("/untouched", None, False), ("/read", "0", False), ("/write", None, True)):
        connection.request("GET", f"/{NAMES.index(name)}{path}", headers={"Cookie": field})
        response = connection.getresponse()
        found = json.loads(response.read())["user"]
        assert found == (None if name == BARE else user), f"{name} does not open its cookie"
        # starsessions sets the cookie again once it was loaded
        expected = name != BARE and (saves or (name == STARSESSIONS and path == "/read"))
        assert bool(response.headers.get("Set-Cookie")) == expected, f"{name} on {path}: saved is not {expected}"
    connection.close()


# The load


class Load(NamedTuple):
    """How many users come, in which order, and for what."""

    users: int
    order: str
    path: str


class Wrk:
    """Loads servers with the users of an order, each server from where its last load left off."""

    def __init__(self, folder: Path, users: int, cookies: dict[str, Path]) -> None:
        self._script = folder / "users.lua"
        self._script.write_text(SCRIPT)
        self._cookies = cookies
        self._sent: dict[tuple[int, str], int] = defaultdict(int)
        self.orders = {order: folder / f"{users} {order}.txt" for order in orders(users)}
        for order, numbers in orders(users).items():
            self.orders[order].write_text("".join(f"{user}\n" for user in numbers))

    def warm_up(self, server: Server, users: int) -> None:
        """Load a server until every user came once to each of its competitors; this does not count."""
        while self._sent[server.port, "in turn"] < users * len(server.names):
            self.load(server, "in turn", PATHS[0], CONNECTIONS, 1)

    def load(self, server: Server, order: str, path: str, connections: int, seconds: int) -> float:
        """Load one path of a server. Return the requests per second."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(self._script)]
        command += [f"http://127.0.0.1:{server.port}", "--", str(self.orders[order])]
        command += [str(self._sent[server.port, order]), str(TURN)]
        for name in server.names:
            command += [f"/{NAMES.index(name)}{path}", str(self._cookies[name])]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in report or "Socket errors" in report:
            raise RuntimeError(f"wrk had errors:\n{report}")
        (requests,) = map(int, re.findall(r"(\d+) requests in", report))
        (per_second,) = map(float, re.findall(r"Requests/sec:\s+([\d.]+)", report))
        self._sent[server.port, order] += requests
        return per_second


class Figures:
    """What was measured."""

    def __init__(self) -> None:
        #: For each load, the cycles: each competitor's seconds of CPU for a request.
        self.cpus: dict[Load, list[dict[str, float]]] = defaultdict(list)
        #: For each load and competitor, the rounds: requests per second, loaded alone.
        self.rates: dict[tuple[Load, str], list[float]] = defaultdict(list)
        #: MB, for a number of users and a competitor.
        self.memory: dict[tuple[int, str], float] = {}

    def measure(self, users: int, rounds: int, seconds: int) -> None:
        """Load all competitors with so many users, in one process and each in its own."""
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder, cookies = Path(name), dict[str, Path]()
            for number, competitor in enumerate(NAMES):
                cookies[competitor] = folder / f"cookies {number}.txt"
                cookies[competitor].write_text("".join(f"{field}\n" for field in cookie_fields(competitor, users)))
            together = stack.enter_context(running(NAMES, cookies))
            alone = [stack.enter_context(running([competitor], cookies)) for competitor in NAMES]
            wrk = Wrk(folder, users, cookies)
            for server in (together, *alone):
                wrk.warm_up(server, users)
            for _, order, path in product(range(rounds), wrk.orders, PATHS):
                load = Load(users, order, path)
                together.turns()
                wrk.load(together, order, path, 1, len(NAMES) * seconds)
                self.cpus[load] += together.turns()
                for server in alone:
                    self.rates[load, server.names[0]].append(wrk.load(server, order, path, CONNECTIONS, seconds))
            for server in alone:
                self.memory[users, server.names[0]] = server.peak_memory()

    def loads(self) -> list[Load]:
        """Return what was measured, in order."""
        return list(self.cpus)

    def cpu_over_bare(self, load: Load, name: str) -> float:
        """Return the seconds of CPU that a request takes more than without a session."""
        return median(cycle[name] - cycle[BARE] for cycle in self.cpus[load])

    def of_starlettes(self, load: Load) -> float:
        """Return our CPU over the bare application as part of Starlette's."""
        return self.cpu_over_bare(load, OURS) / self.cpu_over_bare(load, STARLETTE)

    def bars(self) -> dict[str, list[tuple[str, float, str]]]:
        """Return for each path of the load that has targets the bars of a chart."""
        found: dict[str, list[tuple[str, float, str]]] = {}
        for path in PATHS:
            costs = {name: self.cpu_over_bare(Load(*TARGET_LOAD, path), name) * 1e6 for name in NAMES[1:]}
            found[path] = [(name, cost, f"{cost:.0f} us") for name, cost in costs.items()]
        return found

    def verdicts(self) -> Iterator[str]:
        """Yield for each target what was measured, and whether it is reached."""
        for path, target in TARGETS.items():
            load = Load(*TARGET_LOAD, path)
            if load in self.loads():
                found = self.of_starlettes(load)
                yield (
                    f"{load.users:,} users {load.order}, {path}: {found:.2f} of Starlette's (target: at most "
                    f"{target:.2f}): {'reached' if found <= target else 'MISSED'}"
                )

    def tables(self) -> str:
        """Return all figures in Markdown."""
        peers = NAMES[1:]
        loads = self.loads()
        cpu = [
            [
                f"{load.users:,} {load.order}, {load.path}",
                f"{self.of_starlettes(load):.2f}",
                *(f"{self.cpu_over_bare(load, name) * 1e6:.0f} us" for name in peers),
                f"{median(cycle[BARE] for cycle in self.cpus[load]) * 1e6:.0f} us",
            ]
            for load in loads
        ]
        per_second = [
            [
                f"{load.users:,} {load.order}, {load.path}",
                *(f"{max(self.rates[load, name]):.0f}" for name in (*peers, BARE)),
            ]
            for load in loads
        ]
        memory = [
            [f"{users:,}", *(f"{self.memory[users, name]:.1f} MB" for name in (*peers, BARE))]
            for users in dict.fromkeys(load.users for load in loads)
        ]
        return "\n\n".join(
            (
                "CPU by request over the bare application, and ours as part of Starlette's:",
                document.markdown(["users", "part of Starlette's", *peers, f"{BARE} itself"], cpu),
                "Requests per second:",
                document.markdown(["users", *peers, BARE], per_second),
                "Peak memory of the server's process:",
                document.markdown(["users", *peers, BARE], memory),
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--serve", metavar="NAME", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=1, help="of load for each server and path in a round (1)")
    parser.add_argument("--rounds", type=int, default=5, help="(5; with all users, a round takes 4 minutes)")
    parser.add_argument("--users", type=int, nargs="+", default=USERS, help="(250 2500 25000)")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if shutil.which("wrk") is None:
        parser.exit(1, "wrk is missing: apt-get install wrk, or https://github.com/wg/wrk\n")

    figures = Figures()
    for users in options.users:
        figures.measure(users, options.rounds, options.seconds)
    made = f"{document.machine()}; {options.rounds} rounds of {options.seconds} s."
    text = "\n\n".join((made, figures.tables(), "\n".join(f"- {verdict}" for verdict in figures.verdicts())))
    print(text)
    if options.write:
        document.write("load", text)
        title = f"CPU of a request's session in a server, {TARGET_LOAD[0]:,} users in turn; shorter is faster"
        CHART.write_text(svg(title, figures.bars(), made), encoding="utf-8")


if __name__ == "__main__":
    main()
