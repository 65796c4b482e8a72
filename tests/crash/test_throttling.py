"""429 with Retry-After is obeyed everywhere.

No call of any kind's rotation is made again before that time has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from simulator.clock import VirtualClock
from simulator.reach.sabotage import refused
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.parts import sampled
from tests.proof.places import PLACES, STRATEGIES
from tests.shared.delivery import Delivery

SECONDS = 37


@dataclass
class Throttle:
    """Answers one call with 429, and notes when the same one comes again."""

    clock: VirtualClock
    at: int = -1
    calls: int = 0
    struck: tuple[str, str, str] | None = None
    since: datetime | None = None
    again: list[float] = field(default_factory=list)

    async def __call__(self, request: Request, call: Call) -> Response:
        # One blob has several operations: giving a lease back is not the recording of an owner that
        # was throttled.
        key = (request.method, request.host, f"{request.path}?comp={request.query.get('comp', '')}")
        self.calls += 1
        # TDS and the like know no 429: a database that is busy says so in words. And it is the
        # queue that brings work back in time.
        exempt = (
            request.url.startswith(("tds:", "postgresql:", "mysql:", "redis:"))
            or ".queue." in request.host
        )
        if self.calls - 1 == self.at and not exempt:
            self.struck, self.since = key, self.clock.now()
            return refused(429, "TooManyRequests", {"Retry-After": str(SECONDS)})
        if key == self.struck and self.since:
            self.again.append((self.clock.now() - self.since).total_seconds())
        return await call()


async def rotated(kind: str, at: int) -> Throttle:
    """Rotate with one call throttled, and let the queue bring back what that put off."""
    place = PLACES[kind]()
    rig, throttle = place.rig, Throttle(place.rig.clock, at)
    item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
    await rig.service().engine.queue.post_rotation(item)
    await Delivery(rig, lambda: rig.service(throttle)).run()
    assert len(rig.vault.versions(place.name)) == 2
    return throttle


KINDS = [kind for kind in PLACES if "connection string" not in kind]


@pytest.mark.parametrize("kind", sampled(KINDS, set(KINDS) & set(STRATEGIES)))
async def test_what_is_throttled_is_not_asked_for_again_before_its_time(kind: str) -> None:
    calls, repeated = (await rotated(kind, -1)).calls, 0
    for at in range(calls):
        throttle = await rotated(kind, at)
        repeated += bool(throttle.again)
        assert all(after >= SECONDS for after in throttle.again), (
            f"call {at}, {throttle.struck}: {throttle.again}"
        )
    assert repeated > calls / 3
