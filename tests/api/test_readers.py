"""Who read a secret by the vault's audit log, over HTTP and on its page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.telemetry.logs import RIGHT, LogWorkspace
from simulator.telemetry.vault_logs import TABLES, Audited
from tests.api import page as pages
from tests.api.page import Element
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


@pytest.fixture
def rig() -> Rig:
    return a_rig()


@pytest.mark.parametrize("table", TABLES)
async def test_each_reader_is_told_with_the_version_that_it_holds(rig: Rig, table: str) -> None:
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


async def test_without_a_log_of_the_vault_the_answer_says_that_nothing_is_known(rig: Rig) -> None:
    logged(rig)
    answer = await send(rig.api(), "http_readers", PATH)
    assert (answer.status, answer.body["logged"], answer.body["readers"]) == (200, False, [])


async def test_without_a_workspace_the_answer_says_what_to_set() -> None:
    answer = await send(a_rig().api(), "http_readers", PATH)
    assert answer.status == 422
    assert "REKEY_LOGS_WORKSPACE" in str(answer.body)


async def test_a_secret_that_there_is_not_has_no_readers(rig: Rig) -> None:
    logged(rig)
    answer = await send(rig.api(), "http_readers", {"vault": "prod", "name": "nothing"})
    assert answer.status == 404


async def shown(rig: Rig, **query: str) -> Element:
    """Return the part of the page that tells of readers."""
    return (await pages.shown(rig, vault="prod", secret=NAME, **query)).one(id="readers")


async def test_nobody_waits_for_the_log_who_has_not_asked_for_it(rig: Rig) -> None:
    logged(rig)
    (link,) = (await shown(rig)).all("a")
    assert link.attributes["href"] == f"?vault=prod&secret={NAME}&days=30#readers"
    assert not [sent for sent in rig.world.exchanges if "loganalytics" in sent.request.host]


async def test_who_asks_is_told_which_version_each_reader_holds(rig: Rig) -> None:
    current = str(rig.latest(NAME).version)
    rows = [read(rig, current, 2), read(rig, "0" * 32, 1, OWN)]
    logged(rig).audited[TABLES[0]] = rows
    gone, holder = (await shown(rig, days="30")).all("li")
    assert SITE in holder.text
    assert "holds the current version" in holder.text
    assert OWN in gone.text
    assert "a version that is there no more" in gone.text


async def test_what_is_not_logged_is_not_known_rather_than_read_by_nobody(rig: Rig) -> None:
    assert "Set REKEY_LOGS_WORKSPACE" in (await shown(rig)).text
    logged(rig)
    assert "the workspace has nothing of this vault" in (await shown(rig, days="30")).text


async def test_a_log_that_the_app_may_not_read_costs_no_other_part_of_the_page(rig: Rig) -> None:
    workspace = rig.world.add_log_workspace("central")
    rig.environment = {**rig.environment, "REKEY_LOGS_WORKSPACE": workspace.id}
    part = await shown(rig, days="30")
    assert "Fix:" in part.text


@pytest.mark.parametrize("days", ["0", "731", "x"])
async def test_only_days_that_a_workspace_keeps_can_be_asked_for(rig: Rig, days: str) -> None:
    logged(rig)
    assert (await send(rig.api(), "http_readers", PATH, {"days": days})).status == 400
    query = {"vault": "prod", "secret": NAME, "days": days}
    assert (await send(rig.api(), "http_dashboard", query=query)).status == 400
