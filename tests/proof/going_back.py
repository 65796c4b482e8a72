"""Situations in which the store of records goes back in time, or loses or exchanges records.

A storage account that fails over to its copy has lost its last writes, and a blob may be restored
from a backup. What the vaults and the sources hold stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from engine.state.record import Record, parts_of
from engine.state.tags import OPERATION, REASON, RETIRE, STATE
from tests.proof import circumstances, people
from tests.proof.derived import key_and_sas, mend_signature
from tests.proof.excuses import Excuse
from tests.proof.kinds import SINCE
from tests.proof.lasting import LOOKS_OF_A_DAY, under_way, went_on
from tests.proof.sources import Many, Slots, credential_in, signed
from tests.proof.staging import (
    PASSWORDS,
    Move,
    add_source,
    all_of,
    ask,
    by_seeds,
    credential_of,
    current,
    due,
    incident,
    managed,
    owned,
    per_kind,
    proven,
    rotated,
    scenario,
    source_of,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import NEVER, VAULT, Message, World

LISTED = ("two-slots", "two-logins", "many", "listed")
EVERY = (*LISTED, "one-slot")
AWAY_SECONDS = 600.0
"""How long a failover takes: no lease outlasts it."""
A_MINUTE = 60.0


def put_back(world: World, records: Mapping[str, Record]) -> None:
    """Have the store show these records, and no others; whoever has read one cannot write it."""
    for source, claim in list(world.claims.items()):
        record = records.get(source)
        if record == claim.record:
            continue
        until = world.kernel.time() + AWAY_SECONDS + AUDITED_SECONDS
        world.watch.excuses.grant(Excuse.STORE, claim.record.source, until)
        if record is None:
            del world.claims[source]
        else:
            claim.record, claim.etag = record, claim.etag + 1


def _earlier(writes: int, *, queues: bool = False) -> Move:
    """Return a move after which the last writes of all records are undone, as the queues may be."""

    def move(world: World) -> None:
        assert world.past is not None
        if world.past:
            stored = world.past[-writes] if writes <= len(world.past) else world.past[0]
            put_back(world, stored.records)
            if queues:
                _queued_again(world, stored.messages)
            del world.past[-writes:]

    return move


def _queued_again(world: World, messages: Sequence[Message]) -> None:
    """Show the queues as they were: what was posted since is lost, what was deleted comes again."""
    back = world.kernel.time() + AWAY_SECONDS
    again = (message.visible if message.visible < NEVER else back for message in messages)
    world.messages = [
        replace(message, visible=max(visible, back))
        for message, visible in zip(messages, again, strict=True)
    ]
    for claim in world.claims.values():
        world.watch.excuses.grant(Excuse.STORE, claim.record.source, back + AUDITED_SECONDS)


def _before_it_published(world: World) -> None:
    """Show the record of each source as it was before the last version was published."""
    assert world.past is not None
    now = {source: claim.record.published for source, claim in world.claims.items()}
    before = [
        stored.records
        for stored in world.past
        if any(record.published != now.get(source) for source, record in stored.records.items())
    ]
    if before:
        put_back(world, before[-1])


def _lost(world: World) -> None:
    """Lose every record."""
    put_back(world, {})


def _exchanged(world: World) -> None:
    """Put each record in the place of the next one, as a restore under wrong names does."""
    sources = list(world.claims)
    records = [claim.record for claim in world.claims.values()]
    put_back(world, dict(zip(sources, records[1:] + records[:1], strict=True)))


def _by_failover(back: Move) -> Move:
    """Return a move in which the account is away for minutes, and comes back with older records."""

    def move(world: World) -> None:
        circumstances.outage("storage", AWAY_SECONDS)(world)
        back(world)

    return move


def _by_hand(back: Move) -> Move:
    """Return a move in which somebody restores blobs; Azure refuses to write one that is leased."""

    def move(world: World) -> None:
        now = world.kernel.time()
        if not any(claim.holder and claim.until > now for claim in world.claims.values()):
            back(world)

    return move


MOVES: Mapping[str, Move] = {
    "fails over by a write": _by_failover(_earlier(1)),
    "fails over by three writes": _by_failover(_earlier(3)),
    "fails over to the beginning": _by_failover(_earlier(1000)),
    "with its queues the account fails over": _by_failover(_earlier(2, queues=True)),
    "with its queues the account fails over to the beginning": _by_failover(
        _earlier(1000, queues=True)
    ),
    "a record is restored": _by_hand(_before_it_published),
    "the records are lost": _by_hand(_lost),
}


def mend(world: World) -> None:
    """Do what the reports and the marks say, as the runbook explains it; then what any owner does."""
    for name in [ref.name for ref in world.vault if ref.vault == VAULT]:
        text = said_of(world, name)
        if is_wrong := "that of another source" in text:
            _move_aside(world)
        if is_wrong or "is in use" in text:
            revoke_named(world, name)
        if SINCE in current(world, name).tags.get(REASON, ""):
            # The key that a person has revoked by hand is nobody's.
            world.ask(name, version=current(world, name).version, action="audit")
        if "if only one does" in text:
            _unmark(world, name, OPERATION)
        if RETIRE in current(world, name).tags:
            # Nobody was told of it, and the tag is left for whoever is.
            _unmark(world, name)
            continue
        if name == "app":
            people.mend(world)


def said_of(world: World, name: str) -> str:
    """Return what the mark and the reports say of one secret."""
    parked = (
        f"{outcome.reason} {outcome.fix}"
        for outcome in world.watch.outcomes
        if outcome.result == "parked" and outcome.item.ref.name == name
    )
    return " ".join([current(world, name).tags.get(REASON, ""), *parked])


def _move_aside(world: World) -> None:
    """Take every record away that is that of another source."""
    for source, claim in list(world.claims.items()):
        if source not in parts_of(claim.record.source):
            del world.claims[source]


def revoke_named(world: World, name: str) -> None:
    """Revoke what RekeyRetire names at its source, unless it is in use, and take the tag off."""
    version = current(world, name)
    source = world.watch.source_of(version)
    if RETIRE not in version.tags or source is None:
        return
    held = _shown(world, source).get(version.tags[RETIRE].split(" ")[2])
    if held in _signing(world):
        # What it has made is in use: that follows its key within a day.
        return
    if held and held != credential_of(version):
        world.sources[source].revoke(held)
        world.watch.revoked.add(held)
    _unmark(world, name, RETIRE)


def _signing(world: World) -> set[str]:
    """Return the keys whose signatures are in use."""
    values = (versions[-1].value for versions in world.vault.values())
    return {signed(credential_in(value.reveal()))[0] for value in values if value}


def _unmark(world: World, name: str, *further: str) -> None:
    """Take the mark off a secret, as `rekey unpark` does, and further tags."""
    version = current(world, name)
    kept = {tag: text for tag, text in version.tags.items() if tag not in (STATE, REASON, *further)}
    if kept != version.tags:
        world.edit(version.ref, version.version, tags=kept)


def _shown(world: World, source: str) -> dict[str, str]:
    """Return what a source holds, by id."""
    match world.sources[source]:
        case Slots(held=held):
            return dict(held)
        case Many(entries=entries):
            return {key: entry.secret for key, entry in entries.items()}
        case _:
            return {}


@per_kind("rolled-back", versions={"app": 2}, mend=mend, mends=2, workers=1)
def _rolled_back(world: World, kind: str) -> None:
    """A secret was rotated, and its record is the one from before that."""
    due(world, kind)
    proven(world, kind)
    first = records_of(world)
    ask(world, trigger="event")
    went_on(world, A_MINUTE)
    put_back(world, first)
    ask(world, action="audit", trigger="sweep")


@per_kind("rolled-back-twice", versions={"app": 3}, mend=mend, mends=2, workers=1)
def _rolled_back_twice(world: World, kind: str) -> None:
    """The same where the record from before it knows of another rotation, and its retirement."""
    rotated(world, kind, hours_left=-1)
    first = records_of(world)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True)
    went_on(world, A_MINUTE)
    put_back(world, first)
    ask(world, action="audit", trigger="sweep")


@per_kind("incident-rolled-back", versions={"app": 2}, mend=mend, mends=2, workers=1)
def _incident_rolled_back(world: World, kind: str) -> None:
    """An incident was dealt with, and the record knows nothing of it."""
    due(world, kind, days_left=80)
    proven(world, kind)
    first = records_of(world)
    incident(world)
    went_on(world, A_MINUTE)
    world.watch.handled()
    put_back(world, first)
    ask(world, action="audit", trigger="sweep")


def records_of(world: World) -> dict[str, Record]:
    """Return every record as it is now."""
    return {source: claim.record for source, claim in world.claims.items()}


_going_back = partial(per_kind, moves=MOVES, mend=mend, mends=2, is_planned=False)


@_going_back("records")
def _records(world: World, kind: str) -> None:
    """The records go back, or are lost, while a secret is rotated."""
    world.past = []
    due(world, kind)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@_going_back("records-in-overlap")
def _records_in_overlap(world: World, kind: str) -> None:
    """The same while a credential is retired, and the next one made."""
    world.past = []
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True)


@_going_back(
    "records-in-incident", moves={**MOVES, "restores": lambda world: ask(world, action="restore")}
)
def _records_in_incident(world: World, kind: str) -> None:
    """The same while an incident is dealt with, inside an overlap where there is one."""
    world.past = []
    if kind in PASSWORDS:
        due(world, kind, days_left=80)
    else:
        rotated(world, kind, hours_left=100)
    incident(world)
    ask(world, action="audit", trigger="sweep")


@per_kind(
    "exchanged",
    {"the records are exchanged": _by_hand(_exchanged), "incident": incident},
    mend=mend,
    mends=3,
    is_planned=False,
)
def _exchange(world: World, kind: str) -> None:
    """The records of two sources are exchanged while both are rotated."""
    world.past = []
    # A record that cannot be believed is looked at again for a week, until a person mends it.
    world.looks = 8000
    due(world, kind)
    held, address = add_source(world, kind, "other"), source_of(kind, "other")
    tags = managed(kind, ProviderAddress=address)
    owned(world, address, world.secret("other", held, 10, tags))
    proven(world, kind)
    ask(world, trigger="event")
    ask(world, "other", trigger="event")


@_going_back("slow-records", workers=1)
def _slow(world: World, kind: str) -> None:
    """The records go back while the source is at a change."""
    world.past = []
    under_way(world, kind, 0.01)
    world.looks = LOOKS_OF_A_DAY
    ask(world, trigger="sweep", pinned=False)


def _mend_both(world: World) -> None:
    mend(world)
    mend_signature(world)


@scenario("derived-records", MOVES, mend=_mend_both, mends=2, workers=1, is_planned=False)
def _signed(world: World) -> None:
    """The records of a key and of what it signed go back while the one follows the other."""
    world.past = []
    key_and_sas(world)
    ask(world, trigger="event")


GOING_BACK = [
    *all_of(("two-slots", "many", "one-slot"), _rolled_back),
    *all_of(("two-slots", "two-logins"), _incident_rolled_back),
    *all_of(("two-slots", "many"), _rolled_back_twice),
    *all_of(EVERY, _records, _records_in_incident),
    *all_of(LISTED, _records_in_overlap),
    *all_of(("two-slots", "many"), _exchange),
    *all_of(("two-slow", "one-slow"), _slow),
    *by_seeds(("two-logins", "listed", "two-by-name"), _rolled_back, _rolled_back_twice),
    *by_seeds(("many", "listed", "two-by-name"), _incident_rolled_back),
    *by_seeds(("two-slow", "one-slow", "two-by-name"), _records),
    *by_seeds(("two-by-name",), _records_in_incident),
    *by_seeds(("two-slow", "two-by-name"), _records_in_overlap),
    _signed,
]
