"""An incident ends when the leaked credential is refused, and never says so before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.state import record_parts
from simulator.reach.strikes import (
    ADD_PASSWORD,
    FORBIDDEN,
    NOT_AUTHORIZED,
    PUBLISH,
    READ,
    REGENERATE,
    REMOVE_PASSWORD,
    alter,
)
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage


async def ends_truthfully(stage: Stage, secret: Secret, location: str, leaked: str) -> None:
    """Look again and again for a day.

    As long as the leaked value works, the incident is not called ended.
    """
    for _ in range(50):
        if secret.accepts(leaked):
            progress = await stage.incident(location)
            assert progress["status"] != "ended", progress
            assert progress["rotated"] == 0, progress
        await stage.run_for(minutes=30)


def compromised(stage: Stage, secret: Secret) -> str:
    """Post what an operator asks for whose secret has leaked; returns the leaked value."""
    stage.post(secret, version=secret.current.version, compromised=True, reason="leaked")
    return secret.current.value


@pytest.mark.parametrize("order", [True, False])
async def test_a_leaked_secret_without_credential_id_is_refused_or_parked_as_still_alive(
    stage: Stage, *, order: bool
) -> None:
    secret = stage.entra(extra={"CredentialId": None})
    leaked = secret.current.value
    if order:
        location = await stage.report_incident(vault="prod")
        await stage.run_for(minutes=10)
        await ends_truthfully(stage, secret, location, leaked)
    else:
        compromised(stage, secret)
        await stage.run_for(hours=2)
    assert not secret.accepts(leaked) or stage.reason(secret)


async def test_a_leaked_secret_that_cannot_be_recognised_is_named_with_what_is_still_alive(
    stage: Stage,
) -> None:
    """Two secrets of the application begin alike, and neither is named."""
    secret = stage.entra(extra={"CredentialId": None})
    twin = stage.password("twin")
    twin.secret = secret.current.value[:3] + twin.secret[3:]
    leaked, first = secret.current.value, stage.apps["orders"].history[0]
    compromised(stage, secret)
    await stage.run_for(hours=2)
    assert twin.alive(stage.clock.now()), "another team's secret was removed on a guess"
    assert not secret.accepts(leaked) or first.key_id in stage.reason(secret)


async def test_a_secret_whose_version_a_person_disabled_is_not_reported_as_retired_while_it_works(
    stage: Stage,
) -> None:
    """It cannot be tried, and a replica that lags does not know it. A later one does."""
    secret = await stage.rotated("entra")
    old = secret.versions[0]
    stage.disable(secret, old)
    stage.world.directory.removal_lag = timedelta(days=9)
    await stage.run_past_overlap()
    assert secret.accepts(old.value)
    assert not stage.of(secret, "retired")
    assert "still listed" in stage.reason(secret)
    stage.world.directory.removal_lag = timedelta(0)
    # It is tried once a day by then.
    await stage.run_a_day()
    assert not secret.accepts(old.value)
    assert stage.of(secret, "retired")


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_restore_between_the_order_and_its_item_saves_nothing_that_leaked(
    stage: Stage, kind: str
) -> None:
    secret = await stage.rotated(kind)
    first, second = (version.value for version in secret.versions)
    await stage.report_incident(vault="prod")
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(hours=2)
    assert not secret.accepts(first)
    assert not secret.accepts(second)


async def test_a_leaked_value_that_a_person_writes_again_under_copied_tags_is_not_called_replaced(
    stage: Stage,
) -> None:
    """Terraform with `ignore_changes = [tags]` puts the old value back while the order waits."""
    secret = stage.storage(days_left=60)
    await stage.rotate(secret, force=True)
    await stage.run_past_overlap()
    leaked, tags = secret.current.value, secret.tags
    location = await stage.report_incident(vault="prod")
    await stage.run_for(seconds=15)
    stage.person_writes(secret, leaked, tags)
    await ends_truthfully(stage, secret, location, leaked)


async def test_a_credential_is_not_restored_once_its_incident_is_known(stage: Stage) -> None:
    """What works on the incident dies, and is back ten minutes after the restore."""
    secret = stage.storage()
    leaked = secret.current
    await stage.rotate(secret)
    stage.kill(REGENERATE, what="instance", after=False)
    stage.post(secret, version=leaked.version, compromised=True)
    await stage.run_for(seconds=5)
    stage.post(secret, action="restore", version=secret.current.version)
    await stage.run_for(minutes=2)
    assert secret.current.value != leaked.value
    assert not secret.accepts(leaked.value)
    assert not stage.of(secret, "restored")


@pytest.mark.parametrize("hours", ["0", "24"])
@pytest.mark.parametrize("leaks", ["in use", "inside its overlap"])
async def test_a_restore_of_what_has_leaked_is_refused_before_it_is_accepted(
    stage: Stage, leaks: str, hours: str
) -> None:
    """Whatever overlap its owner wants: no tag says why a credential is to be retired."""
    secret = stage.entra(extra={"OverlapHours": hours})
    leaked = secret.current
    stage.outage(REMOVE_PASSWORD, timedelta(hours=5))
    if leaks == "inside its overlap":
        await stage.rotate(secret)
    stage.post(secret, version=leaked.version, compromised=True)
    await stage.run_for(minutes=40)
    assert secret.accepts(leaked.value)
    for query in ({"dry_run": "true"}, dict[str, str]()):
        path = {"vault": "prod", "name": secret.name}
        answer = await stage.http("http_restore", path, {}, **query)
        assert answer.status == (200 if query else 409)
        assert "is compromised and is being cut off" in str(answer.body)
    assert not stage.of(secret, "restored")


@pytest.mark.parametrize("deaths", [1, 3, 5, 6])
@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_an_accepted_incident_survives_an_ordinary_rotation_and_deaths(
    stage: Stage, kind: str, deaths: int
) -> None:
    """The version is replaced while the order waits.

    Then what works on the order dies again and again.
    """
    secret = stage.put(kind)
    leaked = secret.current
    await stage.rotate(secret)
    stage.post(secret, version=leaked.version, compromised=True)
    stage.kill(REGENERATE if kind == "storage" else REMOVE_PASSWORD, times=deaths, after=False)
    await stage.run_for(hours=3)
    assert stage.app.strikes.deaths
    assert not secret.accepts(leaked.value), stage.of(secret)


async def test_an_incident_that_its_source_refuses_for_longer_than_its_messages_last_is_not_lost(
    stage: Stage,
) -> None:
    """The record remembers what leaked for as long as it takes."""
    secret = stage.storage(days_left=60)
    stage.outage(REGENERATE, timedelta(hours=30), NOT_AUTHORIZED)
    leaked = compromised(stage, secret)
    await stage.run_for(hours=29)
    assert secret.accepts(leaked)
    assert stage.reason(secret)
    await stage.run_for(hours=3)
    assert not secret.accepts(leaked)
    assert secret.works


async def test_the_operation_of_an_incident_is_not_called_done_while_the_leak_works(
    stage: Stage,
) -> None:
    secret = stage.storage()
    leaked = secret.current
    await stage.rotate(secret)
    path = {"vault": "prod", "name": secret.name}
    answer = await stage.http("http_rotate", path, {"compromised": True, "reason": "leaked"})
    assert answer.status == 202, answer.body
    stage.kill(REGENERATE, times=6, after=False)
    for _ in range(12):
        await stage.run_for(minutes=10)
        listed = await stage.http("http_show", path)
        state = dict(listed.body)["state"]
        assert not (
            secret.accepts(leaked.value) and stage.app.strikes.deaths >= 3 and state == "ok"
        ), listed.body
    assert not secret.accepts(leaked.value)


async def test_an_incident_over_a_replicas_name_reaches_what_it_copies(stage: Stage) -> None:
    primary = stage.storage(days_left=60)
    leaked = primary.current.value
    copy = stage.plain("copy", leaked, stage.other, {"ReplicaOf": primary.url})
    stage.tag(primary, Replicas=copy.url)
    await stage.report_incident(name="copy", vault="other")
    await stage.run_for(hours=1)
    assert not primary.accepts(leaked)


async def test_an_ordinary_item_sets_no_password_back_that_an_incident_has_named(
    stage: Stage,
) -> None:
    """The incident's worker has died once it was noted, and nothing can be published."""
    secret = stage.sql("login")
    leaked, accepted = compromised(stage, secret), list[bool]()
    stage.kill(alter, after=False)
    stage.after(alter, lambda: accepted.append(secret.accepts(leaked)), times=99)
    stage.outage(PUBLISH, timedelta(hours=1), FORBIDDEN)
    stage.post(secret, version=secret.current.version, force=True)
    await stage.run_for(minutes=20)
    assert accepted
    assert not any(accepted)


