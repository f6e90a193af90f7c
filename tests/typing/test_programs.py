"""The programs that type checkers accept also run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith(("_", "test_")))


class TestPrograms:
    """Each program can be imported without an error or a warning; `mistakes.py` fails at its first mistake."""

    def test_programs_run(self) -> None:
        names = [f"tests.typing.{name}" for name in PROGRAMS if name != "mistakes"]
        assert len(names) == 10
        # In a process of their own: Litestar configures the logging of the process.
        done = run(f"import {', '.join(names)}")
        assert (done.returncode, done.stderr) == (0, "")

    def test_mistakes_do_not(self) -> None:
        done = run("import tests.typing.mistakes")
        assert done.returncode == 1
        assert "missing 1 required positional argument: 'secret_key'" in done.stderr


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
