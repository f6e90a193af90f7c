"""Every check of the project is a session here: ``nox -s tests``, or ``nox -l`` for the list."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lint", "typing", "build"]

if shutil.which("pyenv"):  # its commands answer only for the versions that are switched on
    installed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
    os.environ.setdefault("PYENV_VERSION", ":".join(installed.stdout.split()))

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)


def install(session: nox.Session, *groups: str) -> None:
    """Install the package and dependency groups beside it."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


def test(session: nox.Session) -> None:
    """Run the test suite on all processors, with the package's coverage at 100 % of lines and branches."""
    install(session, "tests")
    session.run("pytest", "-n", "auto", "--cov", "--cov-fail-under=100", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite on the Python that runs nox."""
    test(session)


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """The test suite on every Python that is present."""
    test(session)


#: What these tests import: everything of the group "tests" that there is for free-threaded builds and is needed.
FREE_THREADED = {
    "a2wsgi", "fastapi", "flask", "httpx", "httpx2", "hypercorn", "hypothesis", "msgspec", "pytest",
    "python-multipart", "quart", "starlette", "time-machine", "uvicorn",
}  # fmt: skip


@nox.session(python=["3.14t"])  # for 3.13t there is no msgspec
def free_threaded(session: nox.Session) -> None:
    """The tests that parallel threads matter to, on a Python without a GIL; a module that needs one is an error."""
    tests = nox.project.dependency_groups(PROJECT, "tests")
    session.install("-e", ".", *(line for line in tests if re.split(r"[^\w-]", line)[0] in FREE_THREADED))
    files = ["codec", "cookies", "session", "sessions", "tagged_json"]
    session.run(
        "pytest",
        *(f"tests/test_{name}.py" for name in files),
        "tests/trust",
        "tests/against_flask",
        *session.posargs,
        env={"PYTHON_GIL": None},  # "0" would hide such a module
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Strict types, by two checkers, of the package and of programs as users write them."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "-p", "tests/typing")
    session.run("mypy", "--config-file=", "--python-version", "3.10", "tests/typing")
    session.run("pyright", "-p", "tests/typing/standard.json")


@nox.session
def browser(session: nox.Session) -> None:
    """The demo, cookies and log-outs in a headless Chromium, which has to be installed."""
    install(session, "browser")
    session.run("pytest", *map(str, sorted(Path("tests/browser").glob("*_in_chromium.py"))), *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """One session across FastAPI and Flask in a browser; with ``-- --check``, walked through by a client."""
    install(session, "demo")
    session.run("python", "-m", "tests.apps.demo", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Many thousands of requests, values and Cookie fields beside real Flask, with the count at the end."""
    install(session, "tests")
    session.run("pytest", "tests/against_flask", *session.posargs, env={"HYPOTHESIS_PROFILE": "conformance"})


#: What the differential suite is run with: the oldest that it passes with byte for byte, one between, the newest.
VERSIONS = {
    "oldest": ["flask==2.3.2", "werkzeug==2.3.3"],
    "middle": ["flask==3.0.0", "werkzeug==3.0.0", "quart==0.19.0"],
    "newest": ["flask", "werkzeug", "quart"],
}
ITSDANGEROUS = {"oldest": "2.0.1", "middle": "2.1.2", "newest": "2.2.0"}


@nox.session
@nox.parametrize("age", list(VERSIONS), ids=list(VERSIONS))
def versions(session: nox.Session, age: str) -> None:
    """The differential suite on the oldest and newest Flask, Werkzeug, Quart and itsdangerous."""
    session.install(
        "-e", ".", *VERSIONS[age], "pytest", "hypothesis", "time-machine", "starlette", "httpx2", "fastapi"
    )
    session.install("--no-deps", f"itsdangerous=={ITSDANGEROUS[age]}")  # also one older than that Flask asks for
    session.run("pytest", "tests/against_flask", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """What other session middlewares do where this one loses nothing: writes the table in tests/peers/README.md."""
    install(session, "benchmarks")
    session.run("python", "-m", "tests.peers", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Hostile input for some minutes: nothing may raise, set a cookie or open that no key signed."""
    install(session, "fuzz")
    session.run("python", "-m", "tests.trust.fuzz", *session.posargs)


@nox.session
def hostile(session: nox.Session) -> None:
    """What hostile input costs, in milliseconds and MiB: a table, and that it grows no faster than the input."""
    install(session, "tests")
    session.run("python", "-m", "tests.trust.figures", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Many clients over a FastAPI and a Flask server for some minutes, keys changing under way: nothing lost."""
    install(session, "soak")
    session.run("python", "-m", "tests.trust.soak", *session.posargs)


@nox.session
def libraries(session: nox.Session) -> None:
    """Libraries that use or bring a session, each with this one and a real Flask application."""
    install(session, "libraries")
    session.run(
        "pytest",
        *map(str, sorted(Path("tests/libraries").glob("[a-z]*_*.py"))),
        "-W",
        "ignore::ResourceWarning",  # Gradio leaves event loops open
        "-W",
        "ignore::pytest.PytestUnraisableExceptionWarning",
        *session.posargs,
        env={"GRADIO_ANALYTICS_ENABLED": "False"},
    )


@nox.session
def migration(session: nox.Session) -> None:
    """From Flask alone to FastAPI alone and back, behind nginx and in a browser: nobody is logged out."""
    install(session, "migration")
    session.run("python", "-m", "tests.migration", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """One small change of the package at a time, which a test has to notice; ``-- cookies`` for one module."""
    # Without the package: each changed copy has to be the only one that can be imported.
    session.install(*PROJECT["project"]["dependencies"], *nox.project.dependency_groups(PROJECT, "mutation"))
    session.run("python", "-m", "tests.mutation", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Overhead per request beside every peer, in one run."""
    install(session, "benchmarks")
    session.run("pytest", "benchmarks", *session.posargs)


@nox.session
def load(session: nox.Session) -> None:
    """CPU, requests per second, and memory under uvicorn, beside three other middlewares; needs wrk."""
    install(session, "benchmarks")
    session.run("python", "-m", "benchmarks.load", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and the wheel, and look at what is in them."""
    session.install("build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    (wheel,) = Path("dist").glob("*.whl")
    listing = session.run("python", "-m", "zipfile", "-l", str(wheel), silent=True) or ""
    names = [line.split()[0] for line in listing.splitlines()[1:]]
    foreign = [name for name in names if not name.startswith(("starlette_flask/", "starlette_flask-"))]
    if foreign or "starlette_flask/py.typed" not in names:
        session.error(f"The wheel must hold the package and nothing else; it has {foreign or names}")
