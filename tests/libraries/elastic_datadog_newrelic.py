"""Elastic APM, and Datadog's and New Relic's launchers: each form of the middleware works in each framework."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
PROGRAM = (sys.executable, "-m", "tests.frameworks.instrumented")
#: None of them is to look for a server.
ALONE = {
    "DD_TRACE_ENABLED": "true",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "NEW_RELIC_DEVELOPER_MODE": "true",
    "NEW_RELIC_LICENSE_KEY": "x" * 40,
}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((*PROGRAM, "elastic"), id="Elastic"),
        pytest.param((str(BIN / "ddtrace-run"), *PROGRAM, "launcher"), id="Datadog"),
        pytest.param((str(BIN / "newrelic-admin"), "run-program", *PROGRAM, "launcher"), id="New Relic"),
    ],
)
def test_each_form_in_each_framework(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ, **ALONE})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("20 ")
