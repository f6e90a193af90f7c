"""Test mutants of functions in a process that has collected the tests: its forks only give a function other code.

So a mutant costs hundredths of a second. A change outside of functions takes a process that imports the mutant, and so
does the last word on one that no test fails on here: some tests run it in another process, or when they are imported.
"""

from __future__ import annotations

import gc
import inspect
import json
import mmap
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import pytest

from .mutants import Mutant

WORKERS = 2
MEMORY = 4 << 30  # bytes that a mutant may take
OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGKILL)
FAILED, PASSED, UNDECIDED = 1, 0, 2


class Task(NamedTuple):
    """A mutant, the tests to run with the seconds that each takes, and how much CPU time they may take together."""

    mutant: Mutant
    tests: dict[str, float]
    seconds: int


class InPlace:
    """A pytest plugin that runs the collected tests once for each mutant, and writes down what became of them."""

    def __init__(self, module: Path, tasks: Sequence[Task], result: Path) -> None:
        self._module, self._tasks, self._result = module, tasks, result
        self._outcomes = [""] * len(tasks)
        #: For each task, the number of the test that failed, written by its fork.
        self._failed = memoryview(mmap.mmap(-1, 4 * len(tasks))).cast("i")
        #: How often each test failed: such are tried first, as the next mutant is often of the same line.
        self._noticed: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        before = compile(self._module.read_text(), str(self._module), "exec", dont_inherit=True)
        living: dict[CodeType, list[FunctionType]] = {code: [] for code in functions(before)}
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__ in living:
                living[each.__code__].append(each)
        files = list(dict.fromkeys(item.path for item in session.items))
        seconds = {test: taken for task in self._tasks for test, taken in task.tests.items()}
        self._items = sorted(session.items, key=lambda item: (files.index(item.path), seconds.get(item.nodeid, 0)))
        gc.collect()
        gc.freeze()
        running: dict[int, tuple[int, float]] = {}
        for index, task in enumerate(self._tasks):
            after = compile(task.mutant.source, str(self._module), "exec", dont_inherit=True)
            changed = [pair for pair in zip(functions(before), functions(after), strict=False) if pair[0] != pair[1]]
            if not changed or not all(living[old] for old, _ in changed):
                continue
            if process := os.fork():
                running[process] = index, time.monotonic() + 10 * task.seconds  # others may need the machine, too
            else:
                os.setsid()
                os._exit(self._test(session, index, [(each, new) for old, new in changed for each in living[old]]))
            while len(running) == WORKERS:
                self._collect(running)
        while running:
            self._collect(running)
        self._result.write_text(json.dumps(self._outcomes))
        return True

    def _collect(self, running: dict[int, tuple[int, float]]) -> None:
        """Take note of the forks that have ended or take too long."""
        for process, (index, end) in list(running.items()):
            if (code := reap(process, end)) is not None:
                known = {PASSED: "passed", UNDECIDED: "", **dict.fromkeys(OUT_OF_TIME, "timeout")}
                self._outcomes[index] = known.get(code, "killed")
                if code == FAILED:
                    self._noticed[self._items[self._failed[index]].nodeid] += 1
                del running[process]
        time.sleep(0.002)

    def _test(self, session: pytest.Session, index: int, changed: Sequence[tuple[FunctionType, CodeType]]) -> int:
        """Run a mutant's tests on its code. Return ``FAILED`` where one fails, else ``PASSED`` or ``UNDECIDED``."""
        task = self._tasks[index]
        restrict(task.seconds)
        try:
            for function, code in changed:
                function.__code__ = code
        except ValueError:  # it has other variables of the functions around it
            return UNDECIDED
        numbers = [number for number, item in enumerate(self._items) if item.nodeid in task.tests]
        numbers.sort(key=lambda number: -self._noticed[self._items[number].nodeid])
        try:
            for number, following in zip_longest(numbers, numbers[1:]):
                item, self._failed[index] = self._items[number], number
                nextitem = None if following is None else self._items[following]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
                if session.testsfailed:
                    return FAILED
        except BaseException:  # what pytest lets pass must not go on as another copy of the parent
            return FAILED
        return PASSED


def restrict(seconds: int) -> None:
    """Limit what this process, a mutant's, may take of the CPU and of memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    gc.disable()


def reap(process: int, end: float) -> int | None:
    """Return the exit code of a session's leader, negative for a signal, or ``None`` while it runs.

    Kills it, and what it started, when the monotonic clock has passed ``end``.
    """
    done, status = os.waitpid(process, os.WNOHANG)
    if not done:
        if time.monotonic() < end:
            return None
        os.killpg(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a module's functions and methods, in order; that of nested ones is within it."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                yield constant
            else:  # the body of a class
                yield from functions(constant)
