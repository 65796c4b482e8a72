"""Every write to a replica needs its owner's consent, and a replica decides nothing elsewhere."""

from __future__ import annotations

import pytest

from simulator.reach.strikes import REGENERATE, to
from simulator_tests.holders import Secret
from tests.adversary.stage import Stage

TEMPLATE = "version: 1\nnobody: {key}"


def replica(stage: Stage, primary: Secret, value: str = "", **tags: str) -> Secret:
    """Put a consenting replica of a storage key into the other vault."""
    return stage.plain(
        "copy", value or primary.current.value, stage.other, {"ReplicaOf": primary.url, **tags}
    )


@pytest.mark.parametrize("consents", [False, True])
async def test_the_policy_document_is_never_written_as_a_replica(
    stage: Stage, consents: bool
) -> None:
    policy, primary = stage.policy("defaults: {overlapHours: 24}\n"), stage.storage()
    await stage.rotate(primary)
    tags = {**primary.tags, "Replicas": policy.url, "ValueTemplate": TEMPLATE}
    expires = primary.current.expires
    stage.person_writes(primary, TEMPLATE.format(key=primary.current.value), tags)
    # Not due, so that it is the audit that meets the replica.
    primary.vault.amend(primary.current, expires=expires)
    if consents:
        stage.tag(policy, ReplicaOf=primary.url)
    before = policy.versions
    await stage.run_for(days=2)
    assert policy.versions == before


async def test_a_retirement_leaves_a_secret_that_did_not_consent_and_its_own_retirement_alone(
    stage: Stage,
) -> None:
    primary, victim = (
        stage.storage(extra={"OverlapHours": "1"}),
        stage.storage("victim", "others", vault=stage.other),
    )
    await stage.rotate(primary)
    await stage.rotate(victim)
    stage.tag(primary, Replicas=victim.url)
    before = victim.versions
    await stage.run_for(hours=4)
    assert victim.versions == before, "its previous version was disabled, or its retirement erased"
    await stage.run_past_overlap()
    assert not victim.accepts(before[0].value), "its own retirement did not take place"


async def test_a_forged_operation_on_a_replica_does_not_decide_what_the_primary_publishes(
    stage: Stage,
) -> None:
    """The replica's owner claims that this operation published the key that is to be replaced."""
    primary = stage.storage()
    old = primary.current
    copy = replica(stage, primary)
    stage.tag(primary, Replicas=copy.url)
    stage.tag(
        copy,
        RekeyOperation=await _operation(stage, primary),
        CredentialId="key1",
        RekeyCause="event",
    )
    await stage.rotate(primary)
    assert primary.works
    assert primary.current.value != old.value, "the replica's owner kept the old key in use"


async def test_a_forged_retirement_on_a_replica_removes_no_other_teams_credential(
    stage: Stage,
) -> None:
    primary, theirs = stage.entra(extra={"OverlapHours": "1"}), stage.password("another team")
    old = primary.current
    operation = await _operation(stage, primary)
    forged = f"2026-11-02T00:00:00Z {old.version} {theirs.key_id}"
    tags = {
        "RekeyOperation": operation,
        "RekeyRetire": forged,
        "CredentialId": primary.tags["CredentialId"],
    }
    copy = replica(stage, primary, **tags)
    stage.tag(primary, Replicas=copy.url)
    await stage.rotate(primary)
    await stage.run_for(days=2)
    assert theirs.alive(stage.clock.now())
    assert primary.works


@pytest.mark.parametrize("what", ["worker", "instance"])
async def test_a_replica_is_written_once_when_the_worker_dies_before_the_primary_is(
    stage: Stage, what: str
) -> None:
    primary = stage.storage()
    copy = replica(stage, primary)
    stage.tag(primary, Replicas=copy.url)
    stage.kill(to("PUT", "other.vault."), what=what)  # type: ignore[arg-type]
    await stage.rotate(primary)
    assert copy.current.value == primary.current.value
    assert len(copy.versions) == 2
    await stage.run_past_overlap()
    assert [version.enabled for version in copy.versions] == [False, True]


async def test_consent_that_is_withdrawn_in_mid_rotation_keeps_the_replica_from_being_written(
    stage: Stage,
) -> None:
    primary = stage.storage()
    copy = replica(stage, primary)
    stage.tag(primary, Replicas=copy.url)
    stage.after(REGENERATE, lambda: stage.tag(copy, ReplicaOf=None))
    before = copy.current.value
    await stage.rotate(primary)
    await stage.run_a_day()
    assert {version.value for version in copy.versions} == {before}


async def _operation(stage: Stage, secret: Secret) -> str:
    """Return the id of the operation that replaces the current version; anybody can derive it."""
    answer = await stage.ask(secret, {"force": True}, dry_run="true")
    assert answer.status == 200, answer.body
    return str(dict(answer.body)["operation"])


async def test_a_restore_that_a_replica_does_not_consent_to_changes_nothing_whatever_it_holds(
    stage: Stage,
) -> None:
    """The replica's owner has put the earlier value back, and takes part no longer."""
    primary = stage.storage()
    copy, first = replica(stage, primary), primary.current.value
    stage.tag(primary, Replicas=copy.url)
    await stage.rotate(primary)
    rotated = primary.current.value
    stage.person_writes(copy, first)
    stage.post(primary, action="restore", version=primary.current.version)
    await stage.run_for(minutes=10)
    assert primary.current.value == rotated
    assert "does not consent" in stage.reason(primary)


@pytest.mark.parametrize("dies", [None, "after the replica", "after the primary"])
@pytest.mark.parametrize("in_overlap", [True, False])
async def test_a_heal_leaves_no_version_of_a_replica_enabled_that_holds_a_dead_value(
    stage: Stage, dies: str | None, *, in_overlap: bool
) -> None:
    primary = stage.storage(extra={"OverlapHours": "6"})
    copy = replica(stage, primary)
    stage.tag(primary, Replicas=copy.url)
    await stage.rotate(primary)
    superseded = copy.versions[0]
    if not in_overlap:
        await stage.run_for(hours=8)
    stage.account().regenerate("key2")
    if dies:
        written = copy if dies == "after the replica" else primary
        stage.kill(to("PUT", ".vault.", f"/secrets/{written.name}"))
    stage.post(primary, action="audit", trigger="sweep")
    await stage.run_for(minutes=15)
    assert copy.works
    assert copy.current.value == primary.current.value
    if in_overlap:
        assert copy.version(superseded.version).enabled, "it holds what is in its overlap"
    await stage.run_for(hours=9)
    assert len(copy.versions) == 3
    assert [version.enabled for version in copy.versions] == [False, False, True]


async def test_a_single_slots_replica_keeps_no_version_enabled_that_holds_a_dead_value(
    stage: Stage,
) -> None:
    primary = stage.sql("login")
    copy = replica(stage, primary)
    stage.tag(primary, Replicas=copy.url)
    await stage.rotate(primary)
    await stage.run_for(hours=1)
    assert copy.current.value == primary.current.value
    assert [version.enabled for version in copy.versions] == [False, True]