@pytest.mark.parametrize("template", ["{key}==", "AccountKey={key}"])
async def test_a_template_that_was_edited_since_does_not_let_an_incident_end_while_the_leak_works(
    stage: Stage, template: str
) -> None:
    """By the new template, another text is read out of the leaked value, or none."""
    secret = stage.storage(days_left=60)
    leaked = secret.current
    await stage.run_a_day()
    value = template.format(key=stage.account().keys["key2"].value)
    tags = {**secret.tags, "CredentialId": "key2", "ValueTemplate": template}
    written = stage.person_writes(secret, value, tags)
    expires = int(stage.clock.now().timestamp()) + 80 * 86_400
    secret.vault.amend(written, expires=expires)
    stage.post(secret, version=leaked.version, compromised=True)
    await stage.run_for(hours=2)
    assert not secret.accepts(leaked.value)
    assert secret.current.value == value
    assert secret.works


HIDES: dict[str, dict[str, str | None]] = {
    "untagged": {"ProviderAddress": None},
    "manual": {"Manual": "true"},
    "malformed": {"ValidityPeriodDays": "sixty"},
    "a replica of nothing": {
        "ProviderAddress": None,
        "ReplicaOf": "https://prod.vault.azure.net/secrets/none",
    },
    "disabled": {},
}


