"""An incident with more versions than one work item takes turns."""

from __future__ import annotations

import pytest

from tests.shared.scene import NAME, scene, source_of


@pytest.mark.parametrize("count", [11, 13])
async def test_many_compromised_versions_are_not_called_a_secret_that_keeps_changing(
    count: int,
) -> None:
    rig = scene(days_left=80)
    await rig.handle(NAME, action="audit")
    gone = tuple(f"{number:032x}" for number in range(count))
    await rig.note(source_of(rig), NAME, compromised=gone)
    outcome = await rig.handle(NAME, action="audit")
    assert "changes faster than it can be rotated" not in outcome.reason
    assert "cannot be read and may still be accepted" in outcome.reason


async def test_many_versions_that_cannot_be_settled_hold_up_no_leak_that_is_in_use() -> None:
    rig = scene(days_left=80)
    await rig.handle(NAME, action="audit")
    gone = tuple(f"{number:032x}" for number in range(13))
    await rig.note(source_of(rig), NAME, compromised=gone)
    leaked = rig.latest(NAME)
    for _ in range(5):
        await rig.handle(NAME, version=leaked.version, compromised=True)
        rig.clock.advance(900)
    assert rig.latest(NAME).version != leaked.version
    keys = rig.world.accounts["appdata"].keys.values()
    assert leaked.value not in {key.value for key in keys}
