"""One schedule by name, so that whatever fails can be played again: `rotation/many@3:die after+9:forbid`, `…~0.1.1`, `…#719`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tests.interleave import Choices
from tests.proof.kernel import FAULTS, Mode
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Chance, Director, Planned, Schedule
from tests.proof.watch import Broken


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario and what happens in it: faults at numbered calls, a path through every choice, or a seed."""

    scenario: str
    plan: tuple[tuple[int, Mode], ...] = ()
    path: tuple[int, ...] = ()
    seed: int | None = None

    def __str__(self) -> str:
        if self.seed is not None:
            return f"{self.scenario}#{self.seed}"
        plan = "+".join(f"{at}:{mode}" for at, mode in self.plan)
        return f"{self.scenario}{'@' if plan else ''}{plan}{'~' if self.path else ''}{'.'.join(map(str, self.path))}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read what `str` wrote; raises ValueError."""
        if text.isdigit():
            return cls.of_seed(int(text))
        scenario, _, seed = text.partition("#")
        if scenario in SCENARIOS and seed.isdigit():
            return cls(scenario, seed=int(seed))
        rest, _, path = text.partition("~")
        name, _, plan = rest.partition("@")
        faults = [part.partition(":") for part in plan.split("+") if part]
        if name not in SCENARIOS or any(mode not in FAULTS for _, _, mode in faults):
            raise ValueError(f"{text!r} is not <scenario>@<call>:<fault>+…, …~<choice>.<choice>…, or …#<seed>")
        struck = tuple((int(at), cast("Mode", mode)) for at, _, mode in faults)
        return cls(name, struck, tuple(int(choice) for choice in path.split(".") if choice))

    @classmethod
    def of_seed(cls, seed: int) -> Case:
        """Return the case of a seed, which decides the scenario too."""
        names = list(SCENARIOS)
        return cls(names[seed % len(names)], seed=seed)

    def director(self) -> Director:
        """Return who directs this case."""
        if self.seed is not None:
            return Chance(self.seed)
        return Planned(dict(self.plan), Choices(self.path) if self.path else None)


def play(case: Case, *, traced: bool = False) -> tuple[str | None, Sequence[str]]:
    """Play a case; returns which promise was broken, and how, or None, with the trace where that is wanted."""
    schedule = Schedule(SCENARIOS[case.scenario], case.director(), trace=[] if traced else None)
    try:
        schedule.play()
    except Broken as broken:
        return str(broken), schedule.trace or ()
    finally:
        schedule.close()
    return None, schedule.trace or ()
