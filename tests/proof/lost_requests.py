"""What people ask for is carried out although every message about it is lost.

The messages are lost as soon as it has been accepted, and up to twice more, at any moment, together
with what a worker has in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.model.incident import Incident
from engine.model.sweep_order import SweepOrder
from engine.parts import GRACE_SECONDS
from tests.proof.further import all_of
from tests.proof.staging import (
    Move,
    Scenario,
    ask,
    credential_of,
    current,
    due,
    incident,
    leaked,
    rotated,
    source_of,
)
from tests.proof.world import VAULT, World

OWN = frozenset({"report", "follow", "release"})
"""What people do themselves beside the queues."""
SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")


def loses(world: World) -> None:
    """Every message is lost, those included that a worker has in hand."""
    world.messages = [message for message in world.messages if message.what in OWN]
    world.watch.disturb(world.kernel.time())


def losses(number: int = 2) -> Mapping[str, Move]:
    """Return so many moves, in each of which every message is lost."""
    return {f"every message is lost, {count}": loses for count in range(number)}


def _lost(name: str, kind: str, begins: Callable[[World, str], None], versions: int) -> Scenario:
    def build(world: World) -> None:
        begins(world, kind)
        loses(world)

    return Scenario(f"{name}/{kind}", build, losses(), {"app": versions})


def _request(kind: str) -> Scenario:
    """A person asks for a rotation."""

    def begins(world: World, kind: str) -> None:
        due(world, kind, days_left=80)
        ask(world, trigger="manual", force=True)

    return _lost("lost-request", kind, begins, 2)


def _restore(kind: str) -> Scenario:
    """A person asks for the earlier credential, and for an audit of it."""

    def begins(world: World, kind: str) -> None:
        rotated(world, kind, hours_left=100)
        ask(world, action="restore", trigger="manual")
        ask(world, action="audit", trigger="manual")

    return _lost("lost-restore", kind, begins, 3)


def _incident(kind: str) -> Scenario:
    """An operator says that the current credential is known to somebody."""

    def begins(world: World, kind: str) -> None:
        due(world, kind, days_left=80)
        incident(world)

    return _lost("lost-incident", kind, begins, 2)


def _order(kind: str) -> Scenario:
    """An incident covers the source: its order is lost, and what follows from that."""

    def begins(world: World, kind: str) -> None:
        due(world, kind, days_left=80)
        world.advance(60)
        leaked(world, "app", credential_of(current(world)), source_of(kind))
        order = SweepOrder.for_incident(
            VAULT, Incident(world.kernel.now(), source=source_of(kind), reason="leaked")
        )
        world.keep(order.request, order.to_json(), GRACE_SECONDS)
        world.post("sweep", order.to_json())

    return _lost("lost-order", kind, begins, 2)


LOST_REQUESTS = [
    *all_of(EVERY, _request, _incident, _order),
    *all_of(SLOTTED, _restore),
]
