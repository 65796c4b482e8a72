"""A leak that somebody reports by value, at any moment of a rotation.

Who gets no answer reports again. The message names the version that the leaked value was in: the
value itself is in no message, and only the world knows it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from api.answers import Answer
from api.idempotency import Queued
from api.incidents import messages, status_of
from api.leaks import Finding, Reports, taken
from engine.engine import Engine
from engine.secret import SecretRef, SecretVersion
from engine.state.incident import LEAD, Incident
from engine.state.record_parts import PROVEN_AT, Prints
from engine.state.sweep_order import SweepOrder
from engine.state.tags import OURS
from leaks.incidents import counted
from leaks.reading import LEAST
from tests.proof import deleting, handing_over
from tests.proof.circumstances import outages
from tests.proof.lost_requests import losses
from tests.proof.people import at_own_risk, disown
from tests.proof.sources import Entry, Many, Slots, Source, credential_in
from tests.proof.staging import (
    FIRST,
    FURTHER,
    FURTHER_SLOTTED,
    PASSWORDS,
    REPLICAS,
    SECOND,
    Move,
    Scenario,
    all_of,
    ask,
    blob_of,
    by_seeds,
    credential_of,
    current,
    declare,
    due,
    leaked,
    rotated,
    source_of,
    with_replicas,
)
from tests.proof.watch import Broken
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")
KEYS = Prints({"v1ofTheKey": b"k" * 32})

FOLLOWED = (1.0, 60.0, 900.0)
"""So many seconds after the answer somebody asks how far it has come."""
A_WHILE = 2.0
"""So many seconds after somebody has put a value back they report it."""
FALSE = "false"
"""What a message names in place of a version if nobody has ever held the value."""


def _findable(world: World) -> None:
    world.prints, world.mint.padding = KEYS, "=" * LEAST


def _seen(world: World, kind: str) -> None:
    """Note the prints of all versions, as the rotation did under the key of prints."""
    claim = world.claims[blob_of(source_of(kind))]
    held = {str(it.version): KEYS.of(it.value.reveal()) for it in world.vault[APP] if it.value}
    history = claim.record.history.printed(held)
    claim.record = replace(claim.record, history=history)


def reports(kind: str, place: int, name: str = "app", times: int = 1) -> Move:
    """Return a move in which somebody begins to report what a version holds, until answered."""

    def move(world: World) -> None:
        versions = world.versions_of(SecretRef(VAULT, name))
        if not versions or not (value := versions[place].value):
            return
        version = str(versions[place].version)
        world.known[version] = value.reveal()
        leaked(world, "app", credential_in(value.reveal()), source_of(kind))
        for _ in range(times):
            world.post("report", json.dumps({"action": "report", "version": version}))

    return move


def falsely(number: int) -> Move:
    """Return a move in which somebody reports what no secret has ever held."""

    def move(world: World) -> None:
        name = f"{FALSE}{number}"
        world.known[name] = f"no secret holds this, {number}"
        world.post("report", json.dumps({"action": "report", "version": name}))

    return move


def puts_back(kind: str) -> Move:
    """Return a move in which somebody puts back what leaked, and reports its version once more.

    At its source, where that refuses it, and as the current version.
    """

    def move(world: World) -> None:
        source, alive = world.sources[source_of(kind)], world.watch.alive()
        leaks = [it for it in world.versions_of(APP) if it.value and _has_leaked(world, it)]
        if not leaks or APP not in world.vault or not current(world).enabled:
            return
        version, credential = leaks[0], credential_of(leaks[0])
        disown(world)
        at_own_risk(world)
        world.watch.disowned.discard(credential)
        world.watch.ended.discard(credential)
        leaked(world, "app", credential, source_of(kind))
        slot = _slot_of(source, credential) if credential in alive else _free_slot(world, kind)
        if isinstance(source, Many):
            source.entries.setdefault(slot, Entry("put back by hand", credential))
        else:
            assert isinstance(source, Slots)
            source.held[slot] = credential
        theirs = {tag: text for tag, text in current(world).tags.items() if tag not in OURS}
        assert version.value
        world.secret("app", version.value.reveal(), 90, theirs | {"CredentialId": slot})
        name = str(version.version)
        world.known[name], world.put_back[credential] = version.value.reveal(), world.kernel.now()
        world.post("begin", json.dumps({"action": "begin", "version": name}), A_WHILE)

    return move


def _has_leaked(world: World, version: SecretVersion) -> bool:
    return credential_of(version) in world.watch.compromised


def _slot_of(source: Source, credential: str) -> str:
    held = (
        {key: entry.secret for key, entry in source.entries.items()}
        if isinstance(source, Many)
        else getattr(source, "held", {})
    )
    return next(slot for slot, text in held.items() if text == credential)


def _free_slot(world: World, kind: str) -> str:
    """Return where a credential that its source refuses can be put without harm to what is used."""
    source = world.sources[source_of(kind)]
    if isinstance(source, Many):
        source.added += 1
        return f"id{source.added}"
    held = current(world).tags.get("CredentialId", FIRST[kind])
    return SECOND[kind] if kind in SECOND and held == FIRST[kind] else FIRST[kind]


async def begin(world: World, engine: Engine, text: str) -> None:
    """Report a version as an administrator does who knows no value."""
    version = json.loads(text)["version"]
    since = engine.clock.now().replace(microsecond=0) + LEAD
    about = ("app", "", "a person", "put back", "", (VAULT,), version)
    incident = Incident(since, *about)
    queued = Queued(messages(incident), Answer(202, {}), incident)
    await queued.post(engine)
    _followed(world, version, incident)


async def report(world: World, engine: Engine, text: str) -> None:
    """Report a value as an administrator does; whatever is answered is true."""
    name = json.loads(text)["version"]
    value = world.known[name]
    held = credential_in(value)
    before = world.put_back.get(held)
    queued = await taken(engine, Reports(), Finding(value, "api", "a file", "a person", act=True))
    lives = held in world.watch.alive()
    if name.startswith(FALSE) and (queued.messages or queued.answer.body["status"] != "unknown"):
        raise Broken(f"P8: nobody has held the value, and the answer was {queued.answer.body}")
    answer = await queued.post(engine)
    world.watch.said(answer.text())
    for part in (queued, *queued.further):
        world.watch.accepted(message.request for message in part.messages)
    # Who puts it back once the source has refused it, and before that is answered, reports it anew.
    back, refused = world.put_back.get(held), answer.body.get("refused")
    is_later = bool(back and refused and back != before and f"{back:{PROVEN_AT}}" >= refused)
    if answer.status != 202 and lives and not is_later:
        raise Broken(f"P5: {name} is accepted, and the answer was {answer.body}")
    if queued.incident:
        _followed(world, name, queued.incident)


def _followed(world: World, version: str, incident: Incident) -> None:
    """Let somebody ask how far an incident has come, from now on."""
    world.asked += 1
    shown = {**incident.to_dict(), "vaults": incident.vaults}
    question = json.dumps({"action": "follow", "version": version, "incident": shown})
    for seconds in FOLLOWED:
        world.post("follow", question, seconds)


async def follow(world: World, engine: Engine, text: str) -> None:
    """Ask how far an incident has come: it has not ended while what leaked works.

    Of what was put back later a later report tells.
    """
    question = json.loads(text)
    incident = Incident.from_dict(question["incident"])
    (progress,) = await counted(engine, [incident])
    held = credential_in(world.known[question["version"]])
    is_back = held in world.put_back and incident.reported <= world.put_back[held]
    says = status_of(progress)
    # Who reported all in a vault knows that it was there.
    is_over = says == "ended" or (not incident.version and says == "nothing in scope")
    if is_over and held in world.watch.alive() and not is_back:
        raise Broken(
            f"P5: {question['version']} is accepted, and its incident is said to be {says}"
        )


PEOPLE: Mapping[str, Callable[[World, Engine, str], Awaitable[None]]] = {
    "report": report,
    "begin": begin,
    "follow": follow,
}
"""What people ask for beside the queues, each until they are answered."""


def _scenario(name: str, build: Move, moves: Mapping[str, Move], **more: Any) -> Scenario:
    def findable(world: World) -> None:
        _findable(world)
        build(world)

    return Scenario(name, findable, moves, workers=3, is_planned=False, **more)


def _due(kind: str) -> Move:
    def build(world: World) -> None:
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    return build


def _in_overlap(kind: str, hours: float = 1, *, seen: bool = True) -> Move:
    def build(world: World) -> None:
        rotated(world, kind, hours_left=hours)
        if seen:
            _seen(world, kind)
        ask(world, action="audit", trigger="sweep")
        ask(world, force=True)

    return build


def _reported(kind: str) -> Scenario:
    """What a version holds is reported while the secret is rotated, and comes to its overlap."""
    return _scenario(f"reported/{kind}", _due(kind), {"reports": reports(kind, -1)})


def _reported_in_overlap(kind: str) -> Scenario:
    """What is superseded, and has no print, is reported as it is retired: what is current stays."""
    moves = {"reports": reports(kind, -1), "reports the first": reports(kind, 0)}
    return _scenario(f"reported-in-overlap/{kind}", _in_overlap(kind, seen=False), moves)


def _reported_twice(kind: str) -> Scenario:
    """Two people report one value at once, and somebody reports it later, among false reports."""
    moves = {
        "two report": reports(kind, -1, times=2),
        "reports the first": reports(kind, 0),
        **{f"reports falsely, {number}": falsely(number) for number in range(2)},
    }
    return _scenario(f"reported-twice/{kind}", _due(kind), moves)


def _reported_in_outage(kind: str) -> Scenario:
    """A value is reported while the vault, its writes or the app's storage do not answer."""
    away = {name: move for name, move in outages().items() if "source" not in name}
    moves = {"reports": reports(kind, -1), "reports falsely": falsely(0), **away}
    more = {"faults": ("die before", "die after", "throttle")}
    return _scenario(f"reported-in-outage/{kind}", _due(kind), moves, **more)


