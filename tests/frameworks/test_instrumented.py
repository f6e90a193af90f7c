"""Instrumented applications: tools that patch or wrap what ``add_middleware`` is given leave the session as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("name", "call"), [("sentry", "_create_span_call"), ("opentelemetry", "__call__")])
def test_each_form_in_each_framework(name: str, call: str) -> None:
    """That Sentry assigns to ``__call__`` shows in the class."""
    command = (sys.executable, "-W", "error", "-m", "tests.frameworks.instrumented", name)
    assert run(*command) == f"20 {call}\n"
