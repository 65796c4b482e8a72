"""An order about a whole source: what is older than the incident is replaced, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from engine.state.record import Record
from engine.state.request import Outcome
from engine.state.tags import OURS
from simulator.faults import Fault
from simulator.wire import json_response
from tests.shared.graph_rig import NAME as GRAPH
from tests.shared.graph_rig import GraphRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME, keys_of, refuse, scene, source_of, to_arm, to_vault

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
to_regenerate = to_arm("regenerateKey")


async def order(rig: Rig, age: timedelta, **fields: Any) -> Outcome:
    """Work on what an order posts for a secret; the incident began so long ago."""
    since = (rig.clock.now() - age).isoformat()
    return await rig.handle(NAME, compromised=True, since=since, **fields)


async def record(rig: Rig) -> Record:
    return await rig.known(source_of(rig))


def accepted(rig: Rig, number: int) -> bool:
    """Return whether the account takes the value of a version, counted from the oldest."""
    return rig.vault.versions(NAME)[number].value in keys_of(rig).values()


async def rotated() -> Rig:
    """Return a rig whose secret Rekey rotated an hour ago."""
    rig = scene()
    await rig.handle(NAME)
    rig.clock.advance(HOUR.total_seconds())
    return rig


async def test_what_was_replaced_since_is_kept_and_its_predecessor_gets_no_overlap() -> None:
    rig = await rotated()
    outcome = await order(rig, 2 * HOUR)
    assert (outcome.result, outcome.retired) == ("retired", ("key1",))
    assert not accepted(rig, 0)
    assert accepted(rig, 1)
    assert len(rig.vault.versions(NAME)) == 2


async def test_where_all_is_younger_than_the_incident_the_current_version_is_proven() -> None:
    rig = await rotated()
    rig.clock.advance((8 * DAY).total_seconds())
    await rig.handle(NAME, action="retire")
    outcome = await order(rig, 20 * DAY)
    assert (outcome.result, len(rig.vault.versions(NAME))) == ("confirmed", 2)
    assert accepted(rig, 1)


async def test_what_rekey_made_before_the_incident_is_replaced_with_its_predecessor() -> None:
    rig = await rotated()
    outcome = await order(rig, HOUR / 2)
    assert outcome.result == "rotated"
    assert [accepted(rig, number) for number in range(3)] == [False, False, True]


async def test_what_a_person_wrote_since_is_replaced_as_its_value_may_be_older() -> None:
    rig = await rotated()
    current = rig.latest(NAME)
    rig.clock.advance(60)
    rig.write(NAME, current.value, theirs="x")
    rig.world.accounts["appdata"].regenerate("key1")
    rig.clock.advance(60)
    written = rig.write(NAME, keys_of(rig)["key1"], CredentialId="key1")
    outcome = await order(rig, 2 * HOUR)
    assert outcome.result == "rotated"
    assert written.value not in keys_of(rig).values()


async def test_of_what_was_there_when_an_incident_began_the_newest_version_is_replaced() -> None:
    """Key Vault lists versions by their ids, and two of them are of one second."""
    rig = await rotated()
    for days in (20, 30, 40):
        rig.vault.put(NAME, "long gone", created=rig.clock.now() - days * DAY)
    key, newest = rig.world.accounts["appdata"].regenerate("key1"), rig.latest(NAME)
    rig.write(NAME, key.value, 1, CredentialId="key1")
    await order(rig, HOUR / 2)
    assert [*(await record(rig)).compromised.revoked] == [newest.version]
    assert newest.value not in keys_of(rig).values()


@pytest.mark.parametrize("is_named", [True, False])
async def test_what_was_superseded_gets_no_overlap_where_a_person_has_written_a_version_since(
    *, is_named: bool
) -> None:
    rig = await rotated()
    superseded, leaked = rig.vault.versions(NAME)
    key = rig.world.accounts["appdata"].regenerate("key2")
    theirs = rig.write(NAME, key.value, 80, CredentialId="key2")
    await order(rig, HOUR / 2, version=leaked.version if is_named else None)
    assert superseded.value not in keys_of(rig).values()
    assert rig.latest(NAME).version == theirs.version


async def test_an_order_ends_where_its_source_refuses_what_a_person_has_written_since() -> None:
    """What is as old as the incident is refused; what they wrote is another matter."""
    rig = await rotated()
    await order(rig, HOUR / 2)
    rig.write(NAME, "never accepted", **dict.fromkeys(OURS))
    outcome = await order(rig, HOUR / 2)
    assert (outcome.result, outcome.comes_back) == ("parked", False)
    assert [accepted(rig, number) for number in range(3)] == [False, False, True]
    assert rig.tags(NAME)["RekeyState"].startswith("drifted")


@pytest.mark.parametrize("is_older", [True, False])
async def test_a_restored_version_counts_as_old_as_what_it_holds(*, is_older: bool) -> None:
    """The order names the version that was current when it was given."""
    rig = await rotated()
    reported = rig.latest(NAME).version
    assert (await rig.handle(NAME, action="restore")).result == "restored"
    rig.clock.advance(60)
    outcome = await order(rig, HOUR / 2 if is_older else 3 * HOUR, version=reported)
    assert outcome.result == ("rotated" if is_older else "retired")
    assert not accepted(rig, 1)
    assert accepted(rig, 2) is not is_older


async def test_a_restored_version_that_was_revoked_keeps_no_later_incident_open() -> None:
    """A person has replaced it, its version is disabled, and its credential is gone."""
    rig = GraphRig()
    rig.managed()
    for action in ("rotate", "restore"):
        await rig.handle(GRAPH, action=action)
        rig.clock.advance(3_600)
    restored = rig.latest(GRAPH)
    theirs = rig.directory.add_password(rig.app, "by hand, too")
    rig.write(GRAPH, theirs.secret, CredentialId=theirs.key_id)
    rig.clock.advance(3_600)
    for version in (restored.version, None):
        since = (rig.clock.now() - HOUR).isoformat()
        outcome = await rig.handle(
            GRAPH, compromised=True, version=version, since=since, reported=since
        )
        assert outcome.result != "parked", outcome.reason
        assert not (await rig.known(rig.source)).compromised.versions
        rig.clock.advance(86_400)
        await rig.handle(GRAPH, action="audit")


async def test_a_restored_credential_is_cut_off_beside_the_newest_version_from_before() -> None:
    """The version that repeats it is younger than the incident, and superseded by now."""
    rig = await rotated()
    began = rig.clock.now() - HOUR / 2
    assert (await rig.handle(NAME, action="restore")).result == "restored"
    rig.clock.advance((8 * DAY).total_seconds())
    await rig.handle(NAME, action="retire")
    assert (await rig.handle(NAME, force=True)).result == "rotated"
    assert accepted(rig, 0)
    rig.clock.advance(60)
    reported = rig.clock.now()
    await order(rig, reported - began, reported=reported.isoformat())
    older, known = rig.vault.versions(NAME)[:2], (await record(rig)).compromised
    assert all(known.is_refused(version.version, reported) for version in older)
    assert not accepted(rig, 0)


@pytest.mark.parametrize("by_a_look", [False, True])
async def test_what_was_made_for_an_incident_dated_ahead_is_not_replaced_for_it_again(
    *, by_a_look: bool
) -> None:
    """Whoever orders it once more goes by the vault's clock, and whoever makes it may be anybody."""
    rig = scene(days_left=80)
    leaked, since = rig.latest(NAME).version, (rig.clock.now() + HOUR).isoformat()
    if by_a_look:
        refuse(rig, 403, "AuthorizationFailed", to_regenerate)
    await rig.handle(NAME, version=leaked, compromised=True, since=since)
    if by_a_look:
        source = (await record(rig)).source
        assert (await rig.handle(NAME, action="audit", source=source)).result == "rotated"
    made = rig.latest(NAME).version
    rig.clock.advance(2 * HOUR.total_seconds())
    outcome = await rig.handle(NAME, version=made, compromised=True, since=since)
    assert (outcome.result, rig.latest(NAME).version) == ("confirmed", made)
    assert (await record(rig)).compromised.versions == ()
    later = (rig.clock.now() + HOUR).isoformat()
    assert (await rig.handle(NAME, version=made, compromised=True, since=later)).result == "rotated"


