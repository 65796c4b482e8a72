"""Which looks at a source are posted, and until when, for a change that may yet take effect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.contract import LATE, LONGEST_CHANGE
from engine.errors import AccessDenied, NeedsHuman, PermanentError, TransientError
from engine.state.policy import Document, Match, Rule
from tests.engine.rotation.held import (
    FRESH_SECONDS,
    RECHECK,
    RECHECKED_FOR,
    SPACING,
    Held,
    held,
)
from tests.engine.rotation.plain_kind import Able, Plain, rotating
from tests.shared.scene import NAME, refuse, scene, source_of, to_vault

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OLDER = "a" * 32


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    async with held(scene()) as held_:
        yield held_


async def test_a_look_is_noted_before_a_password_is_set_that_nobody_may_know(at: Held) -> None:
    """A message hints at it, as the timer comes later."""
    item = at.rig.item(NAME, waited=3, deferred=4, force=True, trigger="manual")
    at.rig.clock.advance(20)
    await at.lease.begin(item, at.secret, is_single=True)
    assert at.lease.lasts(FRESH_SECONDS), "for what follows the change, too"
    record = at.noted
    assert record.change.password_unknown
    assert record.change.recheck_at == at.now + SPACING
    ((seconds, look),) = at.posted()
    assert timedelta(seconds=seconds) == SPACING
    assert look["version"] == at.secret.version
    counts = (look["follow_up"], look["waited"], look["deferred"])
    assert (counts, look["source"]) == ((True, 0, 0), at.lease.source)
    assert (look["action"], look["force"], look["trigger"]) == ("audit", False, "sweep")


async def test_no_change_is_begun_outside_the_scopes_as_they_are_now(at: Held) -> None:
    policy = replace(at.parts.policy, scopes={at.rig.vault.url: ("/subscriptions/another",)})
    before, at.parts = at.noted, replace(at.parts, policy=policy)
    with pytest.raises(NeedsHuman, match="is not bound to"):
        await at.lease.begin(at.rig.item(NAME), at.secret)
    assert at.noted == before


async def test_looks_never_multiply(at: Held) -> None:
    """A message is posted as another time is noted, and by nothing else."""
    await at.lease.begin(at.rig.item(NAME), at.secret, is_single=True)
    at.rig.clock.advance(5)
    await at.lease.recheck()
    await at.lease.write(replace(at.record, unreported=True))
    assert len(at.posted()) == 1


async def test_who_asks_for_something_else_puts_no_look_off(at: Held) -> None:
    at.know(open_until=at.now + HOUR, look_at=at.now + MINUTE)
    await at.lease.recheck()
    assert at.noted.next_check == at.now + MINUTE


async def test_a_change_is_begun_where_no_message_can_tell_of_the_look_at_it(at: Held) -> None:
    """The record says when, before the change: the timer reads that."""
    refuse(at.rig, 403, "AuthorizationFailure", lambda sent: ".queue." in sent.host)
    await at.lease.begin(at.rig.item(NAME), at.secret, is_single=True)
    assert at.posted() == []
    assert at.noted.change.started_at == at.now
    assert at.noted.next_check == at.now + SPACING


# A source goes on with a change.


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        ({}, 0 * SECOND),
        ({"begun": -MINUTE}, -MINUTE),
        ({"begun": -MINUTE, "asked": -HOUR}, -HOUR),
        ({"begun": -MINUTE, "asked": -HOUR, "waiting": -2 * HOUR}, -2 * HOUR),
        ({"waiting": SECOND - LONGEST_CHANGE}, SECOND - LONGEST_CHANGE),
        ({"waiting": -LONGEST_CHANGE}, -LONGEST_CHANGE),
    ],
)
async def test_a_change_under_way_is_known_since_it_was_first_asked_for(
    at: Held, facts: dict[str, Any], since: timedelta
) -> None:
    at.know(**at.times(facts))
    is_endless = await at.lease.wait(60, "a mark")
    record = at.noted
    assert (record.change.in_progress_since, record.change.marker) == (at.now + since, "a mark")
    assert is_endless is (since == -LONGEST_CHANGE)
    assert len(at.posted()) == (not is_endless)


@pytest.mark.parametrize(
    ("ago", "blind", "seconds"),
    [
        (0 * SECOND, False, 60),
        (10 * MINUTE, False, 60),
        (HOUR, False, 360),
        (10 * HOUR, False, 1800),
        (10 * MINUTE, True, 60),
        (HOUR, True, 60),
    ],
)
async def test_the_longer_a_change_takes_the_less_often_its_end_is_looked_for(
    at: Held, ago: timedelta, seconds: float, *, blind: bool
) -> None:
    """Only a password that nobody knows stays uncertain meanwhile."""
    at.know(waiting=at.now - ago, changing=at.now - MINUTE, blind=blind)
    await at.lease.wait(60, "")
    assert at.record.change.open_since == (at.now - MINUTE if blind else None)
    ((posted_in, later),) = at.posted()
    assert posted_in == int(seconds)
    assert (later["action"], later["follow_up"], later["source"]) == (
        "audit",
        True,
        at.lease.source,
    )
    assert at.record.change.recheck_at == at.now + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("look_at", "resumes"),
    [(None, False), (-HOUR, False), (20 * SECOND, False), (21 * SECOND, True)],
)
async def test_one_message_is_enough_to_tell_of_the_end_of_a_change(
    at: Held, look_at: timedelta | None, *, resumes: bool
) -> None:
    at.know(waiting=at.now - MINUTE, look_at=at.now + look_at if look_at else None)
    await at.lease.recheck()
    await at.lease.begin(at.rig.item(NAME), at.secret)
    await at.lease.recheck()
    assert at.lease.resumes is resumes
    await at.lease.wait(60, "")
    assert len(at.posted()) == (not resumes)
    assert at.record.change.recheck_at == at.now + (look_at if look_at and resumes else MINUTE)


# Looks go on until it is certain what a change did.


@pytest.mark.parametrize(
    ("facts", "open_until"),
    [
        ({}, None),
        ({"changing": -10 * MINUTE}, LATE - 10 * MINUTE),
        ({"changing": -HOUR}, 0 * SECOND),
        ({"changing": -10 * MINUTE, "open_until": HOUR}, HOUR),
        ({"changing": -10 * MINUTE, "open_until": MINUTE}, LATE - 10 * MINUTE),
        ({"ahead": 10 * MINUTE}, LATE - 10 * MINUTE),
        ({"ahead": 10 * MINUTE, "open_until": HOUR}, HOUR),
        ({"ahead": 10 * MINUTE, "open_until": MINUTE}, LATE - 10 * MINUTE),
        ({"ahead": LATE}, None),
        ({"ahead": LATE - SECOND}, SECOND),
        ({"open_until": -HOUR}, -HOUR),
        ({"open_until": SECOND - RECHECKED_FOR}, SECOND - RECHECKED_FOR),
        ({"open_until": -RECHECKED_FOR}, None),
    ],
)
async def test_looks_go_on_while_a_change_may_take_effect_and_for_a_week_at_most(
    at: Held, facts: dict[str, Any], open_until: timedelta | None
) -> None:
    if "ahead" in facts:
        facts = {**facts, "ahead": at.announced(facts["ahead"])}
    at.know(begun=at.now - HOUR, look_at=at.now - HOUR, **at.times(facts))
    await at.lease.recheck()
    record = at.noted
    assert record.change.open_since is None
    assert record.change.uncertain_until == (None if open_until is None else at.now + open_until)
    assert at.posted() == [], "the record says it"
    goes_on = open_until is not None or "ahead" in facts
    assert record.next_check == (at.now + RECHECK if goes_on else None)


@pytest.mark.parametrize(("left", "looks"), [(SECOND, 1), (-SECOND, 0)])
async def test_looks_end_in_time_where_nothing_was_sent_to_the_source(
    at: Held, left: timedelta, looks: int
) -> None:
    """A key makes a derived secret without a call: only its version could come late."""
    at.know(begun=None, open_until=at.now + left, look_at=at.now - HOUR)
    await at.lease.recheck()
    assert bool(at.noted.next_check) is bool(looks)
    assert (at.noted.change.uncertain_until is None) is (looks == 0)


@pytest.mark.parametrize("wait", ["", "90"])
@pytest.mark.parametrize("facts", [{"open_until": HOUR}, {"unused": (OLDER,)}])
async def test_the_timer_asks_for_no_look_while_one_waits_as_azure_has_asked(
    wait: str, facts: dict[str, Any]
) -> None:
    """Else one would wait for each time that the timer comes: a throttle may last for hours."""
    async with held(scene()) as at:
        at.know(begun=at.now, look_at=at.now - SECOND, **at.times(facts))
        headers = {"Retry_After": wait} if wait else {}
        refuse(at.rig, 429, "Throttled", to_vault(), times=99, **headers)
        _, first = await at.steps(action="audit", trigger="sweep", recheck=True).run()
        assert first.result == "skipped"
        next_check = at.now + timedelta(seconds=float(wait or 60))
        assert at.noted.next_check == next_check
        at.rig.clock.advance(5)
        _, second = await at.steps(action="audit", trigger="sweep", recheck=True).run()
        # What Azure has said last counts; a time of Rekey's own is not put off again.
        next_check = at.now + timedelta(seconds=float(wait)) if wait else next_check
        assert (second.result, at.noted.next_check) == ("skipped", next_check)


async def test_a_look_in_vain_comes_again_by_its_message_where_no_record_can_be_written() -> None:
    async with held(scene()) as at:
        at.know(begun=at.now, look_at=at.now - SECOND, open_until=at.now + HOUR)
        refuse(at.rig, 500, "InternalError", to_vault(), times=99)
        refuse(at.rig, 403, "AuthorizationFailure", lambda sent: ".blob." in sent.host, times=99)
        with pytest.raises(TransientError):
            await at.steps(action="audit", trigger="sweep", recheck=True).run()


@pytest.mark.parametrize("facts", [{}, {"pending": None}], ids=["in its overlap", "after it"])
@pytest.mark.parametrize(
    ("is_late", "is_refused", "is_bound"),
    [(True, True, True), (True, True, False), (True, False, True), (False, True, True)],
)
async def test_what_a_late_change_may_have_hit_is_proven_although_only_a_person_rotates_it(
    facts: dict[str, Any], *, is_late: bool, is_refused: bool, is_bound: bool
) -> None:
    """Its owner is told, and nothing is published in its place."""
    rig = scene()
    await rig.handle(NAME)
    rig.tag(NAME, Manual="true")
    rig.clock.advance(60)
    until = rig.clock.now() + timedelta(minutes=20) if is_late else None
    await rig.note(source_of(rig), NAME, open_until=until, look_at=rig.clock.now(), **facts)
    if is_refused:
        rig.world.accounts["appdata"].regenerate("key2")
    if not is_bound:
        rig.environment = {"REKEY_SCOPES": json.dumps({rig.vault.url: ["/subscriptions/another"]})}
    versions = len(rig.vault.versions(NAME))
    outcome = await rig.handle(
        NAME, action="audit", trigger="sweep", recheck=True, source=source_of(rig)
    )
    parked = "the source refuses the current version, and its owner leaves the secret to people"
    assert (outcome.reason.startswith(parked)) is (is_late and is_refused and is_bound)
    assert len(rig.vault.versions(NAME)) == versions


async def test_what_a_late_change_has_hit_is_not_repaired_where_a_replica_may_not_be_written() -> (
    None
):
    """The policy document names one that its vault is not bound for."""
    rig, other = scene(days_left=80), "https://other.vault.azure.net"
    rule = Rule(Match(None, NAME), {"Replicas": f"{other}/secrets/copy"})
    async with held(rig) as at:
        scopes = {**at.parts.policy.scopes, other: ("/subscriptions/another",)}
        policy = replace(at.parts.policy, scopes=scopes).under(Document(rules=(rule,)))
        at.parts = replace(at.parts, policy=policy)
        at.published("key1", begun=at.now - HOUR, open_until=at.now + HOUR)
        rig.world.accounts["appdata"].regenerate("key1")
        _, outcome = await at.steps(action="audit", trigger="sweep", recheck=True).run()
    assert outcome.result == "parked"
    assert outcome.reason.startswith("the policy document's replica ")
    assert len(rig.vault.versions(NAME)) == 1


@pytest.mark.parametrize(
    ("error", "facts", "goes_on"),
    [
        (AccessDenied, {"open_until": -SECOND}, True),
        (AccessDenied, {"unused": (OLDER,)}, False),
        (NeedsHuman, {"open_until": -SECOND}, False),
        (NeedsHuman, {"open_until": -SECOND, "blind": True}, True),
        (NeedsHuman, {"unused": (OLDER,), "blind": True}, False),
        (AccessDenied, {"open_until": -SECOND, "begun": SECOND - LONGEST_CHANGE}, True),
        (AccessDenied, {"open_until": -SECOND, "begun": -LONGEST_CHANGE}, False),
    ],
)
async def test_looks_go_on_for_a_day_where_a_password_may_be_unknown_or_a_right_is_missing(
    error: type[PermanentError], facts: dict[str, Any], *, goes_on: bool
) -> None:
    """What the change has left is not seen without that right."""
    kind = Plain()

    async def verify(*_: object) -> None:
        raise error("it cannot be proven")

    kind.verify = verify  # type: ignore[assignment, method-assign]
    async with rotating(kind, action="audit", trigger="sweep", recheck=True) as work:
        work.at.know(**work.at.times({"begun": -HOUR, **facts}))
        _, outcome = await work.run()
        assert outcome.result == "parked"
        assert (work.at.noted.next_check == work.at.now + RECHECK) is goes_on


async def test_a_look_that_has_proven_the_current_version_settles_what_a_missing_right_hides() -> (
    None
):
    """The right is for the next rotation alone."""
    kind = Able(problem=AccessDenied("a right is missing"))
    async with rotating(kind, action="audit", trigger="sweep", recheck=True) as work:
        work.at.know(begun=work.at.now - HOUR, open_until=work.at.now - SECOND)
        _, outcome = await work.run()
        assert outcome.result == "parked"
        assert work.at.noted.next_check is None
