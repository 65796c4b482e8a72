"""An owner takes a secret to another source of theirs, and perhaps back.

What Rekey owes at the source that the secret has left is paid there. What the secret held as it
left, nobody but its owner may revoke, unless it has leaked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from engine.secret import SecretRef
from engine.state.incident import Incident
from engine.state.request import operation_id
from engine.state.sweep_order import SweepOrder
from engine.state.tags import CREDENTIAL, OPERATION, RETIRE, STATE
from tests.proof import people
from tests.proof.excuses import Excuse
from tests.proof.sources import Many, Slots, address_of, source_named
from tests.proof.staging import (
    EVERY,
    SLOTTED,
    Move,
    add_source,
    all_of,
    ask,
    blob_of,
    by_seeds,
    credential_of,
    current,
    declare,
    due,
    incident,
    leaked,
    managed,
    per_kind,
    proven,
    reports,
    rotated,
    slots_of,
    source_of,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")
SLOT = ("ProviderAddress", CREDENTIAL, OPERATION)


def _make(world: World, address: str) -> tuple[str, str]:
    """Make a credential at a source by hand; returns its id and value."""
    watch, source = world.watch, world.sources[address]
    watch.excuses.grant(Excuse.BROKEN, address, world.kernel.time() + AUDITED_SECONDS)
    if isinstance(source, Many):
        return source.add("made by hand, later")
    assert isinstance(source, Slots)
    slot = slots_of(address)[0]
    return slot, source.refill(slot)


def moves(world: World) -> None:
    """Its owner makes a credential at the other source, and puts that into the secret."""
    version, kind, watch = current(world), people.kind_of(world), world.watch
    here = source_named(version.tags)
    there = source_of(kind, "other") if here == source_of(kind) else source_of(kind)
    slot, value = _make(world, there)
    *earlier, _ = world.vault[APP]
    watch.disowned.add(credential_of(version))
    # What came late of the operation that made what is left there is left with it.
    watch.orphaned |= {f"rekey {operation_id(APP, str(it.version))}" for it in earlier}
    # In the slot that is left there may be what a late write of the same operation lies over.
    in_it = (it for it in earlier if all(it.tags.get(tag) == version.tags.get(tag) for tag in SLOT))
    # A late write may have taken the secret back, over what it had got there meanwhile.
    beneath = (it for it in earlier[-1:] if source_named(it.tags) == there)
    watch.disowned |= {credential_of(it) for it in (*in_it, *beneath)}
    watch.handed_over = watch.handed_over - {there} | {here}
    tags = managed(kind, ProviderAddress=address_of(there), CredentialId=slot)
    world.secret("app", value, 90, tags)
    world.wanted[APP] = tags


def names_another(world: World) -> None:
    """Its owner names the other source, which accepts nothing of what the secret holds."""
    version, kind, watch = current(world), people.kind_of(world), world.watch
    here, there = source_named(version.tags), source_of(kind, "other")
    claim = world.claims.get(blob_of(here))
    # What Rekey has published in this very second, its record says a moment later.
    is_noted = claim is not None and claim.record.has_proven(str(version.version))
    if here != source_of(kind) or not is_noted:
        return
    watch.disowned.add(credential_of(version))
    watch.orphaned |= {f"rekey {operation_id(APP, str(it.version))}" for it in world.vault[APP]}
    watch.excuses.grant(Excuse.CLAIM, "app")
    watch.handed_over.add(here)
    held, names = version.tags[CREDENTIAL], zip(slots_of(here), slots_of(there), strict=True)
    naming = {"ProviderAddress": address_of(there), CREDENTIAL: dict(names).get(held, held)}
    world.edit(APP, version.version, tags={**version.tags, **naming})
    world.wanted[APP] = managed(kind, **(naming | {CREDENTIAL: slots_of(there)[0]}))


def has_leaked(world: World) -> None:
    """An incident is declared over the secret, and all that works where its present value does."""
    there = world.watch.source_by(credential_of(current(world)))
    for version in world.vault[APP]:
        if there and world.sources[there].accepts(credential_of(version)):
            leaked(world, "app", credential_of(version), there)
    # It covers what the secret comes to hold meanwhile, and what is written in this very second.
    world.watch.cut |= {*world.sources}
    order = Incident(world.kernel.now() + timedelta(seconds=1), name="app", reason="leaked")
    declare(world, SweepOrder.for_incident(VAULT, order))


def is_forced(world: World) -> None:
    """Somebody rotates it, whatever it holds."""
    ask(world, force=True, pinned=False)


def mend(world: World) -> None:
    """Whoever was told of a debt pays it at the source, and takes the marks off."""
    version, watch = current(world), world.watch
    reports = [it for it in watch.outcomes if it.result == "parked" and it.item.ref == APP]
    if reports or STATE in version.tags:
        named = {it.item.version for it in reports if it.item.compromised}
        theirs = {credential_of(it) for it in world.versions_of(APP) if it.version in named}
        left = ((watch.source_by(it), it) for it in theirs)
        for source, credential in [*watch.owed(), *left]:
            if source in watch.handed_over:
                world.sources[source].revoke(credential)
        _revoke_where_a_late_write_has_left(world)
    address = source_named(version.tags)
    if world.sources[address].accepts(credential_of(version)):
        held = people.identify(world, address, version) or version.tags["CredentialId"]
    else:
        held, value = _make(world, address)
        version = world.secret("app", value, 90, version.tags)
    # What is owed no more may still be named by a tag that had to stay, as the vault was away.
    gone = {RETIRE} if people.is_forged(world, version) else set[str]()
    kept = {tag: text for tag, text in version.tags.items() if tag not in {STATE, *gone}}
    world.edit(APP, version.version, enabled=True, tags={**kept, "CredentialId": held})


def _revoke_where_a_late_write_has_left(world: World) -> None:
    """Revoke what leaked where the owner had moved to, as a late write took the secret back."""
    address = source_named(current(world).tags)
    for credential in world.watch.compromised:
        left = world.watch.source_by(credential)
        if left and left != address:
            world.sources[left].revoke(credential)


def _two_sources(world: World, kind: str) -> None:
    credential = add_source(world, kind, "other")
    source = world.sources[source_of(kind, "other")]
    if isinstance(source, Many):
        world.watch.foreign.add(credential)
        # No id of one source is one of another.
        source.added += 100


_moving = partial(
    per_kind,
    moves={"moves": moves, "moves again": moves},
    mend=mend,
    mends=2,
    is_planned=False,
)


@_moving("moved")
def _moved(world: World, kind: str) -> None:
    """It moves while it is rotated."""
    due(world, kind)
    _two_sources(world, kind)
    ask(world, trigger="event")
    ask(world, force=True, pinned=False)


@_moving("moved-in-overlap")
def _moved_in_overlap(world: World, kind: str) -> None:
    """It moves while what was superseded is retired, and rotated again."""
    rotated(world, kind, hours_left=-1)
    _two_sources(world, kind)
    first = world.vault[APP][0]
    world.watch.superseded[credential_of(first)] = source_of(kind)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True, pinned=False)


@_moving("moved-in-incident")
def _moved_in_incident(world: World, kind: str) -> None:
    """It moves while the version is dealt with that was current and has leaked."""
    due(world, kind, days_left=80)
    _two_sources(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


REPORTING: Mapping[str, Move] = {
    "moves": moves,
    "what it holds now is reported": reports,
    "moves again": moves,
    "that is reported, too": reports,
}


@_moving("moved-in-both", moves=REPORTING)
def _moved_in_both(world: World, kind: str) -> None:
    """It moves while what leaked is dealt with, and what it holds there leaks as well."""
    due(world, kind, days_left=80)
    _two_sources(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


@_moving("moved-in-overlap-and-reported", moves=REPORTING)
def _moved_in_overlap_and_reported(world: World, kind: str) -> None:
    """It moves inside an overlap, and what it holds leaks, here and there."""
    rotated(world, kind, hours_left=100)
    _two_sources(world, kind)
    first = world.vault[APP][0]
    world.watch.superseded[credential_of(first)] = source_of(kind)
    ask(world, force=True, pinned=False)
    ask(world, action="audit", trigger="sweep", pinned=False)


@_moving("moved-by-order")
def _moved_by_order(world: World, kind: str) -> None:
    """It moves while an incident of its name is sent on, inside an overlap."""
    rotated(world, kind, hours_left=100)
    _two_sources(world, kind)
    world.advance(60)
    for version in world.vault[APP]:
        leaked(world, "app", credential_of(version), source_of(kind))
    since = world.kernel.now()
    declare(world, SweepOrder.for_incident(VAULT, Incident(since, name="app", reason="leaked")))
    ask(world, action="audit", trigger="sweep", pinned=False)


NAMING: Mapping[str, Move] = {
    "names another source": names_another,
    "all has leaked": has_leaked,
    "is forced": is_forced,
}


@_moving("moved-by-a-tag", moves=NAMING)
def _moved_by_a_tag(world: World, kind: str) -> None:
    """It gets the address of another source alone, and what it held there leaks."""
    rotated(world, kind, hours_left=30)
    _two_sources(world, kind)
    world.advance(60)
    ask(world, action="audit", trigger="sweep", pinned=False)


@_moving("moved-by-a-tag-when-due", moves=NAMING)
def _moved_by_a_tag_when_due(world: World, kind: str) -> None:
    """The same while it is rotated."""
    due(world, kind)
    proven(world, kind)
    _two_sources(world, kind)
    # What it holds is older than the report of an incident of this moment.
    world.advance(60)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


NAMED = ("one-login", "two-pairs")
"""Its tag CredentialId tells at which source a secret is: it moves by that one."""
MOVING = [
    *all_of((*SLOTTED, "two-pairs"), _moved_by_a_tag),
    *all_of((*EVERY, *NAMED), _moved_by_a_tag_when_due),
    *all_of(NAMED, _moved, _moved_in_incident, _moved_in_both),
    *all_of(("two-pairs",), _moved_in_overlap, _moved_by_order, _moved_in_overlap_and_reported),
    *all_of((*EVERY, "listed", "two-slow", "one-slow"), _moved),
    *all_of((*SLOTTED, "listed", "two-slow"), _moved_in_overlap),
    *all_of((*EVERY, "listed", "two-slow", "one-slow"), _moved_in_incident),
    *all_of((*SLOTTED, "listed", "two-slow"), _moved_by_order),
    *all_of((*EVERY, "listed", "two-slow", "one-slow"), _moved_in_both),
    *all_of((*SLOTTED, "listed", "two-slow"), _moved_in_overlap_and_reported),
    *by_seeds(("two-by-name",), _moved, _moved_in_overlap, _moved_in_incident, _moved_by_order),
    *by_seeds(("two-by-name",), _moved_in_both, _moved_in_overlap_and_reported),
]
