"""What strains Rekey in ways of which no single call knows.

Answers that are wrong for hours, an outage that begins between a change and its record, clocks of
whoever takes a report, and a death that is followed by each kind of message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from engine.secret import SecretRef
from engine.state.incident import LEAD
from engine.state.request import Cause, WorkItem
from tests.proof import circumstances, people
from tests.proof.kernel import Mode
from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    Maker,
    Move,
    all_of,
    ask,
    by_seeds,
    credential_of,
    current,
    due,
    incident,
    leaked,
    ordered,
    per_kind,
    proven,
    rotated,
    source_of,
)
from tests.proof.world import VAULT, World

DEATHS: tuple[Mode, ...] = ("die after", "die after", "lose the answer", "fail after the effect")
"""What leaves a version published, and nobody told."""
HOURS = 4
"""For so long a source applies every change and answers that it failed."""
AN_HOUR = 1.26
"""The same, while messages are lost: it ends just after the timer has had the source changed."""
AHEAD, BEHIND = 90.0, -180.0
"""By how many seconds the clock of the instance that takes a report is wrong."""


def _fails_after_applying(world: World, hours: float = HOURS) -> None:
    """For hours the source applies each change, and answers 500."""
    seconds = hours * 3600.0
    until = world.kernel.time() + seconds
    world.applies_and_fails = max(world.applies_and_fails, until)
    # It may be looked at again and again meanwhile; that it is changed each time is another matter.
    world.away += seconds
    world.fruitless += seconds
    world.watch.disturb(until)


@per_kind("applies-and-fails", mend=people.mend)
def _applying(world: World, kind: str) -> None:
    """The source applies what it is asked for and says for hours that it has failed."""
    due(world, kind)
    ask(world, trigger="event")
    _fails_after_applying(world)


@per_kind("applies-and-fails-an-hour", mend=people.mend, is_planned=False)
def _applying_for_an_hour(world: World, kind: str) -> None:
    """The same for so long that tries are far apart, and lost messages are lost still."""
    due(world, kind)
    ask(world, trigger="event")
    _fails_after_applying(world, AN_HOUR)


@per_kind(
    "comes-to-apply-and-fail",
    {"the source applies and fails": _fails_after_applying},
    mend=people.mend,
    is_planned=False,
)
def _applying_meanwhile(world: World, kind: str) -> None:
    """The same from any moment on."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True)


@per_kind(
    "outage-in-change",
    circumstances.outages_elsewhere(),
    versions={"app": 2},
    faults=("throttle",),
    workers=1,
    is_planned=False,
)
def _stays_away(world: World, kind: str) -> None:
    """A service that is none of the source's own goes away between a change and its record."""
    due(world, kind)
    ask(world, trigger="event")


def _cut_off(name: str, seconds: float, **more: Any) -> Maker:
    """The vault writes the new version, says that it failed, and is away from then on.

    A password that cannot be set back stays, and its version is the right one after all.
    """

    @per_kind(name, versions={"app": range(2, 4)}, faults=("throttle",), **more)
    def build(world: World, kind: str) -> None:
        due(world, kind)
        ask(world, trigger="event")
        world.cuts_off = seconds
        world.away += world.cuts_off

    return build


_cut_off_a_while = _cut_off("outage-after-write", 1800.0)
_cut_off_for_hours = _cut_off("outage-for-hours-after-write", 7200.0, is_planned=False)


@per_kind("refused", circumstances.refusals(), mend=people.mend, is_planned=False)
def _refused(world: World, kind: str) -> None:
    """The app's rights to a service are taken away at some moment, and given back."""
    due(world, kind)
    ask(world, trigger="event")
    world.denies = True


@per_kind("throttled", circumstances.throttles(), mend=people.mend, is_planned=False)
def _throttled(world: World, kind: str) -> None:
    """A service answers 429 for an hour, from some moment on, and says each time when to come back."""
    due(world, kind)
    ask(world, trigger="event")
    world.throttles = True


def _leaked_on_another_day(world: World, kind: str) -> None:
    due(world, kind, days_left=80)
    # A rotation of another day: what is current is as old as that.
    world.advance(600)
    leaked(world, "app", credential_of(current(world)), source_of(kind))


def _reported(how: str, seconds: float) -> Maker:
    """An incident is reported at an instance whose clock is minutes wrong."""

    @per_kind(f"reported-{how}", versions={"app": 2})
    def build(world: World, kind: str) -> None:
        _leaked_on_another_day(world, kind)
        ordered(world, kind, world.kernel.now() + timedelta(seconds=seconds) + LEAD)

    return build


def _reported_at(how: str, since: str) -> Maker:
    """The item of an incident says that it begins in another year, or nothing that is a time."""

    # A try that comes back cannot tell what the one before it has published: it replaces that, too.
    @per_kind(f"reported-{how}", workers=1)
    def build(world: World, kind: str) -> None:
        _leaked_on_another_day(world, kind)
        world.watch.undated |= set() if "T" in since else {source_of(kind)}
        ask(world, pinned=False, compromised=True, since=since)

    return build


_ahead, _behind = _reported("ahead", AHEAD), _reported("behind", BEHIND)
_in_future = _reported_at("in-another-year", "2031-01-01T00:00:00+00:00")
_malformed = _reported_at("without-a-time", "yesterday")


