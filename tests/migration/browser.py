"""A real Chromium on a profile of its own: to close it forgets session cookies, as a person's does."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import BrowserContext, Playwright, Response
from playwright.async_api import Page as Tab

from tests.browser.chromium import FLAGS, find_chromium

from .clients import Page

LIVE = """async name => {
    const live = new WebSocket(location.origin.replace("http", "ws") + "/account/live");
    await new Promise((resolve, reject) => { live.onopen = resolve; live.onerror = reject; });
    const form = new FormData(document.querySelector("form[action='/account']"));
    form.set("name", name);
    await fetch("/account", {method: "POST", body: form});
    const answer = new Promise(resolve => { live.onmessage = event => resolve(event.data); });
    live.send("name?");
    return await answer;
}"""


class Browser:
    def __init__(self, playwright: Playwright, url: str, profile: Path) -> None:
        self.playwright, self.url, self.profile = playwright, url, profile
        self.context: BrowserContext
        self.tab: Tab

    async def __aenter__(self) -> Browser:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.context.close()

    async def open(self) -> None:
        self.context = await self.playwright.chromium.launch_persistent_context(
            str(self.profile), executable_path=find_chromium(), args=FLAGS, ignore_https_errors=True
        )
        self.tab = self.context.pages[0] if self.context.pages else await self.context.new_page()

    async def reopen(self) -> None:
        await self.context.close()
        await self.open()

    async def go(self, path: str) -> Response:
        response = await self.tab.goto(self.url + path)
        assert response is not None
        return response

    async def seen(self) -> Page:
        return Page.read(await self.tab.content())

    async def see(self, path: str) -> Page:
        await self.go(path)
        return await self.seen()

    async def send(self, action: str, **fields: str) -> Page:
        """Fill in and send the form of the page that is open."""
        form = self.tab.locator(f'form[action="{action}"]')
        for name, text in fields.items():
            field = form.locator(f"input[name={name}]")
            await (field.check() if name == "remember" else field.fill(text))
        async with self.tab.expect_navigation():
            await form.locator("button").click()
        return await self.seen()

    async def protocol(self) -> str:
        return await self.tab.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")

    async def save_while_live(self, name: str) -> str:
        """Open a WebSocket, save another name meanwhile, and return the name that the WebSocket's session has."""
        return await self.tab.evaluate(LIVE, name)
