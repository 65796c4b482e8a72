"""With exactly the rights of the template each kind with two keys is rotated and retired.

Without any single one it is not.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.errors import AccessDenied
from tests.infra import deployed
from tests.infra.bicep import snapshot
from tests.rotators.key_scenes import FAMILY, KeyScene, Member

ROLES = {
    role: (*actions, *data)
    for role, actions, data, _ in deployed.custom_roles(snapshot("everything-on"))
}
NAME = "app-key"


def needed(member: Member) -> list[str]:
    """Return the actions of the kind's role that concern this type of resource."""
    kind = "/".join([member.type, *member.path.split("/")[::2]]) if member.path else member.type
    parents = {action: action.split("/")[:-2] for action in ROLES[member.kind.facts.role]}
    own = [action for action, parent in parents.items() if "/".join(parent).lower() == kind.lower()]
    return [f"{member.type}/read", *own]


def deployed_scene(member: Member, without: str = "") -> KeyScene:
    """Return a scene with a due secret, whose identity lacks one action of the template's rights."""
    scene = KeyScene(member)
    scene.manage(NAME)
    rig = scene.rig
    rig.identity = rig.world.add_principal("as-deployed")
    rig.world.grant(rig.identity, ROLES["vault-secrets"], rig.vault.resource_id)
    rights = [action for action in ROLES[member.kind.facts.role] if action != without]
    rig.world.grant(rig.identity, rights, scene.account.resource_id)
    return scene


async def a_life(scene: KeyScene) -> bool:
    """Sweep, rotate, wait until the overlap has passed, sweep, retire.

    Return whether all of that came to its end.
    """
    rig, old = scene.rig, scene.rig.latest(NAME)
    for _ in range(2):
        await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))
        for message in rig.messages("rotations"):
            await rig.service().rotate(json.dumps(message), 5)
        rig.queue("rotations").clear()
        rig.clock.advance(timedelta(days=8).total_seconds())
    new = rig.latest(NAME)
    return old.value not in scene.live() and not {"RekeyRetire", "RekeyState"} & set(new.tags or {})


@pytest.mark.parametrize("member", FAMILY, ids=str)
async def test_the_rights_of_the_template_are_enough_to_rotate_and_to_retire(
    member: Member,
) -> None:
    assert await a_life(deployed_scene(member))


@pytest.mark.parametrize(
    ("member", "action"), [(member, action) for member in FAMILY for action in needed(member)]
)
async def test_each_single_action_of_the_role_is_needed(member: Member, action: str) -> None:
    assert action in ROLES[member.kind.facts.role]
    try:
        done = await a_life(deployed_scene(member, without=action))
    except AccessDenied as denied:
        assert member.kind.facts.role in denied.fix  # noqa: PT017 - a sweep tells by raising, a rotation by parking
    else:
        assert not done