def _next(**fields: object) -> Move:
    """Return a move in which a message comes."""
    return lambda world: ask(world, **fields)  # type: ignore[arg-type]


def _each_kind() -> Mapping[str, Move]:
    """Return each kind of message that may be the next one for a secret."""
    return {
        "a sweep's item": _next(trigger="sweep", pinned=False),
        "the same once more": _next(trigger="event"),
        "an audit": _next(action="audit", trigger="sweep"),
        "an audit without a version": _next(action="audit", trigger="sweep", pinned=False),
        "a retirement": _next(action="retire", trigger="sweep"),
        "a look": _look,
    }


def _look(world: World) -> None:
    item = WorkItem(SecretRef(VAULT, "app"), "audit", cause=Cause("sweep"), hint="recheck")
    world.post("rotate", item.to_json())


@per_kind("died", _each_kind(), versions={"app": 2}, faults=DEATHS, is_planned=False)
def _died(world: World, kind: str) -> None:
    """A worker dies about when its version is there; each kind of message may be the next one."""
    due(world, kind)
    circumstances.with_an_app(world, kind)
    ask(world, trigger="event")


@per_kind("died-in-drift", _each_kind(), versions={"app": 2}, faults=DEATHS, is_planned=False)
def _died_in_drift(world: World, kind: str) -> None:
    """The same where a version is healed."""
    due(world, kind, days_left=80)
    proven(world, kind)
    people.change_key(world)
    ask(world, action="audit", trigger="sweep")


def _kills(world: World) -> None:
    """Five workers die, one after the other, each once its change has taken effect."""
    world.deadly = 5
    # The lease of each that is dead holds for another minute, and whoever comes waits for it.
    world.away += world.deadly * 300.0


@per_kind(
    "dies-at-each-change",
    {"five workers die in a row": _kills},
    versions={"app": 2},
    faults=("throttle",),
)
def _deadly(world: World, kind: str) -> None:
    """Whoever changes the source dies of it, five times in a row: five minutes begin with the last."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="event")


@per_kind(
    "set-back-late",
    {"incident": incident},
    versions={"app": range(2, 5)},
    workers=1,
    is_planned=False,
)
def _set_back_late(world: World, kind: str) -> None:
    """A password that cannot be published is set back, which takes effect late. Somebody knows it."""
    due(world, kind)
    ask(world, trigger="event")
    world.spoils = {"publish": "lose the request", "set back": "arrive late"}
    world.lands_at = 600.0


@per_kind(
    "unseen",
    {"incident": incident, "key": people.change_key},
    versions={"app": range(1, 5)},
    mend=people.mend,
)
def _unseen(world: World, kind: str) -> None:
    """A new password comes after its proof was given up, and what is set back does not come."""
    due(world, kind)
    ask(world, trigger="event")
    world.unseen = {"set admin", "set back"}
    world.lands_at = 100.0


@per_kind(
    "late-by-minutes",
    {"incident": incident},
    versions={"app": range(2, 6)},
    faults=("arrive late", "lose the answer"),
    workers=1,
    is_planned=False,
)
def _late_by_minutes(world: World, kind: str) -> None:
    """What gets no answer takes effect ten minutes later, while somebody knows the credential."""
    due(world, kind)
    ask(world, trigger="event")
    world.lands_at = 600.0


def _so_has_the_earlier_one(world: World) -> None:
    """An operator says that the superseded credential is known to somebody, too."""
    earlier = world.vault[SecretRef(VAULT, "app")][0]
    leaked(world, "app", credential_of(earlier), str(world.watch.source_of(earlier)))
    ask(world, pinned=False, version=earlier.version, compromised=True, force=True)


@per_kind(
    "both-leaked",
    {"incident": incident, "so has the earlier one": _so_has_the_earlier_one},
    versions={"app": range(2, 8)},
    faults=("arrive late", "lose the answer"),
    workers=1,
    is_planned=False,
)
def _both_leaked(world: World, kind: str) -> None:
    """Both credentials of an overlap leak, while what got no answer takes effect ten minutes later."""
    rotated(world, kind, hours_left=30)
    ask(world, trigger="manual", force=True)
    world.lands_at = 600.0


STRAINED = [
    *all_of(EVERY, _applying, _applying_meanwhile, _ahead, _behind, _in_future, _malformed, _died),
    *all_of(EVERY, _died_in_drift, _stays_away, _applying_for_an_hour),
    *all_of(("one-slot", "one-slow"), _deadly, _cut_off_a_while, _set_back_late),
    *all_of(("one-slot",), _cut_off_for_hours, _unseen),
    *all_of((*EVERY, "one-slow"), _refused, _throttled, _late_by_minutes),
    *all_of(("listed",), _late_by_minutes),
    *all_of(("two-slots", "many", "listed"), _both_leaked),
    *by_seeds(FURTHER, _applying, _applying_meanwhile, _ahead, _behind, _in_future, _malformed),
    *by_seeds(FURTHER, _died, _died_in_drift),
    *by_seeds(FURTHER_SLOTTED, _stays_away, _refused, _throttled),
    *by_seeds(("two-slow", "two-by-name"), _late_by_minutes),
    *by_seeds(("two-logins", "two-slow", "two-by-name"), _both_leaked),
]