HIDDEN = [
    *((how, True) for how in HIDES),
    *((how, False) for how in ("manual", "malformed", "disabled")),
]
"""How a secret is hidden, and whether Rekey has rotated it. Of a secret without record the tag
ProviderAddress alone says that there is anything to cover."""


@pytest.mark.parametrize(("how", "rotated"), HIDDEN)
async def test_what_leaked_is_revoked_although_somebody_hid_its_secret_from_the_incident(
    stage: Stage, how: str, *, rotated: bool
) -> None:
    """An edited tag, or a person in a hurry who disables what leaked and reports it then."""
    secret = stage.storage()
    if rotated:
        await stage.rotate(secret)
    leaked, before = secret.current.value, dict.fromkeys(HIDES[how]) | secret.tags
    stage.tag(secret, **HIDES[how])
    secret.vault.amend(secret.current, enabled=how != "disabled")
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=28)
    assert secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "needs a person"
    assert 5 <= len(stage.of(secret, "parked")) <= 40, "people are told now and then"
    stage.tag(secret, **{tag: before[tag] for tag in HIDES[how]})
    secret.vault.amend(secret.current, enabled=True)
    await stage.run_for(minutes=20)
    assert not secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "ended"
    assert secret.works


@pytest.mark.parametrize("scope", ["vault", "source"])
@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_no_incident_ends_elsewhere_than_where_what_leaked_was_last_accepted(
    stage: Stage, kind: str, scope: str
) -> None:
    """Nobody has rotated the secret yet, an audit has proven it, and its tag names another source."""
    secret = stage.put(kind, days_left=60)
    source, leaked = secret.tags["ProviderAddress"], secret.current.value
    other = stage.account("elsewhere").resource_id
    other = other if kind == "storage" else stage.application("elsewhere").app_id
    await stage.run_a_day()
    stage.tag(secret, ProviderAddress=other)
    await stage.run_for(hours=2)
    located = {"vault": "prod"} if scope == "vault" else {"source": source}
    location = await stage.report_incident(**located)
    await stage.run_for(hours=1)
    assert secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "needs a person"
    stage.tag(secret, ProviderAddress=source)
    await stage.run_for(hours=1)
    assert not secret.accepts(leaked)
    assert (await stage.incident(location))["status"] == "ended"
    assert secret.works


