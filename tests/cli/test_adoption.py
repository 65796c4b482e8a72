"""`rekey adopt` tags the version whose value its source has accepted, and rotates nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.sql.servers import LOGIN_MANAGER
from simulator.storage.accounts import StorageAccount
from tests.cli.desk import Answers, Desk, Ran, managing
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene
from tests.shared.rig import CONNECTION_STRING
from tests.shared.scene import NAME, state
from tests.shared.sql_rig import FIRST, SQL_ACTIONS, add_server, rotated
from tests.unchanged import unchanged


def a_desk(value: str = "{key1}", **options: Any) -> tuple[Desk, StorageAccount]:
    """Return a desk with an unmanaged secret, whose value may name its account's keys."""
    desk = Desk()
    account = desk.account("appdata")
    keys = {name: key.value for name, key in account.keys.items()}
    desk.vault.put("app", value.format(**keys), **options)
    desk.clock.advance(86_400)
    return desk, account


def adopt(desk: Desk, provider: str, *arguments: str) -> Ran:
    """Adopt the secret, without a question."""
    return desk.run("adopt", "prod/app", "--provider", provider, "--yes", *arguments)


def ends(desk: Desk) -> datetime:
    """Return when the secret's current version expires."""
    expires = desk.latest("app").expires
    assert expires
    return datetime.fromtimestamp(expires, UTC)


@pytest.mark.parametrize("key", ["key1", "key2"])
def test_which_key_it_is_is_found_by_comparing_and_only_tags_and_expiry_change(key: str) -> None:
    desk, account = a_desk(f"{{{key}}}", tags={"Team": "a"}, content_type="text/x")
    before = desk.latest("app")
    ran = adopt(desk, account.resource_id, "--validity-days", "60", "--owner", "team-a")
    after = desk.latest("app")
    assert ran.code == 0, ran.err
    assert (after.version, after.value) == (before.version, before.value)
    assert after.content_type == "text/x"
    assert after.tags == {
        "Team": "a",
        "ProviderAddress": account.resource_id,
        "CredentialId": key,
        "ValidityPeriodDays": "60",
        "Owner": "team-a",
    }
    assert ends(desk) == desk.clock.now() + timedelta(days=60)
    assert len(desk.vault.versions("app")) == 1
    assert desk.messages("rotations") == []


def test_what_was_adopted_is_managed_and_could_be_rotated() -> None:
    desk, account = a_desk()
    adopt(desk, account.resource_id)
    assert desk.run("status", "--json").json["counts"]["ok"] == 1
    assert desk.run("doctor").code == 0
    assert desk.run("rotate", "prod/app", "--force", "--dry-run").code == 0


@pytest.mark.parametrize(
    ("answers", "code"), [(["y"], 0), (["yes"], 0), (["n"], 5), ([""], 5), ([], 5), (None, 5)]
)
def test_whoever_adopts_a_key_is_asked_or_says_yes_since_the_other_key_may_be_in_use_elsewhere(
    answers: list[str] | None, code: int
) -> None:
    desk, account = a_desk()
    before = state(desk)
    person = None if answers is None else Answers(list(answers))
    ran = desk.run("adopt", "prod/app", "--provider", account.resource_id, person=person)
    assert (ran.code, "key2, there since" in ran.err) == (code, True)
    assert (state(desk) == before) is (code != 0)
    assert person or "--yes" in ran.err


def test_a_version_that_is_written_while_somebody_is_asked_is_not_said_to_be_adopted() -> None:
    """Only the version that was proven bears the tags: nothing would rotate the one after it."""
    desk, account = a_desk()

    class Colleague:
        def ask(self, question: str) -> str:
            del question
            desk.vault.put("app", "written by a pipeline")
            return "y"

    ran = desk.run("adopt", "prod/app", "--provider", account.resource_id, person=Colleague())
    ran.ends(4, "a new version was written meanwhile", "type the command again")
    assert "adopted" not in ran.out


def test_what_was_adopted_is_told_to_programs_as_data() -> None:
    desk, account = a_desk()
    shown = adopt(desk, account.resource_id, "-o", "json").json
    assert shown["expires"] == ends(desk).isoformat()
    assert datetime.fromisoformat(shown["due"]) < ends(desk)
    assert shown["due_now"] is False


