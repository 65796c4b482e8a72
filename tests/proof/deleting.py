"""Situations in which people delete a secret, recover it, purge it, and make it anew.

A deleted secret is not found, and its name cannot be written until it is recovered or purged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from engine.rotation.leaked import PURGED_FIX
from engine.secret import SecretRef, SecretVersion
from engine.state.request import operation_id
from engine.state.tags import OURS
from tests.proof import people
from tests.proof.derived import key_and_sas, mend_signature
from tests.proof.excuses import Excuse
from tests.proof.lasting import LOOKS_OF_A_DAY, under_way
from tests.proof.sources import Many, Slots
from tests.proof.staging import (
    FIRST,
    FURTHER_SLOTTED,
    SECOND,
    Move,
    all_of,
    ask,
    by_seeds,
    credential_of,
    due,
    incident,
    per_kind,
    proven,
    rotated,
    scenario,
    source_of,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import VAULT, World

LISTED = ("two-slots", "two-logins", "many", "listed")
EVERY = (*LISTED, "one-slot")
SWEPT_SECONDS = 2 * 3600.0
"""Within what time of its recovery a sweep has found what a deletion had kept from being done."""
APP = SecretRef(VAULT, "app")


def delete(world: World) -> None:
    """Somebody deletes the secret."""
    if APP in world.vault:
        world.delete(APP)


def recover(world: World) -> None:
    """Somebody recovers it."""
    if APP in world.deleted:
        # Nothing tells Rekey of that before the next sweep.
        source, until = source_of(people.kind_of(world)), world.kernel.time() + SWEPT_SECONDS
        world.watch.excuses.grant(Excuse.BROKEN, source, until)
        world.recover(APP)


def purge(world: World) -> None:
    """Somebody removes it for good, and looks after what it held."""
    versions = world.versions_of(APP)
    if not versions:
        return
    delete(world)
    watch = world.watch
    watch.disowned |= {credential_of(version) for version in versions}
    watch.orphaned |= {f"rekey {operation_id(APP, str(version.version))}" for version in versions}
    watch.protected = [it for it in watch.protected if it.version not in _ids(versions)]
    watch.excuses.grant(Excuse.LEFT_ALONE, "app")
    world.purge(APP)


def _ids(versions: Sequence[SecretVersion]) -> set[str]:
    return {str(version.version) for version in versions}


def anew(world: World) -> None:
    """Somebody makes a secret of that name anew, with another credential and the owner's tags."""
    if APP in world.vault:
        return
    versions = world.versions_of(APP)
    before = versions[-1].tags if versions else world.wanted[APP]
    kept = {tag: text for tag, text in before.items() if tag not in OURS}
    purge(world)
    slot, value = _credential(world, kept.get("CredentialId"))
    world.secret("app", value, 90, kept | {"CredentialId": slot})


def same_anew(world: World) -> None:
    """Somebody makes it anew with the value and every tag that it had, Rekey's own too."""
    versions = world.versions_of(APP)
    if APP in world.vault or not versions:
        return
    last = versions[-1]
    people.at_own_risk(world)
    purge(world)
    if last.value:
        version = world.secret("app", last.value.reveal(), 90, last.tags)
        if last.version not in world.written:
            # A copy of Rekey's own cannot be told apart.
            world.written.discard(str(version.version))


def _credential(world: World, held: str | None) -> tuple[str, str]:
    """Make a credential at the source where the secret held none, as a person would."""
    kind = people.kind_of(world)
    source, address = world.sources[source_of(kind)], source_of(kind)
    until = world.kernel.time() + AUDITED_SECONDS
    world.watch.excuses.grant(Excuse.BROKEN, address, until)
    if isinstance(source, Many):
        slot, value = source.add("made by hand, later")
    else:
        assert isinstance(source, Slots)
        slot = SECOND[kind] if kind in SECOND and held == FIRST[kind] else FIRST[kind]
        value = source.refill(slot)
    world.watch.disowned.add(value)
    return slot, value


MOVES: Mapping[str, Move] = {
    "deletes": delete,
    "recovers": recover,
    "purges": purge,
    "makes it anew": anew,
    "makes it anew as it was": same_anew,
}
FOR_A_WHILE = {name: MOVES[name] for name in ("deletes", "recovers")}


