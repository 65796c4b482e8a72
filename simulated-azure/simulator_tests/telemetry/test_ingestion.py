"""The ingestion endpoint takes what Azure takes.

It also refuses the rest item by item, in Azure's words where those are known.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from simulator.clock import VirtualClock
from simulator.telemetry.service import IngestionService
from simulator.telemetry.tables import row
from simulator.wire import Request, Response
from simulator.world import World

HOST = "ingestion.example"
KEY = "b1f2c3d4-0000-4000-8000-5e6f7a8b9c0d"
MESSAGE = {
    "ver": 2,
    "message": "hello",
    "severityLevel": "Warning",
    "properties": {"vault": "prod"},
}
METRIC = {
    "ver": 2,
    "metrics": [{"name": "rekey.drift", "value": 2, "count": 1}],
    "properties": {"vault": "prod"},
}
CALL = {
    "ver": 2,
    "name": "rekey.read",
    "id": "a1",
    "duration": "0.00:00:01.250",
    "success": True,
    "resultCode": "0",
}
REQUEST = {
    "ver": 2,
    "id": "a1",
    "name": "rotate",
    "duration": "1.02:03:04.5",
    "success": False,
    "responseCode": "500",
}
FAILURE = {
    "ver": 2,
    "exceptions": [{"typeName": "ValueError", "message": "wrong", "hasFullStack": True}],
}


class Endpoint:
    """The endpoint in a world of its own."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.service = IngestionService(World(self.clock.now), HOST, KEY)

    def envelope(
        self, base: str = "MessageData", content: Mapping[str, Any] = MESSAGE, **changes: Any
    ) -> dict[str, Any]:
        """Return an item that is right but for the changes; None takes a field away."""
        whole = {
            "ver": 1,
            "name": "Microsoft.ApplicationInsights.Message",
            "time": self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.1234567Z"),
            "iKey": KEY,
            "tags": {
                "ai.operation.id": "t1",
                "ai.operation.parentId": "s1",
                "ai.cloud.role": "rekey",
            },
            "data": {"baseType": base, "baseData": dict(content)},
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def post(
        self, body: bytes, path: str = "/v2.1/track", method: str = "POST", **headers: str
    ) -> Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.service.handle(Request(method, f"http://{HOST}{path}", named, body))

    def track(self, *items: Any) -> tuple[int, dict[str, Any]]:
        """Post items; return status and answer."""
        response = self.post(json.dumps(items).encode())
        answer = response.json()
        assert isinstance(answer, dict)
        return response.status, answer

    def complaint(self, item: Any) -> str:
        """Return what is said against one item, empty where it is taken."""
        status, answer = self.track(item)
        assert (status, answer["itemsAccepted"]) == ((400, 0) if answer["errors"] else (200, 1))
        return "".join(error["message"] for error in answer["errors"])


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.mark.parametrize(
    ("base", "data"),
    [
        ("MessageData", MESSAGE),
        ("MetricData", METRIC),
        ("RemoteDependencyData", CALL),
        ("RequestData", REQUEST),
        ("ExceptionData", FAILURE),
    ],
)
def test_an_item_of_each_type_is_taken(base: str, data: dict[str, Any], endpoint: Endpoint) -> None:
    item = endpoint.envelope(base, data)
    assert endpoint.track(item) == (200, {"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
    assert endpoint.service.envelopes == [item]


def test_of_a_batch_only_the_wrong_items_are_refused(endpoint: Endpoint) -> None:
    good, bad = endpoint.envelope(), endpoint.envelope(iKey="another")
    error = {"index": 1, "statusCode": 400, "message": "Invalid instrumentation key"}
    assert endpoint.track(good, bad, good) == (
        206,
        {"itemsReceived": 3, "itemsAccepted": 2, "errors": [error]},
    )
    assert endpoint.service.refused == ["Invalid instrumentation key"]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("separator", [None, b"\n"])
def test_a_body_is_an_array_or_a_line_an_item_and_may_be_compressed(
    separator: bytes | None, *, compressed: bool, endpoint: Endpoint
) -> None:
    item = endpoint.envelope()
    body = (
        json.dumps([item, item]).encode()
        if separator is None
        else separator.join([json.dumps(item).encode()] * 2)
    )
    headers = {"content_encoding": "gzip"} if compressed else {}
    assert endpoint.post(gzip.compress(body) if compressed else body, **headers).status == 200
    assert endpoint.service.envelopes == [item, item]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"hello"])
def test_a_body_that_cannot_be_read_is_refused(body: bytes, endpoint: Endpoint) -> None:
    assert endpoint.post(body).status == 400
    assert endpoint.post(body, content_encoding="gzip").status == 400
    assert endpoint.service.envelopes == []


def test_there_is_one_endpoint(endpoint: Endpoint) -> None:
    body = json.dumps([endpoint.envelope()]).encode()
    assert endpoint.post(body, path="/v3/track").status == 404
    assert endpoint.post(body, method="PUT").status == 405
    assert endpoint.post(body, path="//v2.1/track").status == 200


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"iKey": None}, "Invalid instrumentation key"),
        ({"name": None}, "109: Field 'name' on type 'Envelope' is required but missing or empty"),
        ({"time": None}, "109: Field 'time' on type 'Envelope' is required but missing or empty"),
        ({"time": "yesterday"}, "102: Field 'time' on type 'Envelope' is not a valid time string"),
        (
            {"time": "2026-11-02T09:00:00+00:00"},
            "102: Field 'time' on type 'Envelope' is not a valid time string",
        ),
        ({"data": None}, "109: Field 'data' on type 'Envelope' is required"),
        ({"ver": "one"}, "Field 'ver' on type 'Envelope' is of incorrect type"),
        ({"ver": True}, "Field 'ver' on type 'Envelope' is of incorrect type"),
        ({"surprise": 1}, "Field 'surprise' on type 'Envelope' is unknown"),
        (
            {"tags": {"ai.operation.id": 7}},
            "Field 'ai.operation.id' on type 'ContextTagKeys' is of incorrect type",
        ),
        (
            {"tags": {"ai.operation.id": "x" * 129}},
            "100: Field 'ai.operation.id' on type 'ContextTagKeys' is too long",
        ),
        ({"data": {"baseType": "Nonsense", "baseData": {}}}, "Field 'baseType'"),
        ({"data": {"baseType": "MessageData"}}, "Field 'baseType'"),
    ],
)
def test_a_malformed_envelope_is_refused(
    changes: dict[str, Any], complaint: str, endpoint: Endpoint
) -> None:
    assert endpoint.complaint(endpoint.envelope(**changes)).startswith(complaint)


