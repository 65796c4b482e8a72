"""The queue trigger and the timer of rechecks in virtual time: at-least-once, five tries, poison.

A dead worker's message comes back late. The delays and counts are those that Microsoft's own
listener shows; the simulator's own tests compare the local host with it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.service import MAX_TRIES, Service
from engine.state.record import RECHECK_EVERY
from simulator.reach.sabotage import Died
from simulator.storage.queue_store import Message
from tests.shared.due import next_check
from tests.shared.rig import Rig

RETRY_SECONDS = 30
DEAD_SECONDS = 600
TICK = RECHECK_EVERY.total_seconds()


@dataclass
class Delivery:
    """Delivers what is on the queues until they are empty; `start` makes a fresh process."""

    rig: Rig
    start: Callable[[], Service]
    errors: list[BaseException] = field(default_factory=list)
    deaths: int = 0

    async def run(self, most: int = 60, within: timedelta = timedelta(days=36)) -> None:
        """Deliver until nothing is left; fails if that takes more than so many deliveries.

        What is due later than `within` is left: an incident is tried for a month.
        """
        service, end = self.start(), self.rig.clock.now() + within
        for _ in range(most):
            tick, message = self._tick(), self._next()
            if tick and tick <= end and (message is None or tick < message.visible):
                self._wait(tick)
                await service.recheck()
                continue
            if message is None or message.visible > end:
                return
            self._wait(message.visible)
            service = await self._deliver(service, message)
        raise AssertionError(
            f"still {len(self.rig.queue('rotations'))} messages after {most} deliveries"
        )

    async def recheck(self, until: datetime) -> None:
        """Let the timer come whenever a source is due, and deliver what it asks for."""
        clock = self.rig.clock
        while (due := next_check(self.rig.world, "rekeyhost", clock.now())) and due <= until:
            moment = math.ceil(max(due, clock.now()).timestamp() / TICK) * TICK
            clock.advance(moment - clock.now().timestamp())
            await self.start().recheck()
            await self.run()

    async def run_one(self) -> None:
        """Deliver the next message, to a fresh process."""
        message = self._next()
        assert message, "no message is left"
        self._wait(message.visible)
        await self._deliver(self.start(), message)

    def _next(self) -> Message | None:
        queue = self.rig.queue("rotations")
        return min(queue, key=lambda waiting: waiting.visible, default=None)

    def _tick(self) -> datetime | None:
        """Return when the timer comes that finds something due."""
        # Orders of incidents are delivered elsewhere, and come again while anything is open.
        accepted = self.rig.open_items
        if not accepted:
            return None
        due = max(accepted[0][0], self.rig.clock.now())
        return due + (datetime.min.replace(tzinfo=due.tzinfo) - due) % RECHECK_EVERY

    def _wait(self, moment: datetime) -> None:
        self.rig.clock.advance(max(0.0, (moment - self.rig.clock.now()).total_seconds()))

    async def _deliver(self, service: Service, message: Message) -> Service:
        message.dequeued += 1
        body = base64.b64decode(message.body)
        queue = self.rig.queue("rotations")
        try:
            await service.rotate(body, message.dequeued)
        except Died:
            self.deaths += 1
            self._hide(message, DEAD_SECONDS)
            service = self.start()
            if message.dequeued >= MAX_TRIES:
                queue.remove(message)
                await service.park(body, message.id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the host tries again
            self.errors.append(error)
            self._hide(message, RETRY_SECONDS)
            if message.dequeued >= MAX_TRIES:
                queue.remove(message)
                await service.park(body, message.id)
        else:
            queue.remove(message)
        return service

    def _hide(self, message: Message, seconds: float) -> None:
        message.visible = self.rig.clock.now() + timedelta(seconds=seconds)
