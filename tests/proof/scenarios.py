"""What is asked for, from which state, and what people do meanwhile: everything that a schedule is played on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product

from engine.model.incident import Incident
from engine.model.record import Record, Write
from engine.model.sweep_order import SweepOrder
from engine.model.tags import OPERATION, OURS, REPLICA_OF, RETIRE, Pending
from engine.model.workitem import operation_id
from engine.secret import SecretRef, SecretVersion
from tests.proof.ports import Claim
from tests.proof.sources import Many, Slots, credential_in
from tests.proof.watch import Protected
from tests.proof.world import VAULT, World

type Move = Callable[[World], None]
"""Something that a person does by hand, once."""

FIRST = {"two-slots": "key1", "one-slot": "admin", "two-logins": "app_a", "many": "id1"}
SECOND = {"two-slots": "key2", "two-logins": "app_b", "many": "id2"}
REPLICAS = ("copy-a", "copy-b")


@dataclass(frozen=True)
class Scenario:
    """One situation."""

    name: str
    build: Callable[[World], None]
    moves: Mapping[str, Move] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    """How many versions each secret has in the end, where that is the same for every schedule."""
    exempt: frozenset[str] = frozenset()
    """Secrets that a person must mend."""
    workers: int = 2


def source_of(kind: str, name: str = "app") -> str:
    """Name a source."""
    return f"/{kind}/{name}"


def add_source(world: World, kind: str, name: str = "app") -> str:
    """Add a source with what a person made in it, and return the credential in its first place."""
    source = source_of(kind, name)
    if kind == "many":
        many = Many(world.mint)
        world.sources[source] = many
        many.add("made by hand")
        world.watch.foreign.add(many.add("somebody else's")[1])
        credential = many.entries["id1"].secret
    else:
        slots = Slots(world.mint, {})
        world.sources[source] = slots
        for slot in filter(None, (FIRST[kind], SECOND.get(kind))):
            slots.refill(slot)
        credential = slots.held[FIRST[kind]]
    world.scopes += (source,)
    return credential


def managed(kind: str, **tags: str) -> dict[str, str]:
    """Return the owner's tags."""
    usual = {"ProviderAddress": source_of(kind), "CredentialId": FIRST[kind], "ValidityPeriodDays": "90"}
    return {**usual, "Owner": "team-a", **tags}


def due(world: World, kind: str, *, days_left: float = 10, **tags: str) -> None:
    """Put one due secret under management."""
    world.secret("app", add_source(world, kind), days_left, managed(kind, **tags))


def ask(world: World, name: str = "app", *, pinned: bool = True, **fields: object) -> None:
    """Ask for something about a secret's current version."""
    version = world.vault[SecretRef(VAULT, name)][-1].version if pinned else None
    world.ask(name, **{"version": version, **fields})


def rotated(world: World, kind: str, hours_left: float) -> None:
    """Put one secret under management that was rotated some time ago and has a credential to retire."""
    first = add_source(world, kind)
    world.secret("app", first, 80, managed(kind))
    source = world.sources[source_of(kind)]
    operation = "made-before"
    if isinstance(source, Many):
        key, new = source.add(f"rekey {operation}")
    else:
        key = SECOND[kind]
        new = source.refill(key)
    ends = world.kernel.now() + timedelta(hours=hours_left)
    pending = Pending(ends, "v1", FIRST[kind])
    world.watch.protected.append(Protected(first, source_of(kind), hours_left * 3600, "v1"))
    marks = {"CredentialId": key, OPERATION: operation, RETIRE: str(pending)}
    _note(world, kind, world.secret("app", new, 90, managed(kind, **marks)), pending)


def _note(world: World, kind: str, published: SecretVersion, pending: Pending) -> None:
    """Write the record of a source whose secret was rotated some time ago."""
    assert published.value
    record = Record(source=source_of(kind), owner=str(published.ref).lower(), kind=kind).keyed()
    key, now = published.tags["CredentialId"], world.kernel.now()
    digest = record.digest(key, published.value)
    write = Write(
        published.tags[OPERATION], key, digest, pending.version, now, pending, str(published.version), published.created
    )
    tags = {tag: text for tag, text in published.tags.items() if tag not in OURS}
    record = replace(record, published=write, pending=pending, earlier=(pending.version,), tags=tags)
    world.claims[record.source] = Claim(record.to_json())


