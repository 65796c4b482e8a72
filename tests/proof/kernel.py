"""An event loop without a world behind it.

Virtual time, and calls that end only when a schedule says so, and how.

Everything that the engine does with asyncio (tasks, time-outs, waiting) runs unchanged on it, with
asyncio's own tasks and futures. Nothing here waits for anything: what is ready is run, and then
somebody decides which call goes on.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast, get_args

Mode = Literal[
    "go",
    "die before",
    "die after",
    "lose the answer",
    "throttle",
    "fail after the effect",
    "forbid",
    "lose the request",
    "arrive late",
    "read stale",
    "throttle for long",
]
EVERY_FAULT: tuple[Mode, ...] = get_args(Mode)[1:]
"""What can go wrong at a call. `arrive late`: the client sees no answer, and the request takes
effect at some later time.
`read stale`: the vault shows what was there before its latest change; `throttle for long`: past a
lease, and a function."""
FAULTS: tuple[Mode, ...] = EVERY_FAULT[:8]
"""Those of every scenario; the further two strike where a scenario says so, so that an older seed
means what it meant."""
CLIENT_TIMEOUT = 15.0
"""Seconds after which a client has stopped waiting for the answer to a change; the request may
still take effect."""
EPOCH = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Died(BaseException):
    """The worker's process ended here.

    Nothing of it runs on, so it passes every `except Exception`.
    """


@dataclass(eq=False)
class Call:
    """A call that waits for its turn."""

    label: str
    turn: asyncio.Future[Mode]


@dataclass(eq=False)
class Worker:
    """One process with one message in hand, and the calls that it waits for.

    Sometimes two at a time.
    """

    number: int
    message: Any = None
    task: asyncio.Task[object] | None = None
    calls: list[Call] = field(default_factory=list)
    dead: bool = False
    lease: Any = None
    deployment: str = ""
    rules: Any = None
    """The policy as it was when this process began."""
    last: tuple[str, object] = ("", None)
    """The call that it made last, renewals aside, and what that was about."""
    shown: dict[Any, Any] = field(default_factory=dict)
    """What its reads have shown last of each secret."""
    lagging: set[Any] = field(default_factory=set)
    """The secrets of which its last read has shown an older version."""
    removed: set[tuple[str, str]] = field(default_factory=set)
    """What this process remembers to have taken from a list."""
    resting: dict[tuple[str, str], float] = field(default_factory=dict)
    """Until when it was told not to make a call again, by the call and the vault that it is of."""

    def rests_until(self, label: str, about: object = None) -> float:
        """Return until when it may not make a call: each vault counts its own."""
        return self.resting.get((label, getattr(about, "vault", "")), 0.0)


class Kernel:
    """The loop, and the engine's clock."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._now = EPOCH
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._loop = cast("asyncio.AbstractEventLoop", self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs; raises RuntimeError while somebody is under way."""
        if self._ready or self.next_timer() is not None:
            raise RuntimeError("a kernel is copied only while nobody is under way")
        return {**vars(self), "_timers": []}

    def time(self) -> float:
        """Return seconds since the start."""
        return self._seconds

    monotonic = time

    def now(self) -> datetime:
        """Return the time of day."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Let this much time pass for one worker, others going on meanwhile."""
        await asyncio.sleep(seconds)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run something next."""
        handle = asyncio.Handle(callback, args, self._loop, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run something at a time."""
        timer = asyncio.TimerHandle(when, callback, args, self._loop, context)
        self._timers.append(timer)
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run something after a while."""
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self._loop)

    def create_task[T](self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Make a task."""
        return asyncio.Task(coroutine, loop=self._loop)

    def get_debug(self) -> bool:
        """Return that nothing is to be recorded for debugging."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are left out when time passes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore what a dead worker's tasks leave behind.

        Anything else that got here would be a mistake of the model.
        """
        if not isinstance(context.get("exception"), Exception | Died):
            raise RuntimeError(context["message"])  # noqa: TRY004 - it is not the argument that is wrong

    def next_timer(self) -> float | None:
        """Return when the next timer is due."""
        return min((timer.when() for timer in self._timers if not timer.cancelled()), default=None)

    def advance(self, seconds: float) -> None:
        """Let time pass, all at once; then run what fell due."""
        self._seconds += seconds
        self._now = EPOCH + timedelta(seconds=self._seconds)
        waiting = sorted(
            (timer for timer in self._timers if not timer.cancelled()), key=asyncio.TimerHandle.when
        )
        self._timers = [timer for timer in waiting if timer.when() > self._seconds]
        self._ready.extend(timer for timer in waiting if timer.when() <= self._seconds)
        self.run()

    def run(self) -> None:
        """Run what is ready, until everybody waits for a call or for time to pass."""
        ready = self._ready
        events._set_running_loop(self._loop)
        try:
            while ready:
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(None)

    async def turn(self, worker: Worker, label: str) -> Mode:
        """Wait until the schedule lets this call of a worker go on, and return how."""
        call = Call(label, self.create_future())
        worker.calls.append(call)
        try:
            return await call.turn
        finally:
            worker.calls.remove(call)
