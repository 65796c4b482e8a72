"""What people ask for is carried out although every message about it is lost.

The messages are lost as soon as it has been accepted, and up to twice more, at any moment, together
with what a worker has in hand.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    SLOTTED,
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
    rotated,
    source_of,
)
from tests.proof.world import World

OWN = frozenset({"report", "follow", "release"})
"""What people do themselves beside the queues."""


def loses(world: World) -> None:
    """Every message is lost, those included that a worker has in hand."""
    world.messages = [message for message in world.messages if message.what in OWN]
    world.watch.disturb(world.kernel.time())


def losses(number: int = 2) -> Mapping[str, Move]:
    """Return so many moves, in each of which every message is lost."""
    return {f"every message is lost, {count}": loses for count in range(number)}


@per_kind("lost-request", losses(), versions={"app": 2})
def _request(world: World, kind: str) -> None:
    """A person asks for a rotation."""
    due(world, kind, days_left=80)
    ask(world, trigger="manual", force=True)
    loses(world)


@per_kind("lost-restore", losses(), versions={"app": 3})
def _restore(world: World, kind: str) -> None:
    """A person asks for the earlier credential, and for an audit of it."""
    rotated(world, kind, hours_left=100)
    ask(world, action="restore", trigger="manual")
    ask(world, action="audit", trigger="manual")
    loses(world)


@per_kind("lost-incident", losses(), versions={"app": 2})
def _incident(world: World, kind: str) -> None:
    """An operator says that the current credential is known to somebody."""
    due(world, kind, days_left=80)
    incident(world)
    loses(world)


@per_kind("lost-order", losses(), versions={"app": 2})
def _order(world: World, kind: str) -> None:
    """An incident covers the source: its order is lost, and what follows from that."""
    due(world, kind, days_left=80)
    world.advance(60)
    leaked(world, "app", credential_of(current(world)), source_of(kind))
    ordered(world, kind)
    loses(world)


LOST_REQUESTS = [
    *all_of(EVERY, _request, _incident, _order),
    *all_of(SLOTTED, _restore),
    *by_seeds(FURTHER, _request, _incident, _order),
    *by_seeds(FURTHER_SLOTTED, _restore),
]
