"""Situations in which a source goes on with a change for minutes or hours after its answer."""

from __future__ import annotations

from collections.abc import Mapping

from tests.proof import circumstances, people
from tests.proof.sources import Lasting, Slots
from tests.proof.staging import (
    TAKES,
    Move,
    all_of,
    ask,
    current,
    due,
    incident,
    per_kind,
    rotated,
    source_of,
)
from tests.proof.world import NEVER, World

HOUR = 3600.0
LOOKS_OF_A_DAY = 480
"""Where somebody writes a version meanwhile, the source is looked at every three minutes as long as
a change may go on."""


def lasting_of(world: World) -> Lasting:
    """Return the account of a scenario's own source."""
    slots = world.sources[source_of(people.kind_of(world))]
    assert isinstance(slots, Slots)
    assert slots.lasting
    return slots.lasting


def went_on(world: World, until: float) -> None:
    """Let everything go well until a time: what comes after that is played."""
    while True:
        calls = [call for worker in world.workers for call in worker.calls]
        visible = world.visible()
        if calls:
            world.resume(calls[0], "go")
        elif visible and not world.workers:
            world.deliver(visible[0])
        else:
            timer = world.kernel.next_timer()
            soonest = min(world.next_message(), NEVER if timer is None else timer)
            world.advance(max(min(soonest, until) - world.kernel.time(), 0.0))
            if soonest > until and not world.workers:
                break
    world.posted = world.waits = world.returns = world.deliveries = 0


def under_way(
    world: World, kind: str, hours: float, *, comes: float = 100.0, fails: bool = False
) -> None:
    """Have a due secret's source be at a change for so many hours; it ends in `comes` seconds."""
    due(world, kind)
    lasting = lasting_of(world)
    lasting.takes, lasting.failing = hours * HOUR + comes, int(fails)
    ask(world, trigger="event")
    went_on(world, hours * HOUR)
    lasting.takes = TAKES


@per_kind("slow", versions={"app": 2}, workers=1)
def _one(world: World, kind: str) -> None:
    """One rotation, whose source goes on for minutes, as does its retirement."""
    due(world, kind)
    ask(world, trigger="event")


@per_kind("slow-twice", versions={"app": 2})
def _duplicate(world: World, kind: str) -> None:
    """The same beside a duplicate, and a sweep's message."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False, source=source_of(kind), action="rotate")


@per_kind("slow-for-hours", versions={"app": 2}, workers=1)
def _late(world: World, kind: str) -> None:
    """A change that goes on for three hours is looked for less and less often, and comes."""
    under_way(world, kind, 3.0)


@per_kind("slow-by-its-word", versions={"app": 2}, workers=1)
def _by_its_word(world: World, kind: str) -> None:
    """A source goes on for five hours, says so, and is asked no sooner."""
    due(world, kind)
    lasting = lasting_of(world)
    lasting.takes = lasting.names = 5 * HOUR
    ask(world, trigger="event")


@per_kind("slow-to-fail", versions={"app": 2}, workers=1)
def _failing(world: World, kind: str) -> None:
    """A change ends after three hours, and has changed nothing: it is asked for once more."""
    under_way(world, kind, 3.0, fails=True)


def _release(world: World) -> None:
    """Somebody ends the change by hand, at the source."""
    lasting_of(world).change = None
    people.mend(world)


@per_kind("slow-without-end", versions={"app": 2}, mend=_release, workers=1)
def _endless(world: World, kind: str) -> None:
    """A change has not ended after a day: somebody is told, and ends it."""
    under_way(world, kind, 23.9, comes=NEVER)


@per_kind("slow-incident")
def _incident(world: World, kind: str) -> None:
    """An incident is reported while a change is under way."""
    under_way(world, kind, 0.01)
    incident(world)


@per_kind("slow-incident-alone", versions={"app": 2}, workers=1)
def _incident_alone(world: World, kind: str) -> None:
    """An incident, at a source whose changes go on."""
    due(world, kind, days_left=80)
    incident(world)


@per_kind("slow-outage", circumstances.outages(), versions={"app": 2}, workers=1)
def _outage(world: World, kind: str) -> None:
    """A service goes away while a change is under way."""
    under_way(world, kind, 0.01)


def _other_slot(world: World) -> None:
    """Somebody takes the slot into use that is being replaced."""
    slots = world.sources[source_of(people.kind_of(world))]
    assert isinstance(slots, Slots)
    if not lasting_of(world).change:
        # What has come is Rekey's, and who writes that cannot be told apart.
        return
    theirs = {tag: text for tag, text in current(world).tags.items() if not tag.startswith("Rekey")}
    people.at_own_risk(world)
    people.disown(world, slots.held["key2"])
    world.secret("app", slots.held["key2"], 90, theirs | {"CredentialId": "key2"})


def _meanwhile(kind: str) -> Mapping[str, Move]:
    moves: dict[str, Move] = {
        "writes the same again": people.same_again,
        "disables": people.disable,
        "enables": people.enable,
        "revokes at the source": people.change_key,
    }
    return moves | ({"writes the other key": _other_slot} if kind == "two-slow" else {})


@per_kind("slow-and-people", _meanwhile, mend=people.mend, workers=1)
def _people(world: World, kind: str) -> None:
    """People write, disable and revoke while a change is under way."""
    under_way(world, kind, 0.01)
    world.looks = LOOKS_OF_A_DAY
    ask(world, trigger="sweep", pinned=False)


@per_kind(
    "slow-and-owners",
    {
        "disables": people.disable,
        "enables": people.enable,
        "tags": people.tagging(Team="b"),
        "makes it manual": people.tagging(Manual="true"),
        "takes it out": people.untagging("ProviderAddress"),
    },
    mend=people.mend,
    workers=1,
)
def _owners(world: World, kind: str) -> None:
    """The owner disables, enables and tags while a change is under way."""
    under_way(world, kind, 0.01)
    world.looks = LOOKS_OF_A_DAY
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("slow-retirement", {"incident": incident}, workers=1)
def _retirement(world: World, kind: str) -> None:
    """A retirement goes on; an incident may be reported meanwhile."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")


LASTING = [
    *all_of(("two-slow", "one-slow"), _one, _late, _failing, _incident, _outage, _people),
    *all_of(("two-slow",), _duplicate, _by_its_word, _incident_alone, _endless, _retirement),
    _owners("one-slow"),
]
