"""Five hundred leaks at once: when each is refused, in which order, and at what rate of changes.

Several workers share one virtual time: each of them waits for its own calls, as in an instance of
the app.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched

from api.github import MOST as MOST_ALERTS
from api.idempotency import Queued
from api.leaks import MOST, SECONDS, Finding, Reports, taken
from cli.leak import judge, post
from engine.service import Service
from engine.state.request import Action
from simulator.clock import VirtualClock
from simulator.storage.queue_store import Message
from simulator.wire import Request, Response
from tests.api.test_leaks import KEYED
from tests.shared.delivery import DEAD_SECONDS, Delivery
from tests.shared.policies import EMPTY, PolicyRig

LEAKS, WORKERS = 500, 24
"""One instance takes 16 messages, and more once 8 of them are done: host.json."""
LATENCY, POLL = 0.1, 1.0
SUPERSEDED = 5
"""Every so manieth leak is of a version that is inside its overlap."""
MOST_ROUNDS = 10_000


class SharedClock(VirtualClock):
    """A virtual clock on which several tasks wait at the same time."""

    async def sleep(self, seconds: float) -> None:
        """Wait, while others go on."""
        await asyncio.sleep(max(seconds, 0.0))


class _Selector(selectors.DefaultSelector):
    """Moves the clock to the next timer in place of waiting for it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else 0)
        if not ready and timeout:
            # The clock counts microseconds: a little more, so that the timer is due.
            self._clock.advance(timeout + 2e-6)
        return ready


def run[T](clock: VirtualClock, work: Coroutine[object, object, T]) -> T:
    """Run some work in which all timers follow the clock."""
    loop = asyncio.SelectorEventLoop(_Selector(clock))
    clock.rule(loop)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)


class Host(Delivery):
    """The queue of an instance with several workers."""

    async def take(self, service: Service, message: Message) -> Service:
        """Hide a message from the other workers, and deliver it."""
        self._hide(message, DEAD_SECONDS)
        return await self._deliver(service, message)


