"""What is noted in a record: incidents, the end of looks, proofs, and that an outcome was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.contract import LATE
from engine.state.tags import STATE
from tests.engine.rotation.held import Held, held
from tests.shared.scene import NAME, refuse, scene

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
V1, V2 = "1" * 32, "2" * 32


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    """The source of a key, some time after it was written."""
    rig = scene(tags={"team": "a"})
    rig.clock.advance(HOUR.total_seconds())
    async with held(rig) as held_:
        yield held_


async def test_an_incident_is_noted_once_until_its_credential_is_refused(at: Held) -> None:
    at.know(gone={"gone": ""})
    observed = at.observed()
    await observed.note_compromised("gone")
    assert at.record.compromised.versions == ()
    await observed.note_compromised(V1, "gone")
    await observed.note_compromised(V2, V1)
    assert at.noted.compromised.versions == (V1, V2)
    at.rig.calls()
    await observed.note_compromised(V1)
    assert at.rig.calls() == {}
    await observed.settle(V1, "tried")
    settled = at.noted
    assert (settled.compromised.versions, [*settled.compromised.revoked]) == ((V2,), [V1, "gone"])
    assert settled.compromised.revoked[V1] == f"{at.now:%Y-%m-%dT%H:%M:%SZ} tried"


@pytest.mark.parametrize(
    ("open_until", "is_over"), [(None, False), (-SECOND, True), (0 * SECOND, True), (SECOND, False)]
)
async def test_looks_at_a_source_that_a_secret_has_left_end_once_nothing_can_take_effect(
    at: Held, open_until: timedelta | None, *, is_over: bool
) -> None:
    look_at, lost = at.now + HOUR / 4, at.announced(LATE)
    until = None if open_until is None else at.now + open_until
    at.know(open_until=until, look_at=look_at, ahead=lost)
    await at.lease.write(at.record)
    assert await at.observed().note_left() is is_over
    kept = (until, look_at) if until and not is_over else (None, None)
    record = at.noted
    assert (record.change.uncertain_until, record.change.recheck_at) == kept
    assert (record.pending_write, record.unpublished) == (None, (replace(lost, lost=True),))


async def test_a_version_that_was_announced_just_now_is_not_given_up_at_a_source_that_was_left(
    at: Held,
) -> None:
    """The write may still arrive in the vault, and then its credential is in use."""
    write = at.announced(LATE - SECOND)
    at.know(ahead=write)
    await at.lease.write(at.record)
    assert not await at.observed().note_left()
    assert at.noted.unpublished == (write,)


async def test_a_report_by_a_clock_that_is_ahead_is_answered_by_the_proof_that_follows_it(
    at: Held,
) -> None:
    reported = at.now + HOUR
    observed = at.observed(compromised=True, version=V1, reported=reported.isoformat())
    await observed.note_compromised(V1)
    await observed.settle(V1, "tried")
    assert at.noted.compromised.is_refused(V1, reported)
    assert not at.noted.compromised.is_refused(V1, reported + SECOND)


@pytest.mark.parametrize("compromised", [True, False])
async def test_how_long_a_leak_took_is_told_by_the_item_that_reported_it(
    at: Held, monkeypatch: pytest.MonkeyPatch, *, compromised: bool
) -> None:
    """Another one's person has asked for something else."""
    spans = list[float]()
    monkeypatch.setattr(at.parts.reporter, "refused", lambda *what: spans.append(what[-1]))
    observed = at.observed(compromised=compromised, reported=(at.now - HOUR).isoformat())
    await observed.note_compromised(V1)
    await observed.settle(V1, "tried")
    assert spans == ([HOUR.total_seconds()] if compromised else [])


async def test_a_version_that_is_reported_after_its_proof_is_noted_again(at: Held) -> None:
    """Somebody may have made the source accept it again."""
    await at.observed().note_compromised(V1)
    await at.observed().settle(V1, "tried")
    for after, noted in ((0 * SECOND, ()), (HOUR, (V1,))):
        reported = (at.now + after).isoformat()
        await at.observed(compromised=True, reported=reported).note_compromised(V1)
        assert at.noted.compromised.versions == noted


