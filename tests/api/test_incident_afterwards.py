"""What an incident has come to stays true, whatever becomes of its secrets months later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.answers import Answer
from tests.api.test_incidents import begin, carry_out, progress, reported, scattered
from tests.engine.sweep.test_unserved import replaced
from tests.shared.rig import Rig

MONTHS = 90 * 86_400
LATER: dict[str, Callable[[Rig], object]] = {
    "disabled": lambda rig: rig.vault.amend(rig.latest("app-one"), enabled=False),
    "malformed": lambda rig: rig.tag("app-one", ValidityPeriodDays="sixty"),
    "manual": lambda rig: rig.tag("app-one", Manual="true"),
}


@pytest.mark.parametrize("later", LATER)
async def test_an_incident_that_has_ended_is_not_taken_up_because_a_secret_is_out_of_order(
    later: str,
) -> None:
    """The records prove that everything was refused; the report is read as evidence of that."""
    rig = scattered()
    accepted = await begin(rig.api(), name="app-*")
    await carry_out(rig)
    before = await reported(rig.api(), accepted)
    assert (before["status"], bool(before["ended"])) == ("ended", True)
    rig.clock.advance(MONTHS)
    LATER[later](rig)
    after = await reported(rig.api(), accepted)
    row = next(row for row in after["secrets"] if row["secret"] == "app-one")
    assert (after["status"], row["status"], row["refused"]) == (
        "ended",
        "refused",
        before["secrets"][0]["refused"],
    ), row["reason"]
    assert (await progress(rig.api(), accepted))["status"] == "ended"


async def test_what_was_cut_off_stays_in_the_report_once_its_vault_is_not_served_any_more() -> None:
    """Nobody may read its versions then: the records alone are the evidence."""
    rig = scattered()
    accepted = await begin(rig.api(), name="app-one")
    await carry_out(rig)
    (before,) = (await reported(rig.api(), accepted))["secrets"]
    replaced(rig, "other")
    (after,) = (await reported(rig.api(), accepted))["secrets"]
    assert (after["secret"], after["cut_off"]) == ("app-one", before["cut_off"])
    assert after["cut_off"][0]["proof"]


async def test_the_report_of_one_version_names_no_other_one_once_its_secret_is_purged() -> None:
    rig, incidents = scattered(), dict[str, Answer]()
    for key in ("one", "two"):
        leaked = str(rig.latest("app-one").version)
        scope: dict[str, Any] = {"vault": "prod", "name": "app-one", "version": leaked}
        incidents[leaked] = await begin(rig.api(), key=key, **scope)
        await carry_out(rig)
        rig.clock.advance(60)
    rig.vault.delete("app-one")
    rig.vault.deleted.clear()
    for leaked, accepted in incidents.items():
        (row,) = (await reported(rig.api(), accepted))["secrets"]
        assert [cut_off["version"] for cut_off in row["cut_off"]] == [leaked]


async def test_an_incident_that_has_ended_is_not_taken_up_by_an_overlap_of_a_later_rotation() -> (
    None
):
    """What the deleted secret had still to retire was made long after the incident."""
    rig = scattered()
    accepted = await begin(rig.api(), name="app-*")
    await carry_out(rig)
    rig.clock.advance(MONTHS)
    await rig.work("app-one", force=True, trigger="manual")
    rig.clock.advance(60)
    rig.vault.delete("app-one")
    assert (await progress(rig.api(), accepted))["status"] == "ended"
