"""What is owed, or has leaked, at a source that its secret has left."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest

from simulator.reach.strikes import NOT_AUTHORIZED, REGENERATE, alter
from simulator.storage.accounts import StorageAccount
from simulator.wire import Request
from simulator_tests.holders import Secret, of_application
from tests.adversary.stage import Stage
from tests.shared.heard import LOST
from tests.shared.rig import KEY_ACTIONS


async def moved(stage: Stage, secret: Secret) -> StorageAccount:
    """Let a person write a key of another account, and name that; return the account."""
    other = stage.account("others")
    tags = {name: text for name, text in secret.tags.items() if not name.startswith("Rekey")}
    tags |= {"CredentialId": "key1", "ProviderAddress": other.resource_id}
    stage.person_writes(secret, other.keys["key1"].value, tags)
    expires = int(stage.clock.now().timestamp()) + 80 * 86_400
    secret.vault.amend(secret.current, expires=expires)
    stage.post(secret, action="audit")
    await stage.run_for(minutes=10)
    return other


@pytest.mark.parametrize("owed", [False, True])
async def test_a_leak_at_a_source_that_the_secret_has_left_is_cut_off_there(
    stage: Stage, *, owed: bool
) -> None:
    """The version that leaked held a key of the former account."""
    secret = await stage.rotated("storage")
    leaked = secret.current
    if owed:
        await stage.run_for(hours=5)
    else:
        await stage.run_past_overlap()
    other = await moved(stage, secret)
    location = await stage.report_incident(vault="prod", name=secret.name, version=leaked.version)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], secret.accepts(leaked.value)) == ("ended", False)
    assert other.keys["key1"].value == secret.current.value, "that was not reported"


async def test_a_leak_is_cut_off_at_a_source_that_its_message_does_not_name(stage: Stage) -> None:
    secret = await stage.rotated("storage")
    leaked = secret.current
    await stage.run_past_overlap()
    other = await moved(stage, secret)
    stage.post(secret, version=leaked.version, compromised=True, reason="leaked")
    await stage.run_for(minutes=10)
    assert not secret.accepts(leaked.value)
    assert other.keys["key1"].value == secret.current.value


@pytest.mark.parametrize("scope", ["vault", "former source"])
async def test_an_incident_leaves_no_overlap_at_a_source_that_the_secret_has_left(
    stage: Stage, scope: str
) -> None:
    """Rekey itself is to retire that key."""
    secret = await stage.rotated("storage")
    await stage.run_for(hours=5)
    superseded, other = secret.versions[0], await moved(stage, secret)
    theirs = other.keys["key1"].value
    source = {} if scope == "vault" else {"source": stage.account().resource_id}
    location = await stage.report_incident(vault="prod", **source)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], secret.accepts(superseded.value)) == ("ended", False)
    assert (other.keys["key1"].value == theirs) == (scope == "former source")
    assert secret.current.value in {key.value for key in other.keys.values()}


async def test_a_leak_is_cut_off_where_its_version_says_while_nobody_owns_that_source(
    stage: Stage,
) -> None:
    """The secret was new, and has left before anything was proven there."""
    secret = stage.put("storage")
    leaked = secret.current
    other = await moved(stage, secret)
    theirs = secret.current.value
    stage.post(secret, version=leaked.version, compromised=True, reason="leaked")
    await stage.run_for(minutes=10)
    assert not secret.accepts(leaked.value)
    assert other.keys["key1"].value == theirs == secret.current.value


@pytest.mark.parametrize("seconds", [0, 2, 8])
async def test_nobody_is_asked_about_what_an_incident_has_cut_off_before_it_follows_its_secret(
    stage: Stage, seconds: int
) -> None:
    """What the secret holds since is older than the incident's date, which is a little ahead.

    It may even leave before the incident is sent on.
    """
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    leaked = secret.current
    location = await stage.report_incident(vault="prod")
    if seconds:
        await stage.run_for(seconds=seconds)
    other = await moved(stage, secret)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert (progress["status"], secret.accepts(leaked.value)) == ("ended", False)
    assert not stage.reason(secret)
    assert secret.current.value in {key.value for key in other.keys.values()}


async def test_an_incident_ends_at_the_source_that_its_secret_leaves_before_its_turn(
    stage: Stage,
) -> None:
    """What a person has written since is theirs to judge. Nothing else is asked of them."""
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    leaked = secret.current
    location = await stage.report_incident(vault="prod")
    await stage.run_for(seconds=12)
    other = await moved(stage, secret)
    await stage.run_for(hours=3)
    progress = await stage.incident(location)
    assert not secret.accepts(leaked.value)
    assert [it["reason"] for it in progress["named"]] == [
        "somebody has written a version by hand since the incident began"
    ]
    assert not stage.reason(secret)
    assert other.keys["key1"].value == secret.current.value


async def test_a_source_that_cannot_be_paid_off_keeps_no_other_source_waiting(
    stage: Stage,
) -> None:
    """Nobody may revoke there any more. That is told, and the secret is rotated where it is now."""
    secret = await stage.rotated("storage")
    await stage.run_for(days=1)
    other = await moved(stage, secret)

    def of_the_former(request: Request) -> bool:
        return request.host == "management.azure.com" and "/appdata/" in f"{request.path}/".lower()

    stage.outage(of_the_former, timedelta(days=900), NOT_AUTHORIZED)
    mine = secret.current
    await stage.run_for(days=7)
    for _ in range(10):
        before = len(stage.of(secret, "parked"))
        await stage.run_for(days=1, minutes=5)
        attention = await stage.attention(secret)
        assert (attention or {}).get("state") == "parked"
        assert len(stage.of(secret, "parked")) - before <= 1, "told once a day"
    await stage.run_for(days=43)
    assert secret.current.version != mine.version
    assert secret.current.value in {key.value for key in other.keys.values()}
    reasons = {str(outcome["reason"]) for outcome in stage.of(secret, "parked")}
    assert any("appdata" in reason for reason in reasons)


async def test_who_was_told_of_a_source_that_was_left_hears_of_it_again_once_that_answers_no_more(
    stage: Stage,
) -> None:
    """Its rechecks fail in a way that may pass, and tell nobody."""
    secret = await stage.rotated("storage")
    await stage.run_for(days=1)
    await moved(stage, secret)

    def of_the_former(request: Request) -> bool:
        return request.host == "management.azure.com" and "/appdata/" in f"{request.path}/".lower()

    stage.outage(of_the_former, timedelta(days=8), NOT_AUTHORIZED)
    await stage.run_for(days=8)
    assert stage.of(secret, "parked"), "told once its overlap had passed"
    stage.outage(of_the_former, timedelta(days=900))
    await stage.run_for(days=4)
    before = len(stage.of(secret, "parked"))
    await stage.run_for(days=4)
    assert len(stage.of(secret, "parked")) - before >= 3


async def readdressed(stage: Stage) -> Secret:
    """Return a secret inside an overlap whose account has moved to another group since."""
    secret = await stage.rotated("storage")
    await stage.run_for(days=1)
    account = stage.world.accounts["appdata"]
    stage.world.add_group(account.subscription, "moved")
    account.group = "moved"
    group = f"/subscriptions/{account.subscription}/resourceGroups/moved"
    scopes = json.loads(stage.app.settings["REKEY_SCOPES"])
    stage.app.settings["REKEY_SCOPES"] = json.dumps(
        {vault: [*bound, group] for vault, bound in scopes.items()}
    )
    stage.world.grant(stage.app.identity, KEY_ACTIONS, group)
    stage.app.host.restart()
    stage.tag(secret, ProviderAddress=account.resource_id)
    await stage.run_for(hours=3)
    return secret


async def test_an_overlap_goes_on_where_its_account_has_got_another_address(stage: Stage) -> None:
    """A rotation under the new address waits: it would regenerate what is superseded."""
    secret = await readdressed(stage)
    superseded = secret.versions[0].value
    await stage.rotate(secret, force=True)
    assert (secret.works, secret.accepts(superseded)) == (True, True)
    assert "its former address" in str(stage.of(secret, "waiting")[-1]["reason"])
    await stage.run_for(days=7)
    await stage.rotate(secret, force=True)
    await stage.run_for(days=2)
    assert (secret.works, secret.accepts(superseded)) == (True, False)


@pytest.mark.parametrize("days", [0, 1])
async def test_an_incident_waits_for_no_overlap_at_another_address(stage: Stage, days: int) -> None:
    """Nor for an audit that proves what the secret holds there, and nobody is asked for anything."""
    secret = await readdressed(stage)
    await stage.run_for(days=days)
    leaked = secret.current.value
    await stage.rotate(secret, compromised=True)
    await stage.run_for(hours=1)
    assert (secret.works, secret.accepts(leaked)) == (True, False)
    assert not stage.of(secret, "parked")
    assert not stage.of(secret, "waiting")


async def test_an_overlap_at_another_application_holds_up_no_rotation(stage: Stage) -> None:
    """Its owner has kept Rekey's tags as the secret went to it, and its value ends soon."""
    secret = await stage.rotated("entra")
    await stage.run_for(days=1)
    other = stage.application("invoices")
    password = stage.password("by hand", "invoices")
    password.end = stage.clock.now() + timedelta(days=2)
    tags = {**secret.tags, "ProviderAddress": other.app_id, "CredentialId": password.key_id}
    stage.person_writes(secret, password.secret, tags)
    secret.vault.amend(secret.current, expires=int(password.end.timestamp()))
    await stage.run_for(days=2)
    accepts = of_application(other, stage.clock.now)
    assert (secret.current.value != password.secret, accepts(secret.current.value)) == (True, True)


