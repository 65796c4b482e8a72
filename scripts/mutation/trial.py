"""One change, and the tests that run its line, in a process of their own."""

from __future__ import annotations

import os
import resource
import signal
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from scripts.mutation.changes import Change
from scripts.mutation.reach import Place, Reach, all_code, place_of, play

LONGER = 20
"""So many times what the tests take, of the processor's time: what takes longer never ends."""
WAITING = 600
"""Seconds. What uses no processor for so long waits for something that never comes."""
ENDED, BROKEN = 0, 1


@dataclass(frozen=True)
class Outcome:
    """What became of a change."""

    noticed: bool
    text: str


@dataclass
class Trials:
    """Tries changes, one after another."""

    items: Sequence[pytest.Item]
    reach: Reach
    functions: Mapping[Place, Sequence[FunctionType]]
    seconds: float
    """Of tests against one change."""
    noticing: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Tests that noticed a change, by file: they probably notice the next one."""

    def of(self, path: Path, change: Change) -> Outcome:
        """Return whether a test notices this change, and which."""
        file = str(path)
        tests = self.reach.of(file, change.lines)
        if not tests:
            return Outcome(noticed=False, text="no test runs this line")
        code = _code_of(change, file)
        functions = self.functions[place_of(code)]
        chosen = self._within_time(self._in_order(file, tests))
        limit = 10 + LONGER * sum(self.reach.seconds[number] for number in chosen)
        ended, answer = forked(lambda: self._noticed(functions, code, chosen), int(limit))
        if not ended:
            return Outcome(noticed=True, text=f"ended by {answer}")
        if answer:
            self.noticing[file].append(int(answer))
            return Outcome(noticed=True, text=f"noticed by {self.items[int(answer)].nodeid}")
        return Outcome(noticed=False, text=f"{len(chosen)} of {len(tests)} tests pass all the same")

    def prepare(self, path: Path, change: Change) -> None:
        """Raise RuntimeError if a test fails in such a process although nothing is changed."""
        outcome = self.of(path, replace(change, alter=lambda *_: None))
        if outcome.noticed:
            raise RuntimeError(f"nothing is changed, and yet: {outcome.text}")

    def _in_order(self, file: str, tests: set[int]) -> list[int]:
        """Return tests that noticed a neighbour first, then the fastest.

        Each further case of a test counts as slower than it is: another test says more.
        """
        before = [number for number in reversed(self.noticing[file]) if number in tests]
        weights, cases = dict[int, float](), Counter[str]()
        for number in sorted(tests, key=self.reach.seconds.__getitem__):
            name = self.items[number].nodeid.partition("[")[0]
            cases[name] += 1
            weights[number] = self.reach.seconds[number] * cases[name]
        return list(dict.fromkeys([*before, *sorted(weights, key=weights.__getitem__)]))

    def _within_time(self, tests: Sequence[int]) -> list[int]:
        chosen, seconds = list[int](), 0.0
        for number in tests:
            seconds += self.reach.seconds[number]
            if chosen and seconds > self.seconds:
                break
            chosen.append(number)
        return chosen

    def _noticed(
        self, functions: Sequence[FunctionType], code: CodeType, tests: Sequence[int]
    ) -> str:
        """Put the changed code in; returns which test fails then, or nothing."""
        for function in functions:
            function.__code__ = code
        self.reach.failed = False
        for number, following in pairwise([*tests, None]):
            assert number is not None  # noqa: S101 - for the type
            try:
                play(self.items[number], None if following is None else self.items[following])
            except KeyboardInterrupt:  # a test has sent the signal, and nothing caught it
                return str(number)
            if self.reach.failed:
                return str(number)
        return ""


def forked(work: Callable[[], str], seconds: int) -> tuple[bool, str]:
    """Return whether this work ends in a process of its own, and what it answers.

    If it does not end in so many seconds of the processor, the signal that ended it is returned.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Threads that a test has left behind are not copied, and no test waits for them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _worked(work, seconds, writing)
    os.close(writing)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    if status == BROKEN:
        raise RuntimeError(answer)
    return (True, answer) if status == ENDED else (False, signal.Signals(-status).name)


def _worked(work: Callable[[], str], seconds: int, writing: int) -> None:
    """Never return: what stands above in the call stack is the parent's."""
    status, answer = BROKEN, "?"
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.alarm(WAITING)
        answer, status = work(), ENDED
    except BaseException as error:  # noqa: BLE001 - the parent raises it
        answer = repr(error)
    finally:
        os.write(writing, answer.encode())
        os._exit(status)


def _code_of(change: Change, file: str) -> CodeType:
    """Return the changed function's code."""
    module = compile(change.made(), file, "exec")
    return next(code for code in all_code(module) if code.co_qualname == change.function)
