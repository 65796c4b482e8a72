"""What leaked in one vault is cut off as fast as its subscription allows, whoever else shares that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.service import revocation_starts
from engine.state.incident import Incident
from engine.state.sweep_order import SweepOrder
from tests.shared.many_vaults import rig_of
from tests.shared.rig import Rig

LEAKED, VAULTS = 60, 40
MOST = timedelta(minutes=3)


def shared() -> Rig:
    """Return a rig with one subscription, which many vaults share, and many secrets in one of them."""
    rig = rig_of(VAULTS)
    for number in range(LEAKED):
        rig.secret(f"key-{number}", rig.account(f"account{number}"), days_left=80)
    rig.clock.advance(60)
    return rig


@pytest.mark.parametrize("covers_all", [False, True])
async def test_an_incident_of_one_vault_does_not_leave_room_for_vaults_that_it_does_not_cover(
    *, covers_all: bool
) -> None:
    rig = shared()
    since = rig.clock.now().replace(microsecond=0)
    vaults = tuple(rig.service().engine.policy.scopes) if covers_all else (rig.vault.url,)
    incident = Incident(since, vaults=vaults, requested_by="ada", reason="a drill")
    await rig.service().sweep_vault(SweepOrder.for_incident(rig.vault.url, incident).to_json())
    waits = [message.visible - rig.clock.now() for message in rig.queue("rotations")]
    assert len(waits) == LEAKED
    assert (max(waits) <= MOST) is not covers_all


async def test_a_list_of_leaks_has_the_whole_budget_of_a_subscription() -> None:
    rig = shared()
    sources = [rig.tags(f"key-{number}")["ProviderAddress"].lower() for number in range(LEAKED)]
    starts = revocation_starts(sources)
    assert max(starts) <= MOST.total_seconds()
