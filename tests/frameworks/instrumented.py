"""An instrumented application of each framework, with the middleware in each form; run by ``test_instrumented.py``.

``python -m tests.frameworks.instrumented sentry``: a process of its own, as instrumentations patch for good.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi import Request as FastAPIRequest
from flask import Flask
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from starlette_flask import SessionMiddleware, flask_settings
from tests.asgi import KEY, ASGIApp, flask_reader, opened

Instrumented = Callable[[ASGIApp], ASGIApp]
Form = tuple[Any, dict[str, Any]]


def nothing(app: ASGIApp) -> ASGIApp:
    """Leave the application to whatever this process was started by."""
    return app


def sentry() -> Instrumented:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            """Send nothing."""

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0)
    return nothing


def opentelemetry() -> Instrumented:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware


def elastic() -> Instrumented:
    from elasticapm.contrib.starlette import ElasticAPM, make_apm_client

    client = make_apm_client({"SERVICE_NAME": "x", "DISABLE_SEND": True, "CENTRAL_CONFIG": False})

    def instrumented(app: ASGIApp) -> ASGIApp:
        if isinstance(app, Starlette):  # it wants the scope of one
            app.add_middleware(ElasticAPM, client=client)
        return app

    return instrumented


INSTRUMENTATIONS: dict[str, Callable[[], Instrumented]] = {
    "launcher": lambda: nothing,
    "sentry": sentry,
    "opentelemetry": opentelemetry,
    "elastic": elastic,
}


class Subclass(SessionMiddleware):
    """One of an application's own."""


def forms(flask_app: Flask) -> Iterator[Form]:
    yield SessionMiddleware, {"secret_key": KEY}
    yield SessionMiddleware, {**flask_settings(flask_app)}
    yield SessionMiddleware.from_flask, {"flask_app": flask_app}
    yield Subclass.from_flask, {"flask_app": flask_app}


def count(session: dict[str, Any]) -> str:
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


async def starlette_view(request: Request) -> PlainTextResponse:
    return PlainTextResponse(count(request.session))


async def fastapi_view(request: FastAPIRequest) -> PlainTextResponse:
    return PlainTextResponse(count(request.session))


@get("/")
async def litestar_view(request: LitestarRequest[Any, Any, Any]) -> str:
    return count(request.session)


def in_constructor(form: Form) -> ASGIApp:
    return Starlette(routes=[Route("/", starlette_view)], middleware=[Middleware(form[0], **form[1])])


def added(form: Form) -> ASGIApp:
    app = Starlette(routes=[Route("/", starlette_view)])
    app.add_middleware(form[0], **form[1])
    return app


def added_to_fastapi(form: Form) -> ASGIApp:
    app = FastAPI()
    app.add_middleware(form[0], **form[1])
    app.get("/")(fastapi_view)
    return app


def defined(form: Form) -> ASGIApp:
    return Litestar([litestar_view], middleware=[DefineMiddleware(form[0], **form[1])], logging_config=None)


def around_starlette(form: Form) -> ASGIApp:
    app: ASGIApp = form[0](Starlette(routes=[Route("/", starlette_view)]), **form[1])
    return app


def main() -> None:
    instrumented = INSTRUMENTATIONS[sys.argv[1]]()
    works = 0
    for make in (in_constructor, added, added_to_fastapi, defined, around_starlette):
        for form in forms(flask_reader()):
            with TestClient(instrumented(make(form))) as client:
                if [client.get("/").text for _ in range(2)] != ["1", "2"]:
                    raise ValueError(make.__name__, form)
                works += opened(client.cookies["session"]) == {"count": 2}
    print(works, SessionMiddleware.__call__.__name__)


if __name__ == "__main__":
    main()
