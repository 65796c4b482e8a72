"""What people ask for is stored, and carried out within five minutes though messages are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.parts import GRACE_SECONDS

if TYPE_CHECKING:
    from tests.proof.watch import Watch

LATEST = 300.0
"""Seconds after somebody asked for it, or after the last fault, within which it is done, or put off for
a reason."""


def late(watch: Watch) -> str:
    """Return what people asked for and nobody has done for too long; empty if there is nothing."""
    world = watch.world
    now = world.kernel.time()
    if world.visible():
        # A message that says so is there, and nobody has been given it yet.
        return ""
    disturbed = max(watch.disturbed, watch.elsewhere)
    for (_, request), due in world.promised.items():
        if now > max(due - GRACE_SECONDS, disturbed) + LATEST:
            return f"P1: what was asked for ({request}) was due at {due:.0f} s, and is not done"
    return ""
