"""The duration of a rotation of each kind, in virtual time.

Every call to Azure takes 100 ms. Every change is visible at once, and Key Vault makes a key pair at
once. What a deployment pays once, for the container of its records, its queue and the vault's
challenge, is paid before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from simulator.wire import Request, Response
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery

LATENCY = 0.1
"""Seconds that every call takes, those to the lease and the queue included. Tokens are cached."""
GOAL = 5.0
"""Seconds that the slowest kind may take in all."""
DAY = 86_400


class Seconds(NamedTuple):
    """What one rotation takes."""

    published: float
    """Until the vault has the new version."""
    whole: float
    """Until it is reported and noted, and the lease is given back."""


async def rotations(kind: str) -> list[Seconds]:
    """Return the seconds of two rotations.

    The first one includes the checks of a new secret. The second replaces a version of Rekey's own.
    """
    place = PLACES[kind]()
    rig, clock = place.rig, place.rig.clock
    rig.vault.creation_delay = timedelta()
    published: list[datetime] = []

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        clock.advance(LATENCY)
        if request.method == "PUT" and f"/secrets/{place.name}" in request.url:
            published.append(clock.now())
        return await call()

    async def rotate() -> Seconds:
        before, began = len(rig.vault.versions(place.name)), clock.now()
        item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
        await rig.service(slow).rotate(item.to_json(), 1)
        assert len(rig.vault.versions(place.name)) == before + 1
        ends = (published[-1], clock.now())
        return Seconds(*((end - began).total_seconds() for end in ends))

    engine = rig.service().engine
    item = rig.item(place.name, action="audit")
    await engine.vaults.read(item.ref)
    await engine.queue.post_rotation(item, 0.0)
    async with engine.leases.hold("/paid/once", str(item.ref)):
        pass
    first = await rotate()
    await Delivery(rig, rig.service).run()
    clock.advance(8 * DAY)
    await rig.service().rotate(rig.item(place.name, trigger="sweep", action="retire").to_json(), 1)
    clock.advance(80 * DAY)
    return [first, await rotate()]


async def report() -> None:
    """Print one line for each kind."""
    print(
        "seconds of a rotation at 100 ms a call, virtual time, until it is published (in all); "
        f"goal: under {GOAL:.1f}"
    )
    for kind in PLACES:
        first, later = await rotations(kind)
        print(
            f"    {kind}: a secret's first {first.published:.1f} ({first.whole:.1f}), "
            f"a later one {later.published:.1f} ({later.whole:.1f})"
        )
