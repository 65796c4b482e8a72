"""Whatever is known, the plan comes to an end, and takes no step before what it has to find out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from engine.secret import SecretVersion
from engine.state.record import Record
from engine.state.record_parts import Change, Compromised
from engine.state.request import WorkItem
from engine.state.tags import Pending
from tests.engine.planning.test_decide_properties import items, secrets, spans
from tests.shared.builders import (
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
    plan,
    turn_of,
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
    retirement=st.none() | spans.map(lambda span: Pending(NOW + span, V2, "key2")),
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
            turn = replace(turn, has_value=True, was_owner=True, taken=frozenset())
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
    is_left = turn.is_first or world.obstacle
    if turn.record.compromised.versions and not is_left:
        assert last == "revoke" or isinstance(turn.decision, Acting)


@given(secrets, items)
def test_a_secret_of_which_nothing_is_known_needs_its_decision_alone(
    secret: SecretVersion, item: WorkItem
) -> None:
    turn = turn_of(secret, item, Record(owner=str(REF)))
    last = taken(turn, World(None, is_refused=False, lagging=None))[-1]
    assert (last in ACTS) == turn.acts_here