@pytest.mark.parametrize(
    ("item", "audited", "settles_nothing", "until", "ends"),
    [
        ({"recheck": True}, False, False, -SECOND, True),
        ({"recheck": True}, False, False, 0 * SECOND, True),
        ({"recheck": True}, False, False, SECOND, False),
        ({}, True, False, -SECOND, True),
        ({}, False, False, -SECOND, False),
        ({"recheck": True}, False, True, -SECOND, False),
    ],
)
async def test_only_who_has_looked_notes_that_nothing_is_open_any_more(
    at: Held,
    item: dict[str, Any],
    until: timedelta,
    *,
    audited: bool,
    settles_nothing: bool,
    ends: bool,
) -> None:
    observed = at.observed(**item)
    observed.audited, observed.settles_nothing = "{key}" if audited else "", settles_nothing
    at.know(begun=at.now - HOUR, open_until=at.now + until, look_at=at.now)
    await observed.note_reported()
    assert at.record.change.uncertain_until == (None if ends else at.now + until)


@pytest.mark.parametrize(("text", "ends"), [("60", True), ("soon", False)])
async def test_a_look_that_cannot_follow_the_tags_does_not_note_that_a_change_is_over(
    at: Held, text: str, *, ends: bool
) -> None:
    """It has not tried what the change may have hit."""
    until = at.now - SECOND
    at.know(begun=at.now - HOUR, open_until=until, look_at=at.now)
    observed = at.observed(action="audit", recheck=True)
    observed.retagged(replace(at.secret, tags={**at.secret.tags, "ValidityPeriodDays": text}))
    await observed.note_reported()
    assert at.record.change.uncertain_until == (None if ends else until)


@pytest.mark.parametrize(("audited", "overwritten"), [(False, False), (True, False), (True, True)])
async def test_what_was_proven_is_noted_with_its_owners_tags_unless_a_person_wrote_over_it(
    at: Held, *, audited: bool, overwritten: bool
) -> None:
    """They may have taken the secret out of management, which the next listing must show."""
    at.rig.vault.amend(at.rig.latest(NAME), tags={**at.rig.tags(NAME), STATE: "parked"})
    observed = at.observed()
    await observed.observe()
    observed.audited = "Key={key}" if audited else ""
    if overwritten:
        at.rig.clock.advance(1)
        at.rig.vault.put(NAME, "theirs")
    await observed.observe()
    await observed.note_reported()
    noted = at.noted.verified
    if audited and not overwritten:
        own = {tag: text for tag, text in at.secret.tags.items() if tag != STATE}
        assert (noted.at, noted.version) == (at.now, at.secret.version)
        assert (noted.tags, noted.created) == (own, at.secret.created)
        assert noted.templates == ("Key={key}",)
    else:
        assert (noted.at, noted.version, noted.created) == (None, "", None)
        assert overwritten or noted.tags == {}


@pytest.mark.parametrize("single", [False, True])
async def test_changes_that_could_not_be_proven_are_over_once_the_only_slot_is(
    at: Held, *, single: bool
) -> None:
    at.know(asked=at.now - HOUR, begun=at.now, blind=single, changing=at.now)
    assert at.record.unknown_for(at.now) == (HOUR if single else timedelta())
    observed = at.observed()
    await observed.observe()
    observed.audited = "{key}"
    await observed.note_reported()
    assert at.record.unknown_for(at.now) == timedelta()


@pytest.mark.parametrize(
    ("ago", "is_lost"), [(LATE - SECOND, False), (LATE, True), (LATE + SECOND, True)]
)
async def test_an_announced_write_is_given_up_by_an_audit_once_it_can_arrive_no_more(
    at: Held, ago: timedelta, *, is_lost: bool
) -> None:
    at.announce("new", ago)
    observed = at.observed(action="audit")
    await observed.observe()
    observed.audited = "{key}"
    await observed.note_reported()
    assert (at.record.pending_write is None) is is_lost
    assert [write.lost for write in at.record.unpublished] == [is_lost]


async def test_a_record_that_cannot_be_written_costs_a_second_report_and_no_more(at: Held) -> None:
    at.published(untold=True)
    observed = at.observed()
    await observed.observe()
    refuse(at.rig, 403, "AuthorizationFailure", lambda sent: ".blob." in sent.host)
    await observed.note_reported()
    assert at.noted.unreported
