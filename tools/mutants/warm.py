"""A pytest plugin: after one round of all tests, each mutant is tried in a fork of this process.

Python, Django, the collected tests and the migrated database in memory are there already, so a mutant costs what its
tests cost. Only the tests that run its lines are tried, the quickest first, until one fails.
"""

import ast
import contextlib
import functools
import gc
import inspect
import json
import os
import signal
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tools.mutants.operators import Mutant, mutated

ROOT = Path(__file__).resolve().parents[2]
SURVIVED, KILLED, TIMEOUT, UNTESTED = "survived", "killed", "timeout", "untested"
TIMES_SLOWER, AT_LEAST_SECONDS = 3, 15.0


class Warm:
    """Takes the place of pytest's own loop over the tests."""

    def __init__(self, work: list[tuple[str, Mutant]], results: Path) -> None:
        """Remember what to try and where to write what came of it."""
        self.work, self.results = work, results
        self.sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in {path for path, _mutant in work}}
        self.seconds: dict[str, float] = {}
        self.sound: set[str] = set()
        self.touched: dict[str, dict[int, list[str]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn which test runs which line, then try one mutant after the other."""
        items = {item.nodeid: item for item in session.items if not _needs_more_than_a_fork(item)}
        failed = self._learn(list(items.values()))
        if failed:
            print(f"Left out, for they fail without any mutant: {', '.join(failed)}", flush=True)
        time.sleep(1)  # What the tests left running in the background ends.
        gc.freeze()
        for number, (path, mutant) in enumerate(self.work, 1):
            tests = self._tests_of(path, mutant)
            outcome = self._try([items[name] for name in tests], path, mutant)
            row = {"path": path, **asdict(mutant), "tests": len(tests), "outcome": outcome}
            with self.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if outcome != KILLED:
                print(f"{number}/{len(self.work)} {outcome} {path}:{mutant.lines[0]} {mutant.words}", flush=True)
        return True

    def _learn(self, items: list[pytest.Item]) -> list[str]:
        """Run every test once; returns those that fail."""
        meter = coverage.Coverage(
            data_file=None, include=[str(ROOT / path) for path, _mutant in self.work], config_file=False
        )
        failed = []
        meter.start()
        for place, item in enumerate(items):
            meter.switch_context(item.nodeid)
            start = time.monotonic()
            if not _passes(item, items[(place + 1) % len(items)]):
                failed.append(item.nodeid)
            self.seconds[item.nodeid] = time.monotonic() - start
        self.sound = set(self.seconds) - set(failed)
        meter.stop()
        data = meter.get_data()
        for path in {path for path, _mutant in self.work}:
            self.touched[path] = data.contexts_by_lineno(str(ROOT / path))
        return failed

    def _tests_of(self, path: str, mutant: Mutant) -> list[str]:
        """The tests that run its lines, the quickest first; all that run its module when it is in no function."""
        lines = range(mutant.lines[0], mutant.lines[1] + 1) if mutant.function else self.touched[path]
        names = {name for line in lines for name in self.touched[path].get(line, ()) if name in self.sound}
        return sorted(names, key=self.seconds.__getitem__)

    def _try(self, items: list[pytest.Item], path: str, mutant: Mutant) -> str:
        if not items:
            return UNTESTED
        patience = max(AT_LEAST_SECONDS, TIMES_SLOWER * sum(self.seconds[item.nodeid] for item in items))
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os._exit(_die_or_not(items, path, mutated(self.sources[path], mutant.place), mutant.function))
        until = time.monotonic() + patience
        outcome = TIMEOUT
        while time.monotonic() < until and outcome == TIMEOUT:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                outcome = SURVIVED if status == 0 else KILLED
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # And what its tests have started.
        if outcome == TIMEOUT:
            os.waitpid(pid, 0)
        return outcome


def _needs_more_than_a_fork(item: pytest.Item) -> bool:
    """What needs a server beside it. Tests that race threads fail on a database in memory, and are left out for it."""
    return bool({"live_server", "browser"} & set(getattr(item, "fixturenames", [])))


def _passes(item: pytest.Item, following: pytest.Item) -> bool:
    """Run one test; naming another that follows keeps the session's fixtures."""
    return not any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))


def _die_or_not(items: list[pytest.Item], path: str, tree: ast.Module, function: str) -> int:
    """In the fork: make the mistake and run the tests; 0 when no test notices."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    _renew_threads()
    try:
        apply(path, tree, function)
        return 0 if all(_passes(item, items[(place + 1) % len(items)]) for place, item in enumerate(items)) else 1
    except BaseException:
        return 1


def _renew_threads() -> None:
    """A fork has none of its parent's threads, and the pools do not know."""
    for pool in [each for each in gc.get_objects() if isinstance(each, ThreadPoolExecutor)]:
        pool._threads.clear()
        pool._idle_semaphore = threading.Semaphore(0)


def apply(path: str, tree: ast.Module, function: str) -> None:
    """Put the mutant in the place of what is loaded: a function's code, or what the module's own level defines."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = sys.modules[name]
    fresh = types.ModuleType(name)
    fresh.__file__ = module.__file__
    fresh.__package__ = module.__package__
    with contextlib.suppress(ValueError):
        exec(compile(tree, str(ROOT / path), "exec"), fresh.__dict__)  # noqa: S102
    if function:
        _exchange(_functions(module)[function], _functions(fresh)[function])
        return
    for key, value in vars(fresh).items():
        old = vars(module).get(key)
        if not key.startswith("__") and not isinstance(value, types.ModuleType | types.FunctionType | type):
            _rebind(key, old, value)


def _rebind(key: str, old: object, new: object) -> None:
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get(key) is old and old is not None:
            vars(module)[key] = new


def _exchange(function: types.FunctionType, fresh: types.FunctionType) -> None:
    function.__code__ = fresh.__code__
    function.__defaults__ = fresh.__defaults__
    function.__kwdefaults__ = fresh.__kwdefaults__


def _functions(owner: Any, prefix: str = "") -> dict[str, types.FunctionType]:
    """Every function by its qualified name, below its decorators."""
    found: dict[str, types.FunctionType] = {}
    module = owner.__name__ if isinstance(owner, types.ModuleType) else owner.__module__
    for key, value in list(vars(owner).items()):
        if isinstance(value, type) and value.__module__ == module and not prefix:
            found |= _functions(value, f"{key}.")
        elif (function := _bare(value)) is not None and function.__module__ == module:
            found[f"{prefix}{key}"] = function
    return found


def _bare(value: Any) -> types.FunctionType | None:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    value = inspect.unwrap(value) if callable(value) else None
    return value if isinstance(value, types.FunctionType) else None