@pytest.mark.parametrize("kind", ["storage", "entra"])
async def test_a_leaked_version_that_was_purged_in_mid_incident_is_dealt_with_or_says_how_to_end_it(
    stage: Stage, kind: str
) -> None:
    """A person has purged the secret, and written it anew with another credential."""
    secret = await stage.rotated(kind)
    await stage.run_past_overlap()
    leaked = compromised(stage, secret)
    stage.kill(READ, after=False, what="instance")
    stage.kill(REGENERATE if kind == "storage" else ADD_PASSWORD, after=False, what="instance")
    tags, expires = secret.tags, stage.clock.now() + timedelta(days=60)
    await stage.run_for(minutes=11)
    stage.clock.watch = stage.app.strikes.watch = lambda: None
    stage.prod.delete(secret.name)
    stage.prod.deleted.clear()
    stage.prod.history.clear()
    if kind == "storage":
        value, tags["CredentialId"] = stage.account().keys["key1"].value, "key1"
    else:
        theirs = stage.password("by hand")
        value, tags["CredentialId"] = theirs.secret, theirs.key_id
    stage.prod.put(secret.name, value, tags=tags, expires=expires)
    await stage.run_for(hours=3)
    assert secret.works
    assert secret.accepts(leaked) == (kind == "storage")
    reason = " ".join(f"{parked['reason']} {parked['fix']}" for parked in stage.of(secret))
    assert ("the vault has no such version" in reason) == (kind == "storage")
    if kind == "storage":
        # What the fix says: it is revoked by hand, and the record moved aside.
        stage.account().regenerate("key2")
        stage.app.lose_records()
        await stage.run_for(days=3)
    assert not stage.reason(secret)


def by_hand(stage: Stage, secret: Secret, *, lasts: bool) -> str:
    """Let a person put a credential of their own in place of what leaked; return its value."""
    made = stage.password("by hand")
    tags = {**secret.tags, "CredentialId": made.key_id}
    written = stage.person_writes(secret, made.secret, tags)
    expires = int(stage.clock.now().timestamp()) + 80 * 86_400
    secret.vault.amend(written, expires=expires if lasts else None)
    return made.secret


@pytest.mark.parametrize(
    ("rotated", "disabled", "lasts"),
    [(True, True, False), (True, False, True), (False, True, True), (False, False, False)],
)
async def test_what_a_person_replaces_in_the_middle_of_an_incident_is_revoked_and_theirs_stays(
    stage: Stage, *, rotated: bool, disabled: bool, lasts: bool
) -> None:
    secret = stage.entra(days_left=80)
    if rotated:
        await stage.rotate(secret, force=True)
    leaked = secret.current
    if disabled:
        stage.disable(secret)
    location = await stage.report_incident(vault="prod")
    if disabled:
        await stage.run_for(minutes=5)
    stage.clock.advance(12)
    theirs = by_hand(stage, secret, lasts=lasts)
    await stage.run_for(hours=2)
    assert secret.accepts(theirs)
    if secret.accepts(leaked.value):
        # Nobody can try what is disabled, and no record knows it: a person is told.
        assert "cannot be read" in stage.reason(secret)
        secret.vault.amend(secret.version(leaked.version), enabled=True)
        await stage.run_for(hours=2)
    assert not secret.accepts(leaked.value)
    # One without an expiry is due, and gets an overlap.
    assert secret.accepts(theirs)
    status = "needs a person" if secret.current.value == theirs else "ended"
    assert (await stage.incident(location))["status"] == status


DELETED = "deleted; its credential may still work at "


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("rotated", [True, False])
async def test_an_incident_names_a_deleted_secret_and_goes_on_once_it_is_recovered(
    stage: Stage, when: str, *, rotated: bool
) -> None:
    """The records remember secret and source; of one that was never rotated an audit has noted it."""
    secret = stage.storage(days_left=10 if rotated else 80)
    await (stage.rotate(secret) if rotated else stage.run_a_day())
    leaked, source = secret.current, stage.account().resource_id.lower()
    if when == "before":
        stage.prod.delete(secret.name)
        await stage.run_for(minutes=5)
        dry = await stage.http(
            "http_incident", body={"reason": "leaked", "source": source}, dry_run="true"
        )
        assert [row["reason"] for row in dict(dry.body)["named"]] == [DELETED + source]
    answer = await stage.http("http_incident", body={"reason": "leaked", "source": source})
    unreached = [row["reason"] for row in dict(answer.body)["named"]]
    assert unreached == ([DELETED + source] if when == "before" else [])
    location = str(answer.headers["Location"])
    if when == "meanwhile":
        stage.prod.delete(secret.name)
    await stage.run_for(hours=25)
    progress = await stage.incident(location)
    assert (progress["status"], progress["secrets"]) == ("needs a person", 1)
    assert [row["reason"] for row in progress["named"]] == [DELETED + source]
    told = [outcome["reason"] for outcome in stage.of(secret, "parked")]
    assert 10 <= len(told) <= 40
    assert all(reason.startswith(DELETED + source) for reason in told)
    stage.prod.recover(secret.name)
    await stage.run_for(minutes=20)
    assert not secret.accepts(leaked.value)
    assert (await stage.incident(location))["status"] == "ended"
    assert secret.works