@pytest.mark.parametrize(
    ("base", "data", "complaint"),
    [
        ("MessageData", {**MESSAGE, "message": ""}, "109: Field 'message'"),
        (
            "MessageData",
            {**MESSAGE, "properties": {"attempts": 3}},
            "Field 'attempts' on type 'MessageData' is of incorrect",
        ),
        ("MetricData", {**METRIC, "metrics": []}, "109: Field 'metrics'"),
        (
            "MetricData",
            {**METRIC, "metrics": [{"name": "x"}]},
            "109: Field 'value' on type 'DataPoint'",
        ),
        (
            "MetricData",
            {**METRIC, "metrics": [{"name": "x", "value": "2"}]},
            "Field 'value' on type 'DataPoint' is of incorrect",
        ),
        (
            "MetricData",
            {**METRIC, "metrics": ["x"]},
            "Field 'metrics' on type 'MetricData' holds no object",
        ),
        (
            "RemoteDependencyData",
            {**CALL, "duration": "1.25 s"},
            "Field 'duration' on type 'RemoteDependencyData' is not a valid",
        ),
        (
            "RemoteDependencyData",
            {**CALL, "success": "yes"},
            "Field 'success' on type 'RemoteDependencyData' is of incorrect",
        ),
        (
            "RequestData",
            {**REQUEST, "responseCode": None},
            "109: Field 'responseCode' on type 'RequestData'",
        ),
        (
            "ExceptionData",
            {"ver": 2, "exceptions": [{"typeName": "X"}]},
            "109: Field 'message' on type 'ExceptionDetails'",
        ),
    ],
)
def test_malformed_data_are_refused(
    base: str, data: dict[str, Any], complaint: str, endpoint: Endpoint
) -> None:
    assert endpoint.complaint(endpoint.envelope(base, data)).startswith(complaint)


