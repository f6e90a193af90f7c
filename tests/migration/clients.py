"""Plain clients that know what they did, and what each page has to show them therefore."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from starlette_flask.extensions.flask_login import decode_remember_cookie

from .catalog import CUSTOMERS
from .servers import until


class PageError(Exception):
    """A response that nobody who uses the shop should see."""


@dataclass(frozen=True)
class Page:
    """What a person sees on a page of the shop, from either side."""

    side: str
    user: str
    name: str
    messages: list[str]
    tea: int
    token: str

    @classmethod
    def read(cls, html: str) -> Page:
        def text(name: str) -> str:
            found = re.search(rf'id="{name}">(.*?)</(?:p|ul|ol)>', html, re.DOTALL)
            if found is None:
                raise PageError(re.sub(r"<[^>]*>|\s+", " ", html)[:200].strip())
            return unescape(found[1])

        tea = re.search(r"<li>(\d+) tea [0-9a-f]{32} \S+ tuple</li>", text("basket"))
        token = re.search(r'name="csrf_token" value="([^"]+)"', html)
        messages = re.findall("<li>(.*?)</li>", text("messages"))
        return cls(
            text("side"), text("user"), text("name"), messages, int(tea[1]) if tea else 0, token[1] if token else ""
        )


class Client:
    """A browser as HTTP knows it: cookies, HTTP/2, and a request again when a server took the connection away."""

    def __init__(self, url: str, tls: ssl.SSLContext, agent: str = "a client") -> None:
        headers = {"User-Agent": agent, "Referer": f"{url}/"}
        self.http = httpx.AsyncClient(base_url=url, http2=True, verify=tls, headers=headers, timeout=20)
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    async def ask(self, method: str, path: str, **data: str) -> httpx.Response:
        for _ in range(30):
            before = httpx.Cookies(self.http.cookies)
            try:
                response = await self.http.request(method, path, data=data or None)
                if response.status_code not in (502, 503, 504):
                    self.counts["requests"] += 1
                    return response
            except httpx.TransportError:
                pass
            # Whatever the server did, its answer did not arrive: the session is the one from before.
            self.http.cookies = before
            self.counts["asked again"] += 1
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{method} {path}: no answer")

    async def see(self, path: str) -> Page:
        response = await self.ask("GET", path)
        while response.has_redirect_location:
            response = await self.ask("GET", response.headers["Location"])
        return Page.read(response.text)

    async def send(self, form: Page, action: str, **fields: str) -> Page:
        response = await self.ask("POST", action, csrf_token=form.token, **fields)
        if not response.has_redirect_location:
            raise PageError(f"POST {action}: {response.status_code} {response.text[:200]}")
        return await self.see(response.headers["Location"])


class Customer(Client):
    """Puts tea into the basket, saves a name, closes the browser, logs out and in again; and looks each time."""

    def __init__(self, number: str, url: str, tls: ssl.SSLContext, complain: Callable[[str], None]) -> None:
        super().__init__(url, tls, f"customer {number}")
        self.number, self.complain = number, complain
        self.random = random.Random(number)
        self.tea, self.name, self.user = 0, "", "nobody"
        self.rounds = 0
        self.renew: str | None = None

    async def live(self) -> None:
        await self.log_in()
        actions = {self.buy: 10, self.save: 6, self.close: 2, self.log_out: 1}
        while True:
            (action,) = self.random.choices(list(actions), list(actions.values()))
            if self.renew and not self.remembered_by(self.renew):
                action = self.close
            try:
                await action()
            except PageError as error:
                self.complain(f"customer {self.number} {action.__name__}: {error}")
            self.counts[action.__name__] += 1
            self.rounds += 1

    def remembered_by(self, key: str) -> bool:
        cookie = self.http.cookies.get("remember_token") or ""
        return decode_remember_cookie(cookie.strip('"'), key) is not None

    def expect(self, where: str, page: Page) -> None:
        seen, known = (page.user, page.name, page.tea), (self.user, self.name, self.tea)
        if seen != known:
            self.complain(f"customer {self.number} {where}, by {page.side}: {seen} instead of {known}")
            self.user, self.name, self.tea = seen

    async def look(self, path: str) -> Page:
        page = await self.see(path)
        self.expect(f"GET {path}", page)
        return page

    async def form(self) -> Page:
        page = await self.look(self.random.choice(["/", "/account"]))
        await asyncio.sleep(self.random.uniform(0.2, 1.0))  # a person reads
        return page

    async def buy(self) -> None:
        form = await self.form()
        self.tea += 1
        self.expect("buys", await self.send(form, "/basket", item="tea"))

    async def save(self) -> None:
        form = await self.form()
        self.name = f"name {self.rounds}"
        self.expect("saves", await self.send(form, "/account", name=self.name))

    async def close(self) -> None:
        """Close the browser and come back: the session is forgotten, the user remembered, whichever side is first."""
        self.http.cookies.delete("session")
        self.tea, self.name = 0, ""
        for path in self.random.choice([("/", "/account"), ("/account", "/")]) * 2:
            await self.look(path)

    async def log_out(self) -> None:
        page = await self.form()
        self.user = "nobody"
        self.expect("logs out", await self.send(page, "/logout"))
        for path in ("/", "/account"):
            await self.look(path)
        await self.log_in()

    async def log_in(self) -> None:
        form = await self.see("/login")
        self.user = CUSTOMERS[self.number]
        self.expect("logs in", await self.send(form, "/login", user=self.number, remember="on"))


class Load:
    """All customers but the first and last, who have browsers."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self.problems: list[str] = []
        self.customers = [Customer(number, url, tls, self.problems.append) for number in list(CUSTOMERS)[1:-1]]
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        self.tasks = [asyncio.create_task(customer.live()) for customer in self.customers]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for customer in self.customers:
            await customer.http.aclose()

    async def goes_on(self, rounds: int) -> str:
        """Wait until each customer has done some more; return what all have done since the start."""
        goal = {customer: customer.rounds + rounds for customer in self.customers}

        def there() -> bool:
            for task in self.tasks:
                if task.done():
                    task.result()
            return all(customer.rounds >= least for customer, least in goal.items())

        await until(there, f"{rounds} rounds of each customer")
        return ", ".join(f"{count} {name}" for name, count in self.counts().most_common())

    async def renewed(self, key: str) -> None:
        """Have those whose remember cookie has an older key close the browser, so that they get a new one."""
        for customer in self.customers:
            customer.renew = key
        await until(lambda: all(customer.remembered_by(key) for customer in self.customers), "new remember cookies")

    def counts(self) -> Counter[str]:
        return sum((customer.counts for customer in self.customers), Counter[str]())
