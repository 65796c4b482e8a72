"""A secret's page tells who read it, for whoever asks it to."""

from __future__ import annotations

import pytest

from simulator.telemetry.vault_logs import TABLES
from tests.api import page as pages
from tests.api import test_readers as log
from tests.api.page import Element
from tests.shared.rig import Rig
from tests.shared.scene import NAME, send


async def shown(rig: Rig, **query: str) -> Element:
    """Return the part of the page that tells of readers."""
    return (await pages.shown(rig, vault="prod", secret=NAME, **query)).one(id="readers")


async def test_nobody_waits_for_the_log_who_has_not_asked_for_it() -> None:
    rig = log.a_rig()
    log.logged(rig)
    (link,) = (await shown(rig)).all("a")
    assert link.attributes["href"] == f"?vault=prod&secret={NAME}&days=30#readers"
    assert not [sent for sent in rig.world.exchanges if "loganalytics" in sent.request.host]


async def test_who_asks_is_told_which_version_each_reader_holds() -> None:
    rig = log.a_rig()
    current = str(rig.latest(NAME).version)
    rows = [log.read(rig, current, 2), log.read(rig, "0" * 32, 1, log.OWN)]
    log.logged(rig).audited[TABLES[0]] = rows
    gone, holder = (await shown(rig, days="30")).all("li")
    assert log.SITE in holder.text
    assert "holds the current version" in holder.text
    assert log.OWN in gone.text
    assert "a version that is there no more" in gone.text


async def test_what_is_not_logged_is_not_known_rather_than_read_by_nobody() -> None:
    rig = log.a_rig()
    assert "Set REKEY_LOGS_WORKSPACE" in (await shown(rig)).text
    log.logged(rig)
    assert "the workspace has nothing of this vault" in (await shown(rig, days="30")).text


async def test_a_log_that_the_app_may_not_read_costs_no_other_part_of_the_page() -> None:
    rig = log.a_rig()
    workspace = rig.world.add_log_workspace("central")
    rig.environment = {**rig.environment, "REKEY_LOGS_WORKSPACE": workspace.id}
    part = await shown(rig, days="30")
    assert "Fix:" in part.text


@pytest.mark.parametrize("days", ["0", "731", "x"])
async def test_only_days_that_a_workspace_keeps_can_be_asked_for(days: str) -> None:
    query = {"vault": "prod", "secret": NAME, "days": days}
    assert (await send(log.a_rig().api(), "http_dashboard", query=query)).status == 400
