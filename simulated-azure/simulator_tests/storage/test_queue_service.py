"""Queues and messages through Microsoft's client. What needs no time runs on Azurite too."""

from __future__ import annotations

import uuid

import pytest
from azure.storage.queue.aio import QueueClient

from simulator.clock import VirtualClock
from simulator_tests.storage.places import SimulatedStorage, Storage, refused

WEEK = 7 * 24 * 3600


async def read(queue: QueueClient, **options: int) -> list[str]:
    return [message.content async for message in queue.receive_messages(**options)]


async def test_a_message_that_is_read_is_hidden_and_counted(queue: QueueClient) -> None:
    sent = await queue.send_message("héllo <&>")
    received = await queue.receive_message(visibility_timeout=60)
    assert received is not None
    assert (received.id, received.content, received.dequeue_count) == (sent.id, "héllo <&>", 1)
    assert await queue.receive_message() is None
    assert await queue.peek_messages() == []


async def test_peeking_neither_hides_nor_counts(queue: QueueClient) -> None:
    await queue.send_message("a")
    counts = [[message.dequeue_count for message in await queue.peek_messages()] for _ in range(2)]
    assert counts == [[0], [0]]
    assert await read(queue) == ["a"]


async def test_a_deleted_message_is_gone(queue: QueueClient) -> None:
    await queue.send_message("a")
    received = await queue.receive_message()
    assert received is not None
    await queue.delete_message(received)
    assert await refused(queue.delete_message(received)) == (404, "MessageNotFound")
    assert (await queue.get_queue_properties()).approximate_message_count == 0


async def test_a_sender_may_delete_what_nobody_has_read(queue: QueueClient) -> None:
    await queue.delete_message(await queue.send_message("a"))
    assert await read(queue) == []


async def test_only_the_last_reader_may_delete_or_update(queue: QueueClient) -> None:
    sent = await queue.send_message("a")
    received = await queue.receive_message()
    assert received is not None
    assert await refused(queue.delete_message(sent)) == (400, "PopReceiptMismatch")
    updated = await queue.update_message(received, visibility_timeout=30)
    assert await refused(queue.update_message(received, visibility_timeout=0)) == (
        400,
        "PopReceiptMismatch",
    )
    assert await refused(queue.delete_message(received)) == (400, "PopReceiptMismatch")
    await queue.delete_message(updated)


async def test_an_update_replaces_the_text_and_may_show_the_message_again(
    queue: QueueClient,
) -> None:
    await queue.send_message("a")
    received = await queue.receive_message()
    assert received is not None
    await queue.update_message(received, visibility_timeout=0, content="b")
    again = await queue.receive_message()
    assert again is not None
    assert (again.content, again.dequeue_count) == ("b", 2)


async def test_an_update_without_text_keeps_it(queue: QueueClient) -> None:
    await queue.send_message("a")
    received = await queue.receive_message()
    assert received is not None
    await queue.update_message(received.id, received.pop_receipt, visibility_timeout=0)
    assert await read(queue) == ["a"]


async def test_a_delayed_message_is_counted_but_not_shown(queue: QueueClient) -> None:
    await queue.send_message("later", visibility_timeout=60)
    assert await read(queue) == []
    assert (await queue.get_queue_properties()).approximate_message_count == 1


async def test_clearing_removes_hidden_messages_too(queue: QueueClient) -> None:
    await queue.send_message("a")
    await queue.send_message("b", visibility_timeout=60)
    await queue.clear_messages()
    assert (await queue.get_queue_properties()).approximate_message_count == 0


async def test_up_to_32_messages_come_at_once_in_order(queue: QueueClient) -> None:
    for number in range(33):
        await queue.send_message(str(number))
    first = [message.content for message in await queue.peek_messages(32)]
    assert first == [str(number) for number in range(32)]


async def test_more_than_32_messages_cannot_be_asked_for(queue: QueueClient) -> None:
    assert await refused(read(queue, messages_per_page=33)) == (
        400,
        "OutOfRangeQueryParameterValue",
    )


async def test_no_messages_cannot_be_asked_for(timed_queue: QueueClient) -> None:
    """Azurite gives this refusal no error code."""
    assert await refused(read(timed_queue, messages_per_page=0)) == (
        400,
        "OutOfRangeQueryParameterValue",
    )


@pytest.mark.parametrize("seconds", [-1, WEEK + 1])
async def test_a_message_cannot_be_hidden_for_more_than_seven_days(
    queue: QueueClient, seconds: int
) -> None:
    expected = (400, "OutOfRangeQueryParameterValue")
    assert (
        await refused(queue.send_message("a", visibility_timeout=seconds, time_to_live=-1))
        == expected
    )
    await queue.send_message("a")
    assert await refused(queue.receive_message(visibility_timeout=seconds)) == expected


async def test_a_message_must_outlive_its_delay(queue: QueueClient) -> None:
    expected = (400, "InvalidQueryParameterValue")
    assert (
        await refused(queue.send_message("a", visibility_timeout=60, time_to_live=60)) == expected
    )
    assert await refused(queue.send_message("a", time_to_live=0)) == (
        400,
        "InvalidQueryParameterValue",
    )


async def test_a_message_may_live_for_ever(queue: QueueClient) -> None:
    sent = await queue.send_message("a", time_to_live=-1)
    assert sent.expires_on is not None
    assert sent.expires_on.year == 9999


