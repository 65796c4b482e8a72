"""P8: every version that Rekey publishes is announced, and who uses the secret hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.tags import REPLICA_OF

if TYPE_CHECKING:
    from engine.secret import SecretVersion
    from tests.proof.watch import Watch

ANNOUNCING = ("rotated", "healed", "restored")
"""The results that are sent on as `SecretRotated`."""


def is_to_be_announced(version: SecretVersion) -> bool:
    """Return whether a version is one: a replica's is named with its primary's."""
    return REPLICA_OF not in version.tags


def unannounced(watch: Watch) -> str:
    """Return which version that Rekey published was never announced; empty where all were."""
    left = silent(watch)
    return f"P8: {left[0]} was published, and never announced" if left else ""


def silent(watch: Watch) -> list[str]:
    """Return the versions that nobody has been told of so far."""
    told = {outcome.new_version for outcome in watch.outcomes if outcome.result in ANNOUNCING}
    return [version for version in watch.given if version not in told | watch.world.purged]
