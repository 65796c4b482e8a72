"""Times that are looked at closer than by the hour.

Also proofs that take longer than a lease lasts, scopes that shrink while something is to be
retired, and what no message asks for any more.
"""

from __future__ import annotations

from dataclasses import replace

from engine.secret import SecretRef
from engine.state.record_parts import Compromised
from engine.state.request import Cause, WorkItem
from engine.state.sweep_order import SweepOrder
from tests.proof import circumstances
from tests.proof.model_leases import Claim
from tests.proof.staging import (
    FURTHER_SLOTTED,
    SLOTTED,
    all_of,
    ask,
    blob_of,
    by_seeds,
    credential_of,
    due,
    leaked,
    per_kind,
    rotated,
    source_of,
)
from tests.proof.world import NEVER, VAULT, World

HOURS = 2
"""The overlap of what is rotated here."""
MOMENTS = (-3500.0, -60.0, -30.0, -2.0, 5.0, 20.0, 40.0, 58.0, 64.0, 90.0)
"""When a message comes, in seconds from the end of an overlap that began with the work."""
SPREADS, LATER = 50.0, 80.0
"""Seconds until a new secret is known everywhere: within a lease, and after one."""


@per_kind("to-the-second", versions={"app": 2}, workers=1)
def _to_the_second(world: World, kind: str) -> None:
    """Messages come just before the end of an overlap, and just after it."""
    world.replication = SPREADS
    due(world, kind, OverlapHours=str(HOURS))
    ask(world, trigger="event")
    item = WorkItem(SecretRef(VAULT, "app"), action="retire", cause=Cause("sweep"))
    for moment in MOMENTS:
        world.post("rotate", item.to_json(), HOURS * 3600 + moment)


@per_kind(
    "bound-less-in-overlap",
    {"the policy binds less": circumstances.policies()["the policy binds less"]},
    mend=circumstances.mend,
    is_planned=False,
)
def _bound_less(world: World, kind: str) -> None:
    """The policy takes a source out of the scopes while something is to be retired there."""
    rotated(world, kind, hours_left=-1)
    world.document = circumstances.document()
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


@per_kind("spreading", versions={"app": 2})
def _spreading(world: World, kind: str) -> None:
    """A new secret takes longer to spread than a lease lasts; two messages ask for it."""
    world.replication, world.patience = LATER, (30.0,)
    due(world, kind)
    world.most_made = world.mint.made + 1
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind("left-open", versions={"app": 2}, workers=1)
def _left_open(world: World, kind: str) -> None:
    """An incident is open in the record, and its message is lost: the sweep takes it up."""
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
    # It says not when it is looked at again, so only the sweep finds it.
    world.watch.known_since[source_of(kind), str(older.version)] = NEVER
    world.watch.changed()
    # What one asks for may fail as often as there are faults: the next one asks again.
    for moment in (0.0, 3600.0, 7200.0, 10_800.0):
        world.post("sweep", SweepOrder.by_schedule(VAULT, {}, world.kernel.now()).to_json(), moment)


CLOSER = [
    *all_of(SLOTTED, _to_the_second, _bound_less, _left_open),
    *all_of(("many",), _spreading),
    *by_seeds(FURTHER_SLOTTED, _to_the_second, _bound_less, _left_open),
]
