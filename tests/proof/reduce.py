"""Reduce a seed that breaks a promise to the shortest list of decisions that still does.

`python -m tests.proof.reduce CASE`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Hashable, Sequence

from tests.proof.case import Case, Played
from tests.proof.kernel import Mode
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Chance, Director, Schedule, Step
from tests.proof.watch import Broken


class Recording:
    """Passes on what another director decides, and writes down whatever is not the usual."""

    def __init__(self, inner: Director) -> None:
        self.inner, self.script = inner, list[Step]()
        self._counts = {"c": 0, "i": 0, "m": 0}

    def _note(self, what: str, how: str | None) -> None:
        if how is not None:
            self.script.append((what, self._counts[what], how))
        self._counts[what] += 1

    def choose(self, width: int) -> int:
        """Choose as the other one does."""
        choice = self.inner.choose(width)
        self._note("c", str(choice) if choice else None)
        return choice

    def mode(self, label: str) -> Mode:
        """Strike as the other one does."""
        mode = self.inner.mode(label)
        self._note("m", None if mode == "go" else mode)
        return mode

    def interrupt(self, moves: int) -> int | None:
        """Interrupt as the other one does."""
        chosen = self.inner.interrupt(moves)
        how = None if chosen is None else f"m{chosen}" if chosen < moves else f"l{chosen - moves}"
        self._note("i", how)
        return chosen

    def calm(self) -> None:
        """Strike no more."""
        self.inner.calm()

    @property
    def left(self) -> Hashable | None:
        """Return whether the other one decides nothing any more."""
        return self.inner.left


def played(scenario: str, director: Director) -> Played:
    """Play a scenario under a director."""
    schedule = Schedule(SCENARIOS[scenario], director)
    try:
        schedule.play()
    except Broken as broken:
        return Played(str(broken))
    finally:
        schedule.close()
    return Played(None)


def reduced(case: Case) -> tuple[Case, str]:
    """Return the shortest script that breaks the same promise, and how.

    ValueError where the case breaks none.
    """
    assert case.seed is not None
    recording = Recording(Chance(case.seed, SCENARIOS[case.scenario].faults))
    problem = played(case.scenario, recording).problem
    if problem is None:
        raise ValueError(f"{case} breaks nothing")
    promise, script = problem.split(":")[0], recording.script
    shorter = _shorter(case.scenario, script, promise)
    while shorter is not None:
        script = list(shorter)
        shorter = _shorter(case.scenario, script, promise)
    return Case(case.scenario, script=tuple(script)), problem


def _shorter(scenario: str, script: Sequence[Step], promise: str) -> Sequence[Step] | None:
    size = max(1, len(script) // 2)
    while size >= 1:
        for start in range(0, len(script), size):
            rest = [*script[:start], *script[start + size :]]
            problem = played(scenario, Case(scenario, script=tuple(rest)).director()).problem
            if problem and problem.split(":")[0] == promise:
                return rest
        size //= 2
    return None


def main(arguments: Sequence[str]) -> None:
    """Print the reduced case."""
    for text in arguments:
        try:
            case, problem = reduced(Case.parse(text))
        except ValueError as error:
            sys.exit(str(error))
        print(f"{case}\n    {problem}")  # noqa: T201 - this is a command


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main(sys.argv[1:])