async def test_an_incident_is_noted_before_the_secret_can_be_read() -> None:
    """Only what the record knows of is tried again by every sweep."""
    rig = await rotated()
    version = rig.latest(NAME).version
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    await rig.handle(NAME, version=version, compromised=True, source=source_of(rig))
    assert (await record(rig)).compromised.versions == (version,)
    assert not rig.queue("rotations"), "a message comes back only for what nobody knows of"


async def test_an_incident_without_a_version_is_about_the_current_one() -> None:
    rig = scene(days_left=80)
    leaked = rig.latest(NAME)
    refuse(rig, 403, "AuthorizationFailed", to_regenerate, times=99)
    outcome = await rig.handle(NAME, compromised=True)
    assert (outcome.result, outcome.item.version) == ("parked", leaked.version)
    assert (await record(rig)).compromised.versions == (leaked.version,)
    assert not rig.queue("rotations"), "a message comes back only for what nobody knows of"


@pytest.mark.parametrize("action", ["audit", "retire", "rotate"])
async def test_an_incident_that_was_noted_goes_on_whatever_is_asked_for(action: str) -> None:
    rig = await rotated()
    rig.world.faults.append(Fault(to_regenerate, json_response(503, {})))
    with pytest.raises(TransientError):
        await rig.handle(NAME, compromised=True)
    outcome = await rig.handle(NAME, action=action, trigger="sweep", source=source_of(rig))
    assert (outcome.result, outcome.retired) == ("rotated", ("key1", "key2"))
    assert [accepted(rig, number) for number in range(3)] == [False, False, True]


