"""P8: every version that Rekey publishes is announced, and who uses the secret hears of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.state.tags import OPERATION, REPLICA_OF
from tests.proof.excuses import Excuse
from tests.proof.sources import credential_in

if TYPE_CHECKING:
    from engine.secret import SecretVersion
    from engine.state.record import Record
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


def forgets(watch: Watch, before: Record, after: Record) -> None:
    """Note which retirement a record forgets because its credential is proven to be revoked.

    A retirement is forgotten for other reasons, too: somebody has taken the credential into use
    again, or the version that was published since has replaced it in its slot.
    """
    if (before.owner, before.published) != (after.owner, after.published):
        return
    gone = {it.version: it for it in before.to_retire if it not in after.to_retire}
    proven = gone.keys() & before.compromised.revoked.keys()
    alive = watch.alive() if proven else ()
    for version in watch.world.every_version() if proven else ():
        going = gone.get(str(version.version)) if version.version in proven else None
        if going and version.value and credential_in(version.value.reveal()) not in alive:
            watch.ended_retirements[before.owner, going.credential_id] += 1


def unsaid(watch: Watch) -> str:
    """Return which credential was revoked and forgotten, and nobody was told; else empty."""
    told = Counter(
        (str(outcome.item.ref).lower(), credential_id)
        for outcome in watch.outcomes
        for credential_id in outcome.retired
    )
    left = [f"{known[1]} of {known[0]}" for known in watch.ended_retirements - told]
    if any(excuse is Excuse.STORE for excuse, _ in watch.excuses.granted):
        # The record that knew of it is an older one by now.
        return ""
    return f"P8: {left[0]} was revoked, and nobody was told" if left else ""


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
