"""The proof is proven: every deliberate bug is found by it."""

from __future__ import annotations

import pytest

from tests.proof.mutants import MUTANTS, NOT_CAUGHT, violations


@pytest.mark.parametrize("name", sorted(set(MUTANTS) - NOT_CAUGHT))
def test_a_deliberate_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutant.apply(monkeypatch)
    found = next((problem for problem in violations(mutant) if problem.startswith(mutant.promise)), None)
    assert found, f"nothing breaks {mutant.promise} although there is this bug: {name}"
