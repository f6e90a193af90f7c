"""The hypothesis profile ``conformance``: many more examples, and how much was compared at the end."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

from .harness import CONFORMANCE, compared

settings.register_profile("conformance", max_examples=5_000)
if CONFORMANCE:
    settings.load_profile("conformance")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if CONFORMANCE:
        terminalreporter.section("compared with Flask, each different thing counted once")
        for kind, things in sorted(compared.items()):
            terminalreporter.write_line(f"{len(things):>9,} {kind}")
