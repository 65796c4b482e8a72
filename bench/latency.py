"""The duration of a rotation of each kind, in virtual time.

Every call to Azure takes 100 ms. Every change is visible at once, and Key Vault makes a key pair at
once. What a deployment pays once, for the container of its records, its queue and the vault's
challenge, is paid before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from bench.goals import held
from simulator.clock import VirtualClock
from simulator.wire import Request, Response
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery

LATENCY = 0.1
"""Seconds that every call takes, those to the lease and the queue included. Tokens are cached."""
TOGETHER = 20
"""So many turns of the event loop a call waits for others that begin with it: they take no longer."""
STORAGE_GOAL, GOAL = 1.3, 2.5
"""Seconds that a later rotation of a storage key, and of any kind, may take in all; without what
the simulated source needs for its change."""
DAY = 86_400


class Seconds(NamedTuple):
    """What one rotation takes."""

    published: float
    """Until the vault has the new version."""
    whole: float
    """Until it is reported and noted, and the lease is given back."""
    waited: float
    """Of that, the pauses in which Rekey waits for the source: they depend on the simulator."""


@dataclass
class Calls:
    """Lets each call take its time. Those that begin together take it together."""

    clock: VirtualClock
    secret: str
    published: list[datetime] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    """The seconds that each call has added."""

    async def slow(self, request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        """Wait for the others that begin with it, then let time pass."""
        ends = self.clock.now() + timedelta(seconds=LATENCY)
        for _ in range(TOGETHER):
            await asyncio.sleep(0)
        self.taken.append(max((ends - self.clock.now()).total_seconds(), 0.0))
        self.clock.advance(self.taken[-1])
        if request.method == "PUT" and f"/secrets/{self.secret}" in request.url:
            self.published.append(self.clock.now())
        return await call()


async def rotations(kind: str) -> list[Seconds]:
    """Return the seconds of two rotations.

    The first one includes the checks of a new secret. The second replaces a version of Rekey's own.
    """
    place = PLACES[kind]()
    rig, clock = place.rig, place.rig.clock
    rig.vault.creation_delay = timedelta()
    calls = Calls(clock, place.name)

    async def rotate() -> Seconds:
        before, began = len(rig.vault.versions(place.name)), clock.now()
        calls.taken.clear()
        item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
        await rig.service(calls.slow).rotate(item.to_json(), 1)
        assert len(rig.vault.versions(place.name)) == before + 1
        shown, whole = ((end - began).total_seconds() for end in (calls.published[-1], clock.now()))
        return Seconds(shown, whole, round(whole - sum(calls.taken), 3) + 0.0)

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
    """Print one line for each kind, and the slowest."""
    print(
        "seconds of a rotation at 100 ms a call, virtual time, until it is published (in all, of "
        "which it waits for the source)"
    )
    slowest: dict[str, float] = {}
    for kind in PLACES:
        first, later = await rotations(kind)
        slowest[kind] = later.whole - later.waited
        print(f"    {kind}: a secret's first {_told(first)}, a later one {_told(later)}")
    kind, seconds = max(slowest.items(), key=lambda item: item[1])
    storage = slowest["storage-key"]
    print(
        "    later ones, without the wait for the source: "
        f"storage-key {storage:.1f} {held('a storage key', storage, STORAGE_GOAL, ' s')}; "
        f"the slowest, {kind}, {seconds:.1f} {held(kind, seconds, GOAL, ' s')}"
    )


def _told(rotation: Seconds) -> str:
    return f"{rotation.published:.1f} ({rotation.whole:.1f}, {rotation.waited:.1f})"
