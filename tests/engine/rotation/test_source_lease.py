"""Who holds a source, and what its record says once a change was begun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import LeaseUnavailable, NeedsHuman, SourceBusy, TransientError
from engine.secret import SecretRef
from engine.state.record import RECHECK_EVERY, parts_of
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.engine.rotation.held import (
    CALL_SECONDS,
    NOBODY,
    SPACING,
    Held,
    held,
    hold,
)
from tests.shared.records import fact
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    async with held(scene()) as held_:
        yield held_


# Who holds what.


def test_a_source_has_a_part_for_each_name_in_its_last_segment() -> None:
    assert parts_of("/servers/one+two/logins/a+b") == (
        "/servers/one+two/logins/a",
        "/servers/one+two/logins/b",
    )
    assert parts_of("/servers/one/logins/a%2bb") == ("/servers/one/logins/a%2bb",)
    assert parts_of("an-application") == ("an-application",)


@pytest.mark.parametrize("logins", ["a", "a+b", "a+b+c"])
async def test_a_new_record_has_an_owner_at_once_only_where_its_source_has_one_part(
    rig: Rig, logins: str
) -> None:
    parts, owner = await rig.service().ready(), SecretRef(rig.vault.url, "App-Key")
    source = f"/servers/one/logins/{logins}"
    async with hold(parts, source, owner) as lease:
        owners = {held_.record.owner for held_ in lease.leases}
        assert len(lease.leases) == len(logins.split("+"))
        assert lease.record.source == source
        with pytest.raises(SourceBusy):
            async with hold(parts, "/servers/one/logins/a", owner):
                pass
    assert owners == ({str(owner).lower()} if logins == "a" else {NOBODY})


async def test_a_record_is_written_once_for_what_is_new_in_it_and_under_a_lease_that_lasts(
    at: Held,
) -> None:
    lease = at.lease.leases[0]
    at.rig.clock.advance(45)
    await at.lease.write(replace(at.record, key="ab"))
    assert lease.record.key == "ab"
    assert lease.remaining > CALL_SECONDS
    at.rig.calls()
    at.know(healed=at.now)
    await at.lease.write(lease.record)
    assert at.rig.calls() == {}
    assert at.record.verified.repaired_at is None, (
        "what was only learned is forgotten with the next write"
    )


async def test_a_change_is_sent_only_while_every_lease_outlasts_it(at: Held) -> None:
    at.rig.clock.advance(45)
    async with at.lease.changing("try"):
        assert at.lease.leases[0].remaining > CALL_SECONDS
    at.rig.clock.advance(45)
    refuse(at.rig, 409, "LeaseIdMismatchWithLeaseOperation", lambda sent: sent.method == "PUT")
    with pytest.raises(LeaseUnavailable):
        async with at.lease.changing("try"):
            raise AssertionError("it was sent")


async def test_a_change_without_an_answer_may_have_taken_effect(at: Held) -> None:
    with pytest.raises(TransientError, match="it may or may not have taken effect") as caught:
        async with at.lease.changing("try"):
            raise TimeoutError
    assert caught.value.code == "NoAnswer"


# A change is begun.


@pytest.mark.parametrize(
    ("facts", "kind", "expected"),
    [
        ({}, "", {"changing": 0 * SECOND, "asked": None, "kind": ""}),
        ({}, "a-kind", {"changing": 0 * SECOND, "asked": 0 * SECOND, "kind": "a-kind"}),
        ({"kind": "a-kind"}, "", {"kind": "a-kind", "asked": None}),
        ({"kind": "another"}, "a-kind", {"kind": "a-kind"}),
        ({"changing": -MINUTE}, "", {"changing": -MINUTE}),
        ({"touched": "this", "asked": -HOUR}, "a-kind", {"asked": 0 * SECOND}),
        (
            {"touched": "this", "asked": -HOUR, "changing": -MINUTE},
            "a-kind",
            {"asked": -HOUR, "changing": -MINUTE},
        ),
        ({"touched": "this", "asked": -HOUR}, "", {"asked": None}),
        ({"touched": "other", "asked": -HOUR}, "a-kind", {"asked": 0 * SECOND}),
        ({"touched": "this", "waiting": -HOUR, "mark": "m"}, "", {"waiting": -HOUR, "mark": "m"}),
        ({"touched": "other", "waiting": -HOUR, "mark": "m"}, "", {"waiting": None, "mark": ""}),
        ({"blind": True}, "", {"blind": False}),
    ],
)
async def test_the_record_notes_what_is_about_to_be_changed_and_since_when(
    at: Held, facts: dict[str, Any], kind: str, expected: dict[str, Any]
) -> None:
    version = str(at.secret.version)
    if facts.get("touched") == "this":
        facts = {**facts, "touched": version}
    at.know(**at.times(facts))
    await at.lease.begin(at.rig.item(NAME), at.secret, kind=kind)
    record = at.noted
    assert {name: fact(record, name) for name in expected} == at.times(expected)
    assert (record.change.started_at, record.change.version) == (at.now, version)
    assert record.key
    assert at.posted() == []


async def test_before_a_first_change_the_record_notes_how_to_revoke_what_is_owed(at: Held) -> None:
    """Somebody may take the tags away before a version is proven."""
    await at.lease.begin(at.rig.item(NAME), at.secret)
    assert at.noted.verified.tags["ProviderAddress"] == at.secret.tags["ProviderAddress"]


async def test_a_password_is_looked_at_once_it_may_be_changed_again_whatever_was_noted_before(
    at: Held,
) -> None:
    at.know(look_at=at.now + 10 * SECOND)
    await at.lease.begin(at.rig.item(NAME), at.secret, is_single=True)
    assert at.noted.next_check == at.now + SPACING


@pytest.mark.parametrize(
    ("facts", "ago", "waits"),
    [
        ({"changing": -HOUR}, SPACING - SECOND, 1),
        ({"open_until": HOUR}, SPACING - 10 * SECOND, 10),
        ({"ahead": True}, SPACING - SECOND, 1),
        ({"changing": -HOUR}, SPACING, 0),
        ({"changing": -HOUR}, None, 0),
        ({}, SECOND, 0),
    ],
)
async def test_a_password_is_not_set_again_just_after_one_that_may_yet_take_effect(
    at: Held, facts: dict[str, Any], ago: timedelta | None, waits: int
) -> None:
    if facts.get("ahead"):
        facts = {"ahead": at.announced(SECOND)}
    at.know(begun=at.now - ago if ago else None, **at.times(facts))
    if waits:
        with pytest.raises(TransientError, match="changed just now") as caught:
            await at.lease.begin(at.rig.item(NAME), at.secret, is_single=True)
        assert (caught.value.code, caught.value.retry_after) == ("JustTried", waits)
    else:
        await at.lease.begin(at.rig.item(NAME), at.secret, is_single=True)
    await at.lease.begin(at.rig.item(NAME), at.secret)


@pytest.mark.parametrize(
    ("facts", "fields", "waits"),
    [
        ({"asked": -9 * SECOND}, {}, 0),
        ({"asked": -5 * MINUTE}, {}, 0),
        ({"asked": -11 * MINUTE}, {}, 230),
        ({"asked": -HOUR}, {}, 230),
        ({"asked": -HOUR, "changing": None}, {}, 0),
        ({"asked": -HOUR, "waiting": -HOUR}, {}, 0),
        ({"asked": -HOUR, "compromised": ("leaked",)}, {}, 0),
        ({"asked": -HOUR}, {"compromised": True}, 0),
    ],
)
async def test_a_source_of_several_is_changed_less_often_the_longer_no_change_can_be_proven(
    at: Held, facts: dict[str, Any], fields: dict[str, Any], waits: int
) -> None:
    begun = {"begun": -10 * SECOND, "changing": -10 * SECOND, "touched": at.secret.version}
    at.know(**at.times(begun | facts))
    item = at.rig.item(NAME, **fields)
    if waits:
        with pytest.raises(TransientError, match="changed just now") as caught:
            await at.lease.begin(item, at.secret, kind="storage-key")
        assert caught.value.retry_after == pytest.approx(waits, abs=5)
    else:
        await at.lease.begin(item, at.secret, kind="storage-key")
    await at.lease.begin(item, at.secret)


async def test_a_look_that_comes_too_soon_to_set_a_password_posts_no_further_one_then(
    at: Held,
) -> None:
    """The next one is posted already, for when it may: two of each would multiply."""
    at.know(begun=at.now - 10 * SECOND, open_until=at.now + HOUR, blind=True)
    look = replace(at.rig.item(NAME), hint="recheck")
    await at.lease.recheck()
    ((seconds, _),) = at.posted()
    wait = (SPACING - 10 * SECOND).total_seconds()
    assert seconds == wait
    with pytest.raises(TransientError, match="changed just now") as caught:
        await at.lease.begin(look, at.secret, is_single=True)
    assert caught.value.retry_after == wait
    assert len(at.posted()) == 1


@pytest.mark.parametrize(
    ("facts", "seconds", "posts"),
    [
        ({}, 35.0, True),
        ({"asked": timedelta(minutes=-10)}, 49.0, True),
        ({"asked": timedelta(hours=-5)}, 110.0, True),
        ({"begun": timedelta(seconds=-40)}, 21.0, True),
        ({"begun": timedelta(seconds=-45)}, 30.0, False),
        ({"blind": False}, 30.0, False),
        ({"waiting": timedelta(hours=-1)}, 30.0, False),
    ],
)
async def test_a_single_slot_that_must_be_left_alone_is_looked_at_as_soon_as_it_may_be_changed(
    at: Held, facts: dict[str, Any], seconds: float, *, posts: bool
) -> None:
    """After several deaths that takes minutes, and a look within them is left to the next one."""
    usual = {"begun": -10 * SECOND, "open_until": HOUR, "blind": True}
    at.know(**at.times(usual | facts))
    await at.lease.recheck()
    assert [look["action"] for _, look in at.posted()] == ["audit"] * posts
    assert [delay for delay, _ in at.posted()] == [pytest.approx(seconds, abs=1)] * posts
    due = (at.noted.next_check or at.now) - at.now
    assert due.total_seconds() == pytest.approx(seconds, abs=1)
    # The message may be lost, and the timer comes every three minutes: P1 has five.
    assert due + RECHECK_EVERY <= 5 * MINUTE


@pytest.mark.parametrize("sent", [False, True], ids=["refused", "sent"])
async def test_a_change_that_was_refused_before_anything_was_sent_leaves_the_record_as_it_was(
    at: Held, *, sent: bool
) -> None:
    """What this run has sent before stays begun."""
    before = at.know(touched="earlier", begun=at.now - HOUR, asked=at.now - 2 * HOUR)
    assert not at.lease.has_begun
    if sent:
        await at.lease.begin(at.rig.item(NAME), at.secret, kind="a-kind")
        before = at.record
    at.rig.clock.advance(60)
    await at.lease.begin(at.rig.item(NAME), at.secret, kind="a-kind")
    assert at.lease.has_begun
    with pytest.raises(NeedsHuman):
        async with at.lease.sending("retire"):
            raise NeedsHuman("it is in use")
    for name in ("touched", "begun", "asked", "changing"):
        assert fact(at.record, name) == fact(before, name)


async def test_a_lease_is_not_renewed_before_the_time_that_azure_has_named() -> None:
    """Whoever failed may have to set a password back, for which a lease is needed, too."""
    failures, answers = [json_response(503, {}), json_response(429, {}, {"Retry-After": "9"})], [0]

    async def throttled(request: Request, call: Call) -> Response:
        if request.headers.get("x-ms-lease-action") != "renew":
            return await call()
        answers[0] += 1
        return failures.pop() if failures else await call()

    async with held(scene(), intercept=throttled) as at:
        at.rig.clock.advance(45)
        for passed, sent in ((0, 1), (3, 1)):
            at.rig.clock.advance(passed)
            with pytest.raises(TransientError) as caught:
                await at.lease.ensure(CALL_SECONDS)
            assert caught.value.retry_after == 9 - passed
            assert answers[0] == sent
        at.rig.clock.advance(6)
        with pytest.raises(TransientError):
            await at.lease.ensure(CALL_SECONDS)
        assert at.lease.leases[0].remaining < CALL_SECONDS
        await at.lease.ensure(CALL_SECONDS)
        assert answers[0] == 3


async def test_a_lease_that_is_renewed_slowly_costs_no_other_one_its_time(at: Held) -> None:
    @dataclass
    class Slow:
        """A lease whose renewal takes a quarter of a minute."""

        remaining: float

        async def ensure(self, seconds: float) -> None:
            if self.remaining <= seconds:
                for lease in leases:
                    lease.remaining -= 15
                self.remaining = 60

    leases = [Slow(45), Slow(10)]
    at.lease.leases = (*leases,)  # type: ignore[arg-type]
    await at.lease.ensure(40)
    assert at.lease.lasts(40)


async def test_no_record_is_written_before_the_time_that_azure_has_named() -> None:
    async def throttled(request: Request, call: Call) -> Response:
        if (
            request.method != "PUT"
            or "x-ms-lease-id" not in request.headers
            or "comp" in request.query
        ):
            return await call()
        sent.append(request)
        return json_response(429, {}, {"Retry-After": "9"}) if len(sent) == 1 else await call()

    sent: list[Request] = []
    async with held(scene(), intercept=throttled) as at:
        later = replace(at.record, kind="storage-key")
        for passed, tries in ((0, 1), (8.9, 1), (0.2, 2)):
            at.rig.clock.advance(passed)
            with nullcontext() if tries > 1 else pytest.raises(TransientError):
                await at.lease.write(later)
            assert len(sent) == tries


@pytest.mark.parametrize(("seconds", "minutes"), [(90.0, 1.5), (7200.0, 30)])
async def test_a_look_that_azure_asks_to_wait_with_is_due_then_and_half_an_hour_later_at_most(
    at: Held, seconds: float, minutes: float
) -> None:
    at.know(begun=at.now, open_until=at.now + timedelta(hours=1), look_at=at.now)
    await at.lease.put_off(seconds)
    assert at.noted.next_check == at.now + timedelta(minutes=minutes)
    assert at.posted() == []
