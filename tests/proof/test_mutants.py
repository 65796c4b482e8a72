"""The proof is proven.

Every deliberate bug is found by it, or by a test that is named and run against the bug here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

import pytest

from tests.proof.mutants import MUTANTS, Mutant, violations

BY_SCHEDULES = sorted(name for name, mutant in MUTANTS.items() if mutant.scenarios)
BY_TESTS = sorted(name for name, mutant in MUTANTS.items() if not mutant.scenarios)


@pytest.mark.parametrize("name", BY_SCHEDULES)
def test_a_deliberate_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutant.apply(monkeypatch)
    violation = next(
        (problem for problem in violations(mutant) if problem.startswith(mutant.promise)), None
    )
    assert violation, f"nothing breaks {mutant.promise} although there is this bug: {name}"


def failed(tests: Sequence[str], mutant: Mutant | None) -> bool:
    """Return whether one of these tests fails, in a process of its own, with a bug or without."""
    child = os.fork()
    if child == 0:
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            if mutant:
                mutant.apply(patch)
            code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])
        os._exit(
            2 if code == pytest.ExitCode.TESTS_FAILED else 0 if code == pytest.ExitCode.OK else 1
        )
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != 1, f"these tests could not be run: {tests}"
    return code == 2


@pytest.mark.parametrize("name", BY_TESTS)
def test_a_deliberate_bug_that_no_schedule_shows_is_found_by_a_test(name: str) -> None:
    tests = MUTANTS[name].tests
    assert not failed(tests, None)
    assert failed(tests, MUTANTS[name])


def test_there_are_many_deliberate_bugs() -> None:
    assert len(MUTANTS) >= 60
    assert len(BY_SCHEDULES) + len(BY_TESTS) == len(MUTANTS)
