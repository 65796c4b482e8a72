"""What the listeners do that takes hours or luck to see from outside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.queue.aio import QueueClient

from simulator.host.messages import NEVER, Message
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.queue_messages import INVISIBLE_WHILE_RUNNING, Lease
from simulator.host.queue_options import QueueOptions
from simulator.host.queues import QueueListener, Run
from simulator.host.schedule import Schedule
from simulator.host.timers import TimerListener

MESSAGE = Message("id", "Y29udGVudA==", 1, NEVER, NEVER, NEVER, "receipt 0")


class FakeQueue:
    """A queue with one message, whose receipt changes with every update, as the service's does."""

    def __init__(self) -> None:
        self.receipt = MESSAGE.pop_receipt
        self.updates: list[int] = []
        self.deleted = False
        self.renewed = asyncio.Event()

    async def update_message(
        self, _id: str, receipt: str, *, visibility_timeout: int, **_: Any
    ) -> SimpleNamespace:
        self._check(receipt)
        self.updates.append(visibility_timeout)
        self.receipt = f"receipt {len(self.updates)}"
        if len(self.updates) >= 2:
            self.renewed.set()
        return SimpleNamespace(pop_receipt=self.receipt)

    async def delete_message(self, _id: str, receipt: str) -> None:
        self._check(receipt)
        self.deleted = True

    def _check(self, receipt: str) -> None:
        if receipt != self.receipt:
            raise ResourceNotFoundError("the pop receipt is not the last one")


def lease_on(queue: FakeQueue) -> Lease:
    return Lease(MESSAGE, cast("QueueClient", queue), poison=None)


async def test_a_message_is_kept_invisible_as_long_as_its_function_runs_and_deleted_with_the_last_receipt() -> (
    None
):
    queue = FakeQueue()
    lease = lease_on(queue)
    async with lease.renewed(every=0.001):
        await asyncio.wait_for(queue.renewed.wait(), 60)
    await lease.complete()
    assert set(queue.updates) == {INVISIBLE_WHILE_RUNNING}
    assert queue.deleted


class FakeService(FakeQueue):
    """A queue that answers one poll, with its message or with an error, and is then empty."""

    queue_name = "fake"

    def __init__(self, error: AzureError | None = None) -> None:
        super().__init__()
        self._errors = [error] if error else []
        self._messages = [] if error else [MESSAGE]
        self.polls = 0
        self.polled_again = asyncio.Event()

    def receive_messages(self, **_: Any) -> FakeService:
        return self

    def by_page(self) -> AsyncIterator[AsyncIterator[SimpleNamespace]]:
        return self._pages()

    async def _pages(self) -> AsyncIterator[AsyncIterator[SimpleNamespace]]:
        self.polls += 1
        if self.polls == 2:
            self.polled_again.set()
        for error in self._errors[:]:
            self._errors.remove(error)
            raise error
        yield self._page()

    async def _page(self) -> AsyncIterator[SimpleNamespace]:
        for message in self._messages[:]:
            self._messages.remove(message)
            times = {"inserted_on": NEVER, "expires_on": NEVER, "next_visible_on": NEVER}
            yield SimpleNamespace(**vars(message), **times)


def listener_on(queue: FakeService, run: Run) -> QueueListener:
    return QueueListener(
        cast("QueueClient", queue), cast("QueueClient", queue), QueueOptions(longest_poll=0.1), run
    )


async def succeed(_message: Message, _body: bytes) -> bool:
    return True


def refusal(status: int) -> HttpResponseError:
    error = HttpResponseError("refused")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    "error", [refusal(403), ClientAuthenticationError("no token")], ids=["403", "no token"]
)
async def test_a_poll_that_is_refused_ends_the_listener(error: AzureError) -> None:
    with pytest.raises(type(error)):
        await asyncio.wait_for(listener_on(FakeService(error), succeed).listen(), 60)


@pytest.mark.parametrize(
    "error", [refusal(500), refusal(503), ResourceNotFoundError("no such queue")]
)
async def test_a_poll_that_fails_for_another_reason_is_tried_again(error: AzureError) -> None:
    queue = FakeService(error)
    listener = listener_on(queue, succeed)
    listening = asyncio.create_task(listener.listen())
    await asyncio.wait_for(queue.polled_again.wait(), 60)
    await listener.stop()
    await asyncio.wait_for(listening, 60)


async def test_a_message_in_hand_that_is_abandoned_is_neither_released_nor_deleted() -> None:
    """The function has failed by then, since its worker was killed.

    A kinder host would release the message.
    """
    queue, began, ends = FakeService(), asyncio.Event(), asyncio.Event()

    async def fail(_message: Message, _body: bytes) -> bool:
        began.set()
        await ends.wait()
        return False

    listener = listener_on(queue, fail)
    listening = asyncio.create_task(listener.listen())
    await asyncio.wait_for(began.wait(), 60)
    listener.abandon()
    ends.set()
    await asyncio.wait_for(listener.stop(), 60)
    await asyncio.wait_for(listening, 60)
    assert (queue.updates, queue.deleted) == ([], False)


async def test_a_message_that_somebody_else_has_taken_meanwhile_is_left_to_them() -> None:
    queue = FakeQueue()
    queue.receipt = "somebody else's"
    await lease_on(queue).complete()
    assert not queue.deleted


class AlwaysDue(Schedule):
    """A schedule whose next run is always overdue."""

    def __init__(self) -> None:
        super().__init__("* * * * * *")

    def after(self, moment: datetime) -> datetime:
        return moment - timedelta(seconds=1)


class NoOneElse:
    """A lock that nobody else wants."""

    @contextlib.asynccontextmanager
    async def held(self, stopping: asyncio.Event) -> AsyncIterator[bool]:
        del stopping
        yield True


class SlowRuns:
    """Counts runs, and how many of them there are at once."""

    def __init__(self) -> None:
        self.ended = 0
        self.most_at_once = 0
        self._running = 0
        self.enough = asyncio.Event()

    async def run(self, _timer: TypedData) -> None:
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        await asyncio.sleep(0)
        self._running -= 1
        self.ended += 1
        if self.ended == 5:
            self.enough.set()


@pytest.mark.parametrize("run_on_startup", [True, False])
async def test_a_timer_that_is_always_due_runs_one_at_a_time_and_stops_when_told(
    *, run_on_startup: bool
) -> None:
    runs = SlowRuns()
    listener = TimerListener(
        AlwaysDue(), None, NoOneElse(), runs.run, run_on_startup=run_on_startup
    )
    listening = asyncio.create_task(listener.listen())
    await asyncio.wait_for(runs.enough.wait(), 60)
    await listener.stop()
    await asyncio.wait_for(listening, 60)
    assert runs.most_at_once == 1


async def test_a_timer_that_is_not_due_does_not_run_and_stops_at_once() -> None:
    runs = SlowRuns()
    listener = TimerListener(
        Schedule("0 0 0 29 2 *"), None, NoOneElse(), runs.run, run_on_startup=False
    )
    await listener.stop()
    await asyncio.wait_for(listener.listen(), 60)
    assert runs.ended == 0
    assert Schedule("0 0 0 29 2 *").after(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(
        2028, 2, 29, tzinfo=UTC
    )