def _reported_and_lost(kind: str) -> Scenario:
    """What a version holds is reported, and every message about it is lost."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        reports(kind, -1)(world)

    return _scenario(f"reported-and-lost/{kind}", build, losses(3))


def _reported_in_replica(kind: str) -> Scenario:
    """What a replica holds, in the form that it has there, is reported."""

    def build(world: World) -> None:
        with_replicas(world, kind)
        ask(world, trigger="event")

    moves = {f"reports {name}": reports(kind, -1, name) for name in REPLICAS}
    return _scenario(f"reported-in-replica/{kind}", build, moves)


def _reported_handed_over(kind: str, how: str = "", shape: str = handing_over.BARE) -> Scenario:
    """What a secret holds or held is reported while its source passes to another one."""
    moves = {
        "reports": reports(kind, -1),
        "reports the first": reports(kind, 0),
        **handing_over.hand_over(shape),
    }
    more = {"mend": handing_over.mend, "mends": 2}
    return _scenario(f"reported-handed-over{how}/{kind}", _in_overlap(kind, 30), moves, **more)


def _all_reported_handed_over(kind: str) -> Scenario:
    """Everything in a vault is reported, and what leaked takes another name before it is worked on."""

    def build(world: World) -> None:
        due(world, kind, days_left=80)
        world.advance(60)
        held = current(world)
        assert held.value
        world.known[str(held.version)] = held.value.reveal()
        leaked(world, "app", credential_of(held), source_of(kind))
        since = world.kernel.now().replace(microsecond=0) + LEAD
        incident = Incident(since, reason="leaked", vaults=(VAULT,))
        for order in messages(incident):
            assert isinstance(order, SweepOrder)
            declare(world, order)
        _followed(world, str(held.version), incident)

    # Whoever rotates the new one at once gives what leaked an overlap of its own.
    rotates = "the new one is rotated"
    moves = {name: move for name, move in handing_over.HAND_OVER.items() if name != rotates}
    more = {"mend": handing_over.mend, "mends": 2}
    return _scenario(f"all-reported-handed-over/{kind}", build, moves, **more)


def _reported_beside_its_own(kind: str) -> Scenario:
    """The next owner of a source has a credential of its own, and what leaked lives beside it."""
    moves = {
        "reports": reports(kind, -1),
        "reports the first": reports(kind, 0),
        "the new one has its own": handing_over.has_its_own,
        "the new one is audited": handing_over.asks,
    }
    more = {"mend": handing_over.mend, "mends": 2}
    return _scenario(f"reported-beside-its-own/{kind}", _in_overlap(kind, 30), moves, **more)


def _reported_in_another_form(kind: str) -> Scenario:
    """The next owner of the source holds it in a form of its own."""
    return _reported_handed_over(kind, "-in-another-form", "Password={key};Encrypt=yes")


def _reported_and_put_back(kind: str) -> Scenario:
    """Somebody puts back what leaked, in its incident or after that, and says so."""
    build = _due(kind) if kind in PASSWORDS else _in_overlap(kind)
    moves = {"reports": reports(kind, -1), "puts it back": puts_back(kind)}
    return _scenario(f"reported-and-put-back/{kind}", build, moves)


def _reported_deleted(kind: str) -> Scenario:
    """What a secret holds or held is reported while it is deleted, recovered or purged."""
    moves = {
        "reports": reports(kind, -1),
        "reports the first": reports(kind, 0),
        **{name: deleting.MOVES[name] for name in ("deletes", "recovers", "purges")},
    }
    more = {"mend": deleting.mend, "mends": 2}
    return _scenario(f"reported-deleted/{kind}", _in_overlap(kind), moves, **more)


_TWICE_HELD = (
    _reported_handed_over,
    _reported_deleted,
    _reported_in_another_form,
    _reported_beside_its_own,
)
REPORTED = [
    *map(_reported, ("two-slots", "one-slot", "many")),
    *map(_reported_in_overlap, ("two-slots", "many")),
    *all_of(("two-slots", "one-slot", "many"), _reported_twice, _reported_in_outage),
    *map(_reported_and_put_back, ("two-slots", "one-slot", "many")),
    *map(_reported_and_lost, ("two-slots", "many")),
    *map(_reported_in_replica, ("two-slots", "one-slot")),
    *all_of(("two-slots", "many"), *_TWICE_HELD, _all_reported_handed_over),
    *by_seeds(("two-logins", *FURTHER), _reported, _reported_twice, _reported_in_outage),
    *by_seeds(("two-logins", *FURTHER_SLOTTED), _reported_and_put_back),
    *by_seeds(("two-logins", *FURTHER_SLOTTED), _reported_in_overlap, *_TWICE_HELD),
    *by_seeds(("two-logins", *FURTHER_SLOTTED), _reported_and_lost),
]
