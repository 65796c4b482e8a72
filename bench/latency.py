"""How long a rotation of each kind takes when every call to Azure takes 100 ms and nothing has to spread, in virtual time."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable

from simulator.wire import Request, Response
from tests.delivery import Delivery
from tests.proof.places import PLACES

LATENCY = 0.1
"""Seconds that every call takes, of those to the lease and the queue too; only access tokens are at
hand."""
GOAL = 5.0
WORLDS = 20
DAY = 86_400


async def rotations(kind: str) -> list[float]:
    """Return the seconds of a first rotation, before which everything is checked, and of one of a version that Rekey wrote."""
    place = PLACES[kind]()
    rig, clock = place.rig, place.rig.clock

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        del request
        clock.advance(LATENCY)
        return await call()

    async def rotate() -> float:
        before, began = len(rig.vault.versions(place.name)), clock.now()
        item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
        await rig.service(slow).rotate(item.to_json(), 1)
        seconds = (clock.now() - began).total_seconds()
        assert len(rig.vault.versions(place.name)) == before + 1
        return seconds

    first = await rotate()
    await Delivery(rig, rig.service).run()
    clock.advance(8 * DAY)
    await rig.service().rotate(rig.item(place.name, trigger="sweep", action="retire").to_json(), 1)
    clock.advance(80 * DAY)
    return [first, await rotate()]


async def p95(kind: str, worlds: int = WORLDS) -> float:
    """Return the 95th percentile of all rotations in so many worlds, in seconds."""
    seconds = [each for _ in range(worlds) for each in await rotations(kind)]
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


async def report() -> None:
    """Print one line a kind."""
    for kind in PLACES:
        print(
            f"{kind}, a rotation at 100 ms a call, virtual time: p95 {await p95(kind):.1f} s (goal: under {GOAL:.0f})"
        )
