"""A case that goes on from a waypoint, or is skipped, does what it does from the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.reach.interleave import fewest_first
from tests.parts import sampled
from tests.proof import case, waypoints
from tests.proof.campaign import pairs_of
from tests.proof.case import Case
from tests.proof.run import ONE_KEY
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Planned, Schedule
from tests.proof.seen import Seen, fingerprint

PLAYED = (
    "one/two-logins",
    "incident/one-slot",
    "claimed-in-overlap/many",
    "replicas/two-slots",
    "errands/two-slots",
    "two-deployments/many",
    "slow-twice/two-slow",
    "derived-incident",
    "writers/listed",
    "rolled-back-twice/many",
)
BY_DAY = (
    "one/two-logins",
    "incident/one-slot",
    "two-deployments/many",
    "writers/listed",
    "rolled-back-twice/many",
)
EVERY = 599
"""One pair of faults in so many is played both ways."""


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("engine.state.record.secrets", ONE_KEY)
    waypoints.forget()
    yield
    waypoints.forget()


def cases(scenario: str) -> list[Case]:
    """Return some pairs of faults from the beginning to the end of a scenario."""
    return list(pairs_of(scenario))[:: EVERY if scenario.startswith("one/") else EVERY // 9]


def ends(which: Case, way: waypoints.Waypoint | None) -> tuple[object, ...]:
    """Return how a case ends that begins at a waypoint, or at the beginning."""
    director = Planned(dict(which.plan), calls=way.calls if way else 0)
    start = way.copy() if way else None
    schedule = Schedule(SCENARIOS[which.scenario], director, start=start)
    schedule.play()
    excuses = frozenset(schedule.world.watch.excuses.used)
    return fingerprint(which.scenario, schedule.world, 0), director.calls, excuses


@pytest.mark.parametrize("scenario", sampled(PLAYED, BY_DAY))
def test_a_case_that_begins_at_a_waypoint_ends_as_from_the_beginning(scenario: str) -> None:
    late = 0
    for which in cases(scenario):
        way = waypoints.before(scenario, which.plan)
        assert way is not None
        assert way.calls <= which.plan[0][0]
        late += way.calls > 0
        assert ends(which, way) == ends(which, None), str(which)
    assert late > len(cases(scenario)) // 3, "hardly any case was shortened"


def test_a_case_that_begins_between_its_faults_ends_as_from_the_beginning() -> None:
    scenario, first, between = "one/two-logins", (12, "throttle"), 0
    for which in cases_after(scenario, first):
        case.played(which, seen={})
        way = waypoints.before(scenario, which.plan)
        assert way is not None
        between += way.calls > first[0]
        assert ends(which, way) == ends(which, None), str(which)
    assert between > 10, "hardly any case was shortened"


def cases_after(scenario: str, first: tuple[int, str]) -> list[Case]:
    """Return some pairs of faults with the same first one, as they follow each other."""
    return [which for which in pairs_of(scenario) if which.plan[0] == first][:: EVERY // 40]


def test_a_copy_shares_nothing_that_a_schedule_changes() -> None:
    scenario = "errands/two-slots"
    way = waypoints.course(scenario).ways[-3]
    before = fingerprint(scenario, way.copy()[0], 0)
    ends(Case(scenario, ((way.calls, "die after"),)), way)
    assert fingerprint(scenario, way.copy()[0], 0) == before


@pytest.mark.parametrize("scenario", sampled(PLAYED, BY_DAY))
def test_what_is_left_out_would_have_ended_well(scenario: str) -> None:
    """A case left out as the same as another one, or cut short, is played whole.

    With what breaks, and what excuses it.
    """
    seen: Seen = {}
    left_out = 0
    for which in cases(scenario):
        short = case.played(which, seen=seen)
        if short.same:
            left_out += 1
            assert case.played(which).problem is None, str(which)
    assert left_out


@pytest.mark.parametrize("scenario", ["forced/many", "forced/one-slot"])
def test_orders_that_are_cut_short_lead_to_every_end(scenario: str) -> None:
    """Every order, to its end as long as a state is new, and whole: both know the same ends."""
    seen: Seen = {}
    assert every_end(scenario, seen) == every_end(scenario, None)


def every_end(scenario: str, seen: Seen | None) -> set[object]:
    """Play every order; return the states in which those end that are not cut short."""
    last: set[object] = set()
    for choices in fewest_first():
        schedule = Schedule(SCENARIOS[scenario], Planned(pick=choices), seen=seen)
        schedule.play()
        if not schedule.cut_short:
            last.add(fingerprint(scenario, schedule.world, 0))
    return last
