"""One schedule by name, so that whatever fails can be played again.

rotation/many@3:die after+9:forbid    faults at numbered calls
rotation/many~0.1.1                   a path through every choice
rotation/many#719                     a seed
rotation/many!m3=die after+i4=l2      what a reduced seed still does: see tests/proof/reduce.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from simulator.reach.interleave import Choices
from tests.proof import lean, waypoints
from tests.proof.excuses import Excuse
from tests.proof.kernel import EVERY_FAULT, Mode
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Chance, Director, Planned, Schedule, Scripted, Step
from tests.proof.seen import Seen
from tests.proof.watch import Broken
from tests.proof.witness import Witness

STEP = re.compile(r"([cim])(\d+)=([^+]+)")


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario and what happens in it.

    Faults at numbered calls, a path through every choice, or a seed.
    """

    scenario: str
    plan: tuple[tuple[int, Mode], ...] = ()
    path: tuple[int, ...] = ()
    seed: int | None = None
    script: tuple[Step, ...] = ()

    def __str__(self) -> str:
        if self.seed is not None:
            return f"{self.scenario}#{self.seed}"
        if self.script:
            return (
                f"{self.scenario}!{'+'.join(f'{what}{at}={how}' for what, at, how in self.script)}"
            )
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
        scenario, _, script = text.partition("!")
        if scenario in SCENARIOS and (steps := STEP.findall(script)):
            return cls(scenario, script=tuple((what, int(at), how) for what, at, how in steps))
        rest, _, path = text.partition("~")
        name, _, plan = rest.partition("@")
        faults = [part.partition(":") for part in plan.split("+") if part]
        if name not in SCENARIOS or any(mode not in EVERY_FAULT for _, _, mode in faults):
            raise ValueError(
                f"{text!r} is not <scenario>@<call>:<fault>+…, …~<choice>.<choice>…, or …#<seed>"
            )
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
            return Chance(self.seed, SCENARIOS[self.scenario].faults)
        if self.script:
            return Scripted(self.script)
        return Planned(dict(self.plan), Choices(self.path) if self.path else None)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case."""

    problem: str | None
    """Which promise was broken, and how; None where all held."""
    trace: Sequence[str] = ()
    excuses: frozenset[Excuse] = frozenset()
    """Which excuses kept a check from failing."""
    same: bool = False
    """It was not played to its end, since another case does the same, or its state had been
    seen."""


def played(case: Case, *, traced: bool = False, seen: Seen | None = None) -> Played:
    """Play a case.

    With `seen`, stop where another case does the same, or where a state had come up before.
    """
    if seen is not None and case.plan and not case.path:
        return _played_from_a_waypoint(case, seen)
    director = case.director()
    schedule = Schedule(SCENARIOS[case.scenario], director, trace=[] if traced else None, seen=seen)
    return came_of(schedule)


def _played_from_a_waypoint(case: Case, seen: Seen) -> Played:
    scenario, plan = case.scenario, case.plan
    if waypoints.is_same(scenario, plan):
        return Played(None, same=True)
    way = waypoints.before(scenario, plan)
    director = lean.Lean(dict(plan), calls=way.calls if way else 0)
    start = way.copy() if way else None
    guide = waypoints.guide(scenario, plan, director)
    pass_by = guide.pass_by if guide else None
    came = came_of(Schedule(SCENARIOS[scenario], director, seen=seen, start=start, pass_by=pass_by))
    waypoints.remember(scenario, plan, director.labels, way.calls if way else 0)
    return came


def came_of(schedule: Schedule) -> Played:
    """Play a schedule, and return what came of it."""
    problem, same = None, False
    try:
        schedule.play()
    except Broken as broken:
        problem = str(broken)
    except lean.Same:
        same = True
    finally:
        schedule.close()
    excuses = frozenset(schedule.world.watch.excuses.used)
    return Played(problem, schedule.trace or (), excuses, same or schedule.cut_short)


def witnessed(case: Case) -> Witness:
    """Play a case to its end, whatever it breaks; returns who has written down what happened."""
    schedule = Schedule(SCENARIOS[case.scenario], case.director())
    witness = schedule.witness = Witness(schedule.world, str(case))
    problem = came_of(schedule).problem
    if problem:
        witness.broken.append(problem)
    return witness


def play(case: Case, *, traced: bool = False) -> tuple[str | None, Sequence[str]]:
    """Play a case; return which promise was broken and how, or None, with a trace if wanted."""
    result = played(case, traced=traced)
    return result.problem, result.trace
