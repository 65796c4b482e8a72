"""Play the tests against each change.

`make mutate`, or `python -m scripts.mutation.run engine/model/record.py --every 5`. A process with
everything imported forks for each change, puts the changed code into the function, and runs only
those tests that reach it, the fastest first. What is printed: how many changes a test noticed, and
each that none did.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from scripts.mutation.changes import Change, changes

TARGETS = ("engine/model/record.py", "engine/decide", "engine/rotate", "rotators")
TESTS = ("tests/engine", "tests/rotators", "tests/proof/test_found.py", "tests/adversary")
"""What runs through the engine and the rotators, and is quick: the whole suite, browsers and hosts
included, is not."""
SECONDS = 120
"""Longer than the tests of any function take: what runs longer hangs, and is noticed."""
QUIET = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no")


@dataclass(eq=False)
class Reach:
    """A plugin that notes which tests reach which function."""

    files: frozenset[str]
    tests: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""

    def started(self, code: CodeType, offset: int) -> object:
        """Take note of a function that starts."""
        del offset
        if code.co_filename in self.files and self.current:
            self.tests[code.co_filename, code.co_firstlineno].add(self.current)
        return sys.monitoring.DISABLE

    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Note which test begins."""
        self.current = item.nodeid
        sys.monitoring.restart_events()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test takes."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def reached(targets: Sequence[Path], tests: Sequence[str]) -> Reach:
    """Run all tests once; exits where one of them fails."""
    reach = Reach(frozenset(str(path.resolve()) for path in targets))
    tool, events = sys.monitoring.PROFILER_ID, sys.monitoring.events
    sys.monitoring.use_tool_id(tool, "mutation")
    sys.monitoring.register_callback(tool, events.PY_START, reach.started)
    sys.monitoring.set_events(tool, events.PY_START)
    with redirect_stdout(io.StringIO()):
        code = pytest.main([*QUIET[:1], *QUIET[2:], *tests], plugins=[reach])
    sys.monitoring.set_events(tool, 0)
    sys.monitoring.free_tool_id(tool)
    if code:
        print("some tests fail already: what only they would notice counts as not noticed")
    return reach


def function_of(module: Any, name: str) -> FunctionType:
    """Return the function itself, whatever is wrapped around it."""
    owner = module
    *classes, last = name.split(".")
    for class_name in classes:
        owner = getattr(owner, class_name)
    member = vars(owner)[last]
    member = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    while hasattr(member, "__wrapped__"):
        member = member.__wrapped__
    assert isinstance(member, FunctionType)  # noqa: S101 - for the type
    return member


def code_of(change: Change, path: Path) -> CodeType:
    """Return the changed function's code."""
    code = compile(change.tree, str(path.resolve()), "exec")
    for name in change.function.split("."):
        code = next(
            constant
            for constant in code.co_consts
            if isinstance(constant, CodeType) and constant.co_name == name
        )
    return code


def survives(function: FunctionType, code: CodeType, tests: Sequence[str]) -> bool:
    """Return whether no test notices the change."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        function.__code__ = code
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            result = pytest.main([*QUIET, *tests])
        os._exit(0 if result == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def targets_of(names: Sequence[str]) -> list[Path]:
    """Return the modules that are meant."""
    paths = [
        path
        for name in names
        for path in ([Path(name)] if name.endswith(".py") else sorted(Path(name).rglob("*.py")))
    ]
    return [path for path in paths if path.name != "__init__.py"]


def mutants(paths: Sequence[Path]) -> Iterator[tuple[Path, Change]]:
    """Yield every change of these modules."""
    for path in paths:
        yield from ((path, change) for change in changes(path.read_text()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="mutate", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--every", type=int, default=1, help="take one change in so many")
    parser.add_argument("--tests", nargs="+", default=TESTS)
    parser.add_argument(
        "--most", type=int, default=25, help="run so many tests at most against a change"
    )
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no further change after this"
    )
    options = parser.parse_args(arguments)
    paths, began = targets_of(options.targets), time.monotonic()
    reach = reached(paths, options.tests)
    print(f"{time.monotonic() - began:.0f} s: the tests have run once", flush=True)
    chosen = list(mutants(paths))
    sample = chosen[:: options.every]
    tried, alive = 0, list[str]()
    for path, change in sample:
        if time.monotonic() - began > options.seconds:
            break
        tried += 1
        function = function_of(
            importlib.import_module(".".join(path.with_suffix("").parts)), change.function
        )
        tests = reach.tests.get((str(path.resolve()), function.__code__.co_firstlineno), set())
        fastest = sorted(tests, key=lambda test: reach.seconds[test])[: options.most]
        if not fastest or survives(function, code_of(change, path), fastest):
            alive.append(
                f"{path}:{change.line} {change.function}: {change.what}"
                + ("" if fastest else " (no test)")
            )
            print(alive[-1], flush=True)
    killed = tried - len(alive)
    share = killed / max(tried, 1)
    print(f"{killed} of {tried} changes were noticed ({share:.1%}); {len(chosen)} could be made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
