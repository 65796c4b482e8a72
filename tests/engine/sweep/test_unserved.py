"""What is left to do in a vault that is not served any more is told to somebody."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta

from engine.state.sweep_order import SweepOrder
from tests.shared.consuming import results
from tests.shared.heard import Log
from tests.shared.rig import VAULT_ACTIONS, Rig
from tests.shared.scene import NAME, scene

DAY = timedelta(days=1)


async def test_a_superseded_credential_of_a_vault_that_was_taken_out_is_reported_once_a_day(
    caplog: Log,
) -> None:
    """As that of a deleted secret is. The sweeps of several vaults do not repeat each other."""
    caplog.set_level(logging.INFO, "rekey.audit")
    rig: Rig = scene()
    await rig.work(NAME)
    served = [rig.world.add_vault(name) for name in ("other", "third")]
    for vault in served:
        rig.world.grant(rig.identity, VAULT_ACTIONS, vault.resource_id)
    group = rig.host.resource_id.split("/providers/")[0]
    rig.environment = {
        "REKEY_VAULTS": ",".join(vault.url for vault in served),
        "REKEY_SCOPES": json.dumps({vault.url: [group] for vault in served}),
    }

    async def told(since: datetime) -> list[str]:
        caplog.clear()
        for vault in served:
            order = SweepOrder(vault.url, since, rig.clock.now(), timedelta(hours=1))
            await rig.service().sweep_vault(order.to_json())
        return [f"{entry['secret']}: {entry['reason']}" for entry in results(caplog.records)]

    rig.clock.advance(DAY.total_seconds())
    assert await told(rig.clock.now() - DAY) == []
    rig.clock.advance(8 * DAY.total_seconds())
    (text,) = await told(rig.clock.now() - DAY)
    assert text.startswith(f"{NAME}: its vault is not served any more, and key1 of ")
    assert await told(rig.clock.now()) == []
