"""A migration from Flask to FastAPI, lived through: python -m tests.migration.

One Chromium with one log-in, and customers beside it, go through every stage of the guide (README.md), and back. Each
stage prints what it checked. The exit code is 0 if nobody was logged out, no form was refused, and nothing was lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.browser.chromium import find_chromium

from .browser import Browser
from .certificate import write_certificate
from .clients import Client, Load, PageError
from .servers import HERE, ROOT, Servers, find_nginx

OLD, NEW, CSRF, NEW_CSRF = (secrets.token_hex() for _ in range(4))


class Trial:
    def __init__(self, servers: Servers, browser: Browser, tls: ssl.SSLContext) -> None:
        self.servers, self.browser, self.tls = servers, browser, tls
        self.start = time.monotonic()
        self.failed: list[str] = []
        self.tea = 0
        self.fields: dict[str, str] = {}

    def stage(self, title: str) -> None:
        print(f"\n{title} ({time.monotonic() - self.start:.0f} s)", flush=True)

    def ok(self, what: str, got: Any, want: Any = True) -> None:
        print(f"  ok    {what}" if got == want else f"  FAIL  {what}: {got!r} instead of {want!r}", flush=True)
        if got != want:
            self.failed.append(what)

    async def walk(self, label: str, **sides: str) -> None:
        """The browser's person shops on both pages; ``sides`` says who has to answer which path."""
        browser = self.browser
        for path, side in sides.items():
            self.ok(f"/{path} is {side}'s", (await browser.see(f"/{path}")).side, side)
        page = await browser.see("/")
        self.ok("logged in on /, basket complete", (page.user, page.tea), ("Ada", self.tea))
        page = await browser.send("/basket", item="tea")
        self.tea += 1
        self.ok("one more in the basket", page.tea, self.tea)
        page = await browser.see("/account")
        self.ok("logged in on /account, basket complete", (page.user, page.tea), ("Ada", self.tea))
        page = await browser.send("/account", name=label)
        self.ok("name saved, one message", (page.name, len(page.messages)), (label, 1))
        page = await browser.send("/basket", item="tea")
        self.tea += 1
        self.ok("name and basket are there on /", (page.name, page.tea), (label, self.tea))
        response = await browser.go("/password")
        self.ok("still the log-in with a password, not one by the remember cookie", response.status, 200)

    async def over(self, *deployment: str) -> None:
        """Deploy while the browser has a form open, which it then sends."""
        await self.browser.go("/account")
        await self.servers.deploy(*deployment)
        page = await self.browser.send("/account", name="kept open")
        self.ok("form open meanwhile is taken", (page.user, page.name), ("Ada", "kept open"))

    async def over_reload(self, name: str) -> None:
        """Have the server's workers read the keys again while the browser has a form open, which it then sends."""
        await self.browser.go("/account")
        server = self.servers.running[name]
        await server.reload(self.servers.WORKERS)
        await server.answers()
        page = await self.browser.send("/account", name="kept open")
        self.ok(f"{name} reloaded; form open meanwhile is taken", (page.user, page.name), ("Ada", "kept open"))

    async def load(self, load: Load, rounds: int = 3) -> None:
        did = await load.goes_on(rounds)
        self.ok(f"customers so far: {did}", load.problems[:3], [])
        load.problems.clear()

    async def settings(self, name: str) -> None:
        """The module has the settings that the command prints; keys apart, which the command does not tell."""

        def settings(code: str) -> list[str]:
            found = re.findall(r"^    (\w+=.*),$", code.replace("'", '"'), re.MULTILINE)
            return [setting for setting in found if "secret_key" not in setting]

        command = [sys.executable, "-m", "starlette_flask", "settings", "tests.migration.flask_shop:app"]
        environment = os.environ | {"SHOP_KEYS": str(self.servers.keys)}
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
        printed, _ = await process.communicate()
        written = settings((HERE / f"{name}.py").read_text("utf-8"))
        self.ok(f"{name}.py has the settings that the command prints", written, settings(printed.decode()))

    def client(self) -> Client:
        return Client(self.servers.url, self.tls)

    def same_field(self, who: str, name: str, field: str) -> None:
        """A cookie has the same attributes, whoever sets it and whenever."""
        attributes = re.sub("=[^;]*", "", field, count=1)
        attributes = re.sub("(Expires|Max-Age)=[^;]*", "(lasts)", attributes)
        attributes = "; ".join(sorted(set(attributes.lower().split("; "))))
        self.ok(f"{who} sets {attributes}", attributes, self.fields.setdefault(name, attributes))

    async def details(self) -> None:
        """What the guide says to compare, by a client of its own."""
        async with self.client() as client:
            form = await client.see("/login")
            response = await client.ask("POST", "/login", csrf_token=form.token, user="6", remember="on")
            for field in response.headers.get_list("Set-Cookie"):
                self.same_field(f"{form.side}'s /login", field.partition("=")[0], field)
            form = await client.see("/account")
            # 4 KB of cookie are Flask's limit, and a response with one is more than nginx takes unless told to.
            text = secrets.token_urlsafe(2650)
            response = await client.ask("POST", "/account", csrf_token=form.token, name=text)
            self.same_field(f"{form.side}'s /account", "session", response.headers["Set-Cookie"])
            size = len(response.headers["Set-Cookie"])
            self.ok(f"Set-Cookie of {size} bytes", (3900 < size < 4200, (await client.see("/")).name), (True, text))
            response = await client.ask("POST", "/account/crash", csrf_token=form.token)
            self.ok("a page that crashes saves what it wrote", response.status_code, 500)
            self.ok("  and it is there", (await client.see("/")).name, "before the crash")
            await self.forms(client)

    async def forms(self, client: Client) -> None:
        """What Flask-WTF takes and refuses, both sides do."""
        form, own = await client.see("/account"), client.http.headers["Referer"]
        fields = {"name": "by script"}
        for what, referrer, headers, status in (
            ("a form of another site is refused", "https://localhost.example/", {"X-CSRFToken": form.token}, 400),
            ("a form without its token is refused", own, {}, 400),
            ("a script's token in the header is taken", own, {"X-CSRFToken": form.token}, 302),
        ):
            response = await client.http.post("/account", data=fields, headers={"Referer": referrer, **headers})
            self.ok(f"{form.side}: {what}", response.status_code, status)
        self.ok("HEAD", (await client.ask("HEAD", "/account")).status_code, 200)
        async with self.client() as stranger:
            stranger.http.cookies.set("remember_token", "1|forged")
            pages = [(await stranger.see(path)).user for path in ("/", "/login")]
            self.ok("a forged remember cookie is nobody's", pages, ["nobody", "nobody"])


