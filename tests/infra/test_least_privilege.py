"""With exactly the rights that the template gives the product rotates.

Without any single one of them it does not.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.errors import AccessDenied
from tests.infra import deployed
from tests.infra.bicep import snapshot
from tests.shared.consuming import REFERENCE, SHOP, WORKER, Consuming
from tests.shared.rig import Rig
from tests.shared.scene import NAME

ROLES = {
    role: (*actions, *data)
    for role, actions, data, _ in deployed.custom_roles(snapshot("everything-on"))
}
READ = "Microsoft.Storage/storageAccounts/read"
"""What only accounts need whose name does not tell their endpoint;
tests/rotators/test_storage_key.py shows that they do."""
NEEDED = [
    action for role in ("vault-secrets", "storage-keys") for action in ROLES[role] if action != READ
]


def deployed_rig(without: str = "") -> Rig:
    """Return a rig with one due secret, whose identity lacks one action of the template's rights."""
    rig = Rig()
    account = rig.world.add_account("appdata")
    rig.secret("app-key", account)
    rig.identity = rig.world.add_principal("as-deployed")
    for role, scope in (
        ("vault-secrets", rig.vault.resource_id),
        ("storage-keys", account.resource_id),
    ):
        rig.world.grant(
            rig.identity, [action for action in ROLES[role] if action != without], scope
        )
    return rig


async def a_life(rig: Rig) -> bool:
    """Sweep, rotate, wait until the overlap has passed, sweep, retire.

    Tell whether all of that came to its end.
    """
    old = rig.latest("app-key")
    for _ in range(2):
        await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))
        for message in rig.messages("rotations"):
            await rig.service().rotate(json.dumps(message), 5)
        rig.queue("rotations").clear()
        rig.clock.advance(timedelta(days=8).total_seconds())
    new = rig.latest("app-key")
    revoked = rig.world.accounts["appdata"].keys["key1"].value != old.value
    return (
        new.version != old.version
        and revoked
        and not {"RekeyRetire", "RekeyState"} & set(new.tags or {})
    )


async def test_the_rights_of_the_template_are_enough_to_rotate_and_to_retire() -> None:
    assert await a_life(deployed_rig())


@pytest.mark.parametrize("action", NEEDED)
async def test_each_single_action_of_the_roles_is_needed(action: str) -> None:
    try:
        done = await a_life(deployed_rig(without=action))
    except AccessDenied as denied:
        assert "docs/permissions.md" in denied.fix  # noqa: PT017 - a sweep tells by raising, a rotation by parking
    else:
        assert not done


async def refreshed(roles: tuple[str, ...]) -> tuple[int, int]:
    """Rotate a secret that two apps use, with these roles at them.

    Tell the one's refreshes and the other's revisions.
    """
    rig = Consuming(SHOP, WORKER)
    rig.identity = rig.world.add_principal("as-deployed")
    places = {"web-references": SHOP, "container-revisions": WORKER}
    rig.world.grant(rig.identity, ROLES["vault-secrets"], rig.vault.resource_id)
    rig.world.grant(rig.identity, ROLES["storage-keys"], rig.world.accounts["appdata"].resource_id)
    for role in roles:
        rig.world.grant(rig.identity, ROLES[role], places[role])
    site = rig.world.web.add(SHOP, KEY=REFERENCE)
    app = rig.world.container_apps.add(WORKER, key=f"{rig.vault.url}/secrets/{NAME}")
    await rig.rotate()
    return site.refreshed, len(app.revisions)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("web-references", "container-revisions"), (1, 1)),
        (("web-references",), (1, 0)),
        (("container-revisions",), (0, 1)),
        ((), (0, 0)),
    ],
)
async def test_each_role_at_a_consumer_is_enough_to_refresh_it_and_needed(
    roles: tuple[str, ...], expected: tuple[int, int]
) -> None:
    assert await refreshed(roles) == expected
