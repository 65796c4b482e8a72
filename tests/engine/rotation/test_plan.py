"""The steps that one work item leads to: what a worker does follows from the table of the plan."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.rotation.held import PLANNED, TAKEN, Steps, held
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene

DAY = 86_400


async def steps(rig: Rig, **item: Any) -> tuple[str, str]:
    """Return the steps that a work item leads to, and its result."""
    async with held(rig, NAME) as at:
        trace, outcome = await Steps(at, **item).run()
    return trace, outcome.result


@pytest.fixture
async def overlapping() -> Rig:
    """A rig whose secret was rotated just now: key1 is to be retired in a week."""
    rig = scene()
    assert (await rig.handle(NAME)).result == "rotated"
    rig.clock.advance(60)
    return rig


def test_each_step_that_is_planned_can_be_taken() -> None:
    assert PLANNED == TAKEN


async def test_a_rotation_claims_its_source_and_reads_what_it_has_published() -> None:
    assert await steps(scene()) == ("claim, rotate, claim, report", "rotated")


async def test_what_was_rotated_is_only_verified(overlapping: Rig) -> None:
    assert await steps(overlapping, action="audit") == ("claim, verify, claim, report", "confirmed")


async def test_what_nobody_asks_for_is_concluded(overlapping: Rig) -> None:
    assert await steps(overlapping, trigger="sweep") == ("conclude", "skipped")


async def test_the_current_key_is_tried_before_the_one_before_it_is_retired(
    overlapping: Rig,
) -> None:
    overlapping.clock.advance(8 * DAY)
    trace, result = await steps(overlapping, action="retire", trigger="sweep")
    assert trace == "claim, try current, wait for apps, retire, claim, report"
    assert result == "retired"


async def test_a_refused_current_key_is_repaired_before_anything_is_retired(
    overlapping: Rig,
) -> None:
    overlapping.clock.advance(8 * DAY)
    overlapping.world.accounts["appdata"].regenerate("key2")
    trace, _ = await steps(overlapping, action="retire", trigger="sweep")
    assert trace.startswith("claim, try current, verify, ")


async def test_what_leaked_is_replaced_and_then_retired_at_once() -> None:
    trace, result = await steps(scene(), compromised=True)
    assert result == "rotated"
    assert trace == "claim, rotate, claim, read, claim, wait for apps, retire, claim, report"
