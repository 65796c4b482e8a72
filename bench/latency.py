"""The duration of a rotation of each kind, in virtual time.

Every call to Azure takes 100 ms, every change is visible at once, and Key Vault makes a key pair at
once.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from datetime import timedelta

from simulator.wire import Request, Response
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery

LATENCY = 0.1
"""Seconds that every call takes, those to the lease and the queue included. Tokens are cached."""
GOAL = 5.0
WORLDS = 20
DAY = 86_400


async def rotations(kind: str) -> list[float]:
    """Return the seconds of two rotations.

    The first one includes the checks of a new secret. The second replaces a version of Rekey's own.
    """
    place = PLACES[kind]()
    rig, clock = place.rig, place.rig.clock
    rig.vault.creation_delay = timedelta()

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
    """Return the 95th percentile in seconds of all rotations in so many worlds."""
    durations = [seconds for _ in range(worlds) for seconds in await rotations(kind)]
    return statistics.quantiles(durations, n=20, method="inclusive")[-1]


async def report() -> None:
    """Print one line for each kind."""
    for kind in PLACES:
        seconds = await p95(kind)
        print(
            f"{kind}, a rotation at 100 ms a call, virtual time: p95 {seconds:.1f} s (goal: "
            f"under {GOAL:.0f})"
        )
