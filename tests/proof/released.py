"""A secret that its owner takes out of management, at any moment of its life, and adopts again.

Who is told to wait waits, or does it by force and looks after what is left. The source may get
another secret meanwhile, whose first version Rekey makes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from cli.proving import considered, recognised
from engine.engine import Engine
from engine.errors import NeedsHuman, RekeyError
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, SecretRef
from engine.state.index import Owned
from engine.state.record import parts_of
from engine.state.tags import CREDENTIAL, OURS
from tests.proof import deleting, handing_over, people
from tests.proof.excuses import Excuse
from tests.proof.handing_over import APP, HEIR
from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    SLOTTED,
    Move,
    all_of,
    ask,
    by_seeds,
    due,
    incident,
    per_kind,
    proven,
    rotated,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import World

TAGS = OURS | {"ProviderAddress", "Rotator"}


async def release(world: World, engine: Engine, *, force: bool = False) -> None:
    """Release the secret as `rekey release` does, unless something is in progress, or by force."""

    def check(owned: Owned) -> None:
        going = owned.in_progress(engine.clock.now())
        if going and not force:
            raise NeedsHuman(going, where=str(APP), fix="wait")
        if going:
            _left_behind(world)

    owned = await engine.owned(APP)
    kept = {tag: text for tag, text in owned.secret.tags.items() if tag not in TAGS}
    await engine.release(APP, engine.tagged(owned.secret).managed, kept, check)


def _left_behind(world: World) -> None:
    """Who releases it by force looks after what works on, what has leaked, and a lost password."""
    people.disown(world)
    world.watch.released.add("app")
    world.watch.protected.clear()
    world.watch.strands.clear()
    for source in world.sources:
        until = world.kernel.time() + AUDITED_SECONDS
        world.watch.excuses.grant(Excuse.BROKEN, source, until)


async def adopt(world: World, engine: Engine) -> None:
    """Put the secret under management again, as `rekey adopt` does."""
    secret = await engine.vaults.read(APP)
    if "ProviderAddress" in secret.tags or not secret.enabled:
        return
    await _refuse_claimed(world, engine, APP)
    proposed, managed = considered(engine, secret, _wish(world))
    credential = await recognised(engine, proposed, managed)
    await engine.vaults.retag(secret, {**proposed.tags, CREDENTIAL: credential.credential_id})


async def create(world: World, engine: Engine, ref: SecretRef) -> None:
    """Have the first version of a secret written, as `rekey adopt --create` does."""
    if await engine.existing(ref):
        return
    if ref == HEIR:
        # If both name the source in the end, whoever is told so leaves it.
        world.watch.excuses.grant(Excuse.CLAIM, "app")
    await _refuse_claimed(world, engine, ref)
    proposed, managed = considered(engine, engine.nothing_yet(ref), _wish(world))
    value = await engine.first_value(proposed, managed)
    if value is None:
        await engine.add_first(proposed, managed)
        return
    credential = await recognised(engine, replace(proposed, value=value), managed)
    tags = {**proposed.tags, CREDENTIAL: credential.credential_id}
    ends = engine.clock.now() + managed.validity
    await engine.vaults.publish(ref, Draft(value, ends, DEFAULT_CONTENT_TYPE, tags))


def _wish(world: World) -> dict[str, str]:
    """Return the tags that options ask for: which credential it is, its source says."""
    return {tag: text for tag, text in world.wanted[APP].items() if tag != CREDENTIAL}


async def _refuse_claimed(world: World, engine: Engine, ref: SecretRef) -> None:
    parts = {*parts_of(world.wanted[APP]["ProviderAddress"])}
    async for other in engine.vaults.list(ref.vault):
        if other.ref != ref and parts & engine.claims(other.tags):
            raise NeedsHuman("it is the source of another secret", where=str(ref), fix="keep one")


COMMANDS: Mapping[str, Callable[[World, Engine], Awaitable[None]]] = {
    "release": release,
    "release --force": partial(release, force=True),
    "adopt": adopt,
    "adopt --create": partial(create, ref=APP),
    "adopt --create, another": partial(create, ref=HEIR),
}


async def carried_out(world: World, engine: Engine, text: str) -> None:
    """Do what somebody has typed, who is told if that is refused."""
    with suppress(RekeyError):
        await COMMANDS[json.loads(text)["action"]](world, engine)


def types(command: str) -> Move:
    """Return a move in which somebody types a command."""

    def move(world: World) -> None:
        world.post("release", json.dumps({"action": command}))

    return move


RELEASE = {"releases it": types("release")}
AGAIN = {
    **RELEASE,
    "releases it by force": types("release --force"),
    "adopts it": types("adopt"),
    "adopts it once more": types("adopt"),
}
ANOTHER = {
    **AGAIN,
    "another one is made": types("adopt --create, another"),
    "another one gets what it holds": handing_over.copied,
    "the other one is audited": handing_over.asks,
    "the other one is rotated": handing_over.rotates,
}
ANEW = {
    **AGAIN,
    **{name: deleting.MOVES[name] for name in ("deletes", "recovers", "purges")},
    "makes it": types("adopt --create"),
    "makes it once more": types("adopt --create"),
}


def mend(world: World) -> None:
    """Somebody manages it again, unless its source is another one's by now."""
    if HEIR not in world.vault:
        deleting.mend(world)
        return
    if APP in world.vault:
        people.unmanage("app")(world)
    else:
        # Whoever leaves it deleted looks after what it held.
        deleting.purge(world)
    handing_over.mend(world)


