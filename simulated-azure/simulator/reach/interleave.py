"""Several workers at once, one call at a time, in an order that a schedule dictates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from azure.core.exceptions import ServiceResponseError

from simulator.clock import VirtualClock
from simulator.reach.transport import Call, Intercept
from simulator.wire import Request, Response

CLIENT_TIMEOUT = 15.0
"""Seconds after which a client has stopped waiting for an answer; the request may still take
effect."""


@dataclass
class Turnstile:
    """Lets one worker make one call, then decides again who is next.

    `choose` gets the number of workers that wait and returns which of them goes on. A worker whose
    call was held while the
    clock moved past its time-out sees no answer, although the call took effect: that is how a late
    write looks.
    """

    clock: VirtualClock
    choose: Callable[[int], int]
    watch: Callable[[], None] = lambda: None
    _waiting: dict[int, asyncio.Event] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    trace: list[str] = field(default_factory=list)

    def intercept(self, worker: int) -> Intercept:
        """Return what stands in the transport of one worker."""

        async def stop(request: Request, call: Call) -> Response:
            if ".queue." in request.host:
                # Nobody reads the queues meanwhile, so when a message is posted makes no difference.
                return await call()
            arrived = self.clock.now()
            await self._queue(worker)
            response = await call()
            self.trace.append(
                f"{worker}: {request.method} {request.host}{request.path} -> {response.status}"
            )
            self.watch()
            if (self.clock.now() - arrived).total_seconds() > CLIENT_TIMEOUT:
                raise ServiceResponseError("the client stopped waiting")
            return response

        return stop

    async def _queue(self, worker: int) -> None:
        """Wait for the worker's turn; what it sends beside another call goes on with that."""
        if worker not in self._waiting:
            self._waiting[worker] = asyncio.Event()
            self._moved.set()
        await self._waiting[worker].wait()

    async def run(
        self, workers: Sequence[Callable[[], Awaitable[object]]], jump: float = 0.0
    ) -> list[object]:
        """Run the workers to their ends.

        With `jump`, one further choice at any moment is that the clock leaps by it.
        """
        tasks = [asyncio.ensure_future(worker()) for worker in workers]
        for task in tasks:
            task.add_done_callback(lambda _: self._moved.set())
        while not all(task.done() for task in tasks):
            running = sum(not task.done() for task in tasks)
            if len(self._waiting) < running:
                self._moved.clear()
                await self._moved.wait()
                continue
            order = sorted(self._waiting)
            chosen = self.choose(len(order) + bool(jump))
            if chosen == len(order):
                self.clock.advance(jump)
                self.trace.append(f"the clock leaps {jump:.0f} s")
                jump = 0.0
                continue
            self._waiting.pop(order[chosen]).set()
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Choices:
    """One path through a tree of choices.

    Follows `given`, then always the first, and remembers how wide each fork was.
    """

    given: Sequence[int] = ()
    taken: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def __call__(self, width: int) -> int:
        """Choose among so many."""
        choice = self.given[len(self.taken)] if len(self.taken) < len(self.given) else 0
        self.taken.append(choice)
        self.widths.append(width)
        return choice

    @property
    def is_past(self) -> bool:
        """Return whether all of `given` has been followed."""
        return len(self.taken) >= len(self.given)

    def following(self) -> list[int] | None:
        """Return the path to try next, in order; None once all have been tried."""
        for at in range(len(self.taken) - 1, -1, -1):
            if self.taken[at] + 1 < self.widths[at]:
                return [*self.taken[:at], self.taken[at] + 1]
        return None


def every_path() -> Iterator[Choices]:
    """Yield one `Choices` after another until every path has been taken.

    Each must be used up before the next.
    """
    path: list[int] | None = []
    while path is not None:
        choices = Choices(path)
        yield choices
        path = choices.following()


def fewest_first() -> Iterator[Choices]:
    """Yield every path once: first those with the fewest choices other than the first one.

    Whoever stops early has seen every single departure from the usual order, at its beginning as
    well as at its end. Each must be used up before the next.
    """
    choices, paths = Choices(), deque[tuple[Sequence[int], int, int]]()
    while True:
        yield choices
        given = choices.given
        for at in range(len(given), len(choices.taken)):
            paths.extend((given, at, other) for other in range(1, choices.widths[at]))
        if not paths:
            return
        # Written out only now: all of them would fill gigabytes where a path has thousands of forks.
        given, at, other = paths.popleft()
        choices = Choices([*given, *[0] * (at - len(given)), other])
