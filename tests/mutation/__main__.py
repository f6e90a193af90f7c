"""Run the tests on every mutant: ``python -m tests.mutation [MODULE[:FUNCTION] ...]``.

Most mutants change a function, and are tested in forks of a process that has collected the tests (``in_place``), with
those that reach the changed line, the module's own first. For the others, and where no test fails, a fork imports the
mutant: it runs the same tests file by file, then all tests of these files. Everything else that these import is there
already. So a mutant costs hundredths of a second, and a survivor some seconds.

Fails where a mutant survives that ``equivalent.toml`` does not list, or where an entry of that list fits nothing or a
mutant that a test notices.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import coverage
import pytest
from hypothesis import Phase, settings

from .in_place import OUT_OF_TIME, WORKERS, InPlace, Task, reap, restrict
from .mutants import Mutant, mutants

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGE = "starlette_flask"
COPIED = ("benchmarks", PACKAGE, "tests", "CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml")
PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)

#: The tests of the command line, which go through all of its modules.
COMMAND_LINE = [
    "test_main.py",
    "test_cli_application.py",
    "test_cli_browser.py",
    "test_empty_sessions.py",
]
#: The tests of each module: its own first, which notice most mutants, then those that play it against real Flask or in
#: the middleware. They run file by file.
TESTS: dict[str, list[str]] = {
    "__init__.py": ["test_package.py"],
    "__main__.py": COMMAND_LINE,
    **{f"_cli/{path.name}": COMMAND_LINE for path in (ROOT / PACKAGE / "_cli").glob("*.py")},
    "asgi.py": ["test_package.py", "test_sessions.py"],
    "codec.py": [
        "test_codec.py",
        "test_starlette_cookies.py",
        "against_flask/test_codec.py",
        "trust/test_secrets.py",
        "test_sessions.py",
    ],
    "cookies.py": [
        "test_cookies.py",
        "against_flask/test_cookie_field.py",
        "test_conflicts.py",
        "test_cli_browser.py",
    ],
    "session.py": [
        "test_session.py",
        "test_nested_changes.py",
        "test_sessions.py",
        "test_replaced_sessions.py",
        "test_verified.py",
        "test_conflicts.py",
        "test_late_changes.py",
        "trust/test_odd_applications.py",
    ],
    "contents.py": [
        "test_contents.py",
        "test_log.py",
        "test_verified.py",
        "test_nested_changes.py",
        "test_late_changes.py",
    ],
    "verified.py": ["test_verified.py"],
    "starlette_format.py": ["test_starlette_cookies.py"],
    "tagged_json.py": ["test_tagged_json.py", "against_flask/test_codec.py", "test_codec.py"],
    "testing.py": ["test_testing.py", "test_package.py"],
    "extensions/_has_session.py": [
        "test_extensions_arguments.py",
        "test_extensions_flask_login.py",
        "test_extensions_each_request.py",
    ],
    "extensions/_remember_token.py": ["test_extensions_flask_login.py", "trust/test_secrets.py"],
    "extensions/flashing.py": ["test_extensions_flashing.py", "test_package.py"],
    "extensions/flask_login.py": [
        "test_extensions_flask_login.py",
        "test_extensions_each_request.py",
        "test_extensions_arguments.py",
        "test_package.py",
    ],
    "extensions/flask_wtf.py": ["test_extensions_flask_wtf.py", "test_package.py"],
    "middleware/flask_settings.py": [
        "against_flask/test_from_flask.py",
        "against_flask/test_quart.py",
        "against_flask/test_deliberate_differences.py",
        "frameworks/test_quart.py",
    ],
    "middleware/_checks.py": ["test_sessions.py", "against_flask/test_from_flask.py"],
    "middleware/_from_flask.py": ["against_flask/test_from_flask.py"],
    "middleware/_log.py": ["test_log.py", "test_sessions.py", "trust/test_secrets.py"],
    "middleware/_in_scope.py": [
        "test_replaced_sessions.py",
        "frameworks/test_other_sessions.py",
        "test_handing_on.py",
        "test_log.py",
        "test_sessions.py",
        "test_conflicts.py",
        "trust/test_odd_applications.py",
    ],
    "middleware/_responder.py": [
        "test_conflicts.py",
        "test_late_changes.py",
        "test_sessions.py",
        "test_replaced_sessions.py",
        "test_nested_changes.py",
        "test_verified.py",
        "test_starlette_cookies.py",
        "test_websockets.py",
        "test_handing_on.py",
        "test_log.py",
        "frameworks/test_other_sessions.py",
        "against_flask/test_requests.py",
        "trust/test_odd_applications.py",
        "trust/test_faults.py",
    ],
    "middleware/_settlement.py": [
        "test_conflicts.py",
        "test_log.py",
        "test_starlette_cookies.py",
        "test_handing_on.py",
    ],
    "middleware/sessions.py": [
        "test_sessions.py",
        "test_conflicts.py",
        "test_late_changes.py",
        "test_websockets.py",
        "trust/test_odd_applications.py",
        "test_verified.py",
        "test_nested_changes.py",
        "test_replaced_sessions.py",
        "test_handing_on.py",
        "test_log.py",
        "frameworks/test_other_sessions.py",
        "test_starlette_cookies.py",
        "test_codec.py",
        "against_flask/test_requests.py",
        "against_flask/test_from_flask.py",
        "against_flask/test_deliberate_differences.py",
        "trust/test_secrets.py",
        "trust/test_caches.py",
        "trust/test_faults.py",
    ],
}


class Equivalent(NamedTuple):
    """A mutant that no test can notice, or several on one line, and the reason."""

    file: str
    where: str
    old: str
    new: str
    reason: str


class Baseline(NamedTuple):
    """What the tests do on the package as it is."""

    seconds: dict[str, float]
    #: For each line, the tests that reach it.
    reaching: dict[int, set[str]]
    #: The tests that start a process, where nothing is known of lines, and those that coverage disturbs.
    always: set[str]

    def reach(self, mutant: Mutant) -> set[str] | None:
        """Return the tests that reach a mutant's lines; ``None`` where these run when the module is imported."""
        lines = [self.reaching.get(line) for line in range(mutant.lines[0], mutant.lines[1] + 1)]
        known = [tests for tests in lines if tests is not None]
        return set.union(*known) if known else None


