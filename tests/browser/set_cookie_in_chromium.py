"""What ``starlette-flask inspect`` says of Set-Cookie fields, compared with Chromium: what it keeps, until when.

Run as ``demo_in_chromium.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from starlette_flask._cli.browser import judge

pytest.importorskip("playwright", reason="playwright is not installed")

from .chromium import find_chromium, run_chromium  # after the check that playwright is there

FIELDS = [
    f"cookie{number}=v{attributes}"
    for number, attributes in enumerate(
        [
            "",
            "; Max-Age=0",
            "; Max-Age=-1",
            "; Max-Age=60",
            "; Max-Age=1h",
            "; Max-Age=0; Max-Age=x",
            "; Max-Age=x; Max-Age=0",
            "; Expires=Thu, 01 Jan 2015 00:00:00 GMT",
            "; Expires=Thu, 01-Jan-15 00:00:00 GMT",
            "; Expires=tomorrow",
            "; Max-Age=0; Expires=Sat, 01 Jan 2050 00:00:00 GMT",
            "; Expires=Thu, 01 Jan 2015 00:00:00 GMT; Max-Age=60",
            "; Secure",
            "; SameSite=None",
            "; SameSite=None; Secure",
            "; SameSite=any",
            "; Partitioned",
            "; Partitioned; Secure; Path=/",
            "; Path=/\x01",
            "; Path=anything",
            "; Domain=localhost",
            "; Priority=High; Anything",
        ]
    )
]
FIELDS += [
    "__Host-a=v; Path=/",
    "__Host-b=v; Secure",
    "__Host-c=v; Secure; Path=/",
    "__Host-d=v; Secure; Path=/; Domain=localhost",
    "__host-e=v; Path=/",
    "__Secure-a=v",
    "__Secure-b=v; Secure",
    "__Http-a=v; Secure",
    "__Http-b=v; Secure; HttpOnly",
    "a=" + "v" * 4095,
    "b=" + "v" * 4096,
]


@contextmanager
def served() -> Iterator[str]:
    """A server whose response sets all the cookies, as they stand here."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = [
                "HTTP/1.1 200 OK",
                "Content-Length: 0",
                "Connection: close",
                *(f"Set-Cookie: {f}" for f in FIELDS),
            ]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium")
def test_chromium_keeps_what_is_said_to_be_kept() -> None:
    with served() as url, run_chromium() as browser:
        context = browser.new_context()
        context.new_page().goto(url)
        kept = {cookie["name"]: cookie["expires"] for cookie in context.cookies()}
    said = {field.partition("=")[0]: judge(field.encode("latin-1")) for field in FIELDS}
    assert set(kept) == {name for name, verdict in said.items() if not verdict.reasons}
    for name, expires in kept.items():
        until = said[name].until
        assert expires == pytest.approx(-1 if until is None else until.timestamp(), abs=30)