@per_kind("released", RELEASE, mend=people.mend)
def _released(world: World, kind: str) -> None:
    """A secret is released while it is rotated, and perhaps managed again."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep")


@per_kind("released-in-overlap", RELEASE, mend=people.mend)
def _released_in_overlap(world: World, kind: str) -> None:
    """A secret is released when what it held before is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep")


_adopted = partial(per_kind, moves=AGAIN, mend=mend, mends=2, is_planned=False)


@_adopted("adopted-in-rotation")
def _in_rotation(world: World, kind: str) -> None:
    """It is released, by force perhaps, and adopted again while it is rotated twice."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True, pinned=False)


@_adopted("adopted-in-overlap")
def _in_overlap(world: World, kind: str) -> None:
    """The same inside an overlap, while it is rotated again."""
    rotated(world, kind, hours_left=100)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True, pinned=False)


@_adopted("adopted-in-incident")
def _in_incident(world: World, kind: str) -> None:
    """The same while an incident is dealt with, which ends all the same once it is adopted."""
    due(world, kind, days_left=80)
    proven(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


@_adopted("adopted-by-another", moves=ANOTHER)
def _by_another(world: World, kind: str) -> None:
    """Its source gets another secret, which Rekey makes, or which holds a copy."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


@_adopted("created", moves=ANEW)
def _created(world: World, kind: str) -> None:
    """It is deleted, released or not, and Rekey writes a first version of that name."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True, pinned=False)


@_adopted("created-by-both", moves=ANEW | ANOTHER)
def _created_by_both(world: World, kind: str) -> None:
    """The same, and so does its source for another secret, before or after that."""
    due(world, kind)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True, pinned=False)


RELEASED = [
    *map(_released, ("two-slots", "one-slot", "many")),
    *map(_released_in_overlap, ("two-slots", "many")),
    *all_of(EVERY, _in_rotation, _in_incident, _by_another),
    *all_of(SLOTTED, _in_overlap),
    *all_of(("two-slots", "many"), _created),
    *all_of(("many",), _created_by_both),
    *by_seeds(FURTHER, _in_rotation, _in_incident, _by_another),
    *by_seeds(FURTHER_SLOTTED, _in_overlap),
    *by_seeds(("two-logins", *FURTHER_SLOTTED), _created),
]