async def test_a_message_holds_64_kib_and_not_a_byte_more(queue: QueueClient) -> None:
    await queue.send_message("a" * 65536)
    assert await refused(queue.send_message("a" * 65537)) == (413, "RequestBodyTooLarge")


async def test_creating_a_queue_again_answers_204_with_the_same_metadata_and_409_with_other(
    storage: Storage,
) -> None:
    """Microsoft's client raises for both."""
    queue = storage.queues.get_queue_client(f"q{uuid.uuid4().hex}")
    await queue.create_queue(metadata={"owner": "shop"})
    assert await refused(queue.create_queue(metadata={"owner": "shop"})) == (
        204,
        "QueueAlreadyExists",
    )
    assert await refused(queue.create_queue(metadata={"owner": "me"})) == (
        409,
        "QueueAlreadyExists",
    )
    assert (await queue.get_queue_properties()).metadata == {"owner": "shop"}
    await queue.set_queue_metadata({"owner": "me"})
    assert (await queue.get_queue_properties()).metadata == {"owner": "me"}


async def test_a_missing_queue_is_not_found_by_any_operation(storage: Storage) -> None:
    queue = storage.queues.get_queue_client(f"q{uuid.uuid4().hex}")
    expected = (404, "QueueNotFound")
    assert await refused(queue.get_queue_properties()) == expected
    assert await refused(queue.send_message("a")) == expected
    assert await refused(queue.receive_message()) == expected
    assert await refused(queue.peek_messages()) == expected
    assert await refused(queue.clear_messages()) == expected
    assert await refused(queue.delete_message("id", "receipt")) == expected
    assert await refused(queue.delete_queue()) == expected


@pytest.mark.parametrize(
    ("name", "code"), [("Upper", "InvalidResourceName"), ("ab", "OutOfRangeInput")]
)
async def test_a_name_that_no_queue_can_have_is_refused(
    storage: Storage, name: str, code: str
) -> None:
    assert await refused(storage.queues.create_queue(name)) == (400, code)


async def test_queues_are_listed_in_pages_by_name(storage: Storage) -> None:
    prefix = f"q{uuid.uuid4().hex[:8]}-"
    for name in ("b", "a", "c"):
        await storage.queues.create_queue(f"{prefix}{name}xx", metadata={"name": name})
    pages = storage.queues.list_queues(prefix, include_metadata=True, results_per_page=2).by_page()
    listed = [
        [(item.name.removeprefix(prefix), item.metadata) async for item in page]
        async for page in pages
    ]
    assert listed == [[("axx", {"name": "a"}), ("bxx", {"name": "b"})], [("cxx", {"name": "c"})]]


@pytest.mark.parametrize(("waited", "shown"), [(29.9, []), (30, ["a"])])
async def test_a_message_comes_back_exactly_when_its_time_out_ends(
    timed_queue: QueueClient, clock: VirtualClock, waited: float, shown: list[str]
) -> None:
    await timed_queue.send_message("a")
    await timed_queue.receive_message()
    clock.advance(waited)
    assert await read(timed_queue) == shown


async def test_every_reading_raises_the_dequeue_count(
    timed_queue: QueueClient, clock: VirtualClock
) -> None:
    await timed_queue.send_message("a")
    counts = []
    for _ in range(3):
        received = await timed_queue.receive_message(visibility_timeout=10)
        assert received is not None
        counts.append(received.dequeue_count)
        clock.advance(10)
    assert counts == [1, 2, 3]


async def test_a_reader_that_was_too_slow_loses_its_receipt(
    timed_queue: QueueClient, clock: VirtualClock
) -> None:
    await timed_queue.send_message("a")
    slow = await timed_queue.receive_message(visibility_timeout=10)
    assert slow is not None
    clock.advance(10)
    await timed_queue.receive_message(visibility_timeout=10)
    assert await refused(timed_queue.delete_message(slow)) == (400, "PopReceiptMismatch")


@pytest.mark.parametrize(("waited", "count"), [(WEEK - 1, 1), (WEEK, 0)])
async def test_a_message_expires_after_seven_days(
    timed_queue: QueueClient, clock: VirtualClock, waited: int, count: int
) -> None:
    await timed_queue.send_message("a")
    clock.advance(waited)
    assert (await timed_queue.get_queue_properties()).approximate_message_count == count


async def test_an_expired_message_is_not_found_even_by_its_holder(
    timed_queue: QueueClient, clock: VirtualClock
) -> None:
    await timed_queue.send_message("a", time_to_live=60)
    received = await timed_queue.receive_message(visibility_timeout=120)
    assert received is not None
    clock.advance(60)
    assert await refused(timed_queue.delete_message(received)) == (404, "MessageNotFound")


async def test_the_name_of_a_deleted_queue_is_taken_for_40_seconds(
    simulated: SimulatedStorage,
) -> None:
    """Azurite frees the name at once; Azure documents at least 40 seconds."""
    await simulated.queues.create_queue("events")
    await simulated.queues.delete_queue("events")
    simulated.clock.advance(39)
    assert await refused(simulated.queues.create_queue("events")) == (409, "QueueBeingDeleted")
    simulated.clock.advance(1)
    assert await read(await simulated.queues.create_queue("events")) == []