@pytest.mark.parametrize(
    ("base", "data", "field", "longest"),
    [
        ("MessageData", MESSAGE, "message", 32_768),
        ("RemoteDependencyData", CALL, "name", 1024),
        ("RemoteDependencyData", CALL, "data", 8192),
        ("RequestData", REQUEST, "url", 2048),
    ],
)
def test_a_field_may_be_as_long_as_documented(
    base: str, data: dict[str, Any], field: str, longest: int, endpoint: Endpoint
) -> None:
    assert not endpoint.complaint(endpoint.envelope(base, {**data, field: "x" * longest}))
    complaint = (
        f"100: Field '{field}' on type '{base}' is too long. Expected: {longest} characters, "
        f"Actual: {longest + 1}"
    )
    assert (
        endpoint.complaint(endpoint.envelope(base, {**data, field: "x" * (longest + 1)}))
        == complaint
    )


@pytest.mark.parametrize(("key", "value"), [("k" * 151, "v"), ("k", "v" * 8193)])
def test_a_property_may_be_as_long_as_documented(key: str, value: str, endpoint: Endpoint) -> None:
    assert not endpoint.complaint(
        endpoint.envelope(content={**MESSAGE, "properties": {key[:150]: value[:8192]}})
    )
    assert "is too long" in endpoint.complaint(
        endpoint.envelope(content={**MESSAGE, "properties": {key: value}})
    )


def test_an_item_may_not_be_longer_than_64_kilobytes(endpoint: Endpoint) -> None:
    properties = {f"k{number}": "v" * 8000 for number in range(8)}
    assert not endpoint.complaint(endpoint.envelope(content={**MESSAGE, "properties": properties}))
    more = {**properties, "more": "v" * 2000}
    assert "is longer than 65536 bytes" in endpoint.complaint(
        endpoint.envelope(content={**MESSAGE, "properties": more})
    )


@pytest.mark.parametrize(
    ("away", "complaint"),
    [
        (timedelta(hours=-48), ""),
        (
            timedelta(hours=-48, seconds=-2),
            "103: Field 'time' on type 'Envelope' is older than the allowed min date",
        ),
        (timedelta(hours=2), ""),
        (
            timedelta(hours=2, seconds=2),
            "103: Field 'time' on type 'Envelope' is newer than the allowed max date",
        ),
    ],
)
def test_an_item_may_be_two_days_old_and_two_hours_ahead(
    away: timedelta, complaint: str, endpoint: Endpoint
) -> None:
    item = endpoint.envelope(time=(endpoint.clock.now() + away).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert endpoint.complaint(item).startswith(complaint)
    assert bool(endpoint.service.envelopes) == (not complaint)


@pytest.mark.parametrize(
    ("base", "data", "table", "expected"),
    [
        ("MessageData", MESSAGE, "traces", {"message": "hello", "severityLevel": 2}),
        (
            "MetricData",
            METRIC,
            "customMetrics",
            {"name": "rekey.drift", "valueSum": 2, "valueCount": 1, "valueMax": 2},
        ),
        (
            "RemoteDependencyData",
            CALL,
            "dependencies",
            {"id": "a1", "duration": 1250.0, "success": "True"},
        ),
        (
            "RequestData",
            REQUEST,
            "requests",
            {"duration": 93_784_500.0, "success": "False", "resultCode": "500"},
        ),
        ("ExceptionData", FAILURE, "exceptions", {"type": "ValueError", "outerMessage": "wrong"}),
    ],
)
def test_an_item_becomes_a_row_of_its_table(
    base: str, data: dict[str, Any], table: str, expected: dict[str, Any], endpoint: Endpoint
) -> None:
    table_name, columns = row(endpoint.envelope(base, data))
    assert table_name == table
    assert {name: columns[name] for name in expected} == expected
    assert (columns["operation_Id"], columns["operation_ParentId"], columns["cloud_RoleName"]) == (
        "t1",
        "s1",
        "rekey",
    )
    assert columns["customDimensions"] == data.get("properties", {})
    assert columns["timestamp"] - endpoint.clock.now() < timedelta(seconds=1)
