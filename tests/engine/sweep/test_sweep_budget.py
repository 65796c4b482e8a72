"""What only looks takes no room from what is due: audits change nothing at a source."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.state.sweep_order import SweepOrder
from tests.shared.graph_rig import GraphRig
from tests.shared.many_vaults import rig_of

HOUR, VAULTS = timedelta(hours=1), 40
SHARE = 1200 // VAULTS


@pytest.mark.parametrize("kind", ["daily audits", "what needs a person"])
async def test_a_secret_that_is_due_is_rotated_however_many_before_it_are_only_looked_at(
    kind: str,
) -> None:
    """What is open at sources is asked for at every sweep: the last secret would expire."""
    rig = rig_of(VAULTS)
    for number in range(SHARE):
        name = f"a-{number}"
        rig.secret(name, rig.account(f"account{number}"), days_left=80)
        if kind == "what needs a person":
            source = rig.tags(name)["ProviderAddress"].lower()
            await rig.note(source, name, compromised=("1" * 32,))
    rig.secret("z-due", rig.account("last"))
    for _ in range(3):
        rig.queue("rotations").clear()
        now = rig.clock.now()
        covers = timedelta(days=1) if kind == "daily audits" else timedelta()
        order = SweepOrder(rig.vault.url, now - covers, now, HOUR)
        await rig.service().sweep_vault(order.to_json())
        rig.clock.advance(3600)
    actions = {message["secret"]: message["action"] for message in rig.messages("rotations")}
    assert actions.get("z-due") == "rotate"


async def test_what_is_parked_takes_no_room_of_a_source_that_is_in_no_subscription() -> None:
    rig = GraphRig()
    for number in range(20):
        rig.vault.put(f"a-{number}", "x", tags={"ProviderAddress": "nowhere"})
    rig.managed()
    now = rig.clock.now()
    order = SweepOrder(rig.vault.url, now, now, timedelta(minutes=1))
    await rig.service().sweep_vault(order.to_json())
    assert [it["source"] for it in rig.messages("rotations")] == [*[None] * 20, rig.source]