def test_a_dry_run_proves_and_tells_all_and_changes_nothing() -> None:
    desk, account = a_desk()
    with unchanged(desk):
        shown = adopt(desk, account.resource_id, "--dry-run", "--json").json
    assert shown["status"] == "would be adopted"
    assert shown["credential"] == shown["tags"]["CredentialId"] == "key1"


def test_an_expiry_that_is_earlier_is_kept_and_a_later_one_is_cut() -> None:
    soon = datetime(2026, 11, 20, tzinfo=UTC)
    desk, account = a_desk(expires=soon)
    adopt(desk, account.resource_id)
    assert ends(desk) == soon
    desk, account = a_desk(expires=soon + timedelta(days=700))
    adopt(desk, account.resource_id)
    assert ends(desk) == desk.clock.now() + timedelta(days=90)


def test_who_adopts_an_old_secret_is_told_that_the_next_sweep_rotates_it() -> None:
    desk, account = a_desk()
    desk.clock.advance(100 * 86_400)
    assert (
        "due         at the next sweep: older than 90 days" in adopt(desk, account.resource_id).out
    )


def test_a_connection_string_needs_its_template() -> None:
    desk = Desk()
    account = desk.account("appdata")
    parts = {"account": "appdata", "key": account.keys["key2"].value, "suffix": "core.windows.net"}
    desk.vault.put("app", CONNECTION_STRING.format(**parts))
    with unchanged(desk):
        adopt(desk, account.resource_id).ends(5, "more than the bare key")
    assert adopt(desk, account.resource_id, "--template", CONNECTION_STRING).code == 0
    assert (desk.latest("app").tags or {})["CredentialId"] == "key2"


@pytest.mark.parametrize(
    ("options", "arguments", "complaint"),
    [
        ({"value": "no key at all"}, (), "neither key1 nor key2"),
        ({"value": "no key at all"}, ("--credential-id", "key1"), "neither key1 nor key2"),
        ({}, ("--credential-id", "key2"), "the value is key1, not key2"),
        ({}, ("--template", "{account}"), "no {key}"),
        ({}, ("--template", "Key={key}"), "does not follow the template"),
        ({}, ("--rotator", "magic"), "Rotator"),
        ({}, ("--window", "sometimes"), "RotationWindow"),
        ({}, ("--validity-days", "10", "--rotate-before-days", "10"), "RotateBeforeDays"),
        ({}, ("--owner", "x" * 300), "256"),
        ({}, ("--owner", "a\x1b[31m"), "Owner: not printable"),
        ({"enabled": False}, (), "disabled"),
        ({"tags": {"ProviderAddress": "x"}}, (), "Rekey manages the secret already"),
        ({"tags": {f"t{number}": "x" for number in range(13)}}, (), "leave no room"),
        ({"tags": {"Manual": "true"}}, (), "only a person rotates it"),
    ],
)
def test_what_could_not_be_rotated_is_declined_with_the_reason_and_nothing_changes(
    options: dict[str, Any], arguments: tuple[str, ...], complaint: str
) -> None:
    desk, account = a_desk(**options)
    with unchanged(desk):
        adopt(desk, account.resource_id, *arguments).ends(5, complaint, "Fix: ")


def test_an_option_that_is_wrong_is_corrected_as_an_option() -> None:
    """There may be no secret yet whose tags could be set."""
    desk, _ = a_desk()
    adopt(desk, "/subscriptions/x").ends(5, "ProviderAddress", "Fix: correct --provider\n")


def test_a_tag_of_the_secret_that_is_wrong_is_corrected_as_a_tag() -> None:
    desk, account = a_desk(tags={"OverlapHours": "x"})
    adopt(desk, account.resource_id).ends(5, "Fix: rekey tags set prod/app OverlapHours=")


def test_a_source_outside_the_scopes_is_declined() -> None:
    desk, _ = a_desk()
    foreign = desk.world.add_account("foreign", group="elsewhere")
    adopt(desk, foreign.resource_id).ends(5, "is not bound to")


