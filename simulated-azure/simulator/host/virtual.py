"""The Functions host in virtual time.

Queues, the hourly timer, redelivery, poison, and workers that die.

Counts and delays are the host's: a message that fails or whose worker dies is back after
`visibilityTimeout` (30 s), that of
a dead instance after ten minutes; the sixth look at a message puts it on the poison queue. One
worker works at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.reach.sabotage import Died
from simulator.storage.queue_store import Message, Queue, Queues
from simulator.storage.queues import QueueService

TRIES = 5
"""maxDequeueCount of host.json."""
BACK = timedelta(seconds=30)
"""visibilityTimeout of host.json."""
LOST = timedelta(minutes=10)
"""How long the queue hides a message whose reader is gone with its instance."""
HOUR = timedelta(hours=1)
QUIET = timedelta(hours=12)
"""How often the timer runs in the middle of a long wait."""
EDGE = timedelta(hours=3)
"""So long after the beginning of a wait, and before its end, the timer runs hourly."""
LONG = timedelta(hours=6)
"""The middle of a wait that is longer than this is long."""
MOST_STEPS = 200_000


@dataclass
class OftenTimer[A]:
    """A timer that comes often. It is played when it finds something: else tests take hours."""

    every: timedelta
    run: Callable[[A], Awaitable[object]]
    due: Callable[[], datetime | None]
    """When it has something to do; None where it has nothing."""
    last: datetime | None = None
    """When it came last."""

    def next(self, now: datetime) -> datetime | None:
        """Return when it comes next and finds something."""
        due = self.due()
        if due is None:
            return None
        soonest = max(due, now)
        midnight = soonest.replace(hour=0, minute=0, second=0, microsecond=0)
        moment = midnight - (midnight - soonest) // self.every * self.every
        return max(moment, self.last + self.every) if self.last else moment


type Dying = Literal["worker", "instance"]
"""What dies: the Python process alone, or the instance with the host in it."""


@dataclass
class Host[A]:
    """One deployment's host. `start` starts its Python process, the app A."""

    world: Azure
    clock: VirtualClock
    account: str
    start: Callable[[], A]
    dying: Callable[[], Dying]
    """What took the process with it that has just died."""
    functions: Mapping[str, Callable[[A, bytes, Message], Awaitable[object]]]
    """By the queue that triggers it each function; a poison queue needs none."""
    timer: Callable[[A, Mapping[str, str]], Awaitable[object]]
    """What runs hourly, with the times of the last run and of the next one."""
    errors: list[Exception] = field(default_factory=list)
    """What invocations raised, in order."""
    durations: list[timedelta] = field(default_factory=list)
    """How long each invocation took."""
    sweeping: bool = True
    """Whether the timer runs."""
    every: timedelta = HOUR
    """How often it does."""
    often: OftenTimer[A] | None = None
    """A second timer."""
    _process: A | None = None
    _timer: datetime = field(init=False)
    _died: bool = False

    def __post_init__(self) -> None:
        self._timer = self.clock.now()

    @property
    def app(self) -> A:
        """The running process."""
        self._process = self._process or self.start()
        return self._process

    def restart(self) -> None:
        """Start a new process: what the old one held in memory is gone."""
        self._process = None

    def post(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        """Put a message on a queue."""
        now = self.clock.now()
        message = Message(
            self._queues.new_receipt(),
            base64.b64encode(text.encode()).decode(),
            now,
            now + timedelta(days=7),
            now + delay,
            "",
        )
        self.queue(queue).messages.append(message)

    def queue(self, name: str) -> Queue:
        """Return one of the host's queues."""
        if name not in self._queues.names(self.account):
            self._queues.create(self.account, name, {}, self.clock.now())
        return self._queues.find(self.account, name)

    def waiting(self, queue: str) -> list[Message]:
        """Return what is on a queue, hidden messages too."""
        return self.queue(queue).alive(self.clock.now())

    @property
    def _queues(self) -> Queues:
        return next(
            service for service in self.world.services if isinstance(service, QueueService)
        ).queues

    def next_due(self) -> datetime | None:
        """Return when this host has something to do next."""
        moments = [message.visible for name in self.functions for message in self.waiting(name)]
        often = self._next_often()
        moments += [self._next_timer()] if self.sweeping else []
        return min([*moments, *([often] if often else [])], default=None)

    def _next_often(self) -> datetime | None:
        return self.often.next(self.clock.now()) if self.often else None

    def _next_timer(self) -> datetime:
        return self._timer.replace(minute=0, second=0, microsecond=0) + self.every

    async def step(self) -> None:
        """Do one thing that is due now."""
        now = self.clock.now()
        if self.sweeping and self._next_timer() <= now:
            await self._tick()
            return
        if self.often and (moment := self._next_often()) and moment <= now:
            self.often.last = now
            await self._invoke(self.often.run)
            return
        due = [
            (message.visible, name, message)
            for name in self.functions
            for message in self.waiting(name)
        ]
        _, name, message = min(due, key=lambda entry: entry[0])
        await self._deliver(name, message)

    async def _tick(self) -> None:
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0)
        last, self._timer = self._timer, max(self._next_timer(), hour)
        times = {"Last": last.isoformat(), "Next": (self._timer + self.every).isoformat()}
        await self._invoke(lambda app: self.timer(app, times))

    async def _deliver(self, name: str, message: Message) -> None:
        message.dequeued += 1
        if message.dequeued > TRIES:
            self._poison(name, message)
            return
        body, function = base64.b64decode(message.body), self.functions[name]
        ended = await self._invoke(lambda app: function(app, body, message))
        if ended is None:
            self.queue(name).messages.remove(message)
        elif ended == BACK and message.dequeued >= TRIES and not self._died:
            self._poison(name, message)
        else:
            message.visible = self.clock.now() + ended

    async def _invoke(self, call: Callable[[A], Awaitable[object]]) -> timedelta | None:
        """Run one invocation; return after how long its message is back, None where it is done."""
        began, self._died = self.clock.now(), False
        try:
            await call(self.app)
        except Died:
            self._died = True
            self.restart()
            return LOST if self.dying() == "instance" else BACK
        except Exception as error:  # noqa: BLE001 - whatever it is, the host tries again
            self.errors.append(error)
            return BACK
        finally:
            self.durations.append(self.clock.now() - began)
        return None

    def _poison(self, name: str, message: Message) -> None:
        self.queue(name).messages.remove(message)
        if (poison := f"{name}-poison") in self.functions:
            self.post(poison, base64.b64decode(message.body).decode())


async def wait_until(clock: VirtualClock, hosts: Sequence[Host[Any]], end: datetime) -> None:
    """Let all hosts work until a moment, with fewer sweeps in the middle of a long wait."""
    begin, last = clock.now() + EDGE, end - EDGE
    if last - begin > LONG:
        await run_until(clock, hosts, begin)
        for host in hosts:
            host.every = QUIET
        await run_until(clock, hosts, last)
        for host in hosts:
            host.every = HOUR
    await run_until(clock, hosts, end)


async def run_until(clock: VirtualClock, hosts: Iterable[Host[Any]], end: datetime) -> None:
    """Let all hosts work until a moment; fails where they never come to rest."""
    running = list(hosts)
    for _ in range(MOST_STEPS):
        due = [
            (moment, number) for number, host in enumerate(running) if (moment := host.next_due())
        ]
        moment, number = min(due, default=(end, -1))
        if moment > end or number < 0:
            clock.advance(max(0.0, (end - clock.now()).total_seconds()))
            return
        clock.advance(max(0.0, (moment - clock.now()).total_seconds()))
        await running[number].step()
        if clock.now() > end:
            return
    raise AssertionError(f"the hosts are still busy at {clock.now()}")
