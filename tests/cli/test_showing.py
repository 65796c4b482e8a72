"""`rekey show` and `rekey history` tell of one secret how it stands, what has happened and what happens next."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rotators.cosmos_db_key import CosmosDbKey
from tests.cli.desk import Desk, managing


def a_desk() -> Desk:
    desk = managing(name="app", tags={"Owner": "team-a"})
    desk.clock.advance(86_400)
    return desk


def test_one_secret_is_shown_with_its_owner_its_past_and_what_comes_next() -> None:
    desk = a_desk()
    ran = desk.run("show", "prod/app")
    assert ran.code == 0
    for text in ("owner", "team-a", "storage-key", "rotate", desk.latest("app").version):
        assert text in ran.out
    shown = desk.run("show", "prod/app", "--json").json
    assert shown["next"][0]["what"] == "rotate"
    assert shown["history"][0]["version"] == desk.latest("app").version


def test_a_secret_that_needs_a_person_is_shown_with_why_and_the_fix() -> None:
    desk = Desk()
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    ran = desk.run("show", "prod/odd")
    assert ran.code == 1
    assert "ValidityPeriodDays is 'sixty'" in ran.out
    assert "rekey tags set prod/odd ValidityPeriodDays=90" in ran.out


def test_a_history_has_every_version_newest_first_and_who_wrote_it() -> None:
    desk = a_desk()
    first = desk.latest("app").version
    rotate = ("rotate", "prod/app", "--force", "--wait")
    assert desk.run(*rotate, while_waiting=desk.take_up).code == 0
    versions = desk.run("history", "prod/app", "--json").json["versions"]
    assert [version["version"] for version in versions] == [desk.latest("app").version, first]
    assert [version["written_by"] for version in versions] == ["Rekey", "somebody else"]
    table = desk.run("history", "prod/app").out
    assert table.index(desk.latest("app").version) < table.index(first)


def test_since_when_a_change_is_under_way_is_shown_to_the_operator() -> None:
    desk = a_desk()
    account = desk.keyed(CosmosDbKey, "shop1")
    account.duration = timedelta(hours=3)
    tags = {
        "ProviderAddress": account.resource_id,
        "CredentialId": "primaryMasterKey",
        "ValidityPeriodDays": "90",
    }
    value = account.rings[""].keys["primaryMasterKey"].value
    expires = desk.clock.now() + timedelta(days=10)
    desk.vault.put("app-key", value, expires=expires, tags=tags, content_type="text/plain")
    began = desk.clock.now()
    outcome = asyncio.run(desk.service().engine.handle(desk.item("app-key", trigger="event")))
    assert outcome.result == "waiting"
    shown = desk.run("show", "prod/app-key", "--json").json
    assert shown["under_way_since"] == began.isoformat(timespec="seconds")
    assert f"under way since {began:%Y-%m-%d %H:%M}Z" in desk.run("show", "prod/app-key").out
    listed = desk.run("status", "--json").json["secrets"]
    (row,) = [row for row in listed if row["secret"] == "app-key"]
    assert row["under_way_since"] == shown["under_way_since"]
