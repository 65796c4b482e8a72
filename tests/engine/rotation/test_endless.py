"""A change that has just been accepted goes on since then, whenever the first try of it was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import TransientError
from tests.engine.rotation.test_under_way import COSMOS, DAY, NAME, Slow
from tests.shared.delivery import Delivery
from tests.shared.scene import refuse, to_arm


async def test_a_change_is_not_endless_that_was_asked_for_in_vain_the_day_before() -> None:
    """The source answered 500, the secret was given up on, and a day later it accepts the change."""
    slow = Slow(COSMOS)
    refuse(slow.rig, 500, "InternalServerError", to_arm("regenerateKey"))
    with pytest.raises(TransientError):
        await slow.handle()
    slow.rig.clock.advance(DAY + 60)
    slow.rig.queue("rotations").clear()
    began = slow.takes(timedelta(minutes=5))
    outcome = await slow.handle()
    assert slow.asked() == 1, "it has just been accepted"
    record = await slow.record()
    assert record.change.in_progress_since == began
    assert outcome.result == "waiting"
    assert outcome.reason.startswith(f"under way since {began:%Y-%m-%d}")
    assert record.next_check
    assert record.next_check < began + timedelta(hours=1)


async def test_a_forced_rotation_ends_although_one_was_given_up_a_week_before() -> None:
    """Nobody looks for the end of a change that is taken for endless when it begins."""
    slow = Slow(COSMOS)
    rig = slow.rig
    rig.write(NAME, rig.latest(NAME).value, 80)
    assert (await slow.handle(action="audit")).result == "confirmed"
    refuse(rig, 500, "InternalServerError", to_arm("regenerateKey"), times=5)
    delivery = Delivery(rig, rig.service)
    await rig.service().engine.post(rig.item(NAME, force=True))
    await delivery.run(within=timedelta(hours=5))
    await delivery.recheck(rig.clock.now() + timedelta(hours=6))
    rig.clock.advance(6 * DAY)
    assert (await slow.handle(action="audit", trigger="sweep")).result == "confirmed"
    before = rig.latest(NAME).version
    slow.takes(timedelta(minutes=5))
    await rig.service().engine.post(rig.item(NAME, force=True))
    await delivery.run(within=timedelta(hours=5))
    await delivery.recheck(rig.clock.now() + timedelta(hours=6))
    assert rig.tags(NAME).get("RekeyReason") is None
    assert rig.latest(NAME).version != before
