"""P8: every version that Rekey publishes is announced, and who uses the secret hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.state.tags import OPERATION, REPLICA_OF
from tests.proof.excuses import Excuse

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
    left = [version for version in silent(watch) if not _is_excused(watch, version)]
    return f"P8: {left[0].version} was published, and never announced" if left else ""


def silent(watch: Watch) -> list[SecretVersion]:
    """Return the versions that nobody has been told of so far, and that are there."""
    told = {outcome.new_version for outcome in watch.outcomes if outcome.result in ANNOUNCING}
    gone = told | watch.world.purged
    # Nobody can tell a copy that a person made from the version itself: it is named in its place.
    copied = {it.value for it in watch.world.every_version() if it.version in told}
    return [
        version
        for version in watch.given
        if version.version not in gone
        and version.value not in copied
        and version.ref in watch.world.vault
    ]


def _is_excused(watch: Watch, version: SecretVersion) -> bool:
    """Return whether its record was lost, or went back to before it, or it landed too late."""
    if _is_left_to_a_person(watch, version) or _is_disabled_by_hand(watch, version):
        watch.excuses.used[Excuse.TOLD] += 1
        return True
    source = watch.source_of(version) or ""
    known = [
        excuse
        for excuse in (Excuse.STORE, Excuse.LATE)
        if (excuse, source) in watch.excuses.granted
    ]
    watch.excuses.used.update(known)
    return bool(known)


def _is_left_to_a_person(watch: Watch, version: SecretVersion) -> bool:
    """Return whether an incident could not end, and who was told so has moved its record aside.

    Until then its version is named in each report of that, and announced only with the end. Where
    the vault was away, nobody had seen the version.
    """
    if version.tags.get(OPERATION) in watch.set_aside:
        return True
    named = any(
        outcome.result == "parked"
        and outcome.item.compromised
        and outcome.new_version == version.version
        for outcome in watch.outcomes
    )
    records = [claim.record.published for claim in watch.world.claims.values()]
    return named and all(known is None or known.version != version.version for known in records)


def _is_disabled_by_hand(watch: Watch, version: SecretVersion) -> bool:
    """Return whether a person disabled it before anybody could read it, and wrote another one.

    What it holds is removed then. That somebody enables it later tells nobody of it.
    """
    now = watch.world.versions_of(version.ref)
    return version.version in watch.world.hidden and now[-1].version != version.version