def mend(world: World) -> None:
    """Somebody recovers the secret, or makes it anew; then its owner does what any owner does."""
    recover(world)
    anew(world)
    parked = [outcome for outcome in world.watch.outcomes if outcome.result == "parked"]
    if any(it.item.compromised and it.item.version in world.purged for it in parked):
        _revoke_leaked(world)
    if any(it.fix == PURGED_FIX for it in parked):
        _revoke_leaked(world)
        _revoke_superseded(world)
        going = (claim.record.pending_write for claim in world.claims.values())
        world.watch.set_aside |= {write.operation for write in going if write}
        world.claims.clear()
    people.mend(world)


def _revoke_leaked(world: World) -> None:
    """Revoke at its source what leaked, unless the secret holds it."""
    _revoke(world, set(world.watch.compromised))


def _revoke_superseded(world: World) -> None:
    """Revoke what only the records know that are moved aside."""
    records = [claim.record for claim in world.claims.values()]
    going = {pending.version for record in records for pending in record.to_retire}
    _revoke(world, {credential_of(it) for it in world.versions_of(APP) if it.version in going})


def _revoke(world: World, credentials: set[str]) -> None:
    source = world.sources[source_of(people.kind_of(world))]
    for credential in credentials & source.alive():
        if credential != credential_of(world.vault[APP][-1]):
            source.revoke(credential)


_deleting = partial(per_kind, moves=MOVES, mend=mend, mends=2, is_planned=False)


@_deleting("deleted")
def _deleted(world: World, kind: str) -> None:
    """A secret is deleted, and comes back or does not, while it is rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True)


@_deleting("deleted-in-overlap")
def _deleted_in_overlap(world: World, kind: str) -> None:
    """The same while what it superseded is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


@_deleting("deleted-in-incident")
def _deleted_in_incident(world: World, kind: str) -> None:
    """The same while an incident is dealt with: it is not over while what leaked works."""
    due(world, kind, days_left=80)
    proven(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep")


@_deleting("slow-deleted", workers=1)
def _slow(world: World, kind: str) -> None:
    """A secret is deleted while its source is at a change."""
    under_way(world, kind, 0.01)
    world.looks = LOOKS_OF_A_DAY
    ask(world, trigger="sweep", pinned=False)


def _without_the_key(world: World) -> None:
    world.watch.excuses.grant(Excuse.CLAIM, "sas")
    delete(world)


def _mend_both(world: World) -> None:
    mend(world)
    mend_signature(world)


@scenario(
    "derived-deleted",
    {**FOR_A_WHILE, "deletes": _without_the_key},
    mend=_mend_both,
    mends=2,
    is_planned=False,
)
def _signed(world: World) -> None:
    """A key's secret is deleted while what it signed follows it."""
    key_and_sas(world)
    ask(world, trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


@per_kind("recovered", versions={"app": 2}, mend=mend, workers=1)
def _recovered(world: World, kind: str) -> None:
    """A secret comes back after the overlap that ended while it was deleted."""
    rotated(world, kind, hours_left=1)
    delete(world)
    world.advance(2 * 3600.0)
    recover(world)
    ask(world, action="retire", trigger="sweep")


@per_kind("made-anew", mend=mend, mends=2, workers=1)
def _made_anew(world: World, kind: str) -> None:
    """A secret was made anew in its overlap; what it superseded before is retired all the same."""
    rotated(world, kind, hours_left=1)
    delete(world)
    same_anew(world)
    world.advance(2 * 3600.0)
    ask(world, action="retire", trigger="sweep")


DELETED = [
    *all_of(EVERY, _deleted, _deleted_in_incident),
    *all_of(LISTED, _deleted_in_overlap),
    *all_of(("two-slots", "two-logins", "many"), _recovered, _made_anew),
    *all_of(("two-slow", "one-slow"), _slow),
    *by_seeds(("two-slow", "one-slow", "two-by-name"), _deleted, _deleted_in_incident),
    *by_seeds(("two-slow", "two-by-name"), _deleted_in_overlap),
    *by_seeds(FURTHER_SLOTTED, _recovered, _made_anew),
    _signed,
]
