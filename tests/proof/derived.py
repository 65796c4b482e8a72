"""Situations of a secret that is made from the key of another one, and must follow it."""

from __future__ import annotations

from engine.state.tags import DERIVED_FROM, MAY_DERIVE, OURS
from tests.proof import circumstances, people
from tests.proof.excuses import Excuse
from tests.proof.further import STALE
from tests.proof.kernel import EVERY_FAULT
from tests.proof.sources import Signatures, Slots, signature
from tests.proof.staging import (
    Move,
    add_source,
    ask,
    current,
    due,
    incident,
    managed,
    owned,
    rotated,
    scenario,
    source_of,
)
from tests.proof.world import OTHER_VAULT, VAULT, World

KIND, EXTENT = "two-slots", "sas/r"
CONSENT = f"sas={EXTENT}"
VICTIM = source_of(KIND, "victim")
SAS = f"{source_of(KIND)}/{EXTENT}"
DAY = 86400.0
BOTH = {"app": 2, "sas": 2}


def sign(world: World, *, days_left: float = 10, key: str = "key1") -> None:
    """Put what a key of `app` has signed under management."""
    slots = _slots(world)
    world.sources[SAS] = Signatures(slots)
    ends = world.kernel.time() + days_left * DAY
    tags = {"ProviderAddress": SAS, DERIVED_FROM: f"{VAULT}/secrets/app", "Owner": "team-c"}
    world.secret(
        "sas", signature(slots.held[key], ends), days_left, {**tags, "ValidityPeriodDays": "90"}
    )


def key_and_sas(world: World, days_left: float = 10) -> None:
    """Put a key and what it has signed under management; the two end together."""
    due(world, KIND, days_left=days_left, **{MAY_DERIVE: CONSENT})
    sign(world, days_left=days_left)


def moved(world: World, hours_left: float) -> None:
    """Put a key under management that was rotated before, and what its predecessor has signed."""
    rotated(world, KIND, hours_left, **{MAY_DERIVE: CONSENT})
    sign(world, days_left=80)
    owned(world, SAS, current(world, "sas"))


def cut(world: World) -> None:
    """The key is known to somebody, so what it has signed may work, too."""
    incident(world)
    world.watch.cut.add(SAS)


@scenario("derived", versions=BOTH, workers=1)
def _one(world: World) -> None:
    """A key is rotated, and what it has signed follows it."""
    key_and_sas(world)
    ask(world, trigger="event")


@scenario("derived-alone", versions={"app": 1, "sas": 2}, workers=1)
def _alone(world: World) -> None:
    """A signature is due, and its key is not."""
    due(world, KIND, days_left=80, **{MAY_DERIVE: CONSENT})
    sign(world)
    ask(world, "sas", trigger="event")