@pytest.mark.parametrize("source", [True, False])
async def test_an_incident_whose_secret_may_not_be_read_for_hours_is_not_lost(
    stage: Stage, *, source: bool
) -> None:
    """Somebody has taken the app's role at the vault away, and gives it back."""
    secret = stage.storage(days_left=60)
    leaked = secret.current
    stage.outage(READ, timedelta(hours=3), FORBIDDEN)
    seen = stage.account().resource_id.lower() if source else None
    stage.post(secret, version=leaked.version, compromised=True, reason="leaked", source=seen)
    await stage.run_for(hours=2, minutes=55)
    assert secret.accepts(leaked.value)
    assert stage.of(secret, "parked")
    # Where the record has noted it, with the next sweep; else after a quarter of an hour.
    await stage.run_for(minutes=50 if source else 20)
    assert not secret.accepts(leaked.value)
    assert secret.works


async def test_a_compromised_secret_that_is_deleted_is_named_with_its_source_day_after_day(
    stage: Stage,
) -> None:
    """Its record has noted that it leaked, so only the sweeps come back to it."""
    secret = await stage.rotated("storage")
    leaked, source = secret.current, stage.account().resource_id.lower()
    stage.before(REGENERATE, lambda: stage.prod.delete(secret.name))
    stage.post(secret, version=leaked.version, compromised=True, reason="leaked")
    await stage.run_for(hours=50)
    told = [outcome["reason"] for outcome in stage.of(secret, "parked")]
    assert 3 <= len(told) <= 6
    assert all(source in reason for reason in told)
    refused = await stage.ask(secret, {"compromised": True, "reason": "leaked"})
    assert refused.status == 404
    assert dict(refused.body)["detail"].startswith(DELETED + source)
    stage.prod.recover(secret.name)
    await stage.run_for(hours=1)
    assert not secret.accepts(leaked.value)
    assert secret.works


async def test_who_puts_a_refused_value_into_a_secret_after_an_incident_is_told_of_that_once(
    stage: Stage,
) -> None:
    """What leaked is refused by then, so the incident itself has ended."""
    secret = await stage.rotated("storage")
    leaked, now = secret.current, stage.clock.now()
    incident: dict[str, Any] = {"compromised": True, "since": now.isoformat()}
    incident["reported"] = now.isoformat()
    stage.post(secret, version=leaked.version, **incident)
    await stage.run_for(minutes=20)
    assert not secret.accepts(leaked.value)
    later = now + timedelta(days=60)
    stage.prod.put(secret.name, "nonsense", tags=secret.tags, expires=later)
    stage.post(secret, **incident)
    await stage.run_for(hours=12)
    assert 1 <= len(stage.of(secret, "parked")) <= 2


@pytest.mark.parametrize("is_disabled", [True, False])
@pytest.mark.parametrize("shape", ["{key}", "Key={key}"])
async def test_what_is_put_back_after_a_report_is_known_in_any_form_though_its_version_is_disabled(
    stage: Stage, shape: str, *, is_disabled: bool
) -> None:
    """A tag says only where it is, and another credential might be there by now."""
    secret = stage.storage(days_left=60)
    await stage.rotate(secret, force=True)
    await stage.run_past_overlap()
    await stage.rotate(secret, force=True)
    superseded, now = secret.versions[-2], stage.clock.now()
    if is_disabled:
        stage.disable(secret, superseded)
    value = shape.replace("{key}", superseded.value)
    tags = {**(superseded.tags or {}), "ValueTemplate": shape}
    stage.clock.advance(30)
    stage.prod.put(secret.name, value, tags=tags, expires=now + timedelta(days=60))
    moments: dict[str, Any] = {"since": now.isoformat(), "reported": now.isoformat()}
    stage.post(secret, compromised=True, reason="leaked", **moments)
    await stage.run_for(hours=1)
    assert not secret.accepts(superseded.value)
    assert secret.works


