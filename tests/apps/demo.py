"""One session, two frameworks: a FastAPI app with a Flask app mounted inside, in a real server.

`python -m tests.apps.demo` serves it for a browser until Ctrl-C; `--check` walks through it instead.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from typing import Any

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI

from starlette_flask.extensions.flask_wtf import CSRFError
from starlette_flask.middleware.sessions import SessionMiddleware
from tests.apps import fastapi_side
from tests.apps.flask_side import create_flask_app
from tests.apps.server import serve
from tests.apps.walk import walk

KEY_VARIABLE = "DEMO_SECRET_KEY"

WELCOME = """\
One session, two frameworks
  FastAPI's page  {url}/
  Flask's page    {url}/flask/

Try this in a browser:
  1. Put something in the basket on one page, and look at it on the other.
  2. Sign in on Flask's page, then go to FastAPI's: it greets the same customer, and the basket is kept.
  3. Leave a message on one page: the other shows it, once.
  4. Sign out on FastAPI's page, then go to Flask's: it has signed out, too.
Each page shows the session cookie that it received, raw and decoded.

Ctrl-C stops it; --port takes another port: nox -s demo -- --port 8001"""

OTHER_ADDRESS = "Choose another --port (0: any free one) or --host, such as: nox -s demo -- --port 0"


def create_app(secret_key: str, /, **overrides: Any) -> FastAPI:
    """The demo's application; `overrides` go to `SessionMiddleware.from_flask`."""
    flask_app = create_flask_app(secret_key)
    app = FastAPI(openapi_url=None)
    app.state.secret_key = secret_key
    app.include_router(fastapi_side.router)
    app.add_exception_handler(CSRFError, fastapi_side.refuse_form)
    app.mount("/flask", WSGIMiddleware(flask_app))
    app.add_middleware(SessionMiddleware.from_flask, flask_app=flask_app, **overrides)
    return app


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="demo",
        description="One session, shared by Flask and FastAPI.",
        epilog=f"The environment variable {KEY_VARIABLE} gives the secret key; without it, each start has its own.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000; with --check, a free one)")
    parser.add_argument("--check", action="store_true", help="walk through the demo; exit 1 if a step fails")
    arguments = parser.parse_args(argv)
    app = create_app(os.environ.get(KEY_VARIABLE) or secrets.token_hex())
    port = arguments.port if arguments.port is not None else 0 if arguments.check else 8000
    try:
        with serve(app, host=arguments.host, port=port) as url:
            if arguments.check:
                return walk(url)
            print(WELCOME.format(url=url), flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130 if arguments.check else 0
    except (OSError, OverflowError) as error:
        print(f"can't listen on {arguments.host} port {port}: {error}\n{OTHER_ADDRESS}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
