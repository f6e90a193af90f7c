"""Chromium, as the system has it installed, driven by playwright; and one picture of the demo.

`python -m tests.browser.chromium FILE` takes the picture that the README shows.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.apps.demo import create_app
from tests.apps.server import serve

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

BOTH_SIDES = """sides => {
    document.body.style.cssText = "display: grid; gap: 12px; margin: 0; padding: 12px; max-width: none";
    document.body.style.background = "#8a8d91";
    document.body.replaceChildren(...sides.map(side => {
        const frame = document.createElement("iframe");
        frame.src = side;
        frame.style.cssText = "width: 100%; height: calc((100vh - 36px) / 2); border: 0; border-radius: 6px";
        return frame;
    }));
}"""


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """A headless browser with a new profile, which is removed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def press(page: Page, button: str, **fields: str) -> None:
    """Fill in the form that the button sends, and send it."""
    form = page.locator("form").filter(has=page.locator(button))
    for name, value in fields.items():
        field = form.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    click(form.locator(button))


def click(target: Locator) -> None:
    """Click what leads to another page, and wait for that: a browser may show the old one for a while."""
    with target.page.expect_navigation():
        target.click()


def take_picture(file: str) -> None:
    """One side above the other, with a customer, a basket and the cookie, raw and decoded."""
    with serve(create_app(secrets.token_hex())) as url, run_chromium() as browser:
        page = browser.new_page(viewport={"width": 1160, "height": 1330}, color_scheme="light")
        page.goto(f"{url}/flask/")
        press(page, "#sign-in", customer="1")
        press(page, "#add", name="tea")
        page.goto(url)
        press(page, "#add", name="tea")
        page.evaluate(BOTH_SIDES, [f"{url}/flask/", f"{url}/"])
        page.wait_for_function("frames.length == 2 && [0, 1].every(i => frames[i].document.readyState == 'complete')")
        page.screenshot(path=file)


if __name__ == "__main__":
    take_picture(sys.argv[1])
