"""Whole rotations of an application's secret, from the message to the vault."""

from __future__ import annotations

import pytest

from engine.model.tags import RETIRE
from simulator.entra.app_policy import AppPolicy
from simulator.world import Domains
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME, GraphRig, days, seconds


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


async def test_a_rotation_publishes_a_secret_that_signs_in_and_keeps_the_old_one(
    rig: GraphRig,
) -> None:
    rig.managed()
    await rotate(rig)
    old, new = rig.alive()
    current = rig.latest(NAME)
    assert (old, current.value) == (rig.first, new.secret)
    assert (current.tags or {})["CredentialId"] == new.key_id
    assert (current.tags or {})[RETIRE].endswith(f" {rig.first.key_id}")
    assert current.expires == new.end.timestamp()


async def test_the_old_secret_is_removed_once_its_overlap_has_passed(rig: GraphRig) -> None:
    rig.managed()
    await rotate(rig)
    rig.clock.advance(7 * 86400 + 60)
    await sweep(rig)
    assert [password.secret for password in rig.alive()] == [rig.latest(NAME).value]
    assert RETIRE not in (rig.latest(NAME).tags or {})


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


async def test_replication_is_waited_out_before_anything_is_published(rig: GraphRig) -> None:
    rig.managed()
    rig.directory.lags = (seconds(18),)
    began = rig.clock.now()
    await rotate(rig)
    assert rig.latest(NAME).value == rig.alive()[-1].secret
    assert seconds(18) < rig.clock.now() - began < seconds(60)


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


async def test_an_application_outside_the_vaults_scopes_is_not_touched(rig: GraphRig) -> None:
    other = rig.world.add_application("payroll", rig.identity)
    rig.managed(tags={"ProviderAddress": other.app_id, "CredentialId": None})
    await rotate(rig)
    assert other.history == []
    assert "RekeyReason" in (rig.latest(NAME).tags or {})


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


async def test_the_restored_secret_takes_the_place_of_the_new_one_which_goes_after_its_overlap(
    rig: GraphRig,
) -> None:
    rig.managed()
    await rotate(rig)
    service = rig.service()
    await service.queue.post_rotation(rig.item(NAME, action="restore", trigger="manual"))
    await Delivery(rig, rig.service).run()
    assert rig.latest(NAME).value == rig.first.secret
    rig.clock.advance(7 * 86400 + 60)
    await sweep(rig)
    assert rig.first in rig.alive()
    assert rig.first.key_id == (rig.latest(NAME).tags or {})["CredentialId"]


async def test_a_secret_removed_by_hand_is_noticed_by_the_audit_and_healed(rig: GraphRig) -> None:
    rig.managed()
    await rotate(rig)
    rig.clock.advance(86400)
    rig.directory.remove_password(rig.app, rig.alive()[-1])
    service = rig.service()
    await service.queue.post_rotation(rig.item(NAME, action="audit", trigger="sweep"))
    await Delivery(rig, rig.service).run()
    assert rig.latest(NAME).value in {password.secret for password in rig.alive()} - {
        rig.first.secret
    }


async def test_an_incident_removes_the_old_secret_at_once(rig: GraphRig) -> None:
    rig.managed()
    await rotate(rig, trigger="manual", compromised=True)
    assert [password.secret for password in rig.alive()] == [rig.latest(NAME).value]


async def test_an_old_value_published_by_hand_keeps_its_secret_alive(rig: GraphRig) -> None:
    """Who writes the superseded secret again takes it into use: there is nothing to retire."""
    rig.managed()
    await rotate(rig)
    tags = rig.latest(NAME).tags
    rig.vault.put(
        NAME,
        rig.first.secret,
        expires=rig.clock.now() + days(90),
        tags=tags,
        content_type="text/plain",
    )
    rig.clock.advance(7 * 86400 + 60)
    await sweep(rig)
    assert rig.first in rig.alive()
    assert {"RekeyReason", "RekeyRetire"}.isdisjoint(rig.latest(NAME).tags or {})
