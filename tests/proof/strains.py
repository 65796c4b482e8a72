"""What strains Rekey in ways of which no single call knows.

Answers that are wrong for hours, an outage that begins between a change and its record, clocks of
whoever takes a report, and a death that is followed by each kind of message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from engine.model.incident import LEAD, Incident
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.secret import SecretRef
from tests.proof import adversaries, circumstances, people
from tests.proof.further import all_of
from tests.proof.kernel import Mode
from tests.proof.staging import (
    Move,
    Scenario,
    ask,
    credential_of,
    current,
    due,
    leaked,
    proven,
    source_of,
)
from tests.proof.world import OTHER_VAULT, VAULT, World

SLOTTED = ("two-slots", "two-logins", "many")
SINGLE = ("one-slot", "one-slow")
EVERY = (*SLOTTED, "one-slot")
DEATHS: tuple[Mode, ...] = ("die after", "die after", "lose the answer", "fail after the effect")
"""What leaves a version published, and nobody told."""
HOURS = 4
"""For so long a source applies every change and answers that it failed."""
AHEAD, BEHIND = 90.0, -180.0
"""By how many seconds the clock of the instance that takes a report is wrong."""


def _fails_after_applying(world: World) -> None:
    """For hours the source applies each change, and answers 500."""
    seconds = HOURS * 3600.0
    until = world.kernel.time() + seconds
    world.applies_and_fails = max(world.applies_and_fails, until)
    # It may be looked at again and again meanwhile; that it is changed each time is another matter.
    world.away += seconds
    world.fruitless += seconds
    world.watch.disturb(until)


def _applying(kind: str) -> Scenario:
    """The source applies what it is asked for and says for hours that it has failed."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        _fails_after_applying(world)

    return Scenario(f"applies-and-fails/{kind}", build, mend=people.mend)


def _applying_meanwhile(kind: str) -> Scenario:
    """The same from any moment on."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, force=True)

    moves = {"the source applies and fails": _fails_after_applying}
    return Scenario(
        f"comes-to-apply-and-fail/{kind}", build, moves, mend=people.mend, is_planned=False
    )


def _stays_away(kind: str) -> Scenario:
    """A service that is none of the source's own goes away between a change and its record."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(
        f"outage-in-change/{kind}",
        build,
        circumstances.outages_elsewhere(),
        {"app": 2},
        faults=("throttle",),
        workers=1,
        is_planned=False,
    )


def _cut_off(kind: str) -> Scenario:
    """The vault writes the new version, says that it failed, and is away from then on."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        world.cuts_off = 1800.0
        world.away += world.cuts_off

    return Scenario(f"outage-after-write/{kind}", build, {}, {"app": 3}, faults=("throttle",))


def _reported(kind: str, seconds: float, how: str) -> Scenario:
    """An incident is reported at an instance whose clock is minutes wrong."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        # A rotation of another day: what is current is as old as that.
        world.advance(600)
        version = current(world)
        leaked(world, "app", credential_of(version), source_of(kind))
        since = world.kernel.now() + timedelta(seconds=seconds) + LEAD
        order = SweepOrder.for_incident(
            VAULT, Incident(since, source=source_of(kind), reason="leaked")
        )
        world.post("sweep", order.to_json())

    return Scenario(f"reported-{how}/{kind}", build, {}, {"app": 2})


def _ahead(kind: str) -> Scenario:
    return _reported(kind, AHEAD, "ahead")


def _behind(kind: str) -> Scenario:
    return _reported(kind, BEHIND, "behind")


def _in_future(kind: str) -> Scenario:
    """The item of an incident says that it begins in another year."""
    return _reported_at(kind, "2031-01-01T00:00:00+00:00", "in-another-year")


def _malformed(kind: str) -> Scenario:
    """The item of an incident says nothing that is a time."""
    return _reported_at(kind, "yesterday", "without-a-time")


def _reported_at(kind: str, since: str, how: str) -> Scenario:

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        world.advance(600)
        version = current(world)
        leaked(world, "app", credential_of(version), source_of(kind))
        world.watch.undated |= set() if "T" in since else {source_of(kind)}
        ask(world, pinned=False, compromised=True, since=since)

    # A try that comes back cannot tell what the one before it has published: it replaces that, too.
    return Scenario(f"reported-{how}/{kind}", build, workers=1)


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
    item = WorkItem(SecretRef(VAULT, "app"), "audit", trigger="sweep", follow_up=True)
    world.post("rotate", item.to_json())


def _died(kind: str) -> Scenario:
    """A worker dies about when its version is there; each kind of message may be the next one."""

    def build(world: World) -> None:
        due(world, kind)
        adversaries.second_vault(world)
        world.secret("hook", "https://hooks.example/T0", 400, {}, OTHER_VAULT)
        world.document = circumstances.consumers(source_of(kind))
        world.apps[f"{source_of(kind)}/consumer"] = "v1"
        world.away += 3600.0
        ask(world, trigger="event")

    return Scenario(
        f"died/{kind}", build, _each_kind(), {"app": 2}, faults=DEATHS, is_planned=False
    )


def _died_in_drift(kind: str) -> Scenario:
    """The same where a version is healed."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        proven(world, kind)
        people.change_key(world)
        ask(world, action="audit", trigger="sweep")

    return Scenario(
        f"died-in-drift/{kind}", build, _each_kind(), {"app": 2}, faults=DEATHS, is_planned=False
    )


def _kills(world: World) -> None:
    """Five workers die, one after the other, each once its change has taken effect."""
    world.deadly = 5
    # The lease of each that is dead holds for another minute, and whoever comes waits for it.
    world.away += world.deadly * 300.0


def _deadly(kind: str) -> Scenario:
    """Whoever changes the source dies of it, five times in a row: five minutes begin with the last."""

    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="event")

    moves = {"five workers die in a row": _kills}
    return Scenario(f"dies-at-each-change/{kind}", build, moves, {"app": 2}, faults=("throttle",))


STRAINED = [
    *all_of(EVERY, _applying, _applying_meanwhile, _ahead, _behind, _in_future, _malformed, _died),
    *all_of(EVERY, _died_in_drift),
    *all_of(EVERY, _stays_away),
    *all_of(SINGLE, _deadly),
    _cut_off("one-slot"),
]
