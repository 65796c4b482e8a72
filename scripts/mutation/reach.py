"""Which tests run which lines. The tests run once for this, in the process that is asked."""

from __future__ import annotations

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import CodeType, FunctionType

import pytest

type Place = tuple[str, str, int]
"""A function: its file, its qualified name, and its first line."""


def place_of(code: CodeType) -> Place:
    """Return which function this is the code of."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


def functions_in(files: frozenset[str]) -> dict[Place, list[FunctionType]]:
    """Return the functions of these files that are in memory, whatever is wrapped around them."""
    functions = defaultdict[Place, list[FunctionType]](list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in files:
            functions[place_of(thing.__code__)].append(thing)
    return functions


def all_code(code: CodeType) -> Iterator[CodeType]:
    """Yield this code, and that of the functions inside."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


@dataclass(eq=False)
class Reach:
    """A plugin that notes which tests run which lines, how long each takes, and whether it fails."""

    tests: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    """By file and line, as numbers of the session's tests."""
    seconds: dict[int, float] = field(default_factory=dict)
    """Of the processor: what others do on this machine does not count."""
    passed: set[int] = field(default_factory=set)
    current: int = -1
    failed: bool = False

    def run(self, items: Sequence[pytest.Item], functions: Sequence[FunctionType]) -> None:
        """Run each test once, and note which lines of these functions it runs."""
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
        monitoring.use_tool_id(tool, "mutation")
        monitoring.register_callback(tool, monitoring.events.LINE, self._line)
        for code in {code for function in functions for code in all_code(function.__code__)}:
            monitoring.set_local_events(tool, code, monitoring.events.LINE)
        for number, (item, following) in enumerate(pairwise([*items, None])):
            assert item  # noqa: S101 - for the type
            self.current, began = number, time.process_time()
            monitoring.restart_events()
            play(item, following)
            self.seconds[number] = time.process_time() - began
        monitoring.free_tool_id(tool)

    def of(self, file: str, lines: range) -> set[int]:
        """Return the tests that pass and run any of these lines."""
        return self.passed & set[int]().union(*(self.tests.get((file, n), ()) for n in lines))

    def _line(self, code: CodeType, line: int) -> object:
        self.tests[code.co_filename, line].add(self.current)
        return sys.monitoring.DISABLE

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ends."""
        self.failed = self.failed or report.failed
        if report.when == "call" and report.passed:
            self.passed.add(self.current)
        elif report.failed:
            self.passed.discard(self.current)


def play(item: pytest.Item, following: pytest.Item | None) -> None:
    """Run one test, with everything that is around it in a run of pytest."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
