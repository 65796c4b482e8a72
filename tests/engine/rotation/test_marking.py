"""Which secrets are marked once something was given up, and what the mark and the report say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from engine.deadline import OUT_OF_TIME
from engine.errors import PermanentError, Throttled, TransientError
from engine.secret import SecretRef
from engine.state.decision import Park, Skip
from engine.state.policy import Document, Match, Rule
from engine.state.request import UNMARKED, Outcome
from engine.state.tags import BY
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.engine.rotation.held import conclude, held
from tests.shared.due import stored
from tests.shared.heard import LOST
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, state, to_arm, to_vault
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql

OLDER = "a" * 32
CLOSED = {"RotationWindow": "Sat 01:00-05:00 Europe/Berlin"}
"""The clock begins on a Monday."""


@pytest.mark.parametrize(
    ("days_left", "tags", "fields", "is_marked"),
    [
        pytest.param(10, {}, {"trigger": "event"}, True, id="a due rotation"),
        pytest.param(10, {}, {"trigger": "event", "version": OLDER}, False, id="of another"),
        pytest.param(80, {}, {"trigger": "event"}, False, id="nothing was due"),
        pytest.param(10, CLOSED, {"trigger": "event"}, False, id="it waits for its window"),
        pytest.param(80, {}, {"trigger": "sweep", "action": "audit"}, False, id="a daily audit"),
        pytest.param(80, {}, {"action": "audit"}, True, id="an audit by hand"),
        pytest.param(80, {}, {"version": OLDER}, False, id="by hand, of another"),
        pytest.param(
            80, {}, {"trigger": "sweep", "action": "audit", "recheck": 1}, True, id="a look"
        ),
        pytest.param(
            80,
            {},
            {"trigger": "sweep", "action": "audit", "recheck": 1, "version": OLDER},
            False,
            id="a look, of another",
        ),
        pytest.param(
            80,
            {},
            {"trigger": "event", "version": OLDER, "compromised": True},
            True,
            id="an incident, whatever has replaced its version",
        ),
        pytest.param(
            80,
            {"Manual": "true"},
            {"trigger": "event", "compromised": True},
            True,
            id="an incident, although only people rotate it",
        ),
    ],
)
async def test_what_was_given_up_is_marked_where_it_must_still_be_done(
    days_left: float, tags: dict[str, str | None], fields: dict[str, Any], *, is_marked: bool
) -> None:
    rig = scene(days_left=days_left, tags=tags)
    version = rig.latest(NAME).version
    item = rig.item(NAME, **{"version": version, **fields})
    outcome = await rig.service().engine.park(item, PermanentError("it failed"))
    assert ("RekeyState" in rig.tags(NAME)) is is_marked
    assert outcome.result == ("parked" if is_marked else "skipped")
    assert outcome.reason.startswith("it failed")


async def test_a_look_that_was_given_up_leaves_the_mark_as_it_is_while_the_secret_rests() -> None:
    rig = scene()
    engine = rig.service().engine
    await engine.park(rig.item(NAME), PermanentError("the first reason"))
    first = rig.tags(NAME)
    rig.clock.advance(60)
    look = rig.item(NAME, action="audit", trigger="sweep", recheck=1)
    outcome = await engine.park(look, PermanentError("the second reason"))
    assert rig.tags(NAME) == first
    assert outcome.reason == "the second reason"


async def test_a_person_who_asks_once_more_finds_a_later_mark_with_the_first_reason() -> None:
    rig = scene()
    engine = rig.service().engine
    await engine.park(rig.item(NAME), PermanentError("the first reason"))
    first = rig.tags(NAME)
    rig.clock.advance(60)
    await engine.park(rig.item(NAME), PermanentError("the second reason"))
    assert rig.tags(NAME)["RekeyReason"] == first["RekeyReason"]
    assert rig.tags(NAME)["RekeyState"] > first["RekeyState"]


def _sql(name: str, days_left: float) -> Rig:
    rig = sql(name)
    expires = rig.clock.now() + timedelta(days=days_left)
    rig.vault.amend(rig.latest(SQL), expires=int(expires.timestamp()))
    return rig


@pytest.mark.parametrize(
    ("kind", "days_left", "code", "is_uncertain"),
    [
        pytest.param("a login", 10, OUT_OF_TIME, True, id="cut off in mid-change"),
        pytest.param("a login", 10, "ServerBusy", False, id="refused"),
        pytest.param("a login", 80, OUT_OF_TIME, False, id="nothing was to be changed"),
        pytest.param("two logins", 10, OUT_OF_TIME, False, id="the current login is untouched"),
    ],
)
async def test_only_a_single_slot_that_was_cut_off_may_hold_a_password_that_nobody_knows(
    kind: str, days_left: float, code: str, *, is_uncertain: bool
) -> None:
    rig = _sql(kind, days_left)
    error = TransientError("it did not end", code=code)
    outcome = await rig.service().engine.park(rig.item(SQL), error)
    assert (LOST in outcome.reason) is is_uncertain
    assert (LOST in rig.tags(SQL)["RekeyReason"]) is is_uncertain


@pytest.mark.parametrize(
    ("days_left", "tags", "result"),
    [
        pytest.param(80, {}, "skipped", id="nothing is due"),
        pytest.param(10, CLOSED, "waiting", id="its window is closed"),
        pytest.param(10, {"ValidityPeriodDays": "soon"}, "parked", id="a tag is malformed"),
    ],
)
async def test_an_item_that_changed_nothing_says_whether_it_is_over_waits_or_needs_a_person(
    days_left: float, tags: dict[str, str | None], result: str
) -> None:
    rig = scene(days_left=days_left, tags=tags)
    outcome = await rig.handle(NAME, trigger="event")
    assert (outcome.result, outcome.old_version) == (result, rig.latest(NAME).version)
    assert ("RekeyState" in rig.tags(NAME)) is (result == "parked")


@pytest.mark.parametrize(
    ("fields", "result", "why"),
    [
        ({}, "parked", UNMARKED),
        ({"action": "audit"}, "parked", UNMARKED),
        (
            {"action": "audit", "trigger": "sweep"},
            "skipped",
            "nothing else is due, and the next sweep asks again",
        ),
    ],
)
async def test_a_vault_that_asks_to_wait_is_not_read_for_a_mark(
    rig: Rig, fields: dict[str, Any], result: str, why: str
) -> None:
    """Whatever else asks to wait, the vault may be read."""
    calls: list[Request] = []

    async def counting(request: Request, call: Call) -> Response:
        calls.append(request)
        return await call()

    engine, item = rig.service(counting).engine, rig.item(NAME, **fields)
    for where, reads in ((f"{item.ref}/{OLDER}", False), (source_of(rig), True)):
        calls.clear()
        outcome = await engine.park(item, Throttled("it was", where=where, retry_after=60))
        assert bool(calls) is reads
        assert reads or (outcome.result, outcome.reason) == (result, f"it was; {why}")


async def test_the_policy_document_is_never_marked(rig: Rig) -> None:
    engine = rig.service().engine
    policy = replace(engine.policy, own=SecretRef(rig.vault.url, NAME))
    before = state(rig)
    await replace(engine, policy=policy).park(rig.item(NAME), PermanentError("it failed"))
    assert state(rig) == before


async def parked(rig: Rig, act: Callable[[], object]) -> Outcome:
    """Give the secret up; somebody acts just before it is read for the second time."""

    async def between(request: Request, call: Call) -> Response:
        if to_vault()(request):
            reads.append(request)
            if len(reads) == 2:
                act()
        return await call()

    reads: list[Request] = []
    engine = rig.service(between).engine
    outcome = await engine.park(rig.item(NAME), PermanentError("it failed"))
    assert len(reads) == 2
    return outcome


async def test_a_secret_that_is_disabled_while_it_is_marked_is_parked_without_a_mark() -> None:
    rig = scene()

    outcome = await parked(rig, lambda: rig.vault.amend(rig.latest(NAME), enabled=False))
    assert (outcome.result, outcome.reason) == ("parked", "it failed")
    assert "RekeyState" not in rig.tags(NAME)


async def test_a_version_that_was_written_meanwhile_gets_no_mark_and_the_report_says_so() -> None:
    rig = scene()

    by_hand = partial(rig.vault.put, NAME, "written by hand", tags=rig.tags(NAME))
    outcome = await parked(rig, by_hand)
    written = rig.latest(NAME)
    assert outcome.reason == (
        f"it failed; nor could the secret be marked: the vault shows version {written.version}"
    )
    assert "RekeyState" not in (written.tags or {})


async def test_what_fails_once_a_version_is_published_does_not_say_that_the_source_refuses_it() -> (
    None
):
    rig = sql()
    refuse(rig, 403, "Forbidden", to_vault("PATCH"))
    outcome = await rig.handle(SQL)
    assert outcome.reason.startswith("disabling a version was answered 403 Forbidden")
    assert rig.accepted(rig.latest(SQL))
    assert rig.tags(SQL)["RekeyState"].startswith("parked ")


async def test_a_mark_that_the_vault_refuses_is_told_of_in_the_report(rig: Rig) -> None:
    refuse(rig, 403, "Forbidden", to_vault("PATCH"))
    outcome = await rig.service().engine.park(rig.item(NAME), PermanentError("it failed"))
    assert outcome.reason.startswith("it failed; nor could the secret be marked: ")
    assert "403" in outcome.reason


def writes_a_record(request: Request) -> bool:
    is_lease = "comp=lease" in request.url
    return request.host.startswith("rekeyhost.blob") and request.method == "PUT" and not is_lease


@pytest.mark.parametrize(("has_read", "result"), [(True, "parked"), (False, "waiting")])
async def test_an_incident_that_cannot_be_noted_is_marked_however_lately_people_were_told(
    result: str, *, has_read: bool
) -> None:
    """Only where its secret cannot be marked do people hear of it now and then."""
    rig = scene(days_left=80)
    await rig.handle(NAME, action="audit")
    refuse(rig, 403, "AuthorizationPermissionMismatch", writes_a_record, times=99)
    now = rig.clock.now().isoformat()
    leaked: dict[str, Any] = {"compromised": True, "reported": now}
    # What an item names is noted before anything is read.
    named = {} if has_read else {"version": rig.latest(NAME).version}
    outcome = await rig.handle(NAME, **leaked, **named, told=now)
    assert (outcome.result, outcome.comes_back) == (result, True)
    assert ("RekeyReason" in rig.tags(NAME)) == has_read
    # What is marked says so by itself.
    again = await rig.handle(NAME, **leaked, **named, told=now)
    assert (again.result, again.comes_back) == ("waiting", True)


@pytest.mark.parametrize(
    ("status", "is_recheck", "result", "says"),
    [
        pytest.param(403, False, "parked", True, id="no right: the report is all there is"),
        pytest.param(404, False, "parked", False, id="deleted: there is nothing to mark"),
        pytest.param(404, True, "skipped", False, id="deleted, of which every sweep tells"),
        pytest.param(403, True, "parked", True, id="no right, found by a look"),
    ],
)
async def test_a_secret_that_nobody_can_read_is_reported_without_a_mark(
    status: int, result: str, *, is_recheck: bool, says: bool
) -> None:
    """A report names both what failed and that no mark will show it: else people look in vain."""
    rig = scene()
    await rig.handle(NAME, action="audit")
    refuse(rig, status, "Refused", to_vault(), times=20)
    later = rig.clock.now() + timedelta(hours=1)
    await rig.note(source_of(rig), NAME, open_until=later, look_at=None)
    look = {"action": "audit", "trigger": "sweep", "recheck": True} if is_recheck else {}
    outcome = await rig.handle(NAME, source=source_of(rig), **look)
    assert (outcome.result, "nor could the secret be marked" in outcome.reason) == (result, says)


async def test_a_record_that_cannot_be_read_is_told_of_once() -> None:
    rig = scene()
    await rig.handle(NAME, action="audit")
    for blob in stored(rig.world, "rekeyhost", "sources/"):
        blob.content = b"[]"
    outcome = await rig.handle(NAME, source=source_of(rig))
    assert (outcome.result, outcome.reason) == ("parked", "the record of the source is damaged")


@pytest.mark.parametrize("is_notified", [False, True])
async def test_a_secret_bears_its_mark_also_where_people_have_heard_of_what_it_needs(
    *, is_notified: bool
) -> None:
    """Whoever proves its current version takes the mark off, and something else needs them still."""
    rig = scene()
    parts, look = rig.service().engine, rig.item(NAME, trigger="sweep", requested_by="rekey")
    secret = await parts.vaults.read(look.ref)
    outcome = await conclude(
        parts, secret, look, Park("it failed", "mend it"), is_notified=is_notified
    )
    assert outcome.result == ("waiting" if is_notified else "parked")
    assert rig.tags(NAME)["RekeyState"].startswith("parked ")


async def test_what_keeps_a_leak_waiting_is_marked_as_one_whatever_was_asked_for() -> None:
    """Another deployment wrote the version that is to be replaced."""
    async with held(scene(tags={BY: "east"})) as at:
        at.parts = replace(at.parts, policy=replace(at.parts.policy, deployment="west"))
        at.know(compromised=(OLDER,))
        _, outcome = await at.steps(action="rotate", trigger="sweep").run()
        assert outcome.reason.startswith("the deployment east rotates this secret too")
        assert outcome.item.compromised
        assert at.rig.tags(NAME)["RekeyState"].startswith("compromised ")


async def test_rechecks_of_what_cannot_be_revoked_leave_the_mark_as_it_is() -> None:
    """It says since when the secret needs a person, and nothing is written four times an hour."""
    rig = scene()
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=99)
    leaked = rig.latest(NAME).version
    assert (await rig.handle(NAME, version=leaked, compromised=True)).result == "parked"
    marked = rig.tags(NAME)
    rig.clock.advance(900)
    outcome = await rig.handle(NAME, action="audit", trigger="sweep", recheck=1)
    assert outcome.result == "waiting"
    assert rig.tags(NAME) == marked


async def test_rechecks_of_what_keeps_a_leak_waiting_leave_the_mark_as_it_is() -> None:
    async with held(scene(tags={BY: "east"})) as at:
        at.parts = replace(at.parts, policy=replace(at.parts.policy, deployment="west"))
        at.know(compromised=(OLDER,))
        marks = list[str]()
        for result in ("parked", "waiting"):
            look = at.steps(action="audit", trigger="sweep", recheck=True)
            _, outcome = await look.run()
            look.observed.reported(outcome)
            assert outcome.result == result
            marks.append(at.rig.tags(NAME)["RekeyState"])
            at.rig.clock.advance(30)
        assert marks[0] == marks[1]


async def test_what_was_parked_under_a_policy_document_rests_under_it() -> None:
    rig = scene()
    ruled = Document(rules=(Rule(Match(rig.vault.url, NAME), {"Owner": "shop"}),))
    engine = rig.service().engine
    engine = replace(engine, policy=engine.policy.under(ruled))
    item = rig.item(NAME, trigger="sweep", requested_by="rekey")
    await engine.park(item, PermanentError("it failed"))
    decision = engine.decide(await engine.vaults.read(item.ref), item)
    assert isinstance(decision, Skip)
    assert decision.reason.startswith("parked until ")
