"""`rekey release` takes a secret out of management for good, and raises no alert."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.state.tags import REPLICA_OF
from simulator.reach.sabotage import Mode
from tests.cli.desk import Answers, Desk, managing, struck
from tests.shared.delivery import Delivery
from tests.shared.policies import EMPTY, OWN
from tests.shared.scene import state
from tests.unchanged import unchanged


async def rotated(desk: Desk) -> None:
    """Rotate the secret, and revoke what it had before."""
    await desk.service().rotate(desk.item("app", trigger="sweep").to_json(), 1)


def states(desk: Desk) -> list[str]:
    return [row["state"] for row in desk.run("status", "--json").json["secrets"]]


def test_its_tags_go_and_those_of_others_stay() -> None:
    desk = managing(name="app", tags={"Owner": "team-a", "Cost": "42", "OverlapHours": "24"})
    ran = desk.run("release", "prod/app", "--yes")
    assert (ran.code, desk.tags("app")) == (0, {"Owner": "team-a", "Cost": "42"})
    assert "appdata works on, and the vault holds it" in ran.out
    assert "narrow REKEY_SCOPES" in ran.out


def test_nothing_is_rotated_or_revoked_after_a_release() -> None:
    desk = managing(10, "app", tags={"OverlapHours": "24"})
    asyncio.run(rotated(desk))
    assert desk.run("release", "prod/app", "--force", "--yes").code == 0
    keys = {name: key.value for name, key in desk.world.accounts["appdata"].keys.items()}
    desk.clock.advance(100 * 86_400)
    asyncio.run(rotated(desk))
    asyncio.run(Delivery(desk, desk.service).run())
    assert {n: key.value for n, key in desk.world.accounts["appdata"].keys.items()} == keys


def test_a_sweep_reaches_its_end_beside_the_record_of_a_released_secret() -> None:
    """The record names no owner any more, which Azure's SDK lists as None and not as an empty text."""
    desk = managing(10, "app", tags={"OverlapHours": "0"})
    asyncio.run(rotated(desk))
    assert desk.run("release", "prod/app", "--force", "--yes").code == 0
    asyncio.run(desk.service().sweep_vault(json.dumps({"vault": desk.vault.url})))


def test_inside_an_overlap_it_is_refused_unless_told_and_then_says_what_is_to_be_revoked() -> None:
    desk = managing(10, "app", tags={"OverlapHours": "24"})
    asyncio.run(rotated(desk))
    with unchanged(desk):
        desk.run("release", "prod/app", "--yes").ends(5, "key1 is inside its overlap until")
    forced = desk.run("release", "prod/app", "--yes", "--force")
    forced.ends(0, "works on until it is revoked by hand at its source")


def test_in_an_incident_it_is_refused_unless_told_and_then_says_what_may_be_alive() -> None:
    desk = managing(name="app", tags={"ValidityPeriodDays": "ninety"})
    item = desk.item("app", trigger="manual", compromised=True)
    asyncio.run(desk.service().rotate(item.to_json(), 1))
    desk.run("release", "prod/app", "--yes").ends(5, "its incident has not ended")
    forced = desk.run("release", "prod/app", "--yes", "--force", "--json")
    assert forced.code == 0
    assert forced.json["left"][0] == "what leaked may still be accepted: its incident has not ended"


def test_what_is_written_from_it_is_named_and_must_be_released_first() -> None:
    desk = managing(name="app")
    desk.vault.put("copy", "value", tags={REPLICA_OF: f"{desk.vault.url}/secrets/app"})
    desk.run("release", "prod/app", "--yes").ends(5, "prod/copy is a replica of it")
    assert desk.run("release", "prod/copy", "--yes").code == 0
    assert desk.run("release", "prod/app", "--yes").code == 0


def test_a_second_time_it_is_under_no_management_and_that_is_no_error() -> None:
    desk = managing(name="app")
    assert desk.run("release", "prod/app", "--yes").code == 0
    before = state(desk)
    again = desk.run("release", "prod/app", "--yes", "--json")
    assert (again.code, again.json["status"], state(desk)) == (0, "not under management", before)


@pytest.mark.parametrize("mode", ["die after", "lose the answer"])
def test_whoever_dies_at_any_call_releases_it_again(mode: Mode) -> None:
    at, goes_on = 0, True
    while goes_on:
        desk = managing(10, "app", tags={"OverlapHours": "0"})
        asyncio.run(rotated(desk))
        goes_on = struck(desk, at, mode, "release", "prod/app", "--force", "--yes")
        desk.clock.advance(120)
        again = desk.run("release", "prod/app", "--force", "--yes")
        assert (again.code, again.err, desk.tags("app")) == (0, "", {}), at
        desk.clock.advance(3600)
        desk.vault.put("app", "a-value-of-somebody-elses")
        assert states(desk) == ["unmanaged"], f"never called dropped, struck at {at}"
        at += 1


def test_what_was_released_can_be_adopted_again() -> None:
    desk = managing(name="app")
    account = desk.world.accounts["appdata"]
    assert desk.run("release", "prod/app", "--yes").code == 0
    ran = desk.run("adopt", "prod/app", "--provider", account.resource_id, "--yes")
    assert ran.code == 0, ran.err
    assert desk.run("rotate", "prod/app", "--force", "--dry-run").code == 0


@pytest.mark.parametrize(("answers", "code"), [(["y"], 0), (["n"], 5), ([], 5)])
def test_whoever_releases_is_asked(answers: list[str], code: int) -> None:
    desk = managing(name="app")
    ran = desk.run("release", "prod/app", person=Answers(answers))
    assert ran.code == code
    assert ("ProviderAddress" in desk.tags("app")) is (code != 0)


def test_a_dry_run_says_all_and_changes_nothing() -> None:
    desk = managing(name="app")
    with unchanged(desk):
        desk.run("release", "prod/app", "--dry-run").ends(0, "would be released")


def test_what_a_rule_of_the_policy_manages_is_taken_out_there() -> None:
    desk = Desk(policy=True)
    desk.secret("app", desk.account("appdata"), days_left=80)
    desk.vault.put(OWN.name, f"{EMPTY}rules: [{{match: {{secret: app}}, manual: true}}]\n")
    desk.run("release", "prod/app", "--yes").ends(5, "a rule of the policy document manages it")