@dataclass
class Crowd:
    """Many secrets of one subscription, all of which have leaked."""

    leaks: int = LEAKS
    rig: PolicyRig = field(default_factory=lambda: PolicyRig(SharedClock()))
    refused: dict[str, datetime] = field(default_factory=dict)
    """By secret, when its account refused what leaked."""
    changes: list[datetime] = field(default_factory=list)
    """When keys were made new."""
    findings: list[Finding] = field(default_factory=list)
    accepted: dict[str, datetime] = field(default_factory=dict)
    """By secret, when the report of it alone was judged."""

    async def fill(self) -> None:
        """Put the secrets under management; some of them have been rotated since they leaked.

        Each has been seen once, so that its values have prints.
        """
        self.rig.vault.put("leak-key", "k" * 40)
        self.rig.push(EMPTY + KEYED)
        engine = await self.rig.service().ready()
        for number in range(self.leaks):
            name = f"key-{number:03}"
            account = self.rig.account(f"account{number:03}")
            value = self.rig.secret(name, account, days_left=80).value
            self.findings.append(Finding(value, "trufflehog", name, "bench", act=True))
            is_superseded = number % SUPERSEDED == 0
            action: Action = "rotate" if is_superseded else "audit"
            await engine.handle(self.rig.item(name, action=action, force=is_superseded))
        self.rig.clock.advance(120)

    async def watch(self, request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        """Let a call take its time, and note what it has changed."""
        await asyncio.sleep(LATENCY)
        response = await call()
        if request.path.endswith("/regenerateKey"):
            now, name = self.rig.clock.now(), request.path.split("/")[-2]
            self.changes.append(now)
            number = name.removeprefix("account")
            accepted = {key.value for key in self.rig.world.accounts[name].accepted_keys()}
            if self.findings[int(number)].value not in accepted:
                self.refused.setdefault(f"key-{number}", now)
        return response

    async def report(self) -> datetime:
        """Report all leaks as a scanner's findings, and work on them; return when that begins."""
        engine = await self.rig.service(self.watch).ready()
        results = await judge(engine, Reports(), self.findings)
        judged = [result for result in results if isinstance(result, Queued)]
        assert len(judged) == len(results), results
        self.changes.clear()
        accepted = self.rig.clock.now()
        posted, _ = await asyncio.gather(post(engine, judged), self.work())
        assert posted == judged, posted
        return accepted

    async def report_singly(self, most: int) -> None:
        """Report each leak by itself, so many as the app takes in a minute, and work on them."""
        engine, reports = await self.rig.service(self.watch).ready(), Reports()

        async def one(finding: Finding) -> None:
            queued = await taken(engine, reports, finding)
            self.accepted[finding.location] = self.rig.clock.now()
            await queued.post(engine)

        async def all_of_them() -> None:
            for some in batched(self.findings, most, strict=False):
                await asyncio.gather(asyncio.sleep(SECONDS), *map(one, some))

        self.changes.clear()
        await asyncio.gather(all_of_them(), self.work())

    async def work(self) -> None:
        """Work on messages until all that leaked is refused, as one instance does."""
        host = Host(self.rig, lambda: self.rig.service(self.watch))
        ends = self.rig.clock.now() + timedelta(hours=1)
        await asyncio.gather(*(self._worker(host, ends) for _ in range(WORKERS)))
        assert not host.errors, host.errors[0]

    async def _worker(self, host: Host, ends: datetime) -> None:
        service = host.start()
        for _ in range(MOST_ROUNDS):
            waiting = [
                message for message in self.rig.queue("rotations") if message.visible <= ends
            ]
            if not waiting and len(self.refused) == self.leaks:
                return
            message = min(waiting, key=lambda soonest: soonest.visible, default=None)
            if message and message.visible <= self.rig.clock.now():
                service = await host.take(service, message)
            else:
                await asyncio.sleep(POLL)

    def most_changes_a_second(self) -> int:
        """Return how many changes the fullest second of the clock holds."""
        return max(Counter(moment.replace(microsecond=0) for moment in self.changes).values())

    def is_superseded(self, name: str) -> bool:
        """Return whether what leaked of a secret was inside its overlap."""
        return int(name.removeprefix("key-")) % SUPERSEDED == 0


async def flood(crowd: Crowd) -> Sequence[float]:
    """Return the seconds from acceptance to refusal of each leak, in the order of refusal."""
    await crowd.fill()
    accepted = await crowd.report()
    return sorted((moment - accepted).total_seconds() for moment in crowd.refused.values())


async def singly(crowd: Crowd, most: int) -> Sequence[float]:
    """Return the same where each is reported by itself, so many in a minute."""
    await crowd.fill()
    await crowd.report_singly(most)
    times = ((crowd.accepted[name], moment) for name, moment in crowd.refused.items())
    return sorted((refused - accepted).total_seconds() for accepted, refused in times)


def report() -> None:
    """Print one line for each way to report, without what each key's first rotation warns of."""
    logging.getLogger("rekey").setLevel(logging.ERROR)
    ways: Mapping[str, Callable[[Crowd], Coroutine[object, object, Sequence[float]]]] = {
        "at once": flood,
        f"one by one, {MOST} a minute": lambda crowd: singly(crowd, MOST),
        f"one by one, {MOST_ALERTS} a minute": lambda crowd: singly(crowd, MOST_ALERTS),
        "one by one, all in one moment": lambda crowd: singly(crowd, LEAKS),
    }
    for way, leak in ways.items():
        crowd = Crowd()
        seconds = run(crowd.rig.clock, leak(crowd))
        assert len(seconds) == LEAKS
        p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        print(
            f"{LEAKS} leaks of one subscription {way}, {WORKERS} workers, 100 ms a call, virtual "
            f"time: refused after p50 {statistics.median(seconds):.0f} s, p95 {p95:.0f} s, at most "
            f"{seconds[-1]:.0f} s; at most {crowd.most_changes_a_second()} changes a second",
            flush=True,
        )


if __name__ == "__main__":
    report()
