"""How a situation is set: sources, secrets under management, requests; and what a scenario is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from engine.parts import GRACE_SECONDS
from engine.secret import SecretRef, SecretVersion
from engine.state.incident import Incident
from engine.state.record import Record, parts_of
from engine.state.record_parts import History, Past, Published, Verified
from engine.state.sweep_order import SweepOrder
from engine.state.tags import OPERATION, OURS, REPLICA_OF, RETIRE, Pending
from tests.proof.kernel import FAULTS, Mode
from tests.proof.model_leases import Claim
from tests.proof.sources import Lasting, Listing, Many, Slots, address_of, credential_in
from tests.proof.watch import Protected
from tests.proof.world import VAULT, World

type Move = Callable[[World], None]
"""Something that a person does by hand, once."""
NO_MOVES: Mapping[str, Move] = {}

FIRST = {
    "two-slots": "key1",
    "one-slot": "admin",
    "two-logins": "app_a",
    "many": "id1",
    "two-slow": "key1",
    "one-slow": "admin",
    "listed": "id1",
    "two-by-name": "key1",
    "one-login": "app",
    "one-doubtful": "admin",
    "two-doubtful": "app_a",
    "two-pairs": "app1",
}
SECOND = {
    "two-slots": "key2",
    "two-logins": "app_b",
    "many": "id2",
    "two-slow": "key2",
    "listed": "id2",
    "two-by-name": "key2",
    "two-pairs": "app2",
    "two-doubtful": "app_b",
}
MANY: Mapping[str, type[Many]] = {"many": Many, "listed": Listing}
SLOW = frozenset({"two-slow", "one-slow"})
TAKES = 150.0
"""Seconds for which a change goes on at a source that accepts it first."""
REPLICAS = ("copy-a", "copy-b")


@dataclass(frozen=True)
class Scenario:
    """One situation."""

    name: str
    build: Callable[[World], None]
    moves: Mapping[str, Move] = field(default_factory=dict)
    versions: Mapping[str, int | range] = field(default_factory=dict)
    """How many versions each secret has in the end, or may have, where every schedule tells."""
    exempt: frozenset[str] = frozenset()
    """Secrets that a person must mend."""
    workers: int = 2
    faults: tuple[Mode, ...] = FAULTS
    """What may go wrong at a call."""
    audits: int = 1
    """On so many days in a row its daily audits come, before the overlap has passed."""
    mend: Move | None = None
    """What a person does in the end, where something is left that only a person can mend."""
    mends: int = 1
    """How often somebody does that, each time a day later, while they are told of more."""
    is_planned: bool = True
    """Faults at numbered calls are played; where not, its moves alone tell it from a neighbour."""


type Maker = Callable[[str], Scenario]
"""What makes the scenario of a kind of source."""

SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")
PASSWORDS = ("one-slot", "one-doubtful")
SINGLE = (*PASSWORDS, "one-slow")
FURTHER_SLOTTED = ("two-slow", "listed", "two-by-name")
FURTHER = (*FURTHER_SLOTTED, "one-slow")
"""Sources that are slow, write whole lists, or name what is to be made: see the moves of each."""
DOUBTFUL = {"one-slot": "one-doubtful", "two-logins": "two-doubtful"}
"""A kind → the one that differs in knowing what it may have set: see doubtful_kinds.py."""


def scenario(name: str, *arguments: Any, **more: Any) -> Callable[[Move], Scenario]:
    """Make what sets a situation a scenario of it; the rest is said as a Scenario says it."""
    return lambda build: Scenario(name, build, *arguments, **more)


def per_kind(
    name: str,
    moves: Mapping[str, Move] | Callable[[str], Mapping[str, Move]] = NO_MOVES,
    **more: Any,
) -> Callable[[Callable[[World, str], None]], Maker]:
    """Make what sets a situation with a kind of source a scenario of each kind asked for."""

    def makes(build: Callable[[World, str], None]) -> Maker:
        def of_kind(kind: str) -> Scenario:
            theirs = moves(kind) if callable(moves) else moves
            return Scenario(f"{name}/{kind}", lambda world: build(world, kind), theirs, **more)

        return of_kind

    return makes


def all_of(kinds: tuple[str, ...], *makers: Maker) -> list[Scenario]:
    """Return the scenarios of these kinds, and, by seeds, of their doubtful ones."""
    like = [DOUBTFUL[kind] for kind in kinds if kind in DOUBTFUL]
    doubtful = [replace(make(kind), is_planned=False) for make, kind in product(makers, like)]
    return [make(kind) for make, kind in product(makers, kinds)] + doubtful


def by_seeds(kinds: tuple[str, ...], *makers: Maker) -> list[Scenario]:
    """Return the scenarios of these kinds, to be played by seeds and orders alone.

    What tells these kinds from others has scenarios of its own, with every fault.
    """
    return [replace(scenario, is_planned=False) for scenario in all_of(kinds, *makers)]


def source_of(kind: str, name: str = "app") -> str:
    """Name a source; two logins need a lease each."""
    return (
        f"/{kind}/{name}+{name}-b" if kind in ("two-logins", "two-doubtful") else f"/{kind}/{name}"
    )


def slots_of(source: str) -> tuple[str, ...]:
    """Name the slots of a source, the first one first. Of some kinds their names tell which it is."""
    kind, name = source.split("/")[1:3]
    slots = (FIRST[kind], SECOND[kind]) if kind in SECOND else (FIRST[kind],)
    return slots if address_of(source) == source else tuple(it.replace("app", name) for it in slots)


def blob_of(source: str) -> str:
    """Return under which of its parts the record of a source lies."""
    return parts_of(source)[0]


def add_source(world: World, kind: str, name: str = "app") -> str:
    """Add a source with what a person made in it, and return the credential in its first place."""
    source = source_of(kind, name)
    if kind in MANY:
        many = MANY[kind](world.mint)
        world.sources[source] = many
        many.add("made by hand")
        world.watch.foreign.add(many.add("somebody else's")[1])
        credential = many.entries["id1"].secret
    else:
        slots = Slots(world.mint, {}, lasting=Lasting(TAKES) if kind in SLOW else None)
        world.sources[source] = slots
        for slot in (places := slots_of(source)):
            slots.refill(slot)
        credential = slots.held[places[0]]
    world.scopes += (source,)
    return credential


def managed(kind: str, **tags: str) -> dict[str, str]:
    """Return the owner's tags."""
    usual = {
        "ProviderAddress": address_of(source_of(kind)),
        "CredentialId": FIRST[kind],
        "ValidityPeriodDays": "90",
    }
    return {**usual, "Owner": "team-a", **tags}


