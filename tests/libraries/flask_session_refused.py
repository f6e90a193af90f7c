"""Flask-Session keeps sessions on a server: from_flask says so, for there is nothing in the cookie to share."""

from __future__ import annotations

from pathlib import Path

import pytest
from cachelib import FileSystemCache
from flask_session import Session

from starlette_flask import flask_settings
from tests.asgi import flask_reader


def test_it_is_refused_by_its_name(tmp_path: Path) -> None:
    app = flask_reader(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(str(tmp_path)))
    flask_settings(app)
    Session(app)
    with pytest.raises(TypeError) as refused:
        flask_settings(app)
    assert str(refused.value) == (
        "flask_app keeps its sessions on a server (Flask-Session); only signed cookie sessions can be shared"
    )
