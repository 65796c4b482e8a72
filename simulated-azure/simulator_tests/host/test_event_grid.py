"""The Event Grid webhook answers alike on our host and on Microsoft's own extension."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from simulator_tests.host.running import MASTER_KEY, SYSTEM_KEY, RunningHost

NOTIFICATION = {"aeg-event-type": "Notification"}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}
FAILED = "Exception while executing function: on_event"


def event(kind: str, marker: str = "1", **data: Any) -> dict[str, Any]:
    return {
        "id": marker,
        "topic": "/subscriptions/1",
        "subject": "a-secret",
        "eventType": kind,
        "eventTime": "2026-01-01T00:00:00.0000000Z",
        "data": data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def cloud_event(marker: str) -> dict[str, Any]:
    return {
        "id": marker,
        "source": "/s",
        "type": "A",
        "time": "2026-01-01T00:00:00Z",
        "data": {"a": 1},
        "specversion": "1.0",
    }


def call(
    host: RunningHost,
    content: object = None,
    headers: dict[str, str] | None = None,
    function: str = "on_event",
    method: str = "POST",
    key: str = SYSTEM_KEY,
) -> tuple[int, str, str]:
    """Send one request to the webhook.

    Return status, body, and the Webhook-Allowed-Origin header.
    """
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    url = f"{host.url}/runtime/webhooks/EventGrid?functionName={function}&code={key}"
    request = Request(url, data=body, method=method, headers=headers or {})  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return (
                answer.status,
                answer.read().decode(),
                answer.headers.get("Webhook-Allowed-Origin", ""),
            )
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), ""


def test_every_event_of_a_delivery_is_one_call_and_the_answer_is_202(host: RunningHost) -> None:
    markers = [uuid4().hex, uuid4().hex]
    assert call(host, [event("A", marker, a=1) for marker in markers], NOTIFICATION) == (
        202,
        "",
        "",
    )
    for marker in markers:
        assert [note["data"] for note in host.records("on_event", id=marker)] == [{"a": 1}]


def test_a_single_event_needs_no_array(host: RunningHost) -> None:
    marker = uuid4().hex
    assert call(host, event("A", marker), NOTIFICATION)[0] == 202
    assert len(host.records("on_event", id=marker)) == 1


def test_one_failure_answers_500_for_the_whole_delivery_though_the_others_ran(
    host: RunningHost,
) -> None:
    good, bad = uuid4().hex, uuid4().hex
    assert call(host, [event("A", good), event("fail", bad)], NOTIFICATION) == (500, FAILED, "")
    assert len(host.wait_for_records(1, "on_event", id=good)) == 1


def test_the_events_of_a_delivery_run_at_the_same_time(host: RunningHost) -> None:
    assert call(host, [event("pair"), event("pair")], NOTIFICATION)[0] == 202


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("2026-01-01T00:00:00.0000000Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.1200000Z", "2026-01-01T00:00:00.12Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.000", "2026-01-01T00:00:00"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00.500+00:00", "2026-01-01T00:00:00.5+00:00"),
        ("2026-01-01T02:00:00.500+02:00", "2026-01-01T00:00:00.5+00:00"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T00:00Z", "2026-01-01T00:00Z"),
        ("2026-13-01T00:00:00.0Z", "2026-13-01T00:00:00.0Z"),
        ("2026-01-01 00:00:00.000", "2026-01-01 00:00:00.000"),
        ("at 00:00:00.000", "at 00:00:00.000"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_times_in_the_data_are_written_again_in_utc_without_the_zeros_of_their_fractions(
    host: RunningHost, sent: str, seen: str
) -> None:
    marker = uuid4().hex
    call(host, event("A", marker, t=sent, list=[sent]), NOTIFICATION)
    assert host.wait_for_records(1, "on_event", id=marker)[0]["data"] == {"t": seen, "list": [seen]}


def test_a_cloud_event_that_comes_as_a_notification_reaches_the_function(host: RunningHost) -> None:
    marker = uuid4().hex
    headers = {**NOTIFICATION, "Content-Type": "application/cloudevents+json"}
    assert call(host, cloud_event(marker), headers, function="on_cloud_event")[0] == 202
    assert host.wait_for_records(1, "on_cloud_event", id=marker)[0]["source"] == "/s"


@pytest.mark.parametrize("whole", [True, False], ids=["array", "single"])
def test_the_handshake_returns_the_validation_code(host: RunningHost, *, whole: bool) -> None:
    validation = event("Microsoft.EventGrid.SubscriptionValidationEvent", validationCode="512d38b6")
    answer = call(host, [validation] if whole else validation, VALIDATION)
    assert answer == (200, '{"validationResponse":"512d38b6"}', "")


def test_the_cloud_events_handshake_allows_event_grid(host: RunningHost) -> None:
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    assert call(host, b"", headers, method="OPTIONS") == (200, "", "eventgrid.azure.net")


@pytest.mark.parametrize(
    ("headers", "method"), [(NOTIFICATION, "POST"), (VALIDATION, "POST"), ({}, "OPTIONS")]
)
@pytest.mark.parametrize("function", ["nobody", "", "ON_EVENT"])
def test_an_unknown_function_is_a_404(
    host: RunningHost, function: str, headers: dict[str, str], method: str
) -> None:
    answer = call(host, [event("A")], headers, function=function, method=method)
    assert answer == (404, f"cannot find function: '{function}'", "")


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        ([event("A")], {}, 400),
        (cloud_event("1"), {"Content-Type": "application/cloudevents+json"}, 400),
        ([event("A")], {"aeg-event-type": "Other"}, 400),
        ([event("A")], {"aeg-event-type": "notification"}, 202),
        ([event("A")], {"aeg-event-type": "Unsubscribe"}, 202),
        ([], NOTIFICATION, 202),
        (b"not json", NOTIFICATION, 500),
        (b"", NOTIFICATION, 500),
        ([1], NOTIFICATION, 500),
        ([event("A")], VALIDATION, 500),
    ],
)
def test_other_requests_get_the_same_status(
    host: RunningHost, content: object, headers: dict[str, str], status: int
) -> None:
    assert call(host, content, headers)[0] == status


@pytest.mark.parametrize("key", ["", "wrong"])
def test_our_webhook_is_closed_without_its_key(our_host: RunningHost, key: str) -> None:
    marker = uuid4().hex
    assert call(our_host, [event("A", marker)], NOTIFICATION, key=key)[0] == 401
    assert our_host.records("on_event", id=marker) == []


def test_the_master_key_opens_our_webhook(our_host: RunningHost) -> None:
    assert call(our_host, [event("A")], NOTIFICATION, key=MASTER_KEY)[0] == 202
