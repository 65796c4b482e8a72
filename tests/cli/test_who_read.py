"""`rekey who-read`: readers by the vault's own audit log, with the version that each holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from simulator.identity import Principal
from simulator.telemetry.logs import LogWorkspace
from simulator.telemetry.vault_logs import Audited as Event
from simulator.wire import Request
from tests.cli.desk import ADA, Desk
from tests.shared.delivery import Delivery
from tests.shared.scene import NAME

SECRET = f"prod/{NAME}"
QUERIES = "Microsoft.OperationalInsights/workspaces/query/*"


class Audited(Desk):
    """A desk whose vault has its calls written to a workspace."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.secret(NAME, self.account("appdata"), days_left=10)
        self.workspace: LogWorkspace = self.world.add_log_workspace("central")
        self.vault.audit = self.workspace.audited.setdefault("AZKVAuditLogs", [])
        self.world.grant(self.ada, (QUERIES,), self.workspace.resource_id)
        self.shop: Principal = self.world.add_principal("shop")
        self.world.grant(
            self.shop, ("Microsoft.KeyVault/vaults/secrets/getSecret/action",), self.group
        )

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "REKEY_LOGS_WORKSPACE": self.workspace.id}

    def read_by_the_shop(self) -> None:
        """Let the application read the secret, without naming a version."""
        token = self.world.identities.token_for("https://vault.azure.net", self.shop)
        url = f"{self.vault.url}/secrets/{NAME}/?api-version=7.4"
        answer = self.world.handle(Request("GET", url, {"authorization": f"Bearer {token}"}))
        assert answer.status == 200, answer.body

    def rotated(self) -> None:
        """Rotate the secret."""
        self.clock.advance(60)
        self.run("rotate", SECRET, "--force")
        asyncio.run(Delivery(self, self.service).run())
        self.clock.advance(60)


def test_who_still_holds_the_old_version_is_told_before_it_is_retired() -> None:
    desk = Audited()
    desk.read_by_the_shop()
    desk.rotated()
    ran = desk.run("who-read", SECRET, "--json")
    (shop,) = [reader for reader in ran.json["readers"] if reader["object"] == desk.shop.oid]
    assert (ran.code, shop["holds"], shop["kind"], shop["reads"]) == (1, "older", "application", 1)
    desk.read_by_the_shop()
    later = desk.run("who-read", SECRET, "--json")
    (shop,) = [reader for reader in later.json["readers"] if reader["object"] == desk.shop.oid]
    assert (shop["holds"], shop["reads"]) == ("current", 2)
    assert shop["version"] == desk.latest(NAME).version


def test_the_table_says_who_holds_what_since_when() -> None:
    desk = Audited()
    desk.read_by_the_shop()
    ran = desk.run("who-read", SECRET, "--days", "7")
    assert "read in the last 7 days by 1\n" in ran.out
    heads, row = ran.out.splitlines()[-2:]
    assert heads.split() == ["holds", "reader", "kind", "last", "read", "reads", "version"]
    assert row.split()[:3] == ["current", desk.shop.appid, "application"]
    assert ran.code == 0


def test_what_rekey_itself_reads_is_marked_and_is_nobodys_worry() -> None:
    desk = Audited()
    identity = f"{desk.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/rekey"
    url = f"{desk.vault.url}/secrets/{NAME}/{desk.latest(NAME).version}"
    desk.rotated()
    read = Event(desk.clock.now() - timedelta(seconds=30), "SecretGet", 200, url, "", identity)
    desk.workspace.audited["AZKVAuditLogs"][:] = [read]
    env = {**desk.env, "REKEY_IDENTITY_NAME": "rekey"}
    ran = desk.run("who-read", SECRET, "--json", env=env)
    (reader,) = ran.json["readers"]
    assert (ran.code, reader["kind"], reader["holds"]) == (0, "rekey", "older")


def test_where_the_vault_is_not_logged_nobody_is_not_the_answer() -> None:
    desk = Audited()
    desk.vault.audit = None
    desk.run("who-read", SECRET).ends(
        1, "the workspace has nothing of vault prod from the last 30 days", "who read is not known"
    )


def test_without_a_workspace_it_says_what_to_switch_on() -> None:
    desk = Audited()
    env = {name: text for name, text in desk.env.items() if name != "REKEY_LOGS_WORKSPACE"}
    desk.run("who-read", SECRET, env=env).ends(3, "AuditEvent", "docs/consumers.md")
    assert desk.run("who-read", SECRET, "--workspace", desk.workspace.id, env=env).code != 3


def test_a_workspace_is_named_by_its_id_not_by_its_resource_id() -> None:
    Audited().run("who-read", SECRET, "--workspace", "/subscriptions/1/x").ends(2, "a GUID")


def test_who_may_not_query_the_workspace_is_told_who_they_are_and_the_role() -> None:
    desk = Audited()
    desk.ada = desk.world.add_person("eve@northwind.example", "User.Read")
    desk.world.grant(desk.ada, ("Microsoft.KeyVault/vaults/*",), desk.group)
    ran = desk.run("who-read", SECRET)
    ran.ends(4, "the role Log Analytics Reader granted to you there", "eve@northwind.example")


@pytest.mark.parametrize("name", ["prod/nothing", "prod/apq-key"])
def test_a_secret_that_there_is_not_is_said_not_to_be_there(name: str) -> None:
    ran = Audited().run("who-read", name)
    assert (ran.code, ran.out) == (5, "")
    assert f"there is no secret {name}" in ran.err


def test_a_person_is_named_as_the_log_names_them() -> None:
    desk = Audited()
    desk.run("doctor")
    ran = desk.run("who-read", SECRET, "--json")
    assert ADA in [reader["reader"] for reader in ran.json["readers"]]
