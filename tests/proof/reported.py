"""A leak that somebody reports by value, at any moment of a rotation.

Who gets no answer reports again. The message names the version that the leaked value was in, as
nobody but this world knows it: what Rekey is told is the value.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from api.incidents import status_of
from api.leaks import Finding, Reports, taken
from engine.engine import Engine
from engine.incident_progress import counted
from engine.leak.reading import LEAST
from engine.model.incident import Incident
from engine.model.prints import Prints
from engine.secret import SecretRef
from tests.proof.sources import credential_in
from tests.proof.staging import Move, Scenario, ask, due, leaked, rotated, source_of
from tests.proof.watch import Broken
from tests.proof.world import VAULT, World

if TYPE_CHECKING:
    from engine.secret import SecretVersion

APP = SecretRef(VAULT, "app")
KEYS = Prints({"v1ofTheKey": b"k" * 32})


FOLLOWED = (1.0, 60.0, 900.0)
"""So many seconds after the answer somebody asks how far it has come."""


def _version(world: World, name: str) -> SecretVersion:
    return next(version for version in world.vault[APP] if version.version == name)


def _held(version: SecretVersion) -> str:
    return credential_in(version.value.reveal() if version.value else "")


def _findable(world: World) -> None:
    world.prints, world.mint.padding = KEYS, "=" * LEAST


def reports(kind: str, place: int) -> Move:
    """Return a move in which somebody begins to report what a version holds, until answered."""

    def move(world: World) -> None:
        version = world.vault[APP][place]
        leaked(world, "app", _held(version), source_of(kind))
        world.post("report", json.dumps({"action": "report", "version": version.version}))

    return move


async def report(world: World, engine: Engine, text: str) -> None:
    """Report a value as an administrator does; whatever is answered is true."""
    version = _version(world, json.loads(text)["version"])
    finding = Finding(_held(version), "api", "a file", "a person", act=True)
    queued = await taken(engine, Reports(), finding)
    lives = _held(version) in world.watch.alive()
    answer = await queued.post(engine.queue)
    world.watch.said(answer.text())
    if answer.status != 202 and lives:
        raise Broken(f"P5: {version.version} is accepted, and the answer was {answer.body}")
    if queued.incident:
        shown = {**queued.incident.to_dict(), "vaults": queued.incident.vaults}
        for seconds in FOLLOWED:
            world.post("follow", json.dumps({"action": "follow", "incident": shown}), seconds)


async def follow(world: World, engine: Engine, text: str) -> None:
    """Ask how far an incident has come: it has not ended while what leaked works."""
    incident = Incident.from_dict(json.loads(text)["incident"])
    (progress,) = await counted(engine, [incident])
    version = _version(world, incident.version)
    if status_of(progress) == "ended" and _held(version) in world.watch.alive():
        raise Broken(f"P5: {version.version} is accepted, and its incident is said to have ended")


PEOPLE: Mapping[str, Callable[[World, Engine, str], Awaitable[None]]] = {
    "report": report,
    "follow": follow,
}
"""What people ask for beside the queues, each until they are answered."""


def _reported(kind: str) -> Scenario:
    """What a version holds is reported while the secret is rotated, and comes to its overlap."""

    def build(world: World) -> None:
        _findable(world)
        due(world, kind)
        ask(world, trigger="event")
        ask(world, trigger="sweep", pinned=False)

    moves = {"reports": reports(kind, -1)}
    return Scenario(f"reported/{kind}", build, moves, workers=3, is_planned=False)


def _reported_in_overlap(kind: str) -> Scenario:
    """What is superseded is reported while it is retired: what is current stays."""

    def build(world: World) -> None:
        _findable(world)
        rotated(world, kind, hours_left=1)
        ask(world, action="audit", trigger="sweep")
        ask(world, force=True)

    moves = {"reports": reports(kind, -1), "reports the first": reports(kind, 0)}
    name = f"reported-in-overlap/{kind}"
    return Scenario(name, build, moves, workers=3, is_planned=False)


REPORTED = [
    *map(_reported, ("two-slots", "one-slot", "many")),
    *map(_reported_in_overlap, ("two-slots", "many")),
]