def _proven(world: World, kind: str) -> None:
    """Note that an audit has found the current version accepted: what nobody ever proved is left to whoever wrote it."""
    current = world.vault[SecretRef(VAULT, "app")][-1]
    record = Record(source=source_of(kind), owner=str(current.ref).lower(), proven=str(current.version))
    world.claims[record.source] = Claim(record.to_json())


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
    world.watch.compromised.add(credential_in(current.value.reveal()))
    world.watch.cut.add(str(world.watch.source_of(current)))
    ask(world, name, compromised=True, force=True)


def change_key(world: World) -> None:
    """Somebody changes the current credential at its source, and forgets the vault."""
    current = world.vault[SecretRef(VAULT, "app")][-1]
    assert current.value is not None
    credential, source = credential_in(current.value.reveal()), str(world.watch.source_of(current))
    world.watch.lapsed.add(source)
    world.watch.protected = [each for each in world.watch.protected if each.credential != credential]
    match world.sources[source]:
        case Many(entries=entries):
            for key in [key for key, entry in entries.items() if entry.secret == credential]:
                del entries[key]
        case Slots() as slots:
            for slot in [slot for slot, held in slots.held.items() if held == credential]:
                slots.refill(slot)


def change_version(world: World) -> None:
    """Somebody makes a credential at the source and puts it into the vault, as Rekey would."""
    current = world.vault[SecretRef(VAULT, "app")][-1]
    kind = current.tags["ProviderAddress"].split("/")[1]
    source = world.sources[source_of(kind)]
    world.watch.lapsed.add(source_of(kind))
    world.watch.cut.add(source_of(kind))
    if isinstance(source, Many):
        slot, value = source.add("made by hand, later")
    else:
        slot = SECOND[kind] if kind in SECOND and current.tags["CredentialId"] == FIRST[kind] else FIRST[kind]
        value = source.refill(slot)
    held = {credential_in(each.value.reveal()) for each in world.vault[current.ref] if each.value}
    world.watch.disowned |= held | {value}
    world.watch.orphaned.add(f"rekey {operation_id(current.ref, str(current.version))}")
    tags = {key: text for key, text in current.tags.items() if key not in OURS} | {"CredentialId": slot}
    world.secret("app", value, 90, tags)


def _rotation(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False, source=source_of(kind), action="rotate")
        ask(world, trigger="event")

    return Scenario(f"rotation/{kind}", build, {}, {"app": 2}, workers=3)


