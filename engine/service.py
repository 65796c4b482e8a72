"""What each trigger asks for: one method a trigger, free of the Functions runtime."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.errors import LeaseUnavailable, PermanentError, TransientError
from engine.model.events import parse_event
from engine.model.policy import Policies
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem
from engine.ports import WorkQueue
from engine.rotate.engine import Engine
from engine.sweep.sweeper import Sweeper

log = logging.getLogger("rekey")

MAX_TRIES = 5
"""How often a message is tried: maxDequeueCount in host.json. The last try parks the secret with its real error."""
MAX_DEFERRALS = 10
"""How often a work item is put off because Azure asked for it."""
BUSY_SECONDS = 300.0
"""How long a work item is put off when other workers have held its source all the time."""


@dataclass(frozen=True)
class Service:
    """Rekey as its triggers see it."""

    engine: Engine
    queue: WorkQueue
    policies: Policies
    """Where the policy is read anew."""

    async def ready(self) -> Engine:
        """Return the engine under the policy as it is now; TransientError while there is none that can be followed."""
        return replace(self.engine, policy=await self.policies.current())

    async def on_event(self, text: str | bytes) -> None:
        """Turn a Key Vault event into a work item; an event that cannot be read raises, and is dead-lettered."""
        event = parse_event(text)
        if event is None:
            return
        if not self.engine.policy.manages(event.ref.vault):
            log.warning("event %s is about %s, which is not in REKEY_VAULTS: ignored", event.event_id, event.ref.vault)
            return
        await self.queue.post_rotation(
            WorkItem(event.ref, version=event.version, trigger="event", requested_by="event grid", reason=event.kind)
        )

    async def sweep(self, status: Mapping[str, str], *, past_due: bool) -> None:
        """Ask for every vault to be swept; `status` is the timer's ScheduleStatus."""
        if past_due:
            log.warning("this sweep is late: the app was not running when it was due")
        for vault in self.engine.policy.scopes:
            await self.queue.post_sweep(SweepOrder.by_schedule(vault, status, self.engine.clock.now()))

    async def sweep_vault(self, text: str | bytes, tries: int = 1) -> None:
        """Sweep one vault. A sweep that fails is made up for by the next; an incident's order comes back until it is done."""
        order = SweepOrder.from_json(text, self.engine.clock.now())
        if not self.engine.policy.manages(order.vault):
            log.warning("a sweep of %s was asked for, which is not in REKEY_VAULTS: ignored", order.vault[:200])
            return
        try:
            await Sweeper(await self.ready(), self.queue).sweep(order)
        except TransientError as error:
            if order.incident is None or tries < MAX_TRIES:
                raise
            log.warning("the incident's order for %s comes back: %s", order.vault, error)
            await self.queue.post_sweep(order, error.retry_after or BUSY_SECONDS)

    async def rotate(self, text: str | bytes, tries: int) -> None:
        """Work on one item. What may pass is raised, so that the queue tries again; the last try parks instead."""
        item = WorkItem.from_json(text)
        with self.engine.reporter.handling(item):
            await self._work(item, tries)

    async def _work(self, item: WorkItem, tries: int) -> None:
        try:
            await (await self.ready()).handle(item, tries)
        except TransientError as error:
            problem = error
        else:
            return
        # Azure said when to come back: asking before that would only prolong it. And a busy source is no broken one.
        busy = isinstance(problem, LeaseUnavailable) and tries >= MAX_TRIES
        later = problem.retry_after or (BUSY_SECONDS if busy else 0.0)
        if later and item.deferred < MAX_DEFERRALS:
            log.warning("%s comes back in %.0f s: %s", item.ref, later, problem)
            await self.queue.post_rotation(replace(item, deferred=item.deferred + 1), later)
        elif tries < MAX_TRIES:
            log.warning("try %d of %d for %s: %s", tries, MAX_TRIES, item.ref, problem)
            raise problem
        else:
            await (await self.ready()).park(item, problem)

    async def park(self, text: str | bytes, message_id: str) -> None:
        """Mark the secret of a message that the queue gave up on: its worker died each time, or it cannot be read."""
        try:
            item = WorkItem.from_json(text)
        except PermanentError as malformed:
            log.error("message %s on rotations-poison: %s", message_id, malformed)
            return
        error = PermanentError(
            f"gave up after {MAX_TRIES} tries, none of which came to an end",
            fix="see the log of operation " + (item.operation or "(version unknown)") + ", then rotate by hand",
        )
        with self.engine.reporter.handling(item):
            await (await self.ready()).park(item, error)
