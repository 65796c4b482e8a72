"""A page that a vault refuses every time ends in a report, not in a sweep without an end."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from engine import service as services
from engine.errors import RekeyError
from engine.state.incident import Incident
from engine.state.sweep_order import SweepOrder
from tests.shared.rig import Rig
from tests.shared.scene import refuse

ROUNDS = 20


@pytest.mark.parametrize("incident", [False, True], ids=["scheduled", "incident"])
async def test_a_vault_whose_second_page_is_refused_is_not_listed_without_an_end(
    monkeypatch: pytest.MonkeyPatch, *, incident: bool
) -> None:
    """Each start posts what the first page shows once more, and none of them waits or is counted."""
    monkeypatch.setattr(services, "SWEEP_SECONDS", -1.0)
    monkeypatch.setattr("engine.sweep.incidents.LISTING_SECONDS", -1.0)
    rig = Rig()
    for number in range(30):
        rig.secret(f"key-{number}", rig.account(f"account{number}"))
    rig.clock.advance(60)
    now = rig.clock.now().replace(microsecond=0)
    whole = Incident(now, vaults=(rig.vault.url,)) if incident else None
    order = SweepOrder(rig.vault.url, now, now, timedelta(hours=1), whole)
    refuse(rig, 400, "BadParameter", lambda sent: "skiptoken" in sent.url.lower(), times=999)
    await rig.service().sweep_vault(order.to_json())
    begun = rig.clock.now()
    for _ in range(ROUNDS):
        queue = rig.queue("sweeps")
        if not queue or min(message.visible for message in queue) > rig.clock.now():
            break
        text = base64.b64decode(queue[0].body)
        _remove(rig)
        try:
            await rig.service().sweep_vault(text, 5)
        except RekeyError:
            break
    else:
        pytest.fail(f"{ROUNDS} sweeps in {rig.clock.now() - begun}")


def _remove(rig: Rig) -> None:
    rig.queue("sweeps").clear()