@pytest.mark.parametrize("tags", [{}, {"ValidityPeriodDays": "sixty"}])
def test_a_source_that_another_secret_has_is_declined(tags: dict[str, str]) -> None:
    desk, account = a_desk()
    desk.secret("first", account, days_left=80, tags=tags)
    adopt(desk, account.resource_id).ends(5, "secrets/first already")


def test_an_account_that_takes_no_keys_is_declined() -> None:
    desk, account = a_desk()
    account.allow_shared_key_access = False
    assert "does not accept keys" in adopt(desk, account.resource_id).err


def test_without_the_right_to_list_keys_the_role_is_named() -> None:
    desk, _ = a_desk()
    other = desk.world.add_account("elsewhere", group="apart")
    desk.bound.append(other.resource_id.lower())
    adopt(desk, other.resource_id).ends(4, "Storage Account Key Operator Service Role")


@pytest.mark.parametrize("alike", [False, True])
def test_an_apps_secret_is_told_by_its_beginning_or_named_and_keeps_its_end(alike: bool) -> None:
    desk = Desk()
    app = desk.world.add_application("orders", desk.ada)
    soon = desk.clock.now() + timedelta(days=20)
    mine = desk.world.directory.add_password(app, "mine", end=soon)
    twin = desk.world.directory.add_password(app, "another")
    twin.secret = mine.secret[:3] + twin.secret[3:] if alike else twin.secret
    desk.bound.append(app.app_id)
    desk.vault.put("app", mine.secret)
    desk.clock.advance(3600)
    ran = adopt(desk, app.app_id)
    assert (ran.code, "may be any of 2: " in ran.err) == (5 if alike else 0, alike), ran.err
    assert not alike or adopt(desk, app.app_id, "--credential-id", mine.key_id).code == 0
    assert desk.tags("app")["CredentialId"] == mine.key_id
    assert ends(desk) == soon


@pytest.mark.parametrize(("source", "code"), [("appdata", 0), ("otherdata", 5)])
def test_a_policy_that_names_a_source_comes_first(source: str, code: int) -> None:
    desk, account = a_desk()
    desk.account("otherdata")
    desk.policy = True
    match = f"{{vault: '{desk.vault.url}', secret: app}}"
    address = desk.world.accounts[source].resource_id
    rule = f"{{match: {match}, providerAddress: '{address}', validityPeriodDays: 90}}"
    desk.vault.put("rekey-policy", f"version: 1\nrules: [{rule}]\n")
    ran = adopt(desk, account.resource_id)
    assert (ran.code, "names another source" in ran.err) == (code, code != 0), ran.err


@pytest.mark.parametrize("consent", [f"app={EXTENT}", "app=sas/container/uploads/r"])
def test_a_signature_is_adopted_where_its_key_consents_and_made_it(consent: str) -> None:
    desk = Desk()
    signature = SasScene(rig=desk)
    signature.manage(consent=consent)
    del desk.vault.secrets[SAS]
    desk.vault.put("app", signature.signed("key1", desk.clock.now() + timedelta(days=20)))
    key, made = f"{desk.vault.url}/secrets/{KEY}", desk.clock.now()
    ran = adopt(desk, signature.address.replace("uploads/rl", "uploads/lr"), "--derived-from", key)
    if consent.endswith("/r"):
        assert ran.code != 0
        assert "does not consent" in ran.err
        assert not desk.tags("app")
        return
    assert ran.code == 0, ran.err
    assert ends(desk) <= made + timedelta(days=20), "a signature has an end of its own"
    assert desk.tags("app")["DerivedFrom"] == key


def a_dropped(value: str | None = None, **tags: str) -> Desk:
    """Return a desk whose secret was rotated, and then written again without its tags."""
    desk = managing(days_left=10, tags={"Owner": "team-a", "Team": "a", **tags})
    desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up)
    desk.clock.advance(60)
    desk.vault.put(NAME, value or desk.latest(NAME).value)
    desk.clock.advance(60)
    return desk