async def test_an_address_that_refuses_the_app_is_told_of_once(stage: Stage) -> None:
    """The app cannot tell what is accepted there, so its incident stays at the former one."""
    secret = await readdressed(stage)
    stage.world.accounts["appdata"].network_default_action = "Deny"
    await stage.report_incident(vault="prod", name=secret.name)
    await stage.run_for(hours=1)
    assert len(stage.of(secret, "parked")) == 1


async def test_people_are_reminded_of_an_incident_at_both_addresses(stage: Stage) -> None:
    """A recheck at the former one is no report, so it does not go on at the other one."""
    secret = await readdressed(stage)
    stage.outage(REGENERATE, timedelta(days=3), NOT_AUTHORIZED)
    await stage.rotate(secret, compromised=True)
    await stage.run_for(hours=50)
    reasons = Counter(str(told["reason"])[:15] for told in stage.of(secret, "parked"))
    assert reasons == {"regenerating ke": 3, "the current ver": 3}


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
async def test_a_login_that_is_named_while_another_one_is_rotated_is_followed(
    stage: Stage, *, is_known: bool, dies: bool
) -> None:
    """The password is set back. If the worker has died, no other is set, and a person hears."""
    secret = await stage.rotated("login") if is_known else stage.put("login")
    former, other = stage.account_of("login"), stage.server.add_login("other", "0ther-1", "shop")
    before, held = len(former.passwords), secret.current.value

    def name_another() -> None:
        stage.tag(secret, CredentialId="other")
        if dies:
            stage.app.strikes.die("worker")

    stage.after(alter, name_another)
    stage.post(secret, version=secret.current.version, force=True)
    await stage.run_for(hours=2)
    assert secret.tags["CredentialId"] == "other"
    assert other.accepts(secret.current.value, stage.clock.now())
    assert len(former.passwords) - before == (1 if dies else 2)
    assert former.accepts(held, stage.clock.now()) is not dies
    reasons = [str(outcome["reason"]) for outcome in stage.of(secret, "parked")]
    assert any(LOST in reason for reason in reasons) is dies