def due(world: World, kind: str, *, days_left: float = 10, **tags: str) -> None:
    """Put one due secret under management."""
    world.secret("app", add_source(world, kind), days_left, managed(kind, **tags))


def ask(
    world: World,
    name: str = "app",
    *,
    pinned: bool = True,
    vault: str = VAULT,
    deployment: str | None = None,
    **fields: Any,
) -> None:
    """Ask for something about a secret's current version."""
    version = world.vault[SecretRef(vault, name)][-1].version if pinned else None
    world.ask(name, vault=vault, deployment=deployment, **{"version": version, **fields})


def rotated(world: World, kind: str, hours_left: float, **tags: str) -> None:
    """Put a secret under management that was rotated before and has a credential to retire."""
    first = add_source(world, kind)
    before = world.secret("app", first, 80, managed(kind, **tags))
    # Nobody could tell which of two came first that were written in the same second.
    world.vault[before.ref][-1] = replace(before, created=before.created - timedelta(days=1))
    source = world.sources[source_of(kind)]
    operation = "made-before"
    if isinstance(source, Many):
        key, new = source.add(f"rekey {operation}")
    else:
        assert isinstance(source, Slots)
        key = SECOND[kind]
        new = source.refill(key)
    ends = world.kernel.now() + timedelta(hours=hours_left)
    pending = Pending(ends, "v1", FIRST[kind])
    world.watch.protected.append(Protected(first, source_of(kind), hours_left * 3600, "v1"))
    marks = {"CredentialId": key, OPERATION: operation, RETIRE: str(pending)}
    published = world.secret("app", new, 90, managed(kind, **tags, **marks))
    world.by_hand.discard(str(published.version))
    world.written.discard(str(published.version))
    _note(world, kind, published, pending)