def limit(base: Baseline, tests: set[str]) -> int:
    """Return the seconds of CPU that a mutant's tests may take."""
    return int(15 + 5 * sum(base.seconds[test] for test in tests))


class Selection:
    """A pytest plugin that keeps only the tests in ``wanted``, and measures each."""

    def __init__(self, wanted: set[str] | None = None) -> None:
        self.wanted = wanted
        self.seconds: dict[str, float] = defaultdict(float)
        self.always: set[str] = set()
        self.current = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.wanted is not None:
            items[:] = [item for item in items if item.nodeid in self.wanted]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.current = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.always.add(report.nodeid)

    def listen(self, event: str, _: Any) -> None:
        if event == "subprocess.Popen":
            self.always.add(self.current)


def start(copy: Path, log: Path, task: Callable[[], int]) -> int:
    """Fork, and run ``task`` in a copy of the project; return the process's number."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    code = 70
    try:
        os.setsid()
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(copy)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
        os.environ["PYTHONPATH"] = str(copy)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.path[:] = [str(copy), *(path for path in sys.path if path not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", PACKAGE)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        code = task()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_tests(files: Sequence[str], plugin: Selection | InPlace, *arguments: str) -> int:
    """Run pytest in this process."""
    quiet = ["-x", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider"]
    quiet += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins are imported already
    quiet += ["-p", "no:unraisableexception", "-p", "no:faker"]  # these take half of the time that a mutant takes
    return int(pytest.main([*quiet, *arguments, *(f"tests/{file}" for file in files)], plugins=[plugin]))


def measure(files: Sequence[str], result: Path, *arguments: str) -> int:
    """Run the tests on the package as it is, and write down what they do and import."""
    selection = Selection()
    sys.addaudithook(selection.listen)
    code = run_tests(files, selection, *arguments)
    modules = [name for name in sys.modules if name.partition(".")[0] not in ("tests", PACKAGE, "__main__")]
    result.write_text(json.dumps([selection.seconds, sorted(selection.always), modules]))
    return code


def wait(process: int, seconds: float) -> int:
    """Return the exit code of a process, negative for a signal, which it also gets where it takes too long."""
    end = time.monotonic() + seconds
    while (code := reap(process, end)) is None:
        time.sleep(0.01)
    return code


def baselines(copy: Path, files: Sequence[str], tests: Sequence[str], log: Path) -> dict[str, Baseline]:
    """Run the tests of these modules once, and import into this process what they import."""
    result = copy / "baseline.json"
    data = copy / ".coverage"
    arguments = [f"--cov={PACKAGE}", "--cov-context=test", "--cov-report=", "--maxfail=0"]
    code = wait(start(copy, log, functools.partial(measure, tests, result, *arguments)), 3600)
    # Some fail under coverage; warm() sees whether they do without.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"The tests cannot be run without a mutant:\n{log.read_text(errors='replace')}")
    seconds, always, modules = json.loads(result.read_text())
    for name in modules:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    covered = coverage.CoverageData(str(data))
    covered.read()
    found: dict[str, Baseline] = {}
    for file in files:
        own = {test for test in seconds if test.partition("::")[0].removeprefix("tests/") in TESTS[file]}
        reaching: dict[int, set[str]] = {}
        for line, contexts in covered.contexts_by_lineno(str(copy / PACKAGE / file)).items():
            if "" not in contexts:  # else it runs when the module is imported, so for every test
                reaching[line] = {context.rpartition("|")[0] for context in contexts} & own
        found[file] = Baseline({test: seconds[test] for test in own}, reaching, own.intersection(always))
    return found


class Job:
    """One mutant under test: stage by stage, until a test fails."""

    def __init__(self, mutant: Mutant, base: Baseline, listed: bool, passed: bool) -> None:
        self.mutant = mutant
        self.process = 0
        self.end = 0.0
        own = TESTS[mutant.file.partition("/")[2]]
        reaching = base.reach(mutant)
        wanted = set(base.seconds) if reaching is None else reaching | base.always
        stages = [([file], base.always if passed else wanted) for file in own]
        if not listed and (passed or reaching is not None):
            stages.append((own, set(base.seconds)))  # what shares a fixture or a cache
        self.stages: list[tuple[list[str], set[str], int]] = []
        for files, tests in stages:
            chosen = {test for test in tests if test.partition("::")[0].removeprefix("tests/") in files}
            if chosen:
                used = [file for file in files if any(test.startswith(f"tests/{file}::") for test in chosen)]
                self.stages.append((used, chosen, limit(base, chosen)))

    def advance(self, copy: Path, log: Path) -> bool:
        """Start the next stage, if there is one."""
        if not self.stages:
            return False
        files, tests, seconds = self.stages.pop(0)
        self.process = start(copy, log, functools.partial(self._run, files, tests, seconds))
        self.end = time.monotonic() + 10 * seconds  # other programs may need the machine, too
        return True

    def _run(self, files: list[str], tests: set[str], seconds: int) -> int:
        restrict(seconds)
        sys.dont_write_bytecode = True  # the next mutant may be of the same second and size
        return run_tests(files, Selection(tests))


def test_in_place(found: list[Mutant], base: Baseline, file: str, scratch: Path) -> list[str]:
    """Return ``killed``, ``timeout`` or ``passed`` for each mutant that can be tested in a fork, else nothing."""
    reached = [base.reach(mutant) for mutant in found]
    tests = [(set(base.seconds) if reaching is None else reaching) - base.always for reaching in reached]
    tasks = [
        Task(mutant, {test: base.seconds[test] for test in chosen}, limit(base, chosen))
        for mutant, chosen in zip(found, tests, strict=True)
        if chosen
    ]
    if not tasks:
        return [""] * len(found)
    copy, log, result = scratch / "copy0", scratch / "log", scratch / "outcomes.json"
    plugin = InPlace(copy / PACKAGE / file, tasks, result)
    # Tests share what standard output is captured to, so it is not.
    task = functools.partial(run_tests, TESTS[file], plugin, "--capture=no")
    if wait(start(copy, log, task), 10 * sum(task.seconds for task in tasks) + 60) != 0:
        sys.exit(f"The tests of {file} cannot be forked:\n{log.read_text(errors='replace')}")
    decided = iter(json.loads(result.read_text()))
    return [next(decided) if chosen else "" for chosen in tests]


def test_all(
    found: list[Mutant], outcomes: list[str], base: Baseline, listed: set[tuple[str, str, str, str]], scratch: Path
) -> None:
    """Put into ``outcomes`` what becomes of those that are not decided: ``killed``, ``timeout`` or ``survived``."""
    waiting = [index for index, outcome in enumerate(outcomes) if outcome in ("", "passed")][::-1]
    free = list(range(WORKERS))
    running: dict[int, tuple[int, Job]] = {}
    while waiting or running:
        while free and waiting:
            index, worker = waiting.pop(), free.pop()
            mutant = found[index]
            copy = scratch / f"copy{worker}"
            (copy / mutant.file).write_text(mutant.source)
            job = Job(mutant, base, mutant.key in listed, outcomes[index] == "passed")
            if job.advance(copy, scratch / f"log{worker}"):
                running[worker] = index, job
            else:
                outcomes[index] = "survived"
                free.append(worker)
        time.sleep(0.005)
        for worker, (index, job) in list(running.items()):
            copy = scratch / f"copy{worker}"
            if (code := reap(job.process, job.end)) is None:
                continue
            outcomes[index] = "survived" if code in PASSED else "timeout" if code in OUT_OF_TIME else "killed"
            if outcomes[index] == "survived" and job.advance(copy, scratch / f"log{worker}"):
                continue
            shutil.copy2(ROOT / job.mutant.file, copy / job.mutant.file)
            del running[worker]
            free.append(worker)
            if outcomes[index] != "killed":
                show(job.mutant, outcomes[index], known=job.mutant.key in listed)


def show(mutant: Mutant, outcome: str, *, known: bool) -> None:
    """Print a mutant that no test failed on."""
    if not known:
        print(f"{outcome}: {mutant.file}:{mutant.lines[0]} in {mutant.where}, number {mutant.number}")
        print("".join(f"  - {line}\n" for line in mutant.old.splitlines()), end="")
        print("".join(f"  + {line}\n" for line in mutant.new.splitlines()), flush=True)


def equivalents() -> list[Equivalent]:
    """Read ``equivalent.toml``: for each file, entries of a place, a line, what it becomes and a reason."""
    entries = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text())
    return [
        Equivalent(f"{PACKAGE}/{file}", entry["in"], entry["line"], new, entry["reason"])
        for file, listed in entries.items()
        for entry in listed
        for new in ([entry["becomes"]] if isinstance(entry["becomes"], str) else entry["becomes"])
    ]


def make_copies(scratch: Path) -> None:
    """Make a copy of the project for each worker."""
    for worker in range(WORKERS):
        copy = scratch / f"copy{worker}"
        copy.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)


def warm(scratch: Path, files: list[str]) -> None:
    """Run the tests in each copy as for a mutant; they pass, and leave their byte code.

    None of the package's: it would be out of date too soon to be noticed.
    """
    task = functools.partial(run_tests, files, Selection())
    running = [start(scratch / f"copy{worker}", scratch / f"log{worker}", task) for worker in range(WORKERS)]
    for worker, process in enumerate(running):
        if wait(process, 3600) != 0:
            log = (scratch / f"log{worker}").read_text(errors="replace")
            sys.exit(f"The tests fail in a fork without a mutant:\n{log}")
        for cache in (scratch / f"copy{worker}" / PACKAGE).rglob("__pycache__"):
            shutil.rmtree(cache)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Test every mutant of the package.")
    parser.add_argument("modules", metavar="MODULE[:FUNCTION]", nargs="*", help="such as cookies or codec:_key")
    parser.add_argument("--list", action="store_true", help="print the mutants, without a test")
    options = parser.parse_args()
    wanted = [name.partition(":")[::2] for name in options.modules]
    listed = equivalents()
    totals: dict[str, Counter[str]] = {}
    modules = {path.relative_to(ROOT / PACKAGE).as_posix() for path in (ROOT / PACKAGE).rglob("*.py")}
    bad = [
        f"has no tests in TESTS: {file}"
        for file in sorted(modules - TESTS.keys())
        if mutants(ROOT, f"{PACKAGE}/{file}")
    ]
    bad += [f"listed, but there is no such file: {entry.file}" for entry in listed if not (ROOT / entry.file).exists()]
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=25,
        phases=[Phase.explicit, Phase.generate],
    )
    settings.load_profile("mutation")
    begun = time.monotonic()
    with TemporaryDirectory() as name:
        scratch = Path(name).resolve()
        make_copies(scratch)
        functions = {
            file: [function for module, function in wanted if module in (file, Path(file).stem)] for file in TESTS
        }
        chosen = {
            file: [
                mutant
                for mutant in mutants(ROOT, f"{PACKAGE}/{file}")
                if not wanted or any(mutant.where.startswith(function) for function in functions[file])
            ]
            for file in TESTS
            if not wanted or functions[file]
        }
        if options.list:
            for mutant in chain.from_iterable(chosen.values()):
                show(mutant, "mutant", known=False)
            return 0
        tests = list(dict.fromkeys(test for file in chosen for test in TESTS[file]))
        bases = baselines(scratch / "copy0", list(chosen), tests, scratch / "log")
        warm(scratch, tests)
        for file, base in bases.items():
            path, found = f"{PACKAGE}/{file}", chosen[file]
            print(f"{file}: {len(found)} mutants, {time.monotonic() - begun:.0f} s so far", flush=True)
            gc.collect()
            gc.freeze()
            known = {entry[:4] for entry in listed if entry.file == path}
            outcomes = test_in_place(found, base, file, scratch)
            print(f"{file}: {dict(Counter(outcomes))} in place, {time.monotonic() - begun:.0f} s so far", flush=True)
            test_all(found, outcomes, base, known, scratch)
            survivors = {mutant.key for mutant, outcome in zip(found, outcomes, strict=True) if outcome == "survived"}
            killed = {mutant.key for mutant, outcome in zip(found, outcomes, strict=True) if outcome != "survived"}
            totals[file] = Counter(
                "equivalent" if outcome == "survived" and mutant.key in known else outcome
                for mutant, outcome in zip(found, outcomes, strict=True)
            )
            bad += [f"survives: {' | '.join(key)}" for key in sorted(survivors - known)]
            if not any(functions[file]):
                unknown = sorted(known - survivors - killed)
                bad += [f"listed, but there is no such mutant: {' | '.join(key)}" for key in unknown]
            bad += [f"listed, but a test fails on it: {' | '.join(key)}" for key in sorted(known & killed)]
            print(f"{file}: {dict(totals[file])}, {time.monotonic() - begun:.0f} s so far", flush=True)
    print(f"\n{'module':30} mutants  killed  by time  equivalent  survived")
    totals["all"] = sum(totals.values(), Counter())
    for file, counts in totals.items():
        figures = (counts.total(), counts["killed"], counts["timeout"], counts["equivalent"], counts["survived"])
        print("{:30} {:7} {:7} {:8} {:11} {:9}".format(file, *figures))
    print("".join(f"\n{line}" for line in bad))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
