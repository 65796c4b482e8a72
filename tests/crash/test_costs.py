"""What a rotation costs, counted on the wire, tokens and challenges aside."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.tags import OPERATION
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene

DAY = 86_400


async def rotated(rig: Rig) -> None:
    """Let Rekey write the current version.

    So that what is counted is a rotation like all later ones.
    """
    await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    rig.clock.advance(8 * DAY)
    await rig.service().rotate(rig.item(NAME, trigger="sweep", action="retire").to_json(), 1)
    rig.clock.advance(80 * DAY)
    assert OPERATION in (rig.latest(NAME).tags or {})
    rig.calls()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trigger": "event"}, {"vault": 6, "arm": 2, "blob": 1, "host blob": 6}),
        ({"trigger": "manual", "force": True}, {"vault": 6, "arm": 2, "blob": 1, "host blob": 6}),
    ],
)
async def test_whoever_cannot_name_the_source_costs_one_read_more(
    fields: dict[str, Any], expected: dict[str, int]
) -> None:
    rig = scene()
    await rotated(rig)
    await rig.service().rotate(
        rig.item(NAME, version=rig.latest(NAME).version, **fields).to_json(), 1
    )
    assert rig.calls() == expected


async def test_a_first_rotation_costs_a_listing_and_a_proof_more() -> None:
    rig = scene()
    source = rig.world.accounts["appdata"].resource_id.lower()
    await rig.service().rotate(rig.item(NAME, trigger="sweep", source=source).to_json(), 1)
    counted = rig.calls()
    assert (counted["vault"], counted["arm"], counted["blob"]) == (5, 2, 3)


async def test_an_event_for_a_secret_that_is_not_due_costs_one_read() -> None:
    rig = scene(days_left=80)
    await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    assert rig.calls() == {"vault": 1}


async def test_a_duplicate_costs_two_reads_a_proof_and_the_lease() -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json()
    await rig.service().rotate(item, 1)
    rig.calls()
    await rig.service().rotate(item, 1)
    assert rig.calls() == {"vault": 2, "blob": 1, "host blob": 3}
