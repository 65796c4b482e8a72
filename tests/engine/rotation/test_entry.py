"""What the engine makes of an item before it holds a lease, and after it has reported the outcome."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from engine.secret import SecretRef
from engine.state.incident import RECOVER, STILL_ACCEPTED, deleted_at
from engine.state.request import NO_MORE, TRIED_ON, Outcome
from simulator.keyvault.state import SecretVersion
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, state, to_vault

NO_TAGS = {"ProviderAddress": None}
LEAKED_FIX = "revoke it at its source by hand, or give the secret its tags back"
MALFORMED = {"ValidityPeriodDays": "soon"}


async def handle(rig: Rig, tries: int = 1, **fields: Any) -> Outcome:
    """Work on one item, in a fresh process."""
    return await rig.service().engine.handle(rig.item(NAME, **fields), tries)


def accepted(rig: Rig, version: SecretVersion) -> bool:
    """Return whether the account takes the value of a version."""
    return version.value in {key.value for key in rig.world.accounts["appdata"].accepted_keys()}


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        pytest.param({"tags": NO_TAGS}, "set the tag ProviderAddress", id="without tags"),
        pytest.param(
            {"tags": MALFORMED},
            "rekey tags set prod/app-key ValidityPeriodDays=90",
            id="with wrong tags",
        ),
        pytest.param({"enabled": False}, "enable the current version", id="disabled"),
    ],
)
@pytest.mark.parametrize(("age", "comes_back"), [(timedelta(), True), (TRIED_ON, False)])
async def test_an_incident_whose_source_nobody_knows_says_that_the_leak_may_still_work(
    options: dict[str, Any], fix: str, age: timedelta, *, comes_back: bool
) -> None:
    rig = scene(**options)
    reported = (rig.clock.now() - age).isoformat()
    outcome = await handle(rig, compromised=True, reported=reported)
    assert (outcome.result, outcome.fix.startswith(fix)) == ("parked", True)
    assert STILL_ACCEPTED in outcome.reason
    assert (NO_MORE in outcome.reason) is not comes_back
    assert outcome.comes_back is comes_back


@pytest.mark.parametrize(("enabled", "result"), [(False, "waiting"), (True, "parked")])
async def test_of_an_incident_of_a_disabled_secret_people_hear_now_and_then(
    result: str, *, enabled: bool
) -> None:
    """It can bear no mark. Of one that can and bears none yet, they hear again."""
    rig = scene(tags=NO_TAGS, enabled=enabled)
    told = rig.clock.now().isoformat()
    rig.clock.advance(60)
    outcome = await handle(rig, compromised=True, reported=told, told=told)
    assert (outcome.result, outcome.comes_back) == (result, True)
    assert STILL_ACCEPTED in outcome.reason


async def test_what_is_no_incident_and_has_no_source_is_skipped() -> None:
    outcome = await handle(scene(tags=NO_TAGS))
    assert (outcome.result, STILL_ACCEPTED in outcome.reason) == ("skipped", False)


async def test_an_incident_of_the_policy_document_says_what_can_be_done(rig: Rig) -> None:
    engine = rig.service().engine
    policy = replace(engine.policy, own=SecretRef(rig.vault.url, NAME))
    outcome = await replace(engine, policy=policy).handle(rig.item(NAME, compromised=True))
    assert (outcome.result, outcome.fix) == ("parked", LEAKED_FIX)


async def test_an_incident_finds_the_source_of_a_secret_that_has_lost_its_tags(rig: Rig) -> None:
    """The record knows where it was rotated."""
    await handle(rig)
    leaked, current = rig.vault.versions(NAME)
    rig.clock.advance(60)
    written = rig.vault.put(NAME, current.value)
    outcome = await handle(rig, version=leaked.version, compromised=True)
    assert not accepted(rig, leaked)
    assert accepted(rig, written)
    assert STILL_ACCEPTED not in outcome.reason


@pytest.mark.parametrize("is_named", [True, False])
async def test_an_incident_of_a_deleted_secret_says_where_what_leaked_may_work(
    rig: Rig, *, is_named: bool
) -> None:
    source = source_of(rig) if is_named else None
    rig.vault.delete(NAME)
    outcome = await handle(rig, compromised=True, source=source)
    assert outcome.reason.startswith(deleted_at(source or "its source"))
    assert outcome.fix == RECOVER


@pytest.mark.parametrize("is_leak", [True, False])
async def test_what_is_refused_or_has_not_leaked_is_not_called_a_deleted_leak(
    rig: Rig, *, is_leak: bool
) -> None:
    if is_leak:
        refuse(rig, 403, "ForbiddenByRbac", to_vault(), times=99)
    else:
        rig.vault.delete(NAME)
    outcome = await handle(rig, compromised=is_leak)
    assert outcome.result == "parked"
    assert "its credential may still work" not in outcome.reason
    assert outcome.fix != RECOVER


async def test_an_incident_of_which_no_record_knows_the_source_waits_for_the_tags() -> None:
    """The secret has claimed a source once, which has accepted nothing of it."""
    rig = scene(tags=NO_TAGS)
    await rig.note(source_of(rig), NAME)
    outcome = await handle(rig, compromised=True)
    assert (outcome.result, outcome.comes_back) == ("parked", True)
    assert outcome.reason.startswith(f"not managed: no tag ProviderAddress: {STILL_ACCEPTED}")
    assert outcome.fix.startswith("set the tag ProviderAddress")


async def test_an_incident_whose_source_is_gone_does_not_call_its_secret_deleted(rig: Rig) -> None:
    source = source_of(rig)
    rig.world.remove_account("appdata")
    outcome = await handle(rig, compromised=True)
    assert outcome.result == "parked"
    assert outcome.reason.endswith(f"was answered 404 ResourceNotFound ({source})")
    assert outcome.fix == "restore what was deleted, or correct the tags"


async def test_an_incident_that_began_before_what_is_current_is_dealt_with_at_its_source() -> None:
    rig = scene(days_left=80)
    leaked, since = rig.latest(NAME), rig.clock.now()
    rig.clock.advance(60)
    await handle(rig, force=True)
    rig.clock.advance(60)
    outcome = await handle(rig, compromised=True, since=since.isoformat())
    assert outcome.source == source_of(rig)
    assert not accepted(rig, leaked)
    assert accepted(rig, rig.latest(NAME))


async def test_an_incident_comes_back_where_its_source_cannot_be_looked_up() -> None:
    rig = scene(tags=NO_TAGS)
    refuse(rig, 403, "Forbidden", lambda request: "comp=list" in request.url, times=99)
    before = state(rig)
    with pytest.raises(TransientError, match="the records cannot be listed"):
        await handle(rig, compromised=True)
    assert state(rig) == before


@pytest.mark.parametrize("is_edited", [False, True])
async def test_without_the_records_an_incident_goes_on_where_that_of_its_tag_knows_the_version(
    *, is_edited: bool
) -> None:
    """An edited tag names a source whose record knows nothing of it: nothing is changed there."""
    rig = scene()
    await handle(rig)
    leaked = rig.latest(NAME)
    if is_edited:
        rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
    rig.clock.advance(60)
    refuse(rig, 403, "Forbidden", lambda request: "comp=list" in request.url, times=99)
    before = state(rig)
    with pytest.raises(TransientError) if is_edited else nullcontext():
        await handle(rig, version=leaked.version, compromised=True)
    assert (state(rig) == before) is is_edited
    assert accepted(rig, leaked) is is_edited


async def test_an_incident_of_an_earlier_version_is_dealt_with_whatever_may_be_rotated() -> None:
    """The current version has too many tags to be replaced, and it need not be."""
    many = {f"tag-{number}": "theirs" for number in range(12)}
    rig = scene(days_left=80, tags=many)
    leaked = rig.latest(NAME)
    account = rig.world.accounts["appdata"]
    rig.clock.advance(60)
    current = rig.secret(NAME, account, holds="key2", days_left=80, tags=many)
    outcome = await handle(rig, version=leaked.version, compromised=True)
    assert not accepted(rig, leaked)
    assert accepted(rig, current)
    assert STILL_ACCEPTED not in outcome.reason


async def test_an_item_that_names_another_source_is_worked_on_at_the_right_one(rig: Rig) -> None:
    elsewhere = rig.account("elsewhere")
    before = dict(elsewhere.keys)
    outcome = await handle(rig, source=elsewhere.resource_id.lower())
    assert (outcome.result, outcome.source) == (
        "rotated",
        source_of(rig),
    )
    assert elsewhere.keys == before


async def test_a_look_that_may_not_read_the_secret_is_left_to_the_record(rig: Rig) -> None:
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    outcome = await handle(rig, action="audit", recheck=True, deferred=3)
    assert outcome.reason.endswith("another recheck of the source follows")
    assert rig.messages("rotations") == []


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_a_malformed_tag_of_rekeys_own_is_compared_with_the_record(
    rig: Rig, *, is_recorded: bool
) -> None:
    if is_recorded:
        await handle(rig)
    rig.tag(NAME, RekeyRetire="whatever somebody writes")
    outcome = await handle(rig, action="audit", trigger="sweep")
    assert outcome.result == ("confirmed" if is_recorded else "parked")
    assert ("of which there is no record" in outcome.reason) is not is_recorded
