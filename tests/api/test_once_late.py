"""A request that failed, and is sent again after a day, is not answered as if it were carried out."""

from __future__ import annotations

import pytest

from tests.api.test_incidents import begin, scattered
from tests.shared.scene import NAME, ask, refuse, scene


async def test_an_incident_that_was_never_stored_is_not_said_to_be_queued() -> None:
    rig = scattered()
    refuse(rig, 503, "ServerBusy", lambda sent: "/accepted" in sent.path, times=9)
    failed = await begin(rig.api(), everything=True)
    assert failed.status == 503
    rig.world.faults.clear()
    rig.clock.advance(86_400 + 60)
    again = await begin(rig.api(), everything=True)
    assert again.status != 202 or rig.messages("sweeps")


@pytest.mark.parametrize("late", [3_600, 86_400 + 60])
async def test_a_rotation_that_was_never_stored_is_not_said_to_be_queued(late: int) -> None:
    rig = scene(days_left=80)
    headers = {"idempotency-key": "one"}
    refuse(rig, 503, "ServerBusy", lambda sent: "/accepted" in sent.path, times=9)
    failed = await ask(rig.api(), {"force": True}, headers=headers)
    assert (failed.status, rig.messages("rotations")) == (503, [])
    rig.world.faults.clear()
    rig.clock.advance(late)
    again = await ask(rig.api(), {"force": True}, headers=headers)
    assert again.status != 202 or [it["secret"] for it in rig.messages("rotations")] == [NAME]
