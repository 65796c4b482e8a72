"""Copies of a scenario's world at each quiet moment, from which a planned case goes on.

Until its first fault a planned case does what the scenario does without any. So the scenario is
played once, and a case begins at the last such moment before its first fault, not at the
beginning. test_waypoints.py compares the two.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.policy import Document, Policy
from engine.state.record import Record
from engine.state.request import Outcome
from tests.proof.kernel import Mode
from tests.proof.lean import is_same as is_fault_same
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Planned, Position, Schedule
from tests.proof.watch import Broken
from tests.proof.world import World

type Plan = tuple[tuple[int, Mode], ...]

SHARED = (
    FunctionType,
    Document,
    Outcome,
    Policy,
    Record,
    SecretRef,
    SecretVersion,
    Sensitive,
)
"""What nothing changes: a copy of a world refers to the same."""


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A scenario's world after so many calls."""

    calls: int
    content: bytes
    shared: list[Any]

    def copy(self) -> tuple[World, Position]:
        """Return a world of its own for one case."""
        reader = _Reader(io.BytesIO(self.content))
        reader.shared = self.shared
        world, position = reader.load()
        return world, position


@dataclass
class Guide:
    """Takes the copies while a scenario is played, those between two calls."""

    director: Planned
    first: int = -1
    last: float = float("inf")
    shared: list[Any] = field(default_factory=list)
    ways: list[Waypoint] = field(default_factory=list)

    def pass_by(self, schedule: Schedule) -> None:
        """Take a copy, unless nothing was called since the last one or a change is on its way."""
        calls = self.director.calls
        passed = self.ways[-1].calls if self.ways else self.first
        if schedule.world.in_flight or not passed < calls <= self.last:
            return
        content = io.BytesIO()
        writer = _Writer(content, pickle.HIGHEST_PROTOCOL)
        writer.shared = self.shared
        writer.dump((schedule.world, schedule.at))
        self.ways.append(Waypoint(calls, content.getvalue(), self.shared))


class _Writer(pickle.Pickler):
    shared: list[Any]

    def persistent_id(self, thing: Any) -> int | None:
        """Write what is shared as its place in the list."""
        if not isinstance(thing, SHARED):
            return None
        self.shared.append(thing)
        return len(self.shared) - 1


class _Reader(pickle.Unpickler):
    shared: list[Any]

    def persistent_load(self, place: int) -> Any:
        """Return what is shared."""
        return self.shared[place]


@dataclass(frozen=True, slots=True)
class Course:
    """A scenario in which everything goes well."""

    labels: list[str]
    """What it calls, one after the other."""
    ways: list[Waypoint]


@cache
def course(scenario: str) -> Course:
    """Play a scenario, and return what it passes."""
    director = Planned()
    guide = Guide(director)
    schedule = Schedule(SCENARIOS[scenario], director, pass_by=guide.pass_by)
    with suppress(Broken):
        schedule.play()
    schedule.close()
    return Course(director.labels, guide.ways)


_between: dict[tuple[str, Plan], Guide] = {}
"""What the cases played last have passed between their first fault and their second: the next ones
often have the same first."""


def guide(scenario: str, plan: Plan, director: Planned) -> Guide | None:
    """Return who takes the copies between the last fault of a plan and the one before it.

    None where there is but one fault.
    """
    if len(plan) < 2:
        return None
    key = (scenario, plan[:-1])
    if key not in _between:
        _between.clear()
        _between[key] = Guide(director, first=plan[-2][0])
    known = _between[key]
    known.director, known.last = director, plan[-1][0]
    return known


def before(scenario: str, plan: Plan) -> Waypoint | None:
    """Return the last waypoint before the last fault of a plan, or else before its first.

    None if there is none.
    """
    known = _between.get((scenario, plan[:-1]))
    first, last = (plan[0][0], plan[-1][0]) if plan else (0, 0)
    passed = [way for way in course(scenario).ways if way.calls <= first]
    passed += [way for way in known.ways if way.calls <= last] if known else []
    return passed[-1] if passed else None


_last: dict[tuple[str, Plan, int], str] = {}
"""The call at which the case played last met its second fault: the next case often has the same
up to there."""


def forget() -> None:
    """Forget every copy and every call: a new record's key makes other worlds."""
    course.cache_clear()
    _between.clear()
    _last.clear()


def remember(scenario: str, plan: Plan, labels: Sequence[str], skipped: int) -> None:
    """Keep which call the last fault of a plan has struck.

    `skipped` calls came before the labels.
    """
    if len(plan) > 1 and plan[-1][0] < skipped + len(labels):
        _last.clear()
        _last[scenario, plan[:-1], plan[-1][0]] = labels[plan[-1][0] - skipped]


def is_same(scenario: str, plan: Plan) -> bool:
    """Return whether a case is known to do the same as another one, without playing it."""
    labels = course(scenario).labels
    at, mode = plan[0]
    if at < len(labels) and is_fault_same(mode, labels[at]):
        return True
    at, mode = plan[-1]
    label = _last.get((scenario, plan[:-1], at), "")
    return is_fault_same(mode, label)