@scenario("derived-together", versions=BOTH)
def _together(world: World) -> None:
    """Events come for both at the same time, and a look of the signature at its key."""
    key_and_sas(world)
    ask(world, trigger="event")
    ask(world, "sas", trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


@scenario("derived-incident", versions=BOTH, workers=1)
def _incident(world: World) -> None:
    """The key is known to somebody."""
    key_and_sas(world, days_left=80)
    owned(world, SAS, current(world, "sas"))
    cut(world)


@scenario("derived-incident-in-overlap")
def _incident_in_overlap(world: World) -> None:
    """The key is known to somebody in its overlap, while a signature still lives on the first."""
    moved(world, 100)
    cut(world)
    ask(world, "sas", action="audit", trigger="sweep")


@scenario(
    "derived-incident-outage",
    {
        f"{service} goes away": circumstances.outage(service, 3600.0)
        for service in ("source", "vault", "writes", "storage")
    },
    faults=EVERY_FAULT,
    is_planned=False,
)
def _incident_outage(world: World) -> None:
    """A service goes away for an hour while the key is known to somebody."""
    moved(world, 100)
    # As long as the key is not replaced, what it made is looked at again and again.
    world.away += 2 * 3600.0
    cut(world)


@scenario("derived-retirement", {"incident": cut}, workers=1)
def _retirement(world: World) -> None:
    """A key is due to be retired, and what it has signed has not moved on."""
    moved(world, 168)
    world.advance(169 * 3600.0)
    ask(world, action="retire", trigger="sweep")


def _left(name: str) -> Move:
    """Return a move after which the owner of a secret has something to mend, and `sas` lapses."""

    def move(world: World) -> None:
        world.watch.excuses.grant(Excuse.CLAIM, "sas")
        people.untagging(name)(world)

    return move


def _edited(**tags: str) -> Move:
    """Return a move in which somebody edits the signature's own tags."""

    def move(world: World) -> None:
        version = current(world, "sas")
        world.watch.excuses.grant(Excuse.CLAIM, "sas")
        world.edit(version.ref, tags={**version.tags, **tags})

    return move


def mend(world: World) -> None:
    """The owners of both give them their tags back, consent included."""
    people.mend(world)
    mend_signature(world)


def mend_signature(world: World) -> None:
    """The owner of the signature gives it its tags back."""
    version = current(world, "sas")
    wanted = world.wanted[version.ref]
    kept = {tag: text for tag, text in version.tags.items() if tag == "CredentialId"}
    theirs = {tag: text for tag, text in version.tags.items() if tag not in {*OURS, *kept}}
    marked = any(tag.startswith("RekeyState") for tag in version.tags)
    if not version.enabled or marked or theirs != wanted:
        world.watch.off.discard(str(version.version))
        world.edit(version.ref, enabled=True, tags={**wanted, **kept})


def _disable(world: World) -> None:
    world.watch.excuses.grant(Excuse.CLAIM, "sas")
    people.disable(world)


@scenario(
    "derived-consent",
    {
        "takes consent back": _left(MAY_DERIVE),
        "gives consent": people.tagging(**{MAY_DERIVE: CONSENT}),
        "disables the key": _disable,
        "enables the key": people.enable,
        "takes the key out": _left("ProviderAddress"),
    },
    mend=mend,
)
def _consent(world: World) -> None:
    """The owner of the key takes consent back, and gives it again."""
    key_and_sas(world)
    ask(world, trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


def leak(world: World) -> None:
    """The signature is known to somebody; the one in its place is cut off no earlier for that."""
    incident(world, name="sas")
    world.watch.cut.discard(SAS)


def _signature_leaks(world: World) -> None:
    key_and_sas(world, days_left=80)
    owned(world, SAS, current(world, "sas"))
    leak(world)


@scenario("derived-leak", mend=cut, workers=1)
def _leak(world: World) -> None:
    """A signature is known to somebody, and its key is rotated."""
    _signature_leaks(world)
    ask(world, force=True, trigger="manual")


@scenario("derived-leak-then-key")
def _leak_then_key(world: World) -> None:
    """A signature is known to somebody. So its key is reported, which the new one follows."""
    _signature_leaks(world)
    cut(world)


@scenario(
    "derived-leak-consent",
    {"takes consent back": _left(MAY_DERIVE)},
    mend=mend,
    workers=1,
)
def _leak_consent(world: World) -> None:
    """A signature is known to somebody, its key is reported, and the key's owner withdraws."""
    _signature_leaks(world)
    cut(world)


@scenario(
    "derived-edits",
    {
        "names another key": _edited(**{DERIVED_FROM: f"{VAULT}/secrets/victim"}),
        "names another key and account": _edited(
            **{DERIVED_FROM: f"{VAULT}/secrets/victim", "ProviderAddress": f"{VICTIM}/{EXTENT}"}
        ),
        "wants more": _edited(ProviderAddress=f"{SAS}w"),
        "names itself": _edited(**{DERIVED_FROM: f"{VAULT}/secrets/sas"}),
        "names nobody": _edited(**{DERIVED_FROM: f"{OTHER_VAULT}/secrets/app"}),
        "wants a key": _edited(ProviderAddress=source_of(KIND)),
    },
    mend=mend,
)
def _edits(world: World) -> None:
    """Somebody edits what the signature is made from, and what it permits."""
    key_and_sas(world)
    held = add_source(world, KIND, "victim")
    victim = managed(KIND, ProviderAddress=VICTIM)
    owned(world, VICTIM, world.secret("victim", held, 80, victim))
    world.watch.foreign |= world.sources[VICTIM].alive()
    world.sources[f"{VICTIM}/{EXTENT}"] = Signatures(_slots(world, VICTIM))
    world.sources[f"{SAS}w"] = Signatures(_slots(world))
    ask(world, trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


def _slots(world: World, source: str = source_of(KIND)) -> Slots:
    slots = world.sources[source]
    assert isinstance(slots, Slots)
    return slots


def _written(world: World) -> None:
    version = current(world, "sas")
    people.at_own_risk(world)
    world.watch.excuses.grant(Excuse.LEFT_ALONE, "sas")
    if version.value:
        world.secret("sas", version.value.reveal(), 9, version.tags)


@scenario(
    "derived-and-people",
    {
        "revokes the key": people.change_key,
        "writes the signature again": _written,
        "writes the key again": people.same_again,
        "writes a key": people.change_version,
    },
    mend=mend,
    workers=1,
)
def _people(world: World) -> None:
    """People revoke the key, and write versions of both, while the one follows the other."""
    key_and_sas(world)
    # As long as the key is refused, what it made is looked at again and again.
    world.away += 3600.0
    ask(world, trigger="event")


@scenario("derived-lagging", {"fails over": circumstances.failover}, BOTH, faults=STALE)
def _lagging(world: World) -> None:
    """Reads show the key that was there before."""
    key_and_sas(world)
    ask(world, trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


@scenario("derived-outage", circumstances.outages(), BOTH, workers=1, faults=EVERY_FAULT)
def _outage(world: World) -> None:
    """A service goes away while one follows the other."""
    key_and_sas(world)
    ask(world, trigger="event")


DERIVED = [
    *(_one, _alone, _together, _incident, _incident_in_overlap, _incident_outage, _retirement),
    *(_consent, _leak, _leak_then_key, _leak_consent, _edits, _people, _lagging, _outage),
]