def remembered(world: World, kind: str) -> None:
    """Note what the first version holds, as a rotation does where that was proven."""
    claim = world.claims[blob_of(source_of(kind))]
    value = world.vault[SecretRef(VAULT, "app")][0].value
    assert value
    held = Past("v1", FIRST[kind], claim.record.digest(FIRST[kind], value))
    claim.record = replace(claim.record, history=History(credentials=(held,)))


def _note(world: World, kind: str, published: SecretVersion, pending: Pending) -> None:
    """Write the record of a source whose secret was rotated some time ago."""
    assert published.value
    record = Record(source=source_of(kind), owner=str(published.ref).lower(), kind=kind).keyed()
    key, now = published.tags["CredentialId"], world.kernel.now()
    digest = record.digest(key, published.value)
    write = Published(
        published.tags[OPERATION],
        key,
        digest,
        pending.version,
        now,
        version=str(published.version),
        created=published.created,
    )
    tags = {tag: text for tag, text in published.tags.items() if tag not in OURS}
    record = replace(
        record,
        published=write,
        to_retire=(pending,),
        history=History((pending.version,)),
        verified=replace(record.verified, tags=tags),
    )
    world.claims[blob_of(record.source)] = Claim(record)


def proven(world: World, kind: str) -> None:
    """Note that an audit has found the current version accepted.

    What nobody ever proved is left to whoever wrote it.
    """
    owned(world, source_of(kind), world.vault[SecretRef(VAULT, "app")][-1])


def owned(world: World, source: str, version: SecretVersion) -> None:
    """Note that a secret owns a source, and that an audit has found its version accepted."""
    verified = Verified(str(version.version), created=version.created)
    record = Record(source=source, owner=str(version.ref).lower(), verified=verified)
    world.claims[blob_of(source)] = Claim(record)


def with_replicas(world: World, kind: str) -> None:
    """Put one due secret under management that two others copy, one of them in another form."""
    due(world, kind, Replicas=",".join(f"{VAULT}/secrets/{name}" for name in REPLICAS))
    first = world.vault[SecretRef(VAULT, "app")][-1].value
    assert first is not None
    for name, shape in zip(REPLICAS, ("{key}", "Password={key};Encrypt=yes"), strict=True):
        tags = {REPLICA_OF: f"{VAULT}/secrets/app", "ValueTemplate": shape}
        world.secret(name, shape.format(key=first.reveal()), 10, tags)


def incident(world: World, *, name: str = "app") -> None:
    """An operator says that the current credential is known to somebody."""
    current = world.vault[SecretRef(VAULT, name)][-1]
    assert current.value is not None
    held = credential_in(current.value.reveal())
    # Its tags may name another source by now, or none.
    leaked(world, name, held, world.watch.source_by(held) or str(world.watch.source_of(current)))
    ask(world, name, compromised=True, force=True)


def reports(world: World, *, name: str = "app") -> None:
    """An operator reports what a secret holds now, wherever that is, if it works."""
    ref = SecretRef(VAULT, name)
    version = world.vault[ref][-1] if ref in world.vault else None
    if version and version.value and version.enabled and world.watch.holds(version):
        incident(world, name=name)


def ordered(world: World, kind: str, since: datetime | None = None) -> None:
    """An order of an incident comes that covers a kind's source, from now on or another time."""
    since = since or world.kernel.now()
    incident = Incident(since, source=source_of(kind), reason="leaked")
    declare(world, SweepOrder.for_incident(VAULT, incident))


def declare(world: World, declared: SweepOrder) -> None:
    """Declare an incident: its order is stored before its message is posted."""
    world.keep(declared.request, declared.to_json(), GRACE_SECONDS)
    world.post("sweep", declared.to_json())


def leaked(world: World, name: str, credential: str, source: str) -> None:
    """Note that a credential is known to somebody."""
    world.watch.compromised[credential] = name
    world.watch.leaked_at.setdefault(credential, len(world.watch.outcomes))
    world.watch.incidents.add(name)
    world.watch.cut.add(source)


def current(world: World, name: str = "app", vault: str = VAULT) -> SecretVersion:
    """Return a secret's current version."""
    return world.vault[SecretRef(vault, name)][-1]


def credential_of(version: SecretVersion) -> str:
    """Return the credential that a version holds."""
    return credential_in(version.value.reveal() if version.value else "")
