"""A secret that a vault does not list, although something of it is still to be revoked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.model.sweep_order import SweepOrder
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.heard import heard
from tests.shared.scene import NAME, scene

DAY = timedelta(days=1)


class ListsNothing:
    """A listing that lags behind; `denied` also forbids each read of a secret."""

    def __init__(self, *, denied: bool = False) -> None:
        self.denied = denied

    async def __call__(self, request: Request, call: Call) -> Response:
        if "vault" not in request.host or request.method != "GET":
            return await call()
        if "/secrets?" in request.url:
            return json_response(200, {"value": [], "nextLink": None})
        return json_response(403, {"error": {"code": "Forbidden"}}) if self.denied else await call()


@pytest.mark.parametrize(("denied", "deleted"), [(False, False), (True, False), (False, True)])
async def test_only_a_secret_that_is_not_there_is_reported_as_deleted(
    denied: bool, deleted: bool
) -> None:
    rig = scene(tags={"OverlapHours": "1"})
    await rig.service().engine.handle(rig.item(NAME))
    rig.clock.advance(DAY.total_seconds())
    if deleted:
        rig.vault.delete(NAME)
    service = rig.service(ListsNothing(denied=denied))
    outcomes, now = heard(service.engine), rig.clock.now()
    await service.sweep_vault(SweepOrder(rig.vault.url, now - DAY, now, DAY).to_json())
    reasons = [outcome.reason for outcome in outcomes]
    assert [reason.partition(",")[0] for reason in reasons] == (["deleted"] if deleted else [])
