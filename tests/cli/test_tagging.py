"""`rekey tags set` mends tags, and refuses those that Rekey could not follow."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk, managing
from tests.shared.policies import EMPTY, OWN
from tests.shared.scene import state
from tests.unchanged import unchanged


def a_desk(**tags: str | None) -> Desk:
    return managing(name="app", tags=tags)


def test_the_fix_that_status_shows_of_tags_that_cannot_be_read_mends_them() -> None:
    desk = a_desk(ValidityPeriodDays="sixty")
    (row,) = desk.run("status", "--json").json["secrets"]
    command = row["fix"].split()
    assert command[:4] == ["rekey", "tags", "set", "prod/app"]
    ran = desk.run(*command[1:])
    assert (ran.code, desk.tags("app")["ValidityPeriodDays"]) == (0, "90")
    assert desk.run("status").code == 0


def test_before_and_after_are_shown_and_a_dry_run_changes_nothing() -> None:
    desk = a_desk(OverlapHours="24")
    with unchanged(desk):
        ran = desk.run("tags", "set", "prod/app", "OverlapHours=48", "Owner=team-a", "--dry-run")
    ran.ends(0, "would be set")
    assert ran.out.splitlines()[-2:] == ["OverlapHours  24   48", "Owner              team-a"]


def test_a_tag_that_the_policy_document_overrules_is_said_to_have_no_effect() -> None:
    desk = Desk(policy=True)
    rule = "{match: {secret: app}, rotateBeforeDays: 20}"
    desk.vault.put(OWN.name, f"{EMPTY}defaults: {{overlapHours: 24, owner: a}}\nrules: [{rule}]\n")
    desk.secret("app", desk.account("appdata"), days_left=80)
    wanted = ("RotateBeforeDays=5", "Owner=b", "OverlapHours=2", "Database=shop")
    said = desk.run("tags", "set", "prod/app", *wanted, "--json").json["reason"]
    assert said == "the policy document decides about RotateBeforeDays, Owner, OverlapHours"
    assert desk.run("tags", "set", "prod/app", "Database=other", "--json").json["reason"] == ""


def test_nothing_behind_the_sign_removes_a_tag_and_the_same_twice_changes_nothing() -> None:
    desk = a_desk(OverlapHours="24")
    assert desk.run("tags", "set", "prod/app", "OverlapHours=").code == 0
    assert "OverlapHours" not in desk.tags("app")
    before = state(desk)
    again = desk.run("tags", "set", "prod/app", "OverlapHours=", "--json")
    assert (again.json["status"], again.json["tags"], state(desk)) == ("as they were", [], before)


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("OverlapHours=soon", 5, "set it to whole hours"),
        ("ProviderAddress=nowhere", 5, "set it to the id of what issues the credential"),
        ("CredentialId=key2", 5, "the value is key1, not key2"),
        ("ValueTemplate=Key={key}", 5, "does not follow the template"),
        ("OverlapHuors=24", 2, "did you mean OverlapHours?"),
        ("overlaphours=24", 2, "did you mean OverlapHours?"),
        ("RekeyState=ok", 2, "only Rekey sets the tag RekeyState"),
        ("RekeyRetire=soon", 2, "only Rekey sets the tag RekeyRetire"),
        ("Owner", 2, "write Tag=Value"),
        ("Owner=a\nb", 2, "write printable characters"),
        ("Owner=a\x1b[31m", 2, "write printable characters"),
        ("Owner=\udcff", 2, "write printable characters"),
        (f"Owner={'x' * 257}", 2, "longer than the 256 characters"),
    ],
)
def test_what_cannot_be_followed_changes_nothing(setting: str, code: int, words: str) -> None:
    desk = a_desk()
    with unchanged(desk):
        desk.run("tags", "set", "prod/app", setting).ends(code, words)


def test_a_source_that_another_secret_has_is_refused() -> None:
    desk = a_desk()
    desk.secret("other", desk.account("otherdata"), days_left=80)
    source = desk.world.accounts["otherdata"].resource_id
    ran = desk.run("tags", "set", "prod/app", f"ProviderAddress={source}")
    ran.ends(5, "is the source of https://prod.vault.azure.net/secrets/other already")


@pytest.mark.parametrize("days", ["90", "sixty"])
def test_a_managed_secret_leaves_management_by_release_alone(days: str) -> None:
    desk = a_desk(ValidityPeriodDays=days)
    with unchanged(desk):
        ran = desk.run("tags", "set", "prod/app", "ProviderAddress=", "ValidityPeriodDays=")
        ran.ends(5, "nobody would rotate it", "rekey release prod/app")


def test_what_becomes_a_replica_may_lose_its_source() -> None:
    desk = a_desk()
    primary = f"ReplicaOf={desk.vault.url}/secrets/primary"
    ran = desk.run("tags", "set", "prod/app", "ProviderAddress=", primary)
    assert (ran.code, "ProviderAddress" in desk.tags("app")) == (0, False)


def test_a_tag_of_rekeys_own_that_a_fix_names_can_be_removed() -> None:
    desk = a_desk(RekeyBy="somebody")
    assert desk.run("tags", "set", "prod/app", "RekeyBy=").code == 0
    assert "RekeyBy" not in desk.tags("app")


def test_what_does_not_say_what_the_value_is_asks_nothing_of_the_source() -> None:
    desk = a_desk()
    desk.calls()
    assert desk.run("tags", "set", "prod/app", "Owner=team-a").code == 0
    assert set(desk.calls()) <= {"vault", "host blob"}
