"""Queue triggers behave alike on our host and on Microsoft's own queue listener."""

from __future__ import annotations

import base64
import itertools
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient

from simulator_tests.host.running import RunningHost
from simulator_tests.host.waiting import wait_for


def encoded(body: str | bytes) -> str:
    return base64.b64encode(body.encode() if isinstance(body, str) else body).decode()


def contents(queue: QueueClient) -> list[str]:
    return [str(message.content) for message in queue.peek_messages(max_messages=32)]


def wait_for_message(queue: QueueClient, content: str) -> None:
    wait_for(
        lambda: content in contents(queue),
        lambda: f"{content} in {queue.queue_name}; it holds {contents(queue)}",
    )


def is_empty(queue: QueueClient) -> bool:
    return queue.get_queue_properties().approximate_message_count == 0


def test_a_message_whose_function_succeeds_is_deleted_after_one_try(host: RunningHost) -> None:
    queue, body = host.queue("raw"), uuid4().hex
    queue.send_message(encoded(body))
    host.wait_for_records(1, "on_raw", body=body)
    wait_for(lambda: is_empty(queue), lambda: "the message to be deleted")
    assert len(host.records("on_raw", body=body)) == 1


def test_a_failing_message_is_tried_three_times_with_the_delay_between_and_then_poisoned(
    host: RunningHost,
) -> None:
    sent = host.queue("things").send_message(encoded("fail"))
    wait_for_message(host.queue("things-poison"), encoded("fail"))
    tries = host.records("on_thing", id=sent.id)
    assert [attempt["dequeue_count"] for attempt in tries] == [1, 2, 3]
    # Each try hides the message for ten minutes from when it begins.
    begins = [datetime.fromisoformat(attempt["next_visible"]) for attempt in tries]
    assert all(
        after - before >= timedelta(seconds=1) for before, after in itertools.pairwise(begins)
    )
    assert all(
        after - before < timedelta(seconds=10) for before, after in itertools.pairwise(begins)
    )


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_as_it_is_and_the_function_is_not_called(
    host: RunningHost,
) -> None:
    text = f"not base64 {uuid4().hex}"
    sent = host.queue("things").send_message(text)
    wait_for_message(host.queue("things-poison"), text)
    assert host.records("on_thing", id=sent.id) == []


def test_a_message_that_is_not_utf8_goes_to_the_poison_queue_and_the_function_is_not_called(
    host: RunningHost,
) -> None:
    content = encoded(b"\xff" + uuid4().bytes)
    sent = host.queue("things").send_message(content)
    wait_for_message(host.queue("things-poison"), content)
    assert host.records("on_thing", id=sent.id) == []


def test_a_binary_binding_takes_bytes_that_are_no_text(host: RunningHost) -> None:
    body = b"\xff\x00" + uuid4().bytes
    host.queue("raw").send_message(encoded(body))
    host.wait_for_records(1, "on_raw", body=body.decode("latin-1"))


def test_a_message_that_fails_in_a_poison_queue_stays_there_unseen_and_is_not_tried_again(
    host: RunningHost,
) -> None:
    poison, things = host.queue("dead-poison"), host.queue("things")
    sent = poison.send_message(encoded("fail"))
    host.wait_for_records(1, "on_poison", id=sent.id)
    # By the time that a failing message of an ordinary queue has had three tries, this one would
    # have had its second.
    measure = things.send_message(encoded("fail"))
    host.wait_for_records(3, "on_thing", id=measure.id)
    assert len(host.records("on_poison", id=sent.id)) == 1
    assert contents(poison) == []
    assert poison.get_queue_properties().approximate_message_count == 1
    assert "dead-poison-poison" not in host.queue_names()


