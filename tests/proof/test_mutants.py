"""The proof is proven.

Every deliberate bug is found by it, or by a test that is named and run against the bug here. For most
of them, that is a test of `make test`.
"""

from __future__ import annotations

import inspect
import io
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, cast

import pytest

from tests.parts import ROOT, part_of
from tests.proof.killers import KILLERS, UNSEEN
from tests.proof.mutants import MUTANTS, Mutant, violations
from tests.proof.run import play

MOST_BUGS = 0.79
"""At least this share of the deliberate bugs is noticed by `make test`: 65 of 83."""

BY_SCHEDULES = sorted(name for name, mutant in MUTANTS.items() if mutant.scenarios)
BY_TESTS = sorted(name for name, mutant in MUTANTS.items() if not mutant.scenarios)


@pytest.mark.parametrize("name", BY_SCHEDULES)
def test_a_deliberate_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutant.apply(monkeypatch)
    if name in KILLERS and (play(KILLERS[name])[0] or "").startswith(mutant.promise):
        return
    schedule = next(
        (case for case, problem in violations(mutant) if problem.startswith(mutant.promise)), None
    )
    assert schedule, f"nothing breaks {mutant.promise} although there is this bug: {name}"
    assert name not in KILLERS, f"name {schedule!r} in tests/proof/killers.py for the bug {name}"


def failed(mutant: Mutant) -> bool:
    """Return whether the test of a bug fails with it, in a process of its own."""
    child = os.fork()
    if child == 0:
        # Whatever happens here, the child must not go on as a second worker of the tests.
        code = 1
        try:
            code = _judged(mutant)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != 1, f"this test could not be run: {mutant.test}"
    return code == 2


def _judged(mutant: Mutant) -> int:
    """Return 2 if the test of a bug fails with it, 0 if it passes, 1 if it cannot be run."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        mutant.apply(patch)
        code = pytest.main(["-q", "-x", *("-p", "no:cacheprovider", "-p", "no:xdist"), mutant.test])
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.TESTS_FAILED: 2}.get(pytest.ExitCode(code), 1)


class Callers:
    """Takes a deliberate bug, and notes what its callers could not call any more.

    Such a bug is a worker that dies at every call, and any schedule would find that one.
    """

    def __init__(self) -> None:
        self.broken: list[str] = []

    def setattr(self, owner: Any, name: Any, value: Any = None) -> None:
        """Compare a function with the one that it replaces; of a path nothing is known."""
        if isinstance(owner, str):
            return
        right = inspect.getattr_static(owner, name)
        right = getattr(right, "__func__", right)
        if not (inspect.isfunction(right) and inspect.isfunction(value)):
            return
        parameters = inspect.signature(right).parameters.values()
        needed = [it for it in parameters if it.default is it.empty]
        for least in (needed, parameters):
            named = {it.name: None for it in least if it.kind is it.KEYWORD_ONLY}
            others = (
                it for it in least if it.kind in (it.POSITIONAL_ONLY, it.POSITIONAL_OR_KEYWORD)
            )
            try:
                inspect.signature(value).bind(*others, **named)
            except TypeError as error:
                self.broken.append(f"{name}: {error}")

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_bug_can_be_called_as_what_it_stands_in_for(name: str) -> None:
    callers = Callers()
    MUTANTS[name].apply(cast("pytest.MonkeyPatch", callers))
    assert not callers.broken


@pytest.mark.parametrize("name", BY_TESTS)
def test_a_deliberate_bug_that_no_schedule_shows_is_found_by_a_test(name: str) -> None:
    """Without the bug, the same test passes in the same run as this one."""
    assert failed(MUTANTS[name])


def test_make_test_notices_most_deliberate_bugs() -> None:
    paths = [MUTANTS[name].test.partition("::")[0] for name in BY_TESTS]
    by_tests = [path for path in paths if part_of(ROOT / path) == "product"]
    assert part_of(ROOT / "tests" / "proof" / "test_killers.py") == "product"
    assert set(KILLERS) <= set(BY_SCHEDULES)
    assert len(KILLERS) + len(by_tests) >= MOST_BUGS * len(MUTANTS)


def test_there_are_many_deliberate_bugs() -> None:
    assert len(MUTANTS) >= 60
    assert len(BY_SCHEDULES) + len(BY_TESTS) == len(MUTANTS)
    page = (ROOT / "docs" / "proof.md").read_text()
    assert f"hold {len(MUTANTS)} deliberate bugs" in page
    seen = len(KILLERS) - len(UNSEEN)
    assert f"Of the {len(KILLERS)} bugs for which" in page
    assert f"names a schedule, {seen} are also found" in page
