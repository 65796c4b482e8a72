"""Secrets that share a window start at the pace of a sweep, and inside the window."""

from __future__ import annotations

from datetime import timedelta

from engine.state.sweep_order import SweepOrder
from tests.engine.sweep.test_pace import most_within
from tests.shared.rig import Rig
from tests.shared.scene import scene

HOUR = timedelta(hours=1)


async def test_secrets_that_wait_for_the_same_window_do_not_all_start_in_the_same_second() -> None:
    rig = Rig()
    window = {"RotationWindow": "Mon 09:30-11:30 UTC"}
    for number in range(40):
        rig.secret(f"key-{number}", rig.account(f"account{number}"), tags=window)
    now = rig.clock.now()
    await rig.service().sweep_vault(SweepOrder(rig.vault.url, now, now, HOUR).to_json())
    starts = [message.visible.timestamp() for message in rig.queue("rotations")]
    assert len(starts) == 40
    assert most_within(starts, 1) <= 10


async def test_a_sweep_that_comes_late_meets_a_window_all_the_same() -> None:
    """A delay counts from now, and not from the time for which the sweep was ordered."""
    rig = scene(tags={"RotationWindow": "Mon 09:50-10:05 UTC"})
    ordered = rig.clock.now()
    rig.clock.advance(40 * 60)
    order = SweepOrder(rig.vault.url, ordered, ordered, HOUR)
    await rig.service().sweep_vault(order.to_json())
    (message,) = rig.queue("rotations")
    assert message.visible == ordered + timedelta(minutes=50)