def test_the_function_sees_the_message_as_the_queue_has_it(host: RunningHost) -> None:
    body = uuid4().hex
    sent = host.queue("raw").send_message(encoded(body))
    seen = host.wait_for_records(1, "on_raw", body=body)[0]
    assert seen["id"] == sent.id
    assert seen["dequeue_count"] == 1
    assert datetime.fromisoformat(seen["inserted"]) == sent.inserted_on
    assert datetime.fromisoformat(seen["expires"]) == sent.expires_on
    assert seen["pop_receipt"]
    hidden_for = datetime.fromisoformat(seen["next_visible"]) - datetime.fromisoformat(
        seen["inserted"]
    )
    assert timedelta(minutes=10) <= hidden_for < timedelta(minutes=11)


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        ('"id": "mine"', "id", "mine"),
        ('"ID": 1', "id", "1"),
        ('"Id": 1.50', "id", "1.5"),
        ('"id": 1e3', "id", "1000"),
        ('"id": true', "id", "True"),
        ('"id": ""', "id", ""),
        ('"id": {"a": 1}', "id", "{'a': 1}"),
        ('"id": "2026-01-02T03:04:05Z"', "id", "01/02/2026 03:04:05"),
        ('"id": "2026-01-02T03:04:05.678"', "id", "01/02/2026 03:04:05"),
        ('"id": "2026-01-02T03:04:05+02:00"', "id", "01/02/2026 01:04:05"),
        ('"id": "2026-13-02T03:04:05Z"', "id", "2026-13-02T03:04:05Z"),
        ('"id": 123456789012345678901', "id", "123456789012345678901"),
        ('"id": 1e30', "id", "1E+30"),
        ('"id": 0.00001', "id", "1E-05"),
        ('"id": 0.1', "id", "0.1"),
        ('"id": "2026-01-02"', "id", "2026-01-02"),
        ('"dequeueCount": 77', "dequeue_count", 77),
        ('"popReceipt": "p"', "pop_receipt", "p"),
    ],
)
def test_a_property_of_a_json_message_replaces_the_metadata_of_that_name(
    host: RunningHost, properties: str, field: str, value: object
) -> None:
    body = f'{{"marker": "{uuid4().hex}", {properties}}}'
    host.queue("things").send_message(encoded(body))
    assert host.wait_for_records(1, "on_thing", body=body)[0][field] == value


@pytest.mark.parametrize(
    "body",
    [
        '{{"marker": "{marker}", "id": null}}',
        '{{"marker": "{marker}", "id": ["mine"]}}',
        '[{{"marker": "{marker}", "id": "mine"}}]',
        '{{"marker": "{marker}", "id": "mine"} trailing',
        '{{"marker": "{marker}", "id": "mine"',
    ],
    ids=["null", "array", "array of objects", "trailing text", "cut off"],
)
def test_the_metadata_stays_as_it_is_beside_such_messages(host: RunningHost, body: str) -> None:
    body = body.replace("{marker}", uuid4().hex).replace("{{", "{").replace("}}", "}")
    sent = host.queue("things").send_message(encoded(body))
    assert host.wait_for_records(1, "on_thing", body=body)[0]["id"] == sent.id


def test_a_property_that_the_worker_cannot_read_as_metadata_poisons_the_message_uncalled(
    host: RunningHost,
) -> None:
    body = f'{{"marker": "{uuid4().hex}", "insertionTime": "2026-01-02T03:04:05Z"}}'
    host.queue("things").send_message(encoded(body))
    wait_for_message(host.queue("things-poison"), encoded(body))
    assert host.records("on_thing", body=body) == []


def test_the_properties_of_a_message_leave_the_metadata_alone_where_a_function_takes_bytes(
    host: RunningHost,
) -> None:
    body = f'{{"marker": "{uuid4().hex}", "id": "mine"}}'
    sent = host.queue("raw").send_message(encoded(body))
    assert host.wait_for_records(1, "on_raw", body=body)[0]["id"] == sent.id


def test_two_messages_run_at_the_same_time(host: RunningHost) -> None:
    queue = host.queue("things")
    sent = [queue.send_message(encoded("pair")) for _ in range(2)]
    for message in sent:
        assert [
            call["dequeue_count"] for call in host.wait_for_records(1, "on_thing", id=message.id)
        ] == [1]
    wait_for(lambda: is_empty(queue), lambda: "both to succeed")


def test_a_queue_that_does_not_exist_is_not_created_and_is_listened_to_once_it_is(
    host: RunningHost,
) -> None:
    assert "late" not in host.queue_names()
    body = uuid4().hex
    host.queue("late").send_message(encoded(body))
    host.wait_for_records(1, "on_late", body=body)


def test_a_function_with_a_setting_that_is_missing_is_left_out_and_named(host: RunningHost) -> None:
    assert "'on_nothing' failed indexing and will be disabled" in host.log()
