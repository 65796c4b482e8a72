"""Whole rotations of an application's secret, from the message to the vault."""

from __future__ import annotations

import pytest

from simulator.entra.app_policy import AppPolicy
from simulator.world import Domains
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME, GraphRig, days


@pytest.fixture
def rig() -> GraphRig:
    """A world with one application."""
    return GraphRig()


async def rotate(rig: GraphRig, **fields: object) -> None:
    version = rig.latest(NAME).version
    service = rig.service()
    await service.queue.post_rotation(
        rig.item(NAME, **{"version": version, "trigger": "event", **fields})
    )
    await Delivery(rig, rig.service).run()


async def sweep(rig: GraphRig) -> None:
    await rig.service().sweep_vault(f'{{"vault": "{rig.vault.url}"}}')
    await Delivery(rig, rig.service).run()


async def test_a_rotation_costs_three_calls_and_two_sign_ins_and_later_a_removal_between_proofs(
    rig: GraphRig,
) -> None:
    rig.managed()
    await rotate(rig)
    rig.clock.advance(8 * 86400)
    await sweep(rig)
    rig.world.exchanges.clear()
    await rotate(rig, force=True, source=rig.app.app_id)
    vault = [
        exchange
        for exchange in rig.world.exchanges
        if exchange.request.host == "prod.vault.azure.net"
    ]
    assert [exchange.request.method for exchange in vault if exchange.response.status == 200] == [
        "GET"
    ] * 4 + ["PUT"]
    assert rig.asked() == ["addPassword", "sign-in", "sign-in"]
    rig.clock.advance(7 * 86400 + 60)
    await sweep(rig)
    assert rig.asked() == ["sign-in", "removePassword", "sign-in", "sign-in"]


async def test_a_secret_that_no_replica_ever_accepts_is_not_published_and_the_reason_is_on_the_secret(
    rig: GraphRig,
) -> None:
    rig.managed()
    rig.clock.advance(2 * 86400)
    rig.directory.lags = (days(1),)
    await rotate(rig)
    current = rig.latest(NAME)
    assert current.value == rig.first.secret
    assert "Entra refuses the secret (AADSTS7000215)" in (current.tags or {})["RekeyReason"]


async def test_a_lifetime_cap_that_graph_tells_becomes_the_expiry_in_the_vault(
    rig: GraphRig,
) -> None:
    rig.managed()
    rig.directory.policy = AppPolicy(max_lifetime=days(60), tells=True)
    await rotate(rig)
    current = rig.latest(NAME)
    assert current.value == rig.alive()[-1].secret
    left = (current.expires or 0) - rig.clock.now().timestamp()
    assert days(59).total_seconds() < left < days(60).total_seconds()


async def test_a_value_template_holds_the_ids_beside_the_secret(rig: GraphRig) -> None:
    shape = "ClientId={client_id};Tenant={tenant_id};Secret={secret}"
    value = shape.format(
        client_id=rig.app.app_id, tenant_id=rig.app.tenant, secret=rig.first.secret
    )
    rig.managed(tags={"ValueTemplate": shape}, value=value)
    await rotate(rig)
    expected = shape.format(
        client_id=rig.app.app_id, tenant_id=rig.app.tenant, secret=rig.alive()[-1].secret
    )
    assert rig.latest(NAME).value == expected


async def test_another_cloud_is_asked_where_the_settings_say(rig: GraphRig) -> None:
    rig.managed()
    rig.world.domains = Domains(graph="graph.microsoft.us", login="login.microsoftonline.us")
    rig.environment = {
        "REKEY_GRAPH_ENDPOINT": "https://graph.microsoft.us",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us",
        "AZURE_TENANT_ID": rig.app.tenant,
    }
    await rotate(rig)
    assert rig.latest(NAME).value == rig.alive()[-1].secret != rig.first.secret