def write_keys(servers: Servers, secret_key: str, *fallbacks: str, csrf: tuple[str, ...] = (CSRF,)) -> None:
    keys = {"secret_key": secret_key, "fallbacks": fallbacks, "csrf_key": csrf[0], "csrf_fallbacks": csrf[1:]}
    servers.keys.write_text(json.dumps(keys), "utf-8")


async def go_through(trial: Trial, servers: Servers, browser: Browser) -> None:
    trial.stage("1. Flask alone")
    write_keys(servers, OLD)
    await servers.deploy("flask", "flask")
    await browser.go("/login")
    page = await browser.send("/login", user="1", remember="on")
    trial.ok("logged in", (page.user, page.messages), ("Ada", ["Flask greets Ada"]))
    trial.ok("over HTTP/2", await browser.protocol(), "h2")
    async with Load(servers.url, trial.tls) as load:
        await trial.walk("1", account="Flask", login="Flask")
        await trial.details()
        await trial.load(load)

        trial.stage("2. Flask mounted in FastAPI at /, /account moved")
        await trial.over("fastapi", "mounted")
        await trial.walk("2", account="FastAPI", login="Flask")
        await trial.details()
        async with trial.client() as client:
            trial.ok("Flask's /docs is not hidden", (await client.ask("GET", "/docs")).json(), "how to order")
            trial.ok("OPTIONS /account reaches Flask", (await client.ask("OPTIONS", "/account")).status_code, 200)
        await trial.load(load)

        trial.stage("3. Side by side behind nginx")
        await trial.settings("beside")
        await trial.over("beside", "flask", "beside")
        await trial.walk("3", account="FastAPI", login="Flask")
        await trial.details()
        async with trial.client() as client:
            trial.ok("OPTIONS /account is not allowed", (await client.ask("OPTIONS", "/account")).status_code, 405)
        await browser.see("/account")
        trial.ok("a WebSocket keeps the session it opened with", await browser.save_while_live("since then"), "3")
        await trial.load(load)

        trial.stage("4. Log-in moved")
        await trial.over("login_moved", "flask", "login_moved")
        await trial.walk("4", account="FastAPI", login="FastAPI")
        await trial.details()
        await trial.load(load)

        steps = {"the new key opens": (OLD, NEW), "the new key signs": (NEW, OLD), "the old key is gone": (NEW,)}
        for step, keys in steps.items():
            trial.stage(f"5. Key rotated: {step}")
            if len(keys) == 1:
                await load.renewed(NEW)
            write_keys(servers, *keys)
            for name in ("login_moved", "flask"):
                await trial.over_reload(name)
                await trial.load(load, 2)
            await trial.walk(step, account="FastAPI", login="FastAPI")
        await trial.details()

        trial.stage("6. Flask gone")
        await trial.settings("flask_gone")
        await trial.over("fastapi", "flask_gone")
        await trial.walk("6", account="FastAPI", login="FastAPI")
        await trial.details()
        await trial.load(load)

        for step, keys in {"opens": (CSRF, NEW_CSRF), "signs": (NEW_CSRF, CSRF)}.items():
            trial.stage(f"6. Flask gone: the CSRF key rotated, too; the new one {step}")
            write_keys(servers, NEW, csrf=keys)
            await trial.over_reload("flask_gone")
            await trial.load(load, 2)

        trial.stage("7. And back to Flask alone")
        await trial.over("flask", "flask")
        await trial.walk("7", account="Flask", login="Flask")
        await trial.details()
        await trial.load(load)


