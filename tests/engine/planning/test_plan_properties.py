"""Whatever is known, the plan comes to an end, and takes no step before what it has to find out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.secret import SecretVersion
from engine.state.record import Record
from engine.state.record_parts import Announced, Change, Compromised, Published, Verified
from engine.state.request import WorkItem
from engine.state.tags import Pending, parked
from tests.engine.planning.test_decide_properties import items, secrets, spans
from tests.shared.builders import (
    AT_FIRST,
    NOW,
    REF,
    SECOND,
    V1,
    V2,
    Acting,
    Park,
    Retire,
    Turn,
    Wait,
    item,
    plan,
    turn_of,
    version,
)

PARK, WAIT = Park("another secret owns it", "remove a tag"), Wait(NOW, "an app lags")
ACTS = ("verify", "rotate", "retire", "restore", "verify and report")


@dataclass(frozen=True)
class World:
    """What a worker finds out where it looks."""

    obstacle: Park | None
    is_refused: bool
    lagging: Wait | None


worlds = st.builds(
    World, st.sampled_from([None, PARK]), st.booleans(), st.sampled_from([None, WAIT])
)
records = st.builds(
    Record,
    owner=st.just(str(REF)),
    change=st.builds(
        Change,
        uncertain_until=st.sampled_from([None, NOW + SECOND]),
        in_progress_since=st.sampled_from([None, NOW - SECOND]),
    ),
    to_retire=st.just(()) | spans.map(lambda span: (Pending(NOW + span, V2, "key2"),)),
    compromised=st.builds(Compromised, versions=st.sampled_from([(), (), (V1,), (V2,)])),
)
turns = st.builds(
    turn_of,
    secrets,
    items,
    records,
    **dict.fromkeys(
        (
            *("is_bound", "is_single", "has_value", "has_done", "was_owner", "is_first"),
            *("recheck_follows", "resumes", "carries_on"),
        ),
        st.booleans(),
    ),
    proven=st.sampled_from([None, V1]),
    needless=st.sampled_from(["", "settled"]),
)


def taken(turn: Turn, world: World) -> list[str]:
    """Return the steps of one turn, and of the next where the secret is read again."""
    steps = list[str]()
    while (step := plan(turn)) and step.name in (
        *("ask owner", "claim", "ask key", "clean up", "try current", "wait for apps"),
        *("retire elsewhere", "read"),
    ):
        steps.append(step.name)
        if step.name == "read":
            turn = replace(turn, has_value=True, was_owner=True, taken=AT_FIRST)
            continue
        turn = replace(turn, taken=turn.taken | {step.name})
        match step.name:
            case "claim":
                turn = replace(turn, obstacle=world.obstacle)
            case "try current":
                turn = replace(turn, is_refused=world.is_refused)
            case "wait for apps":
                turn = replace(turn, lagging=world.lagging)
    return [*steps, step.name]


FRESH, DISABLED = version(left=timedelta(days=80)), version(enabled=False)
BROKEN = version(changes={"ValidityPeriodDays": "soon"})
RESTING = version(changes=dict(parked(version(), "no role", NOW)))
AUDIT, FORCED, RETIRE = {"action": "audit"}, {"force": True}, {"action": "retire"}
LEAKED = {"compromised": Compromised((V2,))}
REVOKED = {"compromised": Compromised(revoked={V2: "refused"})}
DUE: dict[str, Any] = {"to_retire": (Pending(NOW, V2, "key2"),)}
LATE, AT_WORK = {"change": Change(uncertain_until=NOW)}, {"change": Change(in_progress_since=NOW)}
ANNOUNCED = Announced("op", "key1", "digest", V2, NOW)
OURS = {"published": Published("op", "key1", "digest", V2, NOW, version=V1)}
ELSEWHERE, SLOT = {"here": None, "is_bound": False}, {"is_single": True}
RESTORE: dict[str, Any] = {"action": "restore"}
OVERLAP: dict[str, Any] = {"to_retire": (Pending(NOW + SECOND, V2, "key2"),)}
SENT = Change(version=V1, uncertain_until=NOW + SECOND)
FIRST, LATER = {"is_first": True}, {**SLOT, "recheck_follows": True}
QUIET = World(None, is_refused=False, lagging=None)
PATHS: tuple[tuple[str, SecretVersion, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    ("ask owner, revoke", FRESH, {"compromised": True}, LEAKED, {**ELSEWHERE, **FIRST}),
    (
        *("ask owner, leave to recheck", FRESH, {"compromised": True}, {}),
        {**FIRST, "here": None, "needless": "settled"},
    ),
    ("leave to recheck", FRESH, FORCED, {}, {**FIRST, "needless": "settled"}),
    ("leave to recheck", FRESH, FORCED, {}, {**FIRST, **LATER}),
    ("leave to recheck", FRESH, FORCED, AT_WORK, {**FIRST, "resumes": True}),
    ("leave to recheck", FRESH, AUDIT, {**LEAKED, **AT_WORK}, {**FIRST, "resumes": True}),
    ("leave to recheck", FRESH, RETIRE, {**DUE, **AT_WORK}, {**FIRST, "resumes": True}),
    ("claim, verify", FRESH, AUDIT, AT_WORK, {**FIRST, "resumes": True}),
    (
        *("claim, read, claim, rotate", FRESH, FORCED, AT_WORK),
        {**FIRST, "resumes": True, "was_owner": False},
    ),
    ("claim, rotate", FRESH, FORCED, AT_WORK, {**FIRST, **LATER}),
    ("conclude", FRESH, RESTORE, {**OVERLAP, "change": SENT}, {}),
    *(
        ("claim, restore", FRESH, RESTORE, {**OVERLAP, "change": replace(SENT, **other)}, {})
        for other in ({"requested_at": NOW}, {"version": V2}, {"uncertain_until": NOW})
    ),
    ("claim, rotate", FRESH, FORCED, {}, LATER),
    ("claim, rotate", FRESH, {**FORCED, "trigger": "manual"}, {}, {**FIRST, **LATER}),
    ("claim, rotate", FRESH, {**FORCED, "recheck": True}, {}, {**FIRST, **LATER}),
    ("claim, rotate", FRESH, {"compromised": True}, {}, {**FIRST, **LATER}),
    ("claim, try current, rotate", FRESH, FORCED, {}, {"carries_on": True}),
    ("claim, try current, rotate", FRESH, FORCED, {**OURS, **LATE}, {}),
    ("claim, rotate", FRESH, FORCED, LATE, {}),
    ("claim, rotate", FRESH, FORCED, {}, {"proven": V1}),
    ("claim, read, claim, rotate", FRESH, FORCED, {"kind": "any"}, {"was_owner": False}),
    ("claim, read, claim, rotate", FRESH, {"compromised": True}, {}, {"was_owner": False}),
    ("claim, rotate", FRESH, FORCED, {}, {"was_owner": False}),
    ("claim, read, claim, revoke", FRESH, AUDIT, LEAKED, {"has_value": False}),
    ("claim, verify", FRESH, AUDIT, {**LEAKED, **OURS}, SLOT),
    ("claim, verify", FRESH, AUDIT, {**LEAKED, **OURS, **LATE}, {}),
    ("claim, revoke", FRESH, AUDIT, {**LEAKED, **OURS}, {}),
    ("claim, revoke", FRESH, AUDIT, {**LEAKED, **OURS}, {**SLOT, "proven": V1}),
    ("claim, revoke", FRESH, AUDIT, LEAKED, SLOT),
    ("claim, verify", FRESH, AUDIT, {**LEAKED, "verified": Verified(V2)}, SLOT),
    ("claim, verify", FRESH, AUDIT, {**LEAKED, **OVERLAP}, SLOT),
    ("claim, rotate", FRESH, FORCED, LEAKED, {}),
    ("revoke", FRESH, AUDIT, {**LEAKED, **DUE}, ELSEWHERE),
    ("retire elsewhere, leave source", FRESH, AUDIT, DUE, ELSEWHERE),
    ("read, retire elsewhere, conclude", RESTING, {}, DUE, {"has_value": False}),
    ("retire elsewhere, report", RESTING, {}, DUE, {"has_done": True}),
    ("retire elsewhere, conclude", RESTING, {}, {**OVERLAP, **REVOKED}, {}),
    ("conclude", RESTING, {}, OVERLAP, {}),
    ("leave source", FRESH, AUDIT, {}, {**ELSEWHERE, "proven": V1}),
    (
        *("claim, leave source", DISABLED, {"compromised": True}, {"owner": ""}),
        {"was_owner": False},
    ),
    ("conclude", BROKEN, RETIRE, {}, {}),
    ("conclude", DISABLED, {"compromised": True}, {}, {}),
    ("conclude", DISABLED, AUDIT, DUE, {**ELSEWHERE, "has_value": False}),
    ("claim, ask key, verify", FRESH, AUDIT, {}, {"is_derived": True}),
    ("claim, ask key, revoke", FRESH, AUDIT, {**LEAKED, **OURS}, {"is_derived": True}),
    ("claim, report", FRESH, AUDIT, {}, {"is_derived": True, "proven": V1, "has_value": False}),
    ("claim, report", DISABLED, RETIRE, DUE, {**ELSEWHERE, "has_done": True}),
    ("claim, park unbound", DISABLED, RETIRE, DUE, ELSEWHERE),
    ("claim, conclude", DISABLED, RETIRE, DUE, {"is_bound": False}),
    ("claim, conclude", DISABLED, RETIRE, DUE, {"here": None}),
    ("claim, conclude", DISABLED, RETIRE, OVERLAP, ELSEWHERE),
    ("claim, wait for apps, retire", FRESH, {"compromised": True}, OVERLAP, {}),
    ("claim, wait for apps, retire", FRESH, RETIRE, DUE, {"item": item(compromised=True)}),
    ("clean up, conclude", FRESH, {"recheck": True}, LATE, {}),
    ("clean up, conclude", FRESH, {"recheck": True}, {"stale": (f"{REF}/{V2}",)}, {}),
    ("clean up, conclude", FRESH, {"recheck": True}, {"unpublished": (ANNOUNCED,)}, {}),
    ("conclude", FRESH, {"recheck": True}, {"stale": (V2,)}, {}),
    ("claim, verify", FRESH, {**AUDIT, "recheck": True}, LATE, {}),
    ("conclude", FRESH, {}, LATE, {}),
    ("conclude", FRESH, {"recheck": True}, {}, {}),
)


@pytest.mark.parametrize(("path", "secret", "fields", "facts", "known"), PATHS)
def test_where_several_rows_hold_the_first_is_taken(
    path: str,
    secret: SecretVersion,
    fields: dict[str, Any],
    facts: dict[str, Any],
    known: dict[str, Any],
) -> None:
    record = Record(**{"owner": str(REF), **facts})
    turn = turn_of(secret, item(**fields), record, **known)
    assert ", ".join(taken(turn, QUIET)) == path


@pytest.mark.parametrize(
    ("facts", "begins"),
    [(AT_WORK, f"under way since {NOW:%Y-%m-%d %H:%M}Z; "), ({}, "a change is in progress; ")],
    ids=["its own", "from before somebody wrote a version, or passed it on"],
)
def test_what_is_left_to_the_look_for_its_end_says_that_a_change_is_in_progress(
    facts: dict[str, Any], begins: str
) -> None:
    record = Record(owner=str(REF), **facts)
    says = plan(turn_of(FRESH, item(**FORCED), record, is_first=True, resumes=True)).says
    assert isinstance(says, Wait)
    assert says.reason.startswith(begins)


def test_a_restoration_waits_until_what_was_sent_can_revoke_the_credential_no_more() -> None:
    record = Record(owner=str(REF), change=SENT, **OVERLAP)
    says = plan(turn_of(FRESH, item(**RESTORE), record)).says
    assert isinstance(says, Wait)
    assert says.until == NOW + SECOND


@pytest.mark.parametrize(
    ("path", "fields", "world"),
    [
        ("verify", {}, World(None, is_refused=True, lagging=WAIT)),
        ("wait for apps, conclude", {}, World(None, is_refused=False, lagging=WAIT)),
        ("wait for apps, verify and report", AUDIT, World(None, is_refused=False, lagging=WAIT)),
        ("wait for apps, retire", {}, QUIET),
    ],
)
def test_what_is_due_is_retired_where_nothing_speaks_against_it(
    path: str, fields: dict[str, Any], world: World
) -> None:
    turn = turn_of(FRESH, item(**fields), Record(owner=str(REF), **DUE))
    assert ", ".join(taken(turn, world)) == f"claim, try current, {path}"


@given(turns, worlds)
def test_every_turn_ends_after_a_few_steps_that_find_something_out(
    turn: Turn, world: World
) -> None:
    assert len(taken(turn, world)) <= 12
    assert taken(turn, world) == taken(turn, world)


@given(turns, worlds)
def test_nothing_is_done_at_a_source_before_it_is_claimed(turn: Turn, world: World) -> None:
    steps = taken(turn, world)
    if steps[-1] in ACTS:
        assert "claim" in steps
        assert turn.acts_here
        assert world.obstacle is None


@given(turns, worlds)
def test_nothing_is_retired_while_the_source_refuses_what_is_in_use_or_an_app_lags(
    turn: Turn, world: World
) -> None:
    steps = taken(turn, world)
    if steps[-1] == "retire":
        assert isinstance(turn.decision, Retire)
        assert "wait for apps" in steps
        assert world.lagging is None
        assert not (world.is_refused and "try current" in steps)
        assert turn.item.compromised or "try current" in steps


@given(turns, worlds)
def test_what_leaked_is_revoked_unless_the_current_version_is_dealt_with_first(
    turn: Turn, world: World
) -> None:
    """What is only left to a recheck, or to the secret that owns the source, is not forgotten."""
    last = taken(turn, world)[-1]
    assert last != "revoke" or turn.record.compromised.versions
    is_left = not turn.taken or world.obstacle
    if turn.record.compromised.versions and not is_left:
        assert last == "revoke" or isinstance(turn.decision, Acting)


@given(secrets, items)
def test_a_secret_of_which_nothing_is_known_needs_its_decision_alone(
    secret: SecretVersion, item: WorkItem
) -> None:
    turn = turn_of(secret, item, Record(owner=str(REF)))
    last = taken(turn, World(None, is_refused=False, lagging=None))[-1]
    assert (last in ACTS) == turn.acts_here