async def test_what_is_in_its_overlap_is_part_of_an_incident_that_names_the_current_version() -> (
    None
):
    """Until it is refused as well, the incident is not over."""
    rig = await rotated()
    superseded, leaked = (version.version for version in rig.vault.versions(NAME))
    refuse(rig, 403, "AuthorizationFailed", to_regenerate, times=99)
    assert (await order(rig, HOUR / 2, version=leaked)).result == "parked"
    assert {*(await record(rig)).compromised.versions} == {superseded, leaked}


async def test_an_incident_that_was_noted_waits_for_no_replica_whoever_goes_on_with_it() -> None:
    rig = scene(days_left=80)
    copy = rig.vault.put("copy", "theirs")
    leaked = rig.tag(NAME, Replicas=f"{rig.vault.url}/secrets/{copy.name}")
    await rig.note(source_of(rig), NAME, compromised=(leaked.version,))
    outcome = await rig.handle(NAME, action="audit", trigger="sweep", source=source_of(rig))
    assert outcome.result == "rotated"
    assert "a replica has missed it: the replica does not consent" in outcome.reason
    assert not accepted(rig, 0)


@pytest.mark.parametrize("leaked", [0, 1])
async def test_what_has_not_leaked_is_restored_in_place_of_what_has(leaked: int) -> None:
    """The earlier version has leaked, or the current one."""
    rig = await rotated()
    versions = rig.vault.versions(NAME)
    rig.world.faults.append(Fault(to_regenerate, json_response(503, {})))
    with pytest.raises(TransientError):
        await rig.handle(NAME, version=versions[leaked].version, compromised=True)
    assert (await record(rig)).compromised.versions == (versions[leaked].version,)
    outcome = await rig.handle(NAME, action="restore")
    assert (outcome.result == "restored") is (leaked == 1)
    assert not accepted(rig, leaked)
    assert accepted(rig, 1 - leaked)
    assert rig.latest(NAME).value == versions[1 - leaked].value


async def test_what_leaked_outside_the_scopes_is_not_touched_and_left_to_a_person() -> None:
    """The scopes were narrowed after its secret had left the source where the credential lives."""
    rig = await rotated()
    left, other = source_of(rig), rig.account("elsewhere")
    leaked = str(rig.vault.versions(NAME)[0].version)
    await rig.note(left, NAME, compromised=(leaked,), pending=None)
    rig.clock.advance(60)
    rig.write(NAME, other.keys["key1"].value, ProviderAddress=other.resource_id)
    engine = rig.service().engine
    policy = replace(engine.policy, scopes={rig.vault.url: (other.resource_id.lower(),)})
    item = rig.item(NAME, version=leaked, compromised=True, source=left)
    rig.world.exchanges.clear()
    outcome = await replace(engine, policy=policy).handle(item)
    assert outcome.result == "parked"
    assert f"not bound to {left} any more: what leaked may still be accepted" in outcome.reason
    assert "revoke it there by hand" in outcome.fix
    assert (await record(rig)).compromised.versions == (leaked,)
    assert accepted(rig, 0)
    assert not [sent for sent in rig.world.exchanges if "appdata" in sent.request.url]


async def test_of_a_leak_outside_the_scopes_people_hear_that_it_works_before_of_a_wrong_tag() -> (
    None
):
    """Nothing is changed there, whatever they correct."""
    rig = await rotated()
    leaked = str(rig.vault.versions(NAME)[0].version)
    await rig.note(source_of(rig), NAME, compromised=(leaked,))
    rig.tag(NAME, OverlapHours="soon")
    engine = rig.service().engine
    policy = replace(engine.policy, scopes={rig.vault.url: ()})
    recheck = rig.item(
        NAME, action="audit", trigger="sweep", recheck=1, version=None, source=source_of(rig)
    )
    outcome = await replace(engine, policy=policy).handle(recheck)
    assert outcome.result == "parked"
    assert "any more: what leaked may still be accepted" in outcome.reason
    assert accepted(rig, 0)
