"""A secret that a vault does not list, although something of it is still to be revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.model.incident import UNSERVED, Incident, deleted_at
from engine.model.sweep_order import SweepOrder
from engine.sweep.counting import counted
from engine.sweep.cut_off import CutOff
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


@pytest.mark.parametrize(("denied", "deleted"), [(False, False), (True, False), (False, True)])
async def test_an_incident_sends_on_and_counts_what_is_deleted_and_nothing_else_that_is_not_listed(
    denied: bool, deleted: bool
) -> None:
    """A listing that lags says nothing, nor does a secret that may not be read."""
    rig = scene()
    await rig.service().engine.handle(rig.item(NAME))
    rig.clock.advance(60)
    if deleted:
        rig.vault.delete(NAME)
    engine = rig.service(ListsNothing(denied=denied)).engine
    incident = Incident(rig.clock.now(), name="APP-*", vaults=(rig.vault.url,))
    elsewhere = replace(incident, source="/subscriptions/elsewhere")
    for scope in (
        incident,
        elsewhere,
        replace(incident, name="other"),
        replace(incident, vaults=()),
    ):
        await CutOff(engine, scope).send(SweepOrder.for_incident(rig.vault.url, scope))
    source = rig.world.accounts["appdata"].resource_id.lower()
    sent = [(message["source"], message["version"]) for message in rig.messages("rotations")]
    assert set(sent) == ({(source, None)} if deleted else set())
    here, there = await counted(engine, [incident, elsewhere])
    assert [row["reason"] for row in here.named] == ([deleted_at(source)] if deleted else [])
    assert (here.secrets, there.secrets) == (deleted, 0)


async def test_an_incident_names_what_is_in_a_vault_that_is_not_served_any_more() -> None:
    """It was when the incident began. Nothing else would say that it still works."""
    rig = scene()
    await rig.service().engine.handle(rig.item(NAME))
    rig.clock.advance(60)
    incident = Incident(rig.clock.now(), vaults=(rig.vault.url,))
    engine = rig.service().engine
    engine = replace(engine, policy=replace(engine.policy, scopes={}))
    (progress,) = await counted(engine, [incident])
    assert [row["reason"].partition(";")[0] for row in progress.named] == [UNSERVED]
    (progress,) = await counted(engine, [replace(incident, name="other")])
    assert progress.secrets == 0


@pytest.mark.parametrize("past_overlap", [True, False])
async def test_a_deleted_secret_that_was_replaced_before_needs_nobody(
    *, past_overlap: bool
) -> None:
    """Its successor is younger than the incident, and what it superseded is revoked."""
    rig = scene(tags={"OverlapHours": "1"})
    incident = Incident(rig.clock.now(), vaults=(rig.vault.url,))
    rig.clock.advance(1)
    await rig.service().engine.handle(rig.item(NAME))
    if past_overlap:
        rig.clock.advance(2 * 3600)
        await rig.service().engine.handle(rig.item(NAME, action="retire"))
    rig.vault.delete(NAME)
    (progress,) = await counted(rig.service().engine, [incident])
    assert (progress.rotated, progress.needs_a_person) == (past_overlap, not past_overlap)
