"""The engine's further ports on plain state: queues, reports, apps, chats.

The vaults and leases have files of their own.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from engine.errors import TransientError
from engine.secret import Sensitive, Version
from engine.state.entry import LastSweep, SweepSummary
from engine.state.policy import Policy, Webhook
from engine.state.request import Event, Notice, Outcome, Result, TaskOutcome, Work, WorkItem
from engine.state.sweep_order import SweepOrder
from tests.proof.hand import Hand
from tests.proof.kernel import EPOCH, Worker
from tests.proof.model_leases import OTHERS

if TYPE_CHECKING:
    from tests.proof.world import World

QUIET: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True)
class ModelQueue:
    """The queues; see engine.ports.WorkQueue."""

    hand: Hand

    async def post_rotation(self, item: Work, delay: float = 0.0) -> None:
        """Put a work item on `rotations`."""
        if isinstance(item, WorkItem) and (item.source or "").startswith(OTHERS):
            return
        text = item.to_json()
        await self.hand.reach("post", lambda: self._post("rotate", text, delay), changes=True)

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Put an order on `sweeps`."""
        text = order.to_json()
        await self.hand.reach("post", lambda: self._post("sweep", text, delay), changes=True)

    async def reach(self) -> None:
        """Post nothing."""
        await self.hand.reach("read queue", lambda: None)

    def _post(self, what: str, text: str, delay: float) -> None:
        world, worker = self.hand.world, self.hand.worker
        message = world.post(what, text, math.ceil(delay), worker.deployment)
        world.watch.put_off(worker, message)


@dataclass(frozen=True)
class ModelRequests:
    """What people asked for and is not done yet; see engine.ports.Requests."""

    hand: Hand

    async def keep(self, request: str, text: str, due: datetime) -> None:
        """Store a request, or move on when it is due."""
        self.hand.world.watch.said(text)
        await self.hand.reach("keep", lambda: self._keep(request, text, due), changes=True)

    def _keep(self, request: str, text: str, due: datetime) -> None:
        world, name = self.hand.world, self._name(request)
        world.requests[name] = (text, due)
        world.kept.add(request)
        world.watch.traces.add(self.hand.worker.number)
        if self.hand.worker.message.what != "recheck" or name not in world.promised:
            world.promised[name] = (due - EPOCH).total_seconds()

    async def read(self, request: str) -> str | None:
        """Return the text of a request."""
        kept, name = self.hand.world.requests, self._name(request)
        text, _ = await self.hand.reach("read request", lambda: kept.get(name, (None, None)))
        return text

    async def close(self, request: str) -> None:
        """Forget a request."""
        await self.hand.reach("close", lambda: self._close(self._name(request)), changes=True)

    def _close(self, name: tuple[str, str]) -> None:
        self.hand.world.watch.closes(self.hand.worker)
        self.hand.world.requests.pop(name, None)
        self.hand.world.promised.pop(name, None)

    async def due(self, by: datetime) -> list[str]:
        """Return the requests that are due."""
        return await self.hand.reach("list requests", lambda: self._due(by))

    def _due(self, by: datetime) -> list[str]:
        kept, mine = self.hand.world.requests, self.hand.worker.deployment
        times = {name: at for (where, name), (_, at) in kept.items() if where == mine and at <= by}
        return sorted(times, key=times.__getitem__)

    def _name(self, request: str) -> tuple[str, str]:
        return self.hand.worker.deployment, request


@dataclass(frozen=True)
class ModelReporter:
    """Hands every outcome to who watches."""

    world: World
    worker: Worker

    def handling(self, item: Work) -> AbstractContextManager[None]:
        """Follow nothing."""
        del item
        return QUIET

    def about(self, operation: str | None, rotator: str) -> None:
        """Take note of nothing."""

    def planned(self, step: str) -> None:
        """Take note of nothing."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Time nothing."""
        del name
        return QUIET

    async def concluded(self, outcome: Outcome) -> None:
        """Look at the outcome."""
        self.world.watch.concluded(outcome, self.worker.number)

    async def followed(self, outcome: TaskOutcome) -> None:
        """Look at the outcome of a task as at any other."""
        task, result = outcome.task, cast("Result", outcome.result)
        work = WorkItem(task.ref, version=task.version, cause=task.cause)
        like = Outcome(work, result, outcome.reason, outcome.fix, new_version=outcome.version)
        self.world.watch.concluded(like, self.worker.number)

    def waits(self, item: WorkItem) -> None:
        """Take note of nothing."""

    async def swept(self, summary: SweepSummary) -> None:
        """Take note of nothing."""

    def refused(self, item: WorkItem, kind: str, seconds: float) -> None:
        """Take note of nothing."""

    def denied(self, where: str, what: str) -> None:
        """Take note of nothing."""

    def given_up(self, queue: str) -> None:
        """Note that it was told of."""
        del queue
        self.world.watch.traces.add(self.worker.number)


@dataclass(frozen=True)
class ModelApps:
    """Apps that use a secret; see engine.ports.Apps."""

    hand: Hand

    async def refresh(self, app: str, secret: Version, *, ask: bool) -> bool:
        """Have an app use this version, unless it is stuck; returns whether it does."""
        del ask
        return await self.hand.reach(
            "refresh an app", lambda: self._refresh(app, secret), changes=True
        )

    def _refresh(self, app: str, secret: Version) -> bool:
        world = self.hand.world
        if app not in world.stuck:
            world.apps[app] = str(secret.version)
        return world.apps.get(app) == secret.version

    async def lags(self, app: str, secret: Version) -> bool:
        """Return whether an app uses another version."""
        world = self.hand.world
        lags = await self.hand.reach(
            "see an app", lambda: world.apps.get(app, secret.version) != secret.version
        )
        return bool(lags)


@dataclass(frozen=True)
class ModelChats:
    """Chats; see engine.ports.Webhooks."""

    hand: Hand

    async def send(self, hook: Webhook, url: Sensitive, message: Notice | Event) -> None:
        """Post a message, which says nothing secret."""
        del hook, url
        self.hand.world.watch.said(repr(message))
        await self.hand.reach("tell a person", lambda: None, changes=True)


class NoWatch:
    """An app that nobody watches; see engine.ports.Watch."""

    async def swept(self, order: SweepOrder) -> None:
        """Take note of nothing."""

    def rechecked(self) -> None:
        """Take note of nothing."""

    async def measure(self) -> None:
        """Measure nothing."""

    async def sweeps(self) -> list[LastSweep]:
        """Remember nothing."""
        return []

    async def obstacle(self) -> str:
        """See nothing."""
        return ""


class NoPolicy:
    """A policy document of which no valid version can be read; see engine.state.policy.Policies."""

    async def current(self) -> Policy:
        """Raise TransientError."""
        raise TransientError("no valid version of the policy can be read", code="NoPolicy")