async def roll_back(trial: Trial, servers: Servers, browser: Browser) -> None:
    trial.stage("8. Logged in while there is FastAPI alone, then back to Flask alone")
    await servers.deploy("fastapi", "flask_gone")
    async with browser:
        await browser.go("/login")
        page = await browser.send("/login", user="6", remember="on")
        trial.ok("logged in", (page.user, page.messages), ("Radia", ["FastAPI greets Radia"]))
        await servers.deploy("flask", "flask")
        trial.ok("logged in on Flask", (await browser.see("/")).user, "Radia")
        await browser.reopen()
        for visit in ("after the browser was closed", "on the second page, too"):
            trial.ok(f"remembered {visit}", (await browser.see("/account")).user, "Radia")
        trial.ok("not logged in with a password any more", (await browser.go("/password")).status, 401)


async def main() -> int:
    missing = {"nginx": find_nginx(), "chromium": find_chromium()}
    if names := " ".join(name for name, path in missing.items() if path is None):
        print(f"Debian packages are missing: apt-get install {names}")
        return 2
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="migration-") as name:
        folder = Path(name)
        tls = write_certificate(folder)
        async with (
            async_playwright() as playwright,
            Servers(folder) as servers,
            Browser(playwright, servers.url, folder / "first profile") as browser,
        ):
            trial = Trial(servers, browser, tls)
            try:
                await go_through(trial, servers, browser)
                await roll_back(trial, servers, Browser(playwright, servers.url, folder / "second profile"))
            except PageError as error:
                trial.ok("the trial goes on to its end", str(error), "")
    print(f"\n{time.monotonic() - trial.start:.0f} seconds;", "NOT ALL HELD" if trial.failed else "all held")
    return 1 if trial.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