def _forced(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        ask(world, force=True)
        ask(world, trigger="event")

    return Scenario(f"forced/{kind}", build, {}, {"app": 2})


def _one(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(f"one/{kind}", build, {}, {"app": 2}, workers=1)


def _incident(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        incident(world)

    return Scenario(f"incident/{kind}", build)


def _incident_alone(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        incident(world)

    return Scenario(f"incident-alone/{kind}", build, {}, {"app": 2}, workers=1)


def _by_hand(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")

    return Scenario(f"by-hand/{kind}", build, {"key": change_key, "version": change_version})


def _drift(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        _proven(world, kind)
        change_key(world)
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"drift/{kind}", build, {}, {"app": 2}, workers=1)


def _drift_in_overlap(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        change_key(world)
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"drift-in-overlap/{kind}", build, {}, {"app": 3}, workers=1)


def _two_secrets(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        held = world.vault[SecretRef(VAULT, "app")][-1].value
        assert held is not None
        world.secret("rival", held.reveal(), 10, managed(kind))
        ask(world, trigger="event")
        ask(world, "rival", trigger="event")

    return Scenario(f"two-secrets/{kind}", build, exempt=frozenset({"app", "rival"}))


def _replicas(kind: str) -> Scenario:
    def build(world: World) -> None:
        with_replicas(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return Scenario(f"replicas/{kind}", build, {}, {"app": 2})


def _unbound(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind)
        credential = add_source(world, kind, "victim")
        world.scopes = world.scopes[:1]
        world.watch.untouchable |= world.sources[source_of(kind, "victim")].alive()
        world.secret("thief", credential, 10, managed(kind, ProviderAddress=source_of(kind, "victim")))
        ask(world, trigger="event")
        ask(world, "thief", force=True)

    return Scenario(f"unbound/{kind}", build, {}, {"app": 2}, frozenset({"thief"}))


def _retirement(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=-1)
        ask(world, action="retire", trigger="sweep")
        ask(world, force=True)

    return Scenario(f"retirement/{kind}", build, {"incident": incident}, exempt=frozenset())


def _restore(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=1)
        ask(world, action="restore")
        ask(world, action="audit", trigger="sweep")

    return Scenario(f"restore/{kind}", build, {}, {"app": 3})


def _window(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, RotationWindow="Mon 08:00-09:01 UTC")
        ask(world, trigger="event")

    return Scenario(f"window/{kind}", build, {}, {"app": 2}, workers=1)


def _closed(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=25, RotationWindow="Tue 12:00-15:00 UTC")
        world.watch.open_at = lambda moment: moment.weekday() == 1 and 12 <= moment.hour < 15
        ask(world, trigger="event")

    return Scenario(f"closed/{kind}", build, {}, {"app": 2})


def _stranger(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, Replicas=f"{VAULT}/secrets/stranger")
        world.watch.strangers.append(world.secret("stranger", "somebody else's", 10, {"Owner": "team-b"}))
        ask(world, trigger="event")

    return Scenario(f"stranger/{kind}", build, exempt=frozenset({"app"}))


def _order(kind: str) -> Scenario:
    def build(world: World) -> None:
        due(world, kind, days_left=80)
        world.advance(60)
        current = world.vault[SecretRef(VAULT, "app")][-1]
        assert current.value is not None
        world.watch.compromised.add(credential_in(current.value.reveal()))
        world.watch.cut.add(source_of(kind))
        order = SweepOrder.for_incident(VAULT, Incident(world.kernel.now(), source=source_of(kind), reason="leaked"))
        world.post("sweep", order.to_json())

    return Scenario(f"order/{kind}", build, {}, {"app": 2})


def _incident_restore(kind: str) -> Scenario:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        earlier = world.vault[SecretRef(VAULT, "app")][0].value
        assert earlier is not None
        world.watch.compromised.add(credential_in(earlier.reveal()))
        world.watch.cut.add(source_of(kind))
        ask(world, compromised=True, force=True, version="v1")
        ask(world, action="restore")

    return Scenario(f"incident-restore/{kind}", build)


def forge(**forged: str) -> Move:
    """Return a move in which somebody edits tags of Rekey's own on the current version."""

    def edit(world: World) -> None:
        versions = world.vault[SecretRef(VAULT, "app")]
        versions[-1] = replace(versions[-1], tags={**versions[-1].tags, **forged})

    return edit


def _hostile(kind: str) -> Scenario:
    victim = "id3" if kind == "many" else FIRST[kind]

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        ask(world, action="audit", trigger="sweep")
        ask(world, action="retire", trigger="sweep")

    moves = {
        "retire": forge(**{RETIRE: f"2026-11-01T00:00:00Z v1 {FIRST[kind]}"}),
        "retire another": forge(**{RETIRE: f"2026-11-01T00:00:00Z v1 {victim}"}),
        "credential": forge(CredentialId=FIRST[kind]),
        "operation": forge(**{OPERATION: "00000000-0000-0000-0000-000000000000"}),
        "state": forge(RekeyState="compromised 2027-01-01T00:00:00Z 000000000000"),
    }
    return Scenario(f"hostile/{kind}", build, moves)


SLOTTED = ("two-slots", "two-logins", "many")
EVERY = (*SLOTTED, "one-slot")
SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        *(
            make(kind)
            for make, kind in product(
                (
                    _one,
                    _rotation,
                    _forced,
                    _incident,
                    _incident_alone,
                    _by_hand,
                    _drift,
                    _two_secrets,
                    _replicas,
                    _unbound,
                    _window,
                    _closed,
                    _stranger,
                    _order,
                ),
                EVERY,
            )
        ),
        *(
            make(kind)
            for make, kind in product((_retirement, _restore, _drift_in_overlap, _incident_restore, _hostile), SLOTTED)
        ),
    ]
}
