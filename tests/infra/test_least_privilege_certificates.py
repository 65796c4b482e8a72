"""With exactly the rights of the template a certificate is rotated and retired; without any one it is not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.infra import deployed
from tests.infra.bicep import names, snapshot
from tests.shared.application_rig import OWNED_BY
from tests.shared.certificate_rig import NAME, CertificateRig

ROLES = {role: data for role, _, data, _ in deployed.custom_roles(snapshot("everything-on"))}


async def a_life(without: str = "") -> bool:
    """Sweep, rotate, wait until the overlap has passed, sweep, retire; return whether all that was done."""
    rig = CertificateRig()
    rig.managed()
    rig.identity = rig.world.add_principal("as-deployed")
    rig.app.owners = {rig.identity.oid}
    rig.directory.grant(rig.identity, OWNED_BY)
    rights = [*ROLES["vault-secrets"], *ROLES["vault-certificates"]]
    rig.world.grant(
        rig.identity, [right for right in rights if right != without], rig.vault.resource_id
    )
    for _ in range(2):
        await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))
        for message in rig.messages("rotations"):
            await rig.service().rotate(json.dumps(message), 5)
        rig.queue("rotations").clear()
        rig.clock.advance(timedelta(days=8).total_seconds())
    rotated = rig.accepts(rig.latest(NAME).value) and rig.first not in rig.alive()
    return rotated and "RekeyRetire" not in (rig.latest(NAME).tags or {})


async def test_the_rights_of_the_template_are_enough_to_rotate_and_to_retire() -> None:
    assert await a_life()


@pytest.mark.parametrize("right", ROLES["vault-certificates"])
async def test_each_right_of_the_role_is_needed(right: str) -> None:
    assert not await a_life(without=right)


def test_the_role_is_given_only_where_a_vault_lists_the_kind() -> None:
    given = {
        name
        for name in names()
        if any(right.role == "vault-certificates" for right in deployed.rights(snapshot(name)))
    }
    assert given == {"everything-on"}
