"""How a schedule is played: what is broken before its first move, and time that is left out."""

from __future__ import annotations

import pytest

from tests.proof.case import Case, came_of
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Planned, Schedule
from tests.proof.seen import held_by
from tests.proof.staging import Scenario
from tests.proof.stillness import Stillness
from tests.proof.watch import Broken
from tests.proof.world import World


def _broken(world: World) -> None:
    raise Broken(f"P1: broken before anybody came, at {world.kernel.time():.0f}")


def test_a_promise_that_breaks_before_the_first_move_is_a_violation() -> None:
    schedule = Schedule(Scenario("broken", _broken), Planned())
    assert came_of(schedule).problem == "P1: broken before anybody came, at 0"


class Sleepless(Stillness):
    """Plays every try of a month."""

    def leap(self, world: World) -> float:
        assert not self.ticks
        del world
        return 0.0


def _end_of(case: Case, stillness: Stillness) -> tuple[object, object, int]:
    schedule = Schedule(SCENARIOS[case.scenario], case.director(), stillness=stillness)
    assert came_of(schedule).problem is None
    world = schedule.world
    held = {
        version.version: (version.value, version.enabled, {*version.tags})
        for versions in world.vault.values()
        for version in versions
    }
    return held, [held_by(world, name) for name in world.sources], world.deliveries


@pytest.mark.parametrize(
    "name",
    [
        "incident-and-people/two-logins#922302178",  # an incident that only a person ends
        "moved/two-slow#75567502",  # a change whose end nobody sees
    ],
)
def test_time_in_which_nothing_changes_is_left_out_and_changes_nothing(name: str) -> None:
    vault, sources, deliveries = _end_of(Case.parse(name), Stillness())
    in_full = _end_of(Case.parse(name), Sleepless())
    assert (vault, sources) == in_full[:2]
    assert deliveries * 3 < in_full[2]
