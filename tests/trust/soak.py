"""Both sides behind one cookie, under load and while the key is rolled: python -m tests.trust.soak [--seconds N].

uvicorn serves a FastAPI application and gunicorn a Flask application, with several workers each. Every client has a
session of its own, goes to either side at random, reads, writes, logs in and out, and knows what its session must
hold. Meanwhile all workers are replaced three times, as the README says to rotate a key: first with the new key as a
fallback, then signing with it, then without the old one. The exit code is 0 if no update and no login was lost, no
log-out undone, no request failed, and no worker grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from flask import Flask, session

from starlette_flask import SessionMiddleware, TaggedJSONSerializer

OLD, NEW = "the key of yesterday", "the key of tomorrow"
ROLLED = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]  #: The current key and its fallbacks, in each generation of workers.
SHARES = [0.15, 0.15, 0.15, 0.55]  #: How much of the time each generation has.
WORKERS, CLIENTS = 2, 32
WARM, GROWTH = 1000, 8.0  #: A worker may grow by GROWTH MiB after its first WARM requests.
OPERATIONS = {"read": 30, "set": 15, "append": 15, "deepen": 10, "types": 5, "take": 5, "drop": 5}  #: How often each.
OPERATIONS |= {"login": 6, "logout": 4, "permanent": 3, "forget": 2}
tagged = TaggedJSONSerializer()


def operate(content: Any, name: str, number: int) -> None:
    """Do one operation to a session, or to the dict of somebody who keeps account of it."""
    if name == "set":
        content[f"key{number % 5}"] = number
    elif name == "append":
        content.setdefault("cart", []).append(number)
        del content["cart"][:-5]
    elif name == "deepen":
        content.setdefault("tree", {}).setdefault("branch", {})[f"leaf{number % 3}"] = [number, {"of": number}]
    elif name == "types":
        content["types"] = [(number, b"%d" % number), datetime.fromtimestamp(number, timezone.utc), number % 2 == 0]
    elif name == "take" and content.get("cart"):
        content["cart"].pop()
    elif name == "drop":
        content.pop(f"key{number % 5}", None)
    elif name == "login":
        content.update(_user_id=str(number), _fresh=True)
    elif name == "logout":
        content.pop("_user_id", None)
        content.pop("_fresh", None)
    elif name == "permanent":
        content["_permanent"] = number % 2 == 0
    elif name == "forget":
        content.clear()


# The two applications, in their workers.


def answer(content: Any, name: str, number: int) -> str:
    """Do the operation; say who did it, and what was there before and after."""
    before = tagged.dumps(dict(content))
    operate(content, name, number)
    pages = int(open("/proc/self/statm").read().split()[1])  # noqa: PTH123, SIM115
    worker = [os.environ["SOAK_GENERATION"], os.getpid(), pages * resource.getpagesize()]
    return json.dumps([*worker, before, tagged.dumps(dict(content))])


def site() -> Flask:
    app = Flask("site")
    key, *fallbacks = json.loads(os.environ["SOAK_KEYS"])
    app.config.update(SECRET_KEY=key, SECRET_KEY_FALLBACKS=fallbacks, SESSION_COOKIE_SAMESITE="Lax")

    @app.get("/<name>/<int:number>")
    def do(name: str, number: int) -> str:
        answered = answer(session, name, number)
        if name in ("append", "deepen", "take"):
            session.modified = True  # Flask does not notice a change inside a value
        return answered

    return app


def api() -> FastAPI:
    app = FastAPI()

    @app.get("/{name}/{number}")
    async def do(name: str, number: int, request: Request) -> PlainTextResponse:
        return PlainTextResponse(answer(request.session, name, number))

    @app.get("/thread/{name}/{number}")
    def do_in_thread(name: str, number: int, request: Request) -> PlainTextResponse:
        return PlainTextResponse(answer(request.session, name, number))

    app.add_middleware(SessionMiddleware.from_flask, flask_app=site())
    return app


# The servers.


class Fleet:
    """The processes of one generation after the other; all listen on the same two sockets."""

    def __init__(self) -> None:
        self.sockets = {side: socket.create_server(("127.0.0.1", 0), backlog=512) for side in ("api", "site")}
        self.ports = {side: listener.getsockname()[1] for side, listener in self.sockets.items()}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, generation: int) -> None:
        environment = {**os.environ, "SOAK_GENERATION": str(generation), "SOAK_KEYS": json.dumps(ROLLED[generation])}
        numbers = {side: listener.fileno() for side, listener in self.sockets.items()}
        commands = {
            "api": ["uvicorn", "tests.trust.soak:api", "--factory", "--fd", str(numbers["api"]), "--no-access-log"],
            "site": ["gunicorn", "tests.trust.soak:site()", "--bind", f"fd://{numbers['site']}"],
        }
        for command in commands.values():
            command = [sys.executable, "-m", *command, "--workers", str(WORKERS), "--log-level", "warning"]
            self.running.append(subprocess.Popen(command, env=environment, pass_fds=list(numbers.values())))

    async def stop(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            await asyncio.to_thread(process.wait, 30)
            self.running.remove(process)


# The clients.


class Worker:
    """What the responses of one process said of its memory, in MiB."""

    def __init__(self) -> None:
        self.requests, self.warm, self.last = 0, 0.0, 0.0


class Soak:
    def __init__(self) -> None:
        self.fleet, self.counts, self.leave = Fleet(), Counter[str](), False
        self.workers: dict[tuple[str, int, int], Worker] = {}  #: by side, generation and process
        self.renew = 0  #: The generation that every cookie is to be signed by, at least.
        self.clients = [Client(self, number) for number in range(CLIENTS)]
        self.complaints: list[str] = []

    def complain(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        if len(self.complaints) < 10:
            self.complaints.append(f"{kind}: {text}")

    async def run(self, seconds: float) -> None:
        clients = asyncio.gather(*(client.run() for client in self.clients))
        try:
            for generation, share in enumerate(SHARES):
                if generation == len(SHARES) - 1:  # the old key goes when nothing is signed with it any more
                    self.renew = generation - 1
                    await self.until(lambda: all(client.signed_by >= self.renew for client in self.clients), clients)
                before = list(self.fleet.running)
                self.fleet.start(generation)
                await self.until(lambda at=generation: self.alive(at) == {"api", "site"}, clients)
                await self.fleet.stop(before)
                print(f"generation {generation}: signs with {ROLLED[generation][0]!r}, also opens", end=" ")
                print(f"{ROLLED[generation][1:]}; {self.counts['requests']:,} requests so far", flush=True)
                until = time.monotonic() + seconds * share
                await self.until(lambda until=until: time.monotonic() >= until, clients, seconds * share + 60)
            self.leave = True
            await clients
        finally:
            clients.cancel()
            await self.fleet.stop(list(self.fleet.running))

    async def until(self, there: Any, clients: asyncio.Future[Any], most: float = 60) -> None:
        start = time.monotonic()
        while not there():
            if clients.done():
                clients.result()
            if time.monotonic() - start > most:
                raise TimeoutError("the servers do not come up, or the clients do not get on")
            await asyncio.sleep(0.05)

    def alive(self, generation: int) -> set[str]:
        return {side for side, of, _ in self.workers if of == generation}

    def report(self, seconds: float) -> bool:
        count, held = self.counts, True
        print(
            f"\n{CLIENTS} clients, {WORKERS} workers on each side, replaced {len(ROLLED) - 1} times, {seconds:.0f} s"
        )
        print(f"requests      {count['requests']:9,}   ({count['requests'] / seconds:,.0f} a second)")
        for name, key in {"to FastAPI": "api", "to Flask": "site", "that wrote": "wrote"}.items():
            print(f"  {name:12}{count[key]:9,}")
        for name, key in {"logins": "login", "log-outs": "logout"}.items():
            print(f"  {name:12}{count[key]:9,}")
        print(f"asked again   {count['again']:9,}   (a worker that was leaving closed the connection unanswered)")
        for kind in ("errors", "lost updates", "lost logins", "undone log-outs"):
            held = held and not count[kind]
            print(f"{kind:15}{count[kind]:8,}")
        print("\nmemory, MiB      workers   requests each   at first   at the end   growth")
        for side in ("api", "site"):
            for generation in range(len(ROLLED)):
                of = [worker for key, worker in self.workers.items() if key[:2] == (side, generation) and worker.warm]
                if of:
                    grown = max(of, key=lambda worker: worker.last - worker.warm)
                    growth = grown.last - grown.warm
                    held = held and (growth <= GROWTH or side == "site")
                    print(f"{side:5} generation {generation}{len(of):6}{grown.requests:16,}", end="")
                    print(f"{grown.warm:11.1f}{grown.last:13.1f}{growth:+9.1f}")
        for complaint in self.complaints:
            print(complaint)
        if not any(worker.warm for worker in self.workers.values()):
            print(f"too short to say: no worker had {WARM} requests")
        return held and count["requests"] > 0


class Client:
    """A browser with one cookie, and somebody who remembers what they did."""

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak, self.random = soak, random.Random(number)
        self.cookie: str | None = None
        self.content: dict[str, Any] = {}
        self.signed_by = 0

    async def run(self) -> None:
        while not self.soak.leave:
            names, weights = list(OPERATIONS), list(OPERATIONS.values())
            name = self.random.choices(names, weights)[0] if self.signed_by >= self.soak.renew else "set"
            await self.ask(self.random.choice(["api", "site"]), name, self.random.randrange(10**6))

    async def ask(self, side: str, name: str, number: int) -> None:
        counts = self.soak.counts
        thread = "/thread" if side == "api" and number % 2 else ""
        for _ in range(20):
            try:
                status, cookies, body = await self.exchange(self.soak.fleet.ports[side], f"{thread}/{name}/{number}")
                break
            except (OSError, EOFError):
                counts["again"] += 1
                await asyncio.sleep(0.1)
        else:
            return self.soak.complain("errors", f"{side} does not answer")
        counts.update(["requests", side])
        if status != 200 or len(cookies) > 1:
            return self.soak.complain("errors", f"{side} {name}: {status}, {cookies}, {body[:200]!r}")
        generation, process, memory, before, after = json.loads(body)
        worker = self.soak.workers.setdefault((side, int(generation), process), Worker())
        worker.requests, worker.last = worker.requests + 1, memory / 2**20
        if worker.requests == WARM:
            worker.warm = worker.last
        if before != tagged.dumps(self.content):
            was_in, is_in = "_user_id" in self.content, '"_user_id"' in before
            lost = "lost updates" if was_in == is_in else "lost logins" if was_in else "undone log-outs"
            self.soak.complain(lost, f"on {side}: {before} instead of {tagged.dumps(self.content)}")
            self.content = tagged.loads(before)
        operate(self.content, name, number)
        if after != tagged.dumps(self.content):
            self.soak.complain("errors", f"{side} {name}: {after} instead of {tagged.dumps(self.content)}")
        counts["wrote"] += name != "read"
        counts[name] += name in ("login", "logout")
        for cookie in cookies:
            self.cookie = cookie.partition(";")[0].partition("=")[2] or None
            self.signed_by = int(generation)
        return None

    async def exchange(self, port: int, path: str) -> tuple[int, list[str], bytes]:
        """The status, the Set-Cookie fields and the body of one request on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            cookie = f"Cookie: a=1; session={self.cookie}\r\n" if self.cookie else ""
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}Connection: close\r\n\r\n".encode())
            head, separator, body = (await asyncio.wait_for(reader.read(-1), 30)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not separator:
            raise EOFError
        lines = head.decode("latin-1").split("\r\n")
        fields = [line.split(":", 1) for line in lines[1:]]
        return int(lines[0].split()[1]), [text.strip() for name, text in fields if name.lower() == "set-cookie"], body


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.trust.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="(default: 240)")
    seconds = parser.parse_args().seconds
    soak = Soak()
    start = time.monotonic()
    asyncio.run(soak.run(seconds))
    held = soak.report(time.monotonic() - start)
    print("\nall held" if held else "\nNOT ALL HELD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
