"""A source that passes to another secret: what the former one still owed there is paid, and told.

A rename is that: somebody writes the value under another name, with the same tags, and takes the old
secret out of management or deletes it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import ADD_PASSWORD, NOT_AUTHORIZED, REGENERATE, REMOVE_PASSWORD
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage
from tests.adversary.test_left_sources import moved

KINDS = ["storage", "entra"]
WAYS = ["untagged", "deleted"]


def renamed(stage: Stage, secret: Secret, way: str) -> Secret:
    """Write a secret's value under another name, and take the old one out; returns the new one."""
    tags = {tag: text for tag, text in secret.tags.items() if not tag.startswith("Rekey")}
    soon = stage.clock.now() + timedelta(days=10)
    value, new = secret.current.value, Secret(secret.vault, "renamed", secret.accepts)
    if way == "deleted":
        secret.vault.delete(secret.name)
    else:
        stage.tag(secret, ProviderAddress=None)
    stage.clock.advance(5)
    new.vault.put(new.name, value, expires=soon, tags=tags, content_type="text/plain")
    return new


async def is_told(stage: Stage, *secrets: Secret) -> bool:
    """Return whether people hear of one of these secrets: by a list, or by what was reported."""
    shown = [await stage.attention(secret) for secret in secrets]
    return any(shown) or any(stage.of(secret, "parked") for secret in secrets)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_incident_whose_source_passes_to_another_secret_goes_on_there(
    stage: Stage, kind: str, way: str
) -> None:
    secret = stage.put(kind, days_left=60)
    await stage.rotate(secret, force=True)
    leaked = secret.current.value
    revoking = REMOVE_PASSWORD if kind == "entra" else REGENERATE
    stage.outage(revoking, timedelta(hours=3), NOT_AUTHORIZED)
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=1)
    new = renamed(stage, secret, way)
    since = stage.clock.now()
    stage.post(new, version=new.current.version)
    await stage.run_for(hours=1)
    assert (await stage.incident(location))["status"] in ("running", "needs a person")
    assert await is_told(stage, new)
    await stage.run_for(hours=5)
    if secret.accepts(leaked):
        progress = await stage.incident(location)
        assert progress["status"] == "needs a person", progress
        assert await is_told(stage, new)
    assert stage.longest_refusal(new, since=since) == timedelta()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_superseded_is_retired_although_its_source_passes_to_another_secret(
    stage: Stage, kind: str, way: str
) -> None:
    secret = await stage.rotated(kind, extra={"OverlapHours": "6"})
    old = secret.versions[0]
    new = renamed(stage, secret, way)
    stage.post(new, version=new.current.version, force=True)
    await stage.run_for(hours=1)
    assert new.accepts(old.value), "an overlap was cut short"
    assert stage.of(new, "parked", "waiting")
    await stage.run_for(hours=7)
    assert not new.accepts(old.value)
    assert new.works
    # Nothing is owed any more, so the source is its own.
    await stage.run_for(hours=20)
    assert len(new.versions) == 2
    assert new.works
    assert not stage.reason(new)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_leak_does_not_wait_for_the_overlap_of_the_secret_that_was_there_before(
    stage: Stage, kind: str, way: str
) -> None:
    secret = await stage.rotated(kind)
    new = renamed(stage, secret, way)
    leaked = new.current.value
    stage.post(new, version=new.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    assert not new.accepts(leaked)
    assert not new.accepts(secret.versions[0].value if way == "untagged" else leaked)
    assert new.works
    assert len(new.versions) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_leak_that_could_not_be_replaced_is_replaced_by_the_secret_that_holds_it_now(
    stage: Stage, kind: str, way: str
) -> None:
    """The incident was noted, and nothing could be done before the secret was renamed."""
    secret = stage.put(kind, days_left=60)
    await stage.rotate(secret, force=True)
    leaked, changing = secret.current.value, ADD_PASSWORD if kind == "entra" else REGENERATE
    stage.outage(changing, timedelta(hours=2), NOT_AUTHORIZED)
    stage.outage(REMOVE_PASSWORD, timedelta(hours=2), NOT_AUTHORIZED)
    stage.post(secret, version=secret.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    new = renamed(stage, secret, way)
    stage.post(new, version=new.current.version, force=True)
    await stage.run_for(hours=3)
    assert not new.accepts(leaked)
    assert new.works


async def test_an_incident_of_a_secret_that_waits_for_another_comes_back_until_that_has_paid(
    stage: Stage,
) -> None:
    """What leaked before cannot be revoked for three hours."""
    secret = stage.entra(days_left=60)
    stage.outage(REMOVE_PASSWORD, timedelta(hours=3), NOT_AUTHORIZED)
    stage.post(secret, version=secret.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    assert len(secret.versions) == 2
    new = renamed(stage, secret, "untagged")
    leaked = new.current.value
    stage.post(new, version=new.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    assert secret.name in stage.reason(new)
    await stage.run_for(hours=4)
    assert not new.accepts(leaked)
    assert not new.accepts(secret.versions[0].value)
    assert new.works


async def test_of_an_incident_that_waits_for_another_secret_people_hear_every_two_hours(
    stage: Stage,
) -> None:
    """It is tried every quarter of an hour."""
    secret = stage.entra(days_left=60)
    stage.outage(REMOVE_PASSWORD, timedelta(hours=30), NOT_AUTHORIZED)
    stage.post(secret, version=secret.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=1)
    new = renamed(stage, secret, "untagged")
    stage.post(new, version=new.current.version, compromised=True, reason="leaked")
    await stage.run_for(hours=10)
    assert 4 <= len(stage.of(new, "parked")) <= 7


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_version_of_a_former_name_needs_a_person_who_hears_the_same_on_its_page(
    stage: Stage, kind: str, way: str
) -> None:
    """No record is its own any more, and no tag says where it was."""
    secret = await stage.rotated(kind)
    await stage.run_past_overlap()
    leaked, new = secret.current, renamed(stage, secret, way)
    stage.post(new, action="audit")
    await stage.run_for(hours=1)
    location = await stage.report_incident(vault="prod", name=secret.name, version=leaked.version)
    assert (await stage.incident(location))["status"] == "running", "nobody has tried it"
    for hours in (1, 30):
        await stage.run_for(hours=hours)
        progress = await stage.incident(location)
        assert (progress["status"], secret.accepts(leaked.value)) == ("needs a person", True)
        (named,) = progress["named"]
        assert named["reason"] in str(stage.of(secret, "parked")[-1]["reason"])
        assert named["fix"]


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_page_of_a_version_follows_it_to_the_secret_that_holds_the_same(
    stage: Stage, kind: str, way: str, *, is_first: bool
) -> None:
    """It is renamed just before its report or after it, and nothing can be done for hours."""
    secret = await stage.rotated(kind)
    await stage.run_past_overlap()
    leaked = secret.current
    for changing in (ADD_PASSWORD, REMOVE_PASSWORD, REGENERATE):
        stage.outage(changing, timedelta(hours=8), NOT_AUTHORIZED)
    new = renamed(stage, secret, way) if is_first else None
    location = await stage.report_incident(vault="prod", name=secret.name, version=leaked.version)
    new = new or renamed(stage, secret, way)
    for hours in (1, 5):
        await stage.run_for(hours=hours)
        progress = await stage.incident(location)
        assert (progress["status"], secret.accepts(leaked.value)) == ("needs a person", True)
        assert "AuthorizationFailed" in progress["named"][0]["reason"]
    await stage.run_for(hours=12)
    assert ((await stage.incident(location))["status"], new.works) == ("ended", True)
    assert not secret.accepts(leaked.value)


# A secret whose tag names another source than the one that its credential is from.


async def leaked_and_moved(stage: Stage) -> tuple[Secret, str, str]:
    """Rotate a secret, then edit its tag; returns it, its value, and the id of its source."""
    secret = await stage.rotated("storage")
    leaked, source = secret.current.value, secret.tags["ProviderAddress"]
    stage.tag(secret, ProviderAddress=stage.account("elsewhere").resource_id)
    return secret, leaked, source


@pytest.mark.parametrize("by_source", [False, True])
async def test_an_address_that_was_edited_does_not_end_an_incident_while_the_leak_works(
    stage: Stage, *, by_source: bool
) -> None:
    secret, leaked, source = await leaked_and_moved(stage)
    scope = {"source": source} if by_source else {"vault": "prod"}
    location = await stage.report_incident(**scope)
    await stage.run_for(hours=2)
    assert secret.accepts(leaked)
    progress = await stage.incident(location)
    assert (progress["status"], progress["rotated"]) == ("needs a person", 0)
    assert "still accepted" in progress["named"][0]["reason"]
    assert source.lower() in progress["named"][0]["reason"]
    stage.tag(secret, ProviderAddress=source)
    await stage.run_for(hours=2)
    assert not secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "ended"
    assert secret.works


async def test_a_dry_run_says_where_a_moved_secrets_leak_works_and_that_nothing_is_rotated_before(
    stage: Stage,
) -> None:
    secret, leaked, source = await leaked_and_moved(stage)
    body = {"compromised": True, "reason": "leaked"}
    dry = dict((await stage.ask(secret, body, dry_run="true")).body)
    assert dry["action"] == "park"
    assert dry["reason"].endswith(f"({source.lower()})")
    scope = {"reason": "leaked", "vault": "prod"}
    incident = await stage.http("http_incident", body=scope, dry_run="true")
    assert dict(incident.body)["waiting_for"][0]["source"] == source.lower()
    before = len(secret.versions)
    assert (await stage.ask(secret, body)).status == 202
    await stage.run_for(minutes=5)
    assert stage.of(secret)[-1]["reason"] == dry["reason"]
    assert (len(secret.versions), secret.accepts(leaked)) == (before, True)
    stage.account().regenerate("key2")
    dry = dict((await stage.ask(secret, body, dry_run="true")).body)
    assert (dry["action"], dry["source"] == source.lower()) == ("rotate", False)


async def test_once_what_leaked_is_revoked_by_hand_a_moved_secret_gets_a_credential_where_it_is_now(
    stage: Stage,
) -> None:
    secret, leaked, _ = await leaked_and_moved(stage)
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=1)
    stage.account().regenerate("key2")
    await stage.rotate(secret, compromised=True)
    assert not secret.accepts(leaked)
    assert secret.current.value in {key.value for key in stage.account("elsewhere").keys.values()}
    assert (await stage.incident(location))["status"] == "ended"


@pytest.mark.parametrize(
    "own", [True, False], ids=["with a credential of its own", "with the same"]
)
async def test_a_version_is_cut_off_where_it_was_although_another_secret_has_that_source_now(
    stage: Stage, *, own: bool
) -> None:
    """Its secret has another source by now, which refuses the leaked credential: that is no proof."""
    secret = stage.storage(days_left=60)
    leaked, tags = secret.current, dict(secret.tags)
    await stage.run_a_day()
    await moved(stage, secret)
    new = Secret(secret.vault, "renamed", secret.accepts)
    held = stage.account().keys["key2"].value if own else leaked.value
    later = stage.clock.now() + timedelta(days=60)
    theirs = {**tags, "CredentialId": "key2" if own else "key1"}
    new.vault.put(new.name, held, expires=later, tags=theirs)
    stage.post(new, action="audit")
    await stage.run_a_day()
    location = await stage.report_incident(vault="prod", name=secret.name, version=leaked.version)
    assert (await stage.incident(location))["status"] == "running"
    await stage.run_for(hours=2)
    assert secret.accepts(leaked.value) is own
    status = (await stage.incident(location))["status"]
    assert status == ("needs a person" if own else "ended"), "nobody knows whose key it is"
    assert new.works