def test_what_status_prints_for_a_dropped_secret_gives_back_every_tag_of_its_owner() -> None:
    desk = a_dropped(OverlapHours="48", ValidityPeriodDays="60")
    (secret,) = desk.run("status", "--state", "dropped", "--json").json["secrets"]
    command = secret["fix"].partition("rekey ")[2].split()
    ran = desk.run(*command, "--yes")
    assert ran.code == 0, ran.err
    tags = desk.latest(NAME).tags or {}
    earlier = desk.vault.versions(NAME)[-2].tags or {}
    assert tags == {name: text for name, text in earlier.items() if not name.startswith("Rekey")}
    assert (tags["Owner"], tags["Team"], tags["OverlapHours"]) == ("team-a", "a", "48")


def test_a_dropped_secret_that_holds_the_other_key_gets_its_tags_with_that_key() -> None:
    desk = managing(days_left=10)
    account = desk.world.accounts["appdata"]
    desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up)
    (held,) = {"key1", "key2"} - {(desk.latest(NAME).tags or {})["CredentialId"]}
    desk.vault.put(NAME, account.keys[held].value, tags={"Owner": "team-b"})
    ran = desk.run("adopt", f"prod/{NAME}", "--yes", "--overlap-hours", "5")
    assert ran.code == 0, ran.err
    tags = desk.latest(NAME).tags or {}
    assert (tags["CredentialId"], tags["Owner"], tags["OverlapHours"]) == (held, "team-b", "5")


def test_where_no_version_had_tags_the_source_is_to_be_named() -> None:
    desk, _ = a_desk()
    with unchanged(desk):
        for words in (["prod/app"], ["prod/new", "--create"]):
            ran = desk.run("adopt", *words)
            assert ran.code == 2
            assert (
                f"no version of {desk.vault.url}/secrets/{words[0][5:]} names a source" in ran.err
            )
            assert "--provider" in ran.err


@pytest.mark.parametrize(("user", "code"), [("app_a", 5), ("sqladmin", 0), ("SqlAdmin@orders", 0)])
def test_a_password_is_not_adopted_as_that_of_another_user_who_has_the_same(
    user: str, code: int
) -> None:
    """Its next rotation would replace the administrator's password in an app's connection string."""
    desk = Desk()
    server = desk.world.sql.add_server("orders", "sqladmin", FIRST)
    desk.world.grant(desk.ada, SQL_ACTIONS, desk.group)
    template = "Server=orders;User ID={user};Password={password}"
    desk.vault.put("app", template.format(user=user, password=FIRST))
    ran = adopt(desk, server.resource_id, "--template", template)
    assert ran.code == code, ran
    assert ("not of sqladmin" in ran.err) is (code != 0)
    assert user not in ran.err or user == "sqladmin"


def test_a_dropped_secret_of_two_logins_alternates_them_again() -> None:
    desk = Desk()
    server = add_server(desk.world, desk.identity)
    server.grant(desk.ada, LOGIN_MANAGER)
    for principal in (desk.identity, desk.ada):
        desk.world.grant(principal, SQL_ACTIONS, desk.group)
    secret = rotated(server, "two logins")
    due = desk.clock.now() + timedelta(days=10)
    desk.vault.put(
        "app", secret.value, tags={**secret.tags, "ValidityPeriodDays": "90"}, expires=due
    )
    desk.run("rotate", "prod/app", "--wait", while_waiting=desk.take_up).ends(0)
    desk.clock.advance(60)
    desk.vault.put("app", desk.latest("app").value)
    ran = desk.run("adopt", "prod/app", "--yes", "--json")
    assert ran.code == 0, ran
    assert (ran.json["rotator"], ran.json["credential"]) == ("sql-login-password", "app_b")
    assert ran.json["tags"].items() >= {**secret.tags, "CredentialId": "app_b"}.items()


def test_what_the_record_owes_is_foreseen_although_a_version_without_tags_forgot_it() -> None:
    """Nor is anybody warned of a key that Rekey has superseded, and revokes by itself."""
    desk = a_dropped()
    ran = desk.run("adopt", f"prod/{NAME}")
    assert ran.code == 0, ran.err
    shown = desk.run("show", f"prod/{NAME}", "--json").json
    coming = desk.run("plan", "--days", "30", "--json").json["coming"]
    assert shown["overlap_until"]
    for event in (shown["next"][0], coming[0]):
        assert (event["what"], event["at"]) == ("retire", shown["overlap_until"])
    assert "is regenerated" not in ran.out
