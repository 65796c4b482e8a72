"""With the rights that the template gives each kind is rotated and retired, with one less it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from engine.errors import AccessDenied
from scripts.generate import rights
from simulator.databases.servers import EngineName, FlexibleServer
from simulator.sql.servers import SqlServer
from tests.infra import deployed
from tests.infra.bicep import names, snapshot
from tests.rotators.database_scenes import NAME as DATABASE_SECRET
from tests.rotators.database_scenes import DatabaseScene
from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.shared import certificate_rig
from tests.shared.application_rig import OWNED_BY
from tests.shared.certificate_rig import CertificateRig
from tests.shared.collected import providers
from tests.shared.consuming import REFERENCE, SHOP, WORKER, Consuming
from tests.shared.rig import Rig
from tests.shared.scene import NAME
from tests.shared.sql_product import NAME as SQL_SECRET
from tests.shared.sql_product import SqlProduct
from tests.shared.sql_rig import FIRST, rotated

ROLES = {
    role: (*actions, *data)
    for role, actions, data, _ in deployed.custom_roles(snapshot("everything-on"))
} | {f"{kind}s": own.actions for kind, own in rights().items()}
"""As test_rights.py holds them against the template."""
VAULT = "vault-secrets"
READ = "Microsoft.Storage/storageAccounts/read"
"""What only accounts need whose name does not tell their endpoint;
tests/rotators/test_storage_key.py shows that they do."""


@dataclass(frozen=True)
class Life:
    """A rig with one due secret, whose identity has no rights yet."""

    rig: Rig
    name: str
    source: str
    """Where the rights of the kind are given."""
    is_revoked: Callable[[], bool]
    """Return whether the source refuses what the vault held first."""

    async def ends_well(self, *roles: str, without: str = "") -> bool:
        """Return whether a rotation and, after its overlap, the retirement end with these roles."""
        rig, old = self.rig, self.rig.latest(self.name)
        for role in roles:
            rights = [action for action in ROLES[role] if action != without]
            scope = rig.vault.resource_id if role.startswith("vault-") else self.source
            rig.world.grant(rig.identity, rights, scope)
        for _ in range(2):
            await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))
            for message in rig.messages("rotations"):
                await rig.service().rotate(json.dumps(message), 5)
            rig.queue("rotations").clear()
            rig.clock.advance(timedelta(days=8).total_seconds())
        is_new = rig.latest(self.name).version != old.version
        left = {"RekeyRetire", "RekeyState"} & set(rig.tags(self.name))
        return is_new and self.is_revoked() and not left


def account_life() -> Life:
    rig = Rig()
    account = rig.world.add_account("appdata")
    old = rig.secret(NAME, account).value
    rig.identity = rig.world.add_principal("as-deployed")
    source = account.resource_id
    return Life(rig, NAME, source, lambda: account.keys["key1"].value != old)


def key_life(member: Member) -> Life:
    scene = KeyScene(member)
    scene.manage(NAME)
    rig, old = scene.rig, scene.rig.latest(NAME).value
    rig.identity = rig.world.add_principal("as-deployed")
    return Life(rig, NAME, scene.account.resource_id, lambda: old not in scene.live())


def certificate_life() -> Life:
    rig = CertificateRig()
    rig.managed()
    rig.identity = rig.world.add_principal("as-deployed")
    rig.app.owners = {rig.identity.oid}
    rig.directory.grant(rig.identity, OWNED_BY)
    name = certificate_rig.NAME
    is_moved = lambda: rig.accepts(rig.latest(name).value) and rig.first not in rig.alive()  # noqa: E731
    return Life(rig, name, "", is_moved)


def sql_life() -> Life:
    rig = SqlProduct()
    rig.put(rotated(rig.server, "admin").tags, FIRST)
    return admin_life(rig, SQL_SECRET, rig.server)


def database_life(engine: EngineName) -> Life:
    scene = DatabaseScene(engine)
    scene.manage()
    return admin_life(scene.rig, DATABASE_SECRET, scene.server)


def admin_life(rig: Rig, name: str, server: SqlServer | FlexibleServer) -> Life:
    rig.identity = rig.world.add_principal("as-deployed")
    return Life(rig, name, server.resource_id, lambda: server.administrator.newest != FIRST)


async def is_needed(life: Life, *roles: str, action: str) -> bool:
    """Return whether a life without this action does not end well, and says what to grant."""
    try:
        return not await life.ends_well(*roles, without=action)
    except AccessDenied as denied:
        return "docs/permissions.md" in denied.fix or roles[-1] in denied.fix


async def test_the_rights_of_the_template_are_enough_for_an_account_and_a_certificate() -> None:
    assert await account_life().ends_well(VAULT, "storage-keys")
    assert await certificate_life().ends_well(VAULT, "vault-certificates")


ADMINS: dict[str, Callable[[], Life]] = {
    "sql-administrator": sql_life,
    "postgresql-admin-passwords": partial(database_life, "postgresql"),
    "mysql-admin-passwords": partial(database_life, "mysql"),
}


@pytest.mark.parametrize("role", ADMINS)
async def test_the_templates_rights_are_enough_for_an_administrator_and_open_no_alert(
    role: str,
) -> None:
    sent = providers()
    with sent.on():
        assert await ADMINS[role]().ends_well(VAULT, role)
    assert sent.metric("rekey.access.denied") == {}


@pytest.mark.parametrize(
    ("role", "action"), [(role, action) for role in ADMINS for action in ROLES[role]]
)
async def test_each_single_action_is_needed_for_an_administrator(role: str, action: str) -> None:
    assert await is_needed(ADMINS[role](), VAULT, role, action=action)


@pytest.mark.parametrize(
    "action", [action for role in (VAULT, "storage-keys") for action in ROLES[role]]
)
async def test_each_single_action_is_needed_for_an_account_but_one(action: str) -> None:
    needed = await is_needed(account_life(), VAULT, "storage-keys", action=action)
    assert needed is (action != READ)


@pytest.mark.parametrize("action", ROLES["vault-certificates"])
async def test_each_single_action_is_needed_for_a_certificate(action: str) -> None:
    assert await is_needed(certificate_life(), VAULT, "vault-certificates", action=action)


def test_the_role_for_certificates_is_given_only_where_a_vault_lists_the_kind() -> None:
    given = {
        name
        for name in names()
        if any(right.role == "vault-certificates" for right in deployed.rights(snapshot(name)))
    }
    assert given == {"everything-on"}


@pytest.mark.parametrize("member", FAMILY, ids=str)
async def test_the_templates_rights_are_enough_for_a_kind_with_two_keys(member: Member) -> None:
    assert await key_life(member).ends_well(VAULT, f"{member.kind.kind}s")


def needed(member: Member) -> list[str]:
    """Return the actions of the kind's role that concern this type of resource."""
    kind = "/".join([member.type, *member.path.split("/")[::2]]) if member.path else member.type
    parents = {action: action.split("/")[:-2] for action in ROLES[f"{member.kind.kind}s"]}
    own = [action for action, parent in parents.items() if "/".join(parent).lower() == kind.lower()]
    return [f"{member.type}/read", *own]


@pytest.mark.parametrize(
    ("member", "action"), [(member, action) for member in FAMILY for action in needed(member)]
)
async def test_each_action_is_needed_for_a_kind_of_two_keys(member: Member, action: str) -> None:
    assert action in ROLES[f"{member.kind.kind}s"]
    assert await is_needed(key_life(member), VAULT, f"{member.kind.kind}s", action=action)


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
    rig = Consuming(SHOP, WORKER)
    rig.identity = rig.world.add_principal("as-deployed")
    places = {"web-references": SHOP, "container-revisions": WORKER}
    rig.world.grant(rig.identity, ROLES[VAULT], rig.vault.resource_id)
    rig.world.grant(rig.identity, ROLES["storage-keys"], rig.world.accounts["appdata"].resource_id)
    for role in roles:
        rig.world.grant(rig.identity, ROLES[role], places[role])
    site = rig.world.web.add(SHOP, KEY=REFERENCE)
    app = rig.world.container_apps.add(WORKER, key=f"{rig.vault.url}/secrets/{NAME}")
    await rig.rotate()
    assert (site.refreshed, len(app.revisions)) == expected
