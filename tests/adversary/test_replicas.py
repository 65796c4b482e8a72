"""Every write to a replica needs its owner's consent, and a replica decides nothing elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import FORBIDDEN, REGENERATE, to
from simulator.wire import Response
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


@pytest.mark.parametrize("kind", ["login", "admin", "user"])
@pytest.mark.parametrize(("answer", "heals"), [(None, 5), (FORBIDDEN, 15)])
async def test_a_password_is_set_once_and_published_although_a_replicas_vault_takes_no_writes(
    stage: Stage, kind: str, answer: Response | None, heals: int
) -> None:
    primary = stage.put(kind, days_left=60)
    copy = stage.copy(primary)
    await stage.run_a_day()
    outage = stage.outage(to("PUT", "other.vault."), timedelta(minutes=40), answer)
    await stage.rotate(primary, force=True)
    await stage.run_for(hours=3)
    assert len(primary.versions) == 2, "its password was set again and again"
    assert stage.longest_refusal(primary) <= timedelta(seconds=30)
    assert stage.longest_refusal(copy, outage.until) <= timedelta(minutes=heals + 1)
    assert [version.enabled for version in copy.versions] == [False, True]
    assert stage.reason(primary) == ""


TROUBLES = ("purged", "disabled", "withdrawn", "down", "forbids writes", "takes no writes")


def trouble(stage: Stage, copy: Secret, kind: str) -> None:
    """Let something keep a replica from being written."""
    match kind:
        case "purged":
            del stage.other.secrets[copy.name]
        case "disabled":
            stage.disable(copy)
        case "withdrawn":
            stage.tag(copy, ReplicaOf=None)
        case "down":
            stage.outage(to(host="other.vault."), timedelta(hours=12))
        case _:
            answer = FORBIDDEN if kind == "forbids writes" else None
            stage.outage(to("PUT", "other.vault."), timedelta(hours=12), answer)


@pytest.mark.parametrize("kind", ["storage", "entra", "two logins", "login"])
@pytest.mark.parametrize("how", TROUBLES)
async def test_a_leaked_credential_is_cut_off_whatever_keeps_a_replica_from_being_written(
    stage: Stage, kind: str, how: str
) -> None:
    primary = stage.put(kind, days_left=60)
    copy = stage.copy(primary)
    await stage.run_a_day()
    leaked = primary.current
    trouble(stage, copy, how)
    stage.post(primary, version=leaked.version, compromised=True)
    await stage.run_for(minutes=10)
    assert not primary.accepts(leaked.value)
    assert primary.works
    await stage.run_for(hours=2)
    assert stage.reason(primary), "nobody was told of the replica"
    assert "leaked" not in primary.tags["RekeyState"]
    if how in ("down", "forbids writes", "takes no writes"):
        await stage.run_for(hours=11)
        assert copy.current.value == primary.current.value
        assert stage.reason(primary) == ""


async def test_a_key_that_somebody_changed_is_healed_although_a_replica_consents_no_more(
    stage: Stage,
) -> None:
    primary = stage.storage()
    copy = stage.copy(primary)
    await stage.rotate(primary)
    stage.tag(copy, ReplicaOf=None)
    stage.account().regenerate("key2")
    stage.post(primary, action="audit", trigger="sweep")
    await stage.run_for(minutes=10)
    assert primary.works
    assert "does not consent" in stage.reason(primary)


async def test_a_leak_waits_for_one_more_try_where_a_replicas_error_may_pass(stage: Stage) -> None:
    primary = stage.storage(days_left=60)
    copy = stage.copy(primary)
    await stage.run_a_day()
    leaked = primary.current
    stage.outage(to("PUT", "other.vault."), timedelta(seconds=10))
    stage.post(primary, version=leaked.version, compromised=True)
    await stage.run_for(minutes=10)
    assert not primary.accepts(leaked.value)
    assert stage.longest_refusal(copy) == timedelta()


async def test_who_owns_a_secret_hears_after_an_hour_of_a_replica_that_does_not_answer(
    stage: Stage,
) -> None:
    primary = stage.sql("login", days_left=60)
    stage.copy(primary)
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault."), timedelta(days=30))
    await stage.rotate(primary, force=True)
    await stage.run_for(minutes=30)
    assert stage.reason(primary) == ""
    await stage.run_for(minutes=45)
    assert "503 ServiceUnavailable" in stage.reason(primary)
    assert stage.reason(primary).endswith("of the tag Replicas, or of the policy document")


async def test_a_rotation_that_waits_for_a_vault_which_is_gone_says_what_ends_that(
    stage: Stage,
) -> None:
    primary = stage.storage(days_left=20)
    stage.copy(primary)
    stage.outage(to(host="other.vault."), timedelta(days=90))
    await stage.run_for(days=2)
    assert len(primary.versions) == 1
    assert stage.reason(primary).endswith("of the tag Replicas, or of the policy document")


@pytest.mark.parametrize(
    "how", ["taken out", "taken out, and gone", "released", "by hand", "malformed"]
)
async def test_nothing_is_owed_to_a_replica_that_its_primary_names_or_follows_no_more(
    stage: Stage, how: str
) -> None:
    """It was behind. Each recheck found the same, told the apps again, and kept incidents open."""
    primary = stage.sql("login", days_left=60)
    stage.copy(primary)
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault."), timedelta(days=30), FORBIDDEN)
    await stage.rotate(primary, force=True)
    await stage.run_for(hours=2)
    if how == "taken out, and gone":
        stage.outage(to(host="other.vault."), timedelta(days=30))
    name, text = {
        "released": ("ProviderAddress", None),
        "by hand": ("Manual", "true"),
        "malformed": ("ValidityPeriodDays", "soon"),
    }.get(how, ("Replicas", None))
    stage.tag(primary, **{name: text})
    await stage.run_for(days=1)
    before = len(stage.app.delivered)
    await stage.run_for(days=1)
    assert len(stage.app.delivered) - before <= 2
    if "taken out" in how:
        assert stage.reason(primary) == ""


async def test_a_replica_that_was_behind_is_written_soon_although_its_primary_rested_meanwhile(
    stage: Stage,
) -> None:
    """A person disabled the primary for some minutes. Nobody would write the replica for a day."""
    primary = stage.sql("login", days_left=60)
    copy = stage.copy(primary)
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault."), timedelta(hours=3), FORBIDDEN)
    await stage.rotate(primary, force=True)
    stage.disable(primary)
    await stage.run_for(minutes=40)
    primary.vault.amend(primary.current, enabled=True)
    await stage.run_for(hours=2, minutes=10)
    assert copy.current.value == primary.current.value
    assert [version.enabled for version in copy.versions] == [False, True]


@pytest.mark.parametrize("kind", ["storage", "entra", "two logins", "login"])
async def test_a_replica_that_was_behind_keeps_no_version_enabled_that_holds_what_leaked(
    stage: Stage, kind: str
) -> None:
    primary = stage.put(kind, days_left=60)
    copy = stage.copy(primary)
    await stage.run_a_day()
    stage.outage(to("PUT", "other.vault."), timedelta(hours=5), FORBIDDEN)
    stage.post(primary, version=primary.current.version, compromised=True)
    await stage.run_for(hours=12)
    assert copy.current.value == primary.current.value
    assert [version.enabled for version in copy.versions] == [False, True]


@pytest.mark.parametrize("kind", ["login", "admin", "user"])
async def test_a_password_that_was_set_is_published_although_a_replica_can_be_read_no_more(
    stage: Stage, kind: str
) -> None:
    """Its vault goes away once all was checked."""
    primary = stage.put(kind, days_left=60)
    stage.copy(primary)
    await stage.run_a_day()
    vault, since = to(host="other.vault."), stage.clock.now()
    stage.after(to("GET", "other.vault."), lambda: stage.outage(vault, timedelta(hours=3)), 1)
    await stage.rotate(primary, force=True)
    assert stage.longest_refusal(primary, since) <= timedelta(seconds=30)
    assert len(primary.versions) == 2


async def test_who_owns_a_secret_hears_of_a_replica_whose_vault_names_a_time_again_and_again(
    stage: Stage,
) -> None:
    primary = stage.sql("login", days_left=60)
    stage.copy(primary)
    await stage.run_a_day()
    busy = Response(503, headers={"Retry-After": "60"})
    stage.outage(to("PUT", "other.vault."), timedelta(days=30), busy)
    await stage.rotate(primary, force=True)
    await stage.run_for(hours=2)
    assert "503 Service Unavailable" in stage.reason(primary)
