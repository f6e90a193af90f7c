"""Run an ASGI application in a real server, in a thread, for as long as a `with` block lasts."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

ASGIApp = Callable[..., Awaitable[None]]
Server = Literal["uvicorn", "hypercorn", "granian"]
Stopped = Callable[[], Awaitable[None]]


@contextmanager
def serve(
    app: ASGIApp,
    *,
    server: Server = "uvicorn",
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: str | None = None,
) -> Iterator[str]:
    """Serve `app` and yield its base URL without a slash at the end; port 0 takes a free one.

    `certificate`, a PEM file with its key, makes it https; with uvicorn only. An error of the server itself is raised
    at the end of the block. A port that is taken: `OSError`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol number matters: asyncio sets TCP_NODELAY only where it reads one, and responses wait without.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    listener.listen()
    port = listener.getsockname()[1]
    leave = threading.Event()

    async def stopped() -> None:
        while not leave.is_set():
            await asyncio.sleep(0.02)

    if server == "granian":
        listener.close()  # it opens its own and takes no other
        runner = _granian(app, host, port, stopped)
    elif server == "hypercorn":
        runner = _hypercorn(app, listener, stopped)
    else:
        runner = _uvicorn(app, listener, certificate, stopped)
    scheme = "https" if certificate else "http"
    with ThreadPoolExecutor(1, thread_name_prefix=server) as executor:
        running = executor.submit(asyncio.run, runner)
        running.add_done_callback(lambda _: listener.close())  # a client that waits is not left hanging
        try:
            _wait_for(host, port, running)
            yield f"{scheme}://[{host}]:{port}" if family == socket.AF_INET6 else f"{scheme}://{host}:{port}"
        finally:
            leave.set()
            running.result()


def _wait_for(host: str, port: int, running: Future[None]) -> None:
    for _ in range(500):
        if running.done():
            break  # its error is raised by the caller
        try:
            return socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"no server answered on port {port}")


async def _uvicorn(app: ASGIApp, listener: socket.socket, certificate: str | None, stopped: Stopped) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, ssl_certfile=certificate)
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    await stopped()
    server.should_exit = True
    await running


async def _hypercorn(app: ASGIApp, listener: socket.socket, stopped: Stopped) -> None:
    from hypercorn.asyncio import serve as serve_with_hypercorn
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
    config.graceful_timeout = 2
    config.loglevel = "WARNING"
    application: Any = app
    await serve_with_hypercorn(application, config, mode="asgi", shutdown_trigger=stopped)


async def _granian(app: ASGIApp, host: str, port: int, stopped: Stopped) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(app, address=host, port=port, interface=Interfaces.ASGI, log_enabled=False)
    running = asyncio.ensure_future(server.serve())
    await stopped()
    server.stop()
    await running
