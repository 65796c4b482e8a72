"""What is broken while a scenario is being built counts like what is broken afterwards."""

from __future__ import annotations

from tests.proof.case import came_of
from tests.proof.schedule import Planned, Schedule
from tests.proof.staging import Scenario
from tests.proof.watch import Broken
from tests.proof.world import World


def _broken(world: World) -> None:
    raise Broken(f"P1: broken before anybody came, at {world.kernel.time():.0f}")


def test_a_promise_that_breaks_before_the_first_move_is_a_violation() -> None:
    schedule = Schedule(Scenario("broken", _broken), Planned())
    assert came_of(schedule).problem == "P1: broken before anybody came, at 0"
