"""Times that are looked at closer than by the hour.

Also proofs that take longer than a lease lasts, scopes that shrink while something is to be
retired, and what no message asks for any more.
"""

from __future__ import annotations

from dataclasses import replace

from engine.model.record_parts import Compromised
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.secret import SecretRef
from tests.proof import circumstances, people
from tests.proof.further import all_of
from tests.proof.model_leases import Claim
from tests.proof.staging import (
    Scenario,
    ask,
    blob_of,
    credential_of,
    due,
    leaked,
    rotated,
    source_of,
)
from tests.proof.world import VAULT, World

SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")
HOURS = 2
"""The overlap of what is rotated here."""
MOMENTS = (-3500.0, -60.0, -30.0, -2.0, 5.0, 20.0, 40.0, 58.0, 64.0, 90.0)
"""When a message comes, in seconds from the end of an overlap that began with the work."""
SPREADS, LATER = 50.0, 80.0
"""Seconds until a new secret is known everywhere: within a lease, and after one."""


def _to_the_second(kind: str) -> Scenario:
    """Messages come just before the end of an overlap, and just after it."""

    def build(world: World) -> None:
        world.replication = SPREADS
        due(world, kind, OverlapHours=str(HOURS))
        ask(world, trigger="event")
        item = WorkItem(SecretRef(VAULT, "app"), action="retire", trigger="sweep")
        for moment in MOMENTS:
            world.post("rotate", item.to_json(), HOURS * 3600 + moment)

    return Scenario(f"to-the-second/{kind}", build, {}, {"app": 2}, workers=1)


def _bound_less(kind: str) -> Scenario:
    """The policy takes a source out of the scopes while something is to be retired there."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=-1)
        world.document = circumstances.document()
        ask(world, action="retire", trigger="sweep")
        ask(world, action="audit", trigger="sweep")

    def mend(world: World) -> None:
        world.document = circumstances.document()
        people.mend(world)

    moves = {"the policy binds less": circumstances.policies()["the policy binds less"]}
    return Scenario(f"bound-less-in-overlap/{kind}", build, moves, mend=mend, is_planned=False)


def _spreading(kind: str) -> Scenario:
    """A new secret takes longer to spread than a lease lasts; two messages ask for it."""

    def build(world: World) -> None:
        world.replication, world.patience = LATER, (30.0,)
        due(world, kind)
        world.most_made = world.mint.made + 1
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return Scenario(f"spreading/{kind}", build, {}, {"app": 2})


def _left_open(kind: str) -> Scenario:
    """An incident is open in the record, and its message is lost: the sweep takes it up."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        older = world.vault[SecretRef(VAULT, "app")][0]
        leaked(world, "app", credential_of(older), source_of(kind))
        record = world.claims[blob_of(source_of(kind))].record
        noted = replace(
            record,
            compromised=Compromised((str(older.version),)),
            verified=replace(record.verified, at=world.kernel.now()),
        )
        world.claims[blob_of(source_of(kind))] = Claim(noted)
        world.watch.changed()
        world.post("sweep", SweepOrder.by_schedule(VAULT, {}, world.kernel.now()).to_json())

    return Scenario(f"left-open/{kind}", build, {}, {"app": 2}, workers=1)


CLOSER = [
    *all_of(SLOTTED, _to_the_second, _bound_less, _left_open),
    *all_of(("many",), _spreading),
]
