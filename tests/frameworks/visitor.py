"""A visitor of an application, in process or over a real server, beside whom Flask takes each step, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import flask
import httpx
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.apps.server import Server, serve

from .apps import ASGIApp, flask_app

FLASK = flask_app()


class Way(NamedTuple):
    """How an application is reached."""

    server: Server | None = None  # none: in process
    http2: bool = False  # by prior knowledge; WebSockets use HTTP/1.1 all the same
    handshake_headers: bool = True  # granian 2.8 drops the headers of websocket.accept


WAYS = {
    "in process": Way(),
    "uvicorn": Way("uvicorn"),
    "hypercorn": Way("hypercorn"),
    "hypercorn, HTTP2": Way("hypercorn", http2=True),
    "granian": Way("granian", handshake_headers=False),
    "granian, HTTP2": Way("granian", http2=True, handshake_headers=False),
}


@dataclass
class Answer:
    """A response as a browser sees it, and the session that Flask finds in the cookie afterwards."""

    status: int
    text: str
    varies: bool
    set_cookies: list[str]
    session: dict[str, Any]

    def shape(self) -> tuple[object, ...]:
        """What two answers have in common that set the same session at different times."""
        return self.status, self.varies, [_without_time(field) for field in self.set_cookies], self.session


def _without_time(field: str) -> tuple[str, list[str]]:
    cookie, *attributes = field.split("; ")
    attributes = ["Expires" if each.startswith("Expires=") else each for each in attributes]
    return cookie.partition("=")[2].rsplit(".", 2)[0], attributes


class Visitor:
    """One browser with one cookie."""

    def __init__(self, http: Any, websocket_base: str | None, handshake_headers: bool) -> None:
        self.http = http
        self.websocket_base = websocket_base
        self.handshake_headers = handshake_headers
        self.always_varies = False
        self.cookie: str | None = None

    def arrive(self, **content: Any) -> None:
        """Come with a session that Flask has made, or with none."""
        self.cookie = flask_makes(**content)

    def get(self, path: str) -> Answer:
        return self.step("GET", path)

    def post(self, path: str) -> Answer:
        return self.step("POST", path)

    def step(self, method: str, path: str) -> Answer:
        """Send a request; Flask, asked the same with the same cookie, has to answer the same."""
        flasks = FLASK.test_client(use_cookies=False).open(path, method=method, headers=self.headers())
        expected = self.answer(flasks.status_code, flasks.text, flasks.headers.getlist)
        expected.varies = expected.varies or self.always_varies
        response = self.send(method, path, list(self.headers().items()))
        answer = self.answer(response.status_code, response.text, response.headers.get_list)
        assert answer.shape() == expected.shape()
        self.keep(answer.set_cookies)
        return answer

    def headers(self) -> dict[str, str]:
        return {"Cookie": f"session={self.cookie}"} if self.cookie else {}

    def send(self, method: str, path: str, headers: list[tuple[str, str]]) -> Any:
        request = self.http.build_request(method, path, headers=headers)
        # Else an empty body follows, and over HTTP/2 hypercorn stumbles over what comes after its answer.
        request.headers.pop("content-length", None)
        response = self.http.send(request)
        self.http.cookies.clear()  # the visitor keeps its one cookie itself
        return response

    def answer(self, status: int, text: str, get_list: Callable[[str], list[str]]) -> Answer:
        varies = "cookie" in ", ".join(get_list("vary")).lower().split(", ")
        fields = get_list("set-cookie")
        return Answer(status, text, varies, fields, flask_opens(self.cookie_after(fields)))

    def cookie_after(self, fields: list[str]) -> str | None:
        return fields[-1].partition(";")[0].partition("=")[2] or None if fields else self.cookie

    def keep(self, fields: list[str]) -> None:
        self.cookie = self.cookie_after(fields)

    def open_socket(self) -> tuple[dict[str, Any], list[str]]:
        """Open the WebSocket; return what it sends and the Set-Cookie fields of its handshake."""
        if self.websocket_base is None:
            with self.http.websocket_connect("/socket", headers=self.headers()) as socket:
                content = socket.receive_json()
                fields = [value.decode() for name, value in socket.extra_headers if name.lower() == b"set-cookie"]
            self.http.cookies.clear()
        else:
            url = f"{self.websocket_base}/socket"
            with connect(url, additional_headers=self.headers(), proxy=None) as connection:
                content = json.loads(connection.recv())
                assert connection.response
                fields = connection.response.headers.get_all("Set-Cookie")
        self.keep(fields)
        return content, fields

    def be_denied_a_socket(self) -> tuple[int, list[str]]:
        """Open the WebSocket that is denied; return the status and the Set-Cookie fields of the answer."""
        if self.websocket_base is None:
            with pytest.raises(WebSocketDenialResponse) as denial:
                self.http.websocket_connect("/denied", headers=self.headers()).__enter__()
            self.http.cookies.clear()
            status, fields = denial.value.status_code, denial.value.headers.get_list("set-cookie")
        else:
            url = f"{self.websocket_base}/denied"
            with pytest.raises(InvalidStatus) as invalid:
                connect(url, additional_headers=self.headers(), proxy=None)
            response = invalid.value.response
            status, fields = response.status_code, response.headers.get_all("Set-Cookie")
        self.keep(fields)
        return status, fields


def flask_makes(**content: Any) -> str | None:
    """The cookie that Flask makes of a session."""
    client = FLASK.test_client()
    with client.session_transaction() as session:
        session.update(content)
    cookie = client.get_cookie("session")
    return cookie.value if cookie else None


def flask_opens(cookie: str | None) -> dict[str, Any]:
    """The session that Flask finds in a cookie."""
    with FLASK.test_request_context(headers={"Cookie": f"session={cookie}"} if cookie else {}):
        return dict(flask.session)


@contextmanager
def visit(app: ASGIApp, way: Way) -> Iterator[Visitor]:
    if way.server is None:
        with TestClient(app) as client:
            yield Visitor(client, None, way.handshake_headers)
    else:
        with (
            serve(app, server=way.server) as url,
            httpx.Client(base_url=url, http1=not way.http2, http2=way.http2, trust_env=False) as http,
        ):
            yield Visitor(http, url.replace("http:", "ws:"), way.handshake_headers)
