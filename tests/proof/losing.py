"""Every message is lost: what was begun is ended all the same, by the timer that reads the records.

What was asked for is taken up once, and then its message is gone, too, however its worker ended.
At many other sources a retirement has been due for longer, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from engine.state.record_parts import Compromised
from engine.state.request import WorkItem
from tests.proof.staging import Scenario, blob_of, owned
from tests.proof.world import Message, World

SECONDS = 2 * 3600.0 + 1.0
"""So long everything is lost: the first sweeps' messages, too, and beyond late effects."""
OTHERS = 120
"""Twice as many retirements as the timer asks for in one run."""
ONES = ("two-slots", "one-slot", "two-logins", "many")
LOST = (
    *(f"{name}/{kind}" for name in ("one", "incident-alone", "drift") for kind in ONES),
    *(f"{name}/{kind}" for name in ("slow", "slow-incident") for kind in ("two-slow", "one-slow")),
    *(
        f"{name}/{kind}"
        for name in ("retirement", "restore")
        for kind in ONES
        if kind != "one-slot"
    ),
    "one/listed",
    *(f"applies-and-fails-an-hour/{kind}" for kind in ONES),
)


def losing(scenarios: Mapping[str, Scenario], names: Iterable[str] = LOST) -> Iterator[Scenario]:
    """Return scenarios in which every message is lost for two hours."""
    for name in names:
        yield _lost(scenarios[name])


def _lost(scenario: Scenario) -> Scenario:
    def build(world: World) -> None:
        scenario.build(world)
        world.losing = world.kernel.time() + SECONDS
        world.others = OTHERS
        _note_leaks(world)

    # What was lost before it was begun is not done, nor is what was reported and never noted.
    moves = {name: move for name, move in scenario.moves.items() if name != "incident"}
    name = f"lost-{scenario.name}"
    return replace(scenario, name=name, build=build, moves=moves, versions={})


def _note_leaks(world: World) -> None:
    """Have the records know of what has leaked: a report that is lost before that is nobody's."""
    for ref in (message.ref for message in map(_item, world.messages) if message.compromised):
        version = world.vault[ref][-1]
        source = str(world.watch.source_of(version))
        owned(world, source, version)
        claim = world.claims[blob_of(source)]
        leaked = Compromised((str(version.version),))
        claim.record = replace(claim.record, compromised=leaked).scheduled(world.kernel.now())


def _item(message: Message) -> WorkItem:
    return WorkItem.from_json(message.text)
