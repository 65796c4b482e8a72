"""What a person asked for is stored until it is done, given up, or stored under its newer name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import TransientError
from engine.service import MAX_TRIES
from engine.state.incident import Incident
from engine.state.request import Outcome, WorkItem
from engine.state.sweep_order import SweepOrder
from tests.shared.heard import handled_by
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_vault


async def asked(rig: Rig, **fields: object) -> WorkItem:
    """Store a request, as the API does before it answers, and return its item."""
    item = rig.item(NAME, requested_by="jane", **fields)
    await rig.service().engine.accept(item)
    rig.queue("rotations").clear()
    return item


async def test_a_request_that_is_given_up_and_marked_is_closed() -> None:
    rig = scene()
    item = await asked(rig)

    async def fail(item: WorkItem, tries: int = 1) -> Outcome:
        del item, tries
        raise TransientError("it failed")

    await handled_by(rig.service(), fail).rotate(item.to_json(), MAX_TRIES)
    assert rig.open_requests == []
    assert "it failed" in rig.tags(NAME)["RekeyReason"]


async def test_an_incident_without_its_time_is_stored_once_with_it_where_it_comes_back() -> None:
    """An earlier version of Rekey posted, or stored, it without."""
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    item = await asked(rig, compromised=True, deferred=2, waited=3, tried=1)
    await rig.service().rotate(item.to_json(), 1)
    ((_, stored),) = rig.open_requests
    assert stored["reported"] == rig.clock.now().isoformat()
    assert [stored[name] for name in ("deferred", "waited", "tried")] == [0, 0, 0]


async def order_of_an_incident(rig: Rig) -> SweepOrder:
    """Store an incident's order, as the API does before it answers."""
    now = rig.clock.now()
    whole = SweepOrder(rig.vault.url, now, now, timedelta(hours=1), incident=Incident(now))
    await rig.service().engine.accept(whole)
    rig.queue("sweeps").clear()
    return whole


async def test_an_incidents_order_is_closed_once_its_vault_was_swept() -> None:
    rig = scene()
    order = await order_of_an_incident(rig)
    await rig.service().sweep_vault(order.to_json())
    assert not [stored for _, stored in rig.open_requests if "secret" not in stored]


@pytest.mark.parametrize(("after", "swept"), [(0, True), (1, False)])
async def test_an_incidents_order_is_tried_to_the_last_second_of_its_month(
    after: int, *, swept: bool
) -> None:
    rig = scene()
    order = await order_of_an_incident(rig)
    assert order.incident
    rig.clock.advance((order.incident.tried_until - rig.clock.now()).total_seconds() + after)
    await rig.service().sweep_vault(order.to_json())
    assert bool(rig.messages("rotations")) == swept
