"""Servers on ports that the system gives, nginx before them, and changes of both while requests come in."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import httpx

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: What each server is started with; the ports in there are replaced.
COMMANDS = dict(line.split(": ", 1) for line in (HERE / "Procfile").read_text("utf-8").splitlines())
FLASK_PORT, FASTAPI_PORTS = "8001", ("8002", "8003")

NGINX_CONF = """
user {user} {group};
pid nginx.pid;
worker_shutdown_timeout 20s;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


async def until(there: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so, and no longer than some seconds."""
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} seconds")
        await asyncio.sleep(0.05)


class Server:
    """One of our processes, with a port of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        # Bound but never listening, this socket keeps the system from giving the port to somebody else. The server
        # can listen there, as both sides set SO_REUSEADDR.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port: int = self.held.getsockname()[1]
        self.process: Process | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    async def start(self, command: list[str], environment: dict[str, str]) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
            )

    async def answers(self) -> None:
        """Wait for a response of the application."""
        end = time.monotonic() + 60
        async with httpx.AsyncClient() as client:
            while time.monotonic() < end:
                self.check()
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{self.port}/login")).status_code < 500:
                        return
                await asyncio.sleep(0.1)
        raise TimeoutError(f"{self.name} does not answer")

    def check(self) -> None:
        if self.process is None or self.process.returncode is not None:
            tail = self.log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{self.name} ended by itself:\n{tail}")

    def children(self) -> set[int]:
        assert self.process is not None
        pid = self.process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()))

    async def reload(self, workers: int) -> None:
        """Have all workers replaced; return when the last of the old ones has ended."""
        self.check()
        assert self.process is not None
        before = self.children()
        self.process.send_signal(signal.SIGHUP)

        def replaced() -> bool:
            self.check()
            now = self.children()
            return len(before - now) >= workers and len(now - before) >= workers

        await until(replaced, f"{self.name} replaces its workers")

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 20)
            except asyncio.TimeoutError:
                print(f"{self.name} had to be killed")
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group, in which workers may be left
            await self.process.wait()
        self.held.close()


class Servers:
    """All servers of the trial; leaving the ``async with`` block ends them."""

    WORKERS = 2  # as Procfile has it

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys.json"
        self.nginx = Server("nginx", folder)
        self.running: dict[str, Server] = {}
        self.url = f"https://localhost:{self.nginx.port}"

    async def __aenter__(self) -> Servers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self.nginx, *self.running.values()):
            await server.stop()

    async def deploy(self, routes: str, *names: str) -> None:
        """Start what is not running yet, have nginx send requests there, then stop what is not needed any more."""
        for name in names:
            if name not in self.running:
                server = self.running[name] = Server(name, self.folder)
                command = re.sub("|".join((FLASK_PORT, *FASTAPI_PORTS)), str(server.port), COMMANDS[name])
                await server.start([sys.executable, "-m", *shlex.split(command)], {"SHOP_KEYS": str(self.keys)})
        await asyncio.gather(*(self.running[name].answers() for name in names))
        self.configure(routes, names)
        if self.nginx.process is None:
            nginx = find_nginx()
            assert nginx is not None
            options = ["-p", str(self.folder), "-e", "nginx.log", "-c", "nginx.conf", "-g", "daemon off;"]
            await self.nginx.start([nginx, *options], {})
            await until(lambda: self.nginx_listens(), "nginx listens")
        else:
            await self.nginx.reload(1)
        for name in set(self.running) - set(names):
            await self.running.pop(name).stop()

    def configure(self, routes: str, names: tuple[str, ...]) -> None:
        site = (HERE / "nginx" / "site.conf").read_text("utf-8")
        site = site.replace("listen 443", f"listen 127.0.0.1:{self.nginx.port}").replace("/etc/nginx/", "")
        for name in names:
            site = site.replace(FLASK_PORT if name == "flask" else FASTAPI_PORTS[0], str(self.running[name].port))
        (self.folder / "site.conf").write_text(site, "utf-8")
        shutil.copy(HERE / "nginx" / f"{routes}.conf", self.folder / "routes.conf")
        user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(user=user, group=group), "utf-8")

    def nginx_listens(self) -> bool:
        self.nginx.check()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.nginx.port)) == 0


def find_nginx() -> str | None:
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
