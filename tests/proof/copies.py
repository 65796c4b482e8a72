"""Replicas that come and go while their primary is rotated, or has leaked.

One is named no more, another is made and named. One is deleted and recovered. One is made the
replica of another secret. Its primary is to write each as long as both of them want that.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.secret import SecretRef
from engine.state.tags import OURS, REPLICA_OF
from tests.proof import adversaries
from tests.proof.excuses import Excuse
from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    REPLICAS,
    Move,
    all_of,
    ask,
    by_seeds,
    current,
    incident,
    per_kind,
    rotated,
    with_replicas,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")
FIRST, SECOND = (SecretRef(VAULT, name) for name in REPLICAS)
NEW = SecretRef(VAULT, "copy-c")


def _name(world: World, *refs: SecretRef) -> None:
    """Have the primary name these replicas, and no others."""
    tags = {tag: text for tag, text in current(world).tags.items() if tag != "Replicas"}
    urls = ",".join(map(str, refs))
    world.edit(APP, tags={**tags, "Replicas": urls} if urls else tags)


def _named(world: World) -> list[SecretRef]:
    urls = current(world).tags.get("Replicas", "").split(",")
    return [SecretRef.parse(url) for url in urls if url]


def names_less(world: World) -> None:
    """The primary's owner names the first one no more: whoever reads it looks after that."""
    world.watch.excuses.grant(Excuse.CLAIM, FIRST.name)
    _name(world, *(ref for ref in _named(world) if ref != FIRST))


def names_again(world: World) -> None:
    """It is named again."""
    if FIRST not in _named(world):
        # It may hold what was cut off since, until the next rotation or audit.
        _name(world, FIRST, *_named(world))


def names_more(world: World) -> None:
    """Somebody makes another replica, with what the primary holds now, and its owner names it."""
    version = current(world)
    if NEW in world.vault or not version.value:
        return
    world.secret(NEW.name, version.value.reveal(), 10, {REPLICA_OF: str(APP)})
    world.wanted[NEW] = {REPLICA_OF: str(APP)}
    until = world.kernel.time() + AUDITED_SECONDS
    address = str(world.watch.source_of(version))
    world.watch.excuses.grant(Excuse.BROKEN, address, until)
    if world.workers or world.in_flight:
        # Who has read the tags before writes them as they were: Key Vault knows no If-Match.
        world.watch.excuses.grant(Excuse.CLAIM, NEW.name)
    _name(world, *_named(world), NEW)


def deletes(world: World) -> None:
    """A replica's owner deletes it: its primary waits for that."""
    if SECOND in world.vault:
        for name in (APP.name, SECOND.name):
            world.watch.excuses.grant(Excuse.CLAIM, name)
        world.delete(SECOND)


def recovers(world: World) -> None:
    """It is recovered, with what it held."""
    if SECOND in world.deleted:
        world.watch.excuses.grant(Excuse.CLAIM, SECOND.name)
        world.recover(SECOND)


def mend(world: World) -> None:
    """Both owners mend theirs: each copy is there, consents, and is named."""
    recovers(world)
    adversaries.give_consent(world)
    version = current(world)
    wanted = [ref for ref in (FIRST, SECOND, NEW) if ref in world.vault]
    if sorted(map(str, _named(world))) != sorted(map(str, wanted)):
        _name(world, *wanted)
    world.wanted[APP] = {**world.wanted[APP], "Replicas": current(world).tags["Replicas"]}
    marked = any(tag.startswith("RekeyState") for tag in version.tags)
    if marked:
        kept = {
            tag: it
            for tag, it in current(world).tags.items()
            if tag not in OURS - {"RekeyRetire", "RekeyOperation"}
        }
        world.edit(APP, tags=kept)


MOVES: Mapping[str, Move] = {
    "names less": names_less,
    "names it again": names_again,
    "names more": names_more,
    "a replica is deleted": deletes,
    "it is recovered": recovers,
    "its owner consents to another": adversaries.forging_a_replica("two-slots")["consent goes"],
}


@per_kind("copies", MOVES, mend=mend, mends=2, is_planned=False)
def _copies(world: World, kind: str) -> None:
    """Replicas come and go while their primary is rotated."""
    with_replicas(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind("copies-in-incident", MOVES, mend=mend, mends=3, is_planned=False)
def _copies_in_incident(world: World, kind: str) -> None:
    """The same while what all of them hold has leaked."""
    with_replicas(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


BEHIND: Mapping[str, Move] = {"names less": names_less, "names it again": names_again}


@per_kind("copies-behind", BEHIND, mend=mend, mends=2, is_planned=False)
def _behind(world: World, kind: str) -> None:
    """Replicas that hold what is superseded are named once its overlap is over.

    Whoever reads them has an overlap of their own, before that is revoked.
    """
    rotated(world, kind, hours_left=-1, Replicas=f"{FIRST},{SECOND}")
    superseded = world.vault[APP][0].value
    assert superseded
    for ref in (FIRST, SECOND):
        world.secret(ref.name, superseded.reveal(), 10, {REPLICA_OF: str(APP)})
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


def _takes_no_writes(world: World) -> None:
    """The vault of the replicas answers reads alone for half an hour: their primary goes on."""
    until = world.kernel.time() + 1800.0
    world.down["copies"] = max(world.down.get("copies", 0.0), until)
    world.away += 1800.0
    world.watch.disturb(until, copies=True)


AWAY: Mapping[str, Move] = {"no replica can be written": _takes_no_writes}


@per_kind("copies-away", AWAY, is_planned=False)
def _away(world: World, kind: str) -> None:
    """The replicas' vault takes no writes from some moment of a rotation on."""
    with_replicas(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@per_kind("copies-away-in-incident", AWAY, is_planned=False)
def _away_in_incident(world: World, kind: str) -> None:
    """The same while what all of them hold has leaked."""
    with_replicas(world, kind)
    incident(world)


COPIES = [
    *all_of(EVERY, _away, _away_in_incident),
    *all_of(EVERY, _copies, _copies_in_incident),
    *by_seeds(FURTHER, _copies, _copies_in_incident),
    *all_of(("two-slots", "many"), _behind),
    *by_seeds(("two-logins", *FURTHER_SLOTTED), _behind),
]
