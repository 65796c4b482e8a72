"""GET …/readers: who read a secret by the vault's audit log, where a setting names a workspace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.telemetry.logs import RIGHT, LogWorkspace
from simulator.telemetry.vault_logs import TABLES, Audited
from tests.shared.rig import Rig
from tests.shared.scene import NAME, send

PATH = {"vault": "prod", "name": NAME}
OWN = "/subscriptions/1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/rekey"
SITE = "/subscriptions/1/providers/Microsoft.Web/sites/shop"


def logged(rig: Rig) -> LogWorkspace:
    """Name a workspace to the app, which may ask what the template lets it ask."""
    workspace = rig.world.add_log_workspace("central")
    rights = (f"{RIGHT}/read", *(f"{RIGHT}/{table}/read" for table in TABLES))
    rig.world.grant(rig.identity, rights, workspace.resource_id)
    rig.environment = {**rig.environment, "REKEY_LOGS_WORKSPACE": workspace.id}
    return workspace


def a_rig() -> Rig:
    rig = Rig()
    rig.secret(NAME, rig.account("appdata"), days_left=80)
    return rig


def read(rig: Rig, version: str, days: float, resource: str = SITE) -> Audited:
    """Return the row of a read that came so many days ago."""
    time = rig.clock.now() - timedelta(days=days)
    return Audited(
        time, "SecretGet", 200, f"{rig.vault.url}/secrets/{NAME}/{version}", "", resource, oid="o"
    )


@pytest.mark.parametrize("table", TABLES)
async def test_each_reader_is_told_with_the_version_that_it_holds(table: str) -> None:
    rig = a_rig()
    current = str(rig.latest(NAME).version)
    rows = [read(rig, current, 2), read(rig, "0" * 32, 1, OWN), read(rig, current, 40, "other")]
    logged(rig).audited[table] = rows
    answer = await send(rig.api(), "http_readers", PATH)
    assert answer.status == 200
    assert [
        (reader["holds"], reader["kind"], reader["reader"]) for reader in answer.body["readers"]
    ] == [("gone", "rekey", OWN), ("current", "resource", SITE)]
    longer = await send(rig.api(), "http_readers", PATH, {"days": "60"})
    assert len(longer.body["readers"]) == 3


async def test_without_a_log_of_the_vault_the_answer_says_that_nothing_is_known() -> None:
    rig = a_rig()
    logged(rig)
    answer = await send(rig.api(), "http_readers", PATH)
    assert (answer.status, answer.body["logged"], answer.body["readers"]) == (200, False, [])


async def test_without_a_workspace_the_answer_says_what_to_set() -> None:
    answer = await send(a_rig().api(), "http_readers", PATH)
    assert answer.status == 422
    assert "REKEY_LOGS_WORKSPACE" in str(answer.body)


@pytest.mark.parametrize("days", ["0", "731", "x"])
async def test_only_days_that_a_workspace_keeps_can_be_asked_for(days: str) -> None:
    rig = a_rig()
    logged(rig)
    assert (await send(rig.api(), "http_readers", PATH, {"days": days})).status == 400


async def test_a_secret_that_there_is_not_has_no_readers() -> None:
    rig = a_rig()
    logged(rig)
    answer = await send(rig.api(), "http_readers", {"vault": "prod", "name": "nothing"})
    assert answer.status == 404
