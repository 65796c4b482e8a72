"""A secret that its owner takes out of management for good, at any moment of a rotation.

Who is told to wait waits. Later somebody manages it again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import NeedsHuman, RekeyError
from engine.secret import SecretRef
from engine.state.index import Owned
from engine.state.tags import OURS
from tests.proof import people
from tests.proof.staging import ask, due, per_kind, rotated
from tests.proof.world import VAULT

if TYPE_CHECKING:
    from engine.engine import Engine
    from tests.proof.world import World

APP = SecretRef(VAULT, "app")
TAGS = OURS | {"ProviderAddress", "Rotator"}


async def release(engine: Engine) -> None:
    """Release the secret as `rekey release` does, unless something is in progress."""

    def check(owned: Owned) -> None:
        if going := owned.in_progress(engine.clock.now()):
            raise NeedsHuman(going, where=str(APP), fix="wait")

    with suppress(RekeyError):
        owned = await engine.owned(APP)
        check(owned)
        kept = {tag: text for tag, text in owned.secret.tags.items() if tag not in TAGS}
        await engine.release(APP, None, kept, check)


def released(world: World) -> None:
    """Somebody releases the secret."""
    world.post("release", "{}")


@per_kind("released", {"releases it": released}, mend=people.mend)
def _released(world: World, kind: str) -> None:
    """A secret is released while it is rotated, and perhaps managed again."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep")


@per_kind("released-in-overlap", {"releases it": released}, mend=people.mend)
def _released_in_overlap(world: World, kind: str) -> None:
    """A secret is released when what it held before is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


RELEASED = [
    *map(_released, ("two-slots", "one-slot", "many")),
    *map(_released_in_overlap, ("two-slots", "many")),
]
