"""Requests per second through a server: ``python -m benchmarks.load [--seconds N] [--rounds N] [--users N]``.

One FastAPI application under uvicorn, one process for each competitor, loaded by wrk over the loopback interface.
All servers run at once and are loaded in turn, several rounds; the best round counts, as what disturbs can only slow.
Litestar's middleware needs Litestar and is left out. Memory is the process's peak (VmHWM) after all of it, so this
runs on Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request

# Nothing else of this folder: what a server imports shows in its memory.
from .scenarios import (
    COOKIES_AFTER,
    COOKIES_BEFORE,
    LOGGED_IN,
    OURS,
    PUBLISHED,
    SECRET_KEY,
    STARLETTE,
    STARSESSIONS,
)

BARE = "bare application"
NAMES = (BARE, OURS, PUBLISHED, STARLETTE, STARSESSIONS)
PATHS = ("/untouched", "/read", "/write")
CONNECTIONS = 16

# Every request is another user's, in turn.
SCRIPT = """
local requests, at = {}, 0
function init(args)
  for cookie in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", args[2], { ["Cookie"] = cookie })
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


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
        if name != BARE:
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


def serve(name: str) -> None:
    """Serve until terminated; print the port first."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(application(name), log_level="warning", access_log=False)).run([listener])


class Server(NamedTuple):
    """A running competitor and the file with its users' Cookie fields, one a line."""

    process: subprocess.Popen[str]
    port: int
    cookies: Path

    def peak_memory(self) -> float:
        """Return the largest resident size so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time that it used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(name: str, users: int, folder: Path) -> Iterator[Server]:
    """Start a server and log its users in."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", "--serve", name], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        cookies = folder / f"{port}.txt"
        cookies.write_text("".join(f"{field}\n" for field in log_in(name, port, users)))
        yield Server(process, port, cookies)
    finally:
        process.terminate()
        process.wait()


def log_in(name: str, port: int, users: int) -> Iterator[str]:
    """Yield the Cookie field that each user sends after a login, having checked that it opens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for user in range(users):
        cookies = [COOKIES_BEFORE.decode(), COOKIES_AFTER.decode()]
        found, set_cookie = ask(connection, f"/login/{user}")
        if name != BARE:
            cookies.insert(1, set_cookie.partition(";")[0])
        field = "; ".join(cookies)
        if user == 0:
            found, _ = ask(connection, "/read", field)
            assert found == (None if name == BARE else "0"), f"{name} does not open its cookie"
            _, set_cookie = ask(connection, "/write", field)
            assert bool(set_cookie) == (name != BARE), f"{name} does not save"
        yield field
    connection.close()


def ask(connection: HTTPConnection, path: str, cookie: str = "") -> tuple[Any, str]:
    """Return what the application answers, and its Set-Cookie field."""
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    response = connection.getresponse()
    return json.loads(response.read())["user"], response.headers.get("Set-Cookie", "")


class Rate(NamedTuple):
    """Requests per second, and the seconds that the server's processor worked for each."""

    per_second: float
    cpu: float


def load(server: Server, path: str, seconds: float, script: Path) -> Rate:
    """Load one path for some seconds and return what wrk counts."""
    before = server.cpu_seconds()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script)]
    command += [f"http://127.0.0.1:{server.port}{path}", "--", str(server.cookies), path]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise RuntimeError(f"wrk had errors:\n{report}")
    (requests,) = re.findall(r"(\d+) requests in", report)
    (per_second,) = re.findall(r"Requests/sec:\s+([\d.]+)", report)
    return Rate(float(per_second), (server.cpu_seconds() - before) / int(requests))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=2, help="of load for each server and path in a round (2)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--users", type=int, default=2500, help="whose cookies take turns (2500)")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if shutil.which("wrk") is None:
        parser.exit(1, "wrk is missing: apt-get install wrk, or https://github.com/wg/wrk\n")

    found: dict[tuple[str, str], list[Rate]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        script = Path(folder, "users.lua")
        script.write_text(SCRIPT)
        servers = {name: stack.enter_context(running(name, options.users, Path(folder))) for name in NAMES}
        for _ in range(options.rounds):
            for path in PATHS:
                for name, server in servers.items():
                    found.setdefault((name, path), []).append(load(server, path, options.seconds, script))
        memory = {name: server.peak_memory() for name, server in servers.items()}

    print(f"| requests/s, of the bare application's; CPU over it | {' | '.join(PATHS)} | peak memory |")
    print(f"|---|{'---:|' * (len(PATHS) + 1)}")
    for name in NAMES:
        cells = (_cell(found[name, path], found[BARE, path]) for path in PATHS)
        print(f"| {name} | {' | '.join(cells)} | {memory[name]:.1f} MB |")


def _cell(rates: list[Rate], bare: list[Rate]) -> str:
    per_second, bare_per_second = (max(rate.per_second for rate in each) for each in (rates, bare))
    cpu, bare_cpu = (min(rate.cpu for rate in each) for each in (rates, bare))
    return f"{per_second / bare_per_second:.0%} ({per_second:.0f}/s), {(cpu - bare_cpu) * 1e6:+.0f} us"


if __name__ == "__main__":
    main()