async def test_what_a_person_had_replaced_before_an_incident_is_revoked_if_rekey_made_it(
    stage: Stage,
) -> None:
    secret = await stage.rotated("entra")
    await stage.run_past_overlap()
    ours, theirs = secret.current, stage.password("by hand")
    tags = {tag: text for tag, text in secret.tags.items() if not tag.startswith("Rekey")}
    stage.person_writes(secret, theirs.secret, {**tags, "CredentialId": theirs.key_id})
    later = stage.clock.now() + timedelta(days=80)
    secret.vault.amend(secret.current, expires=int(later.timestamp()))
    await stage.run_a_day()
    assert secret.accepts(ours.value), "what a person replaces is left to them"
    location = await stage.report_incident(vault="prod")
    await stage.run_for(hours=2)
    assert not secret.accepts(ours.value)
    assert not secret.accepts(theirs.secret)
    assert (await stage.incident(location))["status"] == "ended"


async def test_no_report_says_when_a_value_was_refused_before_its_copy_is_cut_off(
    stage: Stage,
) -> None:
    """Somebody has written the same value once more, and that version is cut off in its place."""
    secret = await stage.rotated("storage")
    await stage.run_past_overlap()
    leaked = secret.current
    stage.person_writes(secret, leaked.value, secret.tags)
    location = await stage.report_incident(vault="prod", name=secret.name, version=leaked.version)
    stage.outage(REGENERATE, timedelta(hours=5), NOT_AUTHORIZED)

    async def report() -> dict[str, Any]:
        path = {"incident": location.rpartition("/")[2]}
        return dict((await stage.http("http_incident_report", path)).body)

    await stage.run_for(hours=2)
    meanwhile = await report()
    assert secret.accepts(leaked.value)
    assert meanwhile["secrets"][0]["refused"] is None
    assert "refused" not in {step["step"] for step in meanwhile["steps"]}
    still = f"{stage.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    await stage.run_for(hours=6)
    evident = await report()
    assert not secret.accepts(leaked.value)
    assert evident["status"] == "ended"
    assert evident["ended"] == evident["secrets"][0]["refused"] > still


@pytest.mark.parametrize("kind", ["storage", "entra", "login"])
async def test_an_ended_incident_stays_ended_and_an_old_version_can_be_reported_once_more(
    stage: Stage, kind: str
) -> None:
    """Rekey has disabled that version, so what its record remembers must prove it refused."""
    secret = stage.put(kind, days_left=60)
    scope = {"vault": "prod", "name": secret.name, "version": secret.current.version}
    first = await stage.report_incident(**scope)
    await stage.run_for(minutes=30)
    for _ in range(11):
        await stage.rotate(secret, compromised=True, force=True)
    assert (await stage.incident(first))["status"] == "ended"
    second = await stage.report_incident(**scope)
    await stage.run_for(minutes=30)
    assert (await stage.incident(second))["status"] == "ended"
    assert await stage.attention(secret) is None


@pytest.mark.parametrize("kind", ["storage", "entra", "login"])
async def test_a_version_that_its_record_has_forgotten_is_proven_once_a_person_enables_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(record_parts, "MOST_REPLACED", 2)
    secret = stage.put(kind, days_left=60)
    old = secret.current
    for _ in range(4):
        await stage.rotate(secret, compromised=True, force=True)
    location = await stage.report_incident(vault="prod", name=secret.name, version=old.version)
    await stage.run_for(minutes=30)
    (named,) = (await stage.incident(location))["named"]
    assert "enable that version" in named["fix"]
    secret.vault.amend(secret.versions[0], enabled=True)
    await stage.run_for(minutes=30)
    assert (await stage.incident(location))["status"] == "ended"
    assert not secret.versions[0].enabled
    await stage.run_a_day()
    assert await stage.attention(secret) is None
