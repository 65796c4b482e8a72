"""Application Insights' telemetry types: fields, which are required, and maximum lengths.

Sources: Microsoft's EndpointSpecs/Schemas (ApplicationInsights-Home) for fields and lengths, which
the exporter's own source names. The wording of refusals is as recorded by clients of the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

MAX_ITEM = 65_536
"""The maximum size of one item in bytes."""
OLDEST = timedelta(hours=48)
NEWEST = timedelta(hours=2)
MAX_KEY, MAX_VALUE = 150, 8192
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
DURATION = re.compile(
    r"(?:(?P<days>\d{1,3})\.)?(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d{1,7})?)"
)


@dataclass(frozen=True)
class Field:
    """One field; `longest` is its maximum length in characters."""

    kind: type[Any] | tuple[type[Any], ...] = str
    required: bool = False
    longest: int | None = None


NUMBER = (int, float)
COMMON = {"ver": Field(int, required=True), "properties": Field(dict), "measurements": Field(dict)}
TYPES: dict[str, dict[str, Field]] = {
    "Envelope": {
        "ver": Field(int),
        "name": Field(required=True, longest=1024),
        "time": Field(required=True, longest=64),
        "sampleRate": Field(NUMBER),
        "seq": Field(longest=64),
        "iKey": Field(required=True, longest=40),
        "tags": Field(dict),
        "data": Field(dict, required=True),
    },
    "MessageData": {
        **COMMON,
        "message": Field(required=True, longest=32_768),
        "severityLevel": Field((str, int)),
    },
    "MetricData": {
        "ver": COMMON["ver"],
        "properties": COMMON["properties"],
        "metrics": Field(list, required=True),
    },
    "ExceptionData": {
        **COMMON,
        "exceptions": Field(list, required=True),
        "severityLevel": Field((str, int)),
        "problemId": Field(longest=1024),
    },
    "RemoteDependencyData": {
        **COMMON,
        "name": Field(required=True, longest=1024),
        "id": Field(longest=128),
        "resultCode": Field(longest=1024),
        "duration": Field(required=True),
        "success": Field(bool),
        "data": Field(longest=8192),
        "type": Field(longest=1024),
        "target": Field(longest=1024),
    },
    "RequestData": {
        **COMMON,
        "id": Field(required=True, longest=128),
        "name": Field(longest=1024),
        "duration": Field(required=True),
        "success": Field(bool, required=True),
        "responseCode": Field(required=True, longest=1024),
        "source": Field(longest=1024),
        "url": Field(longest=2048),
    },
    "DataPoint": {
        "ns": Field(longest=256),
        "name": Field(required=True, longest=1024),
        "kind": Field((str, int)),
        "value": Field(NUMBER, required=True),
        "count": Field(int),
        "min": Field(NUMBER),
        "max": Field(NUMBER),
        "stdDev": Field(NUMBER),
    },
    "ExceptionDetails": {
        "id": Field(int),
        "outerId": Field(int),
        "typeName": Field(longest=1024),
        "message": Field(required=True, longest=32_768),
        "hasFullStack": Field(bool),
        "stack": Field(longest=32_768),
        "parsedStack": Field(list),
    },
}
NESTED = {"metrics": "DataPoint", "exceptions": "ExceptionDetails"}
BASES = ("MessageData", "MetricData", "ExceptionData", "RemoteDependencyData", "RequestData")
"""The types that this endpoint accepts. Azure also accepts events, page views and availability,
which no test here sends."""
TAGS = {
    "ai.application.ver": 1024,
    "ai.cloud.role": 256,
    "ai.cloud.roleInstance": 256,
    "ai.device.id": 1024,
    "ai.device.locale": 64,
    "ai.device.osVersion": 256,
    "ai.device.type": 64,
    "ai.internal.nodeName": 256,
    "ai.internal.sdkVersion": 64,
    "ai.location.ip": 46,
    "ai.operation.id": 128,
    "ai.operation.name": 1024,
    "ai.operation.parentId": 128,
    "ai.operation.syntheticSource": 1024,
    "ai.session.id": 64,
    "ai.user.authUserId": 1024,
    "ai.user.id": 128,
}


def complaints(envelope: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield the service's objections to an envelope, in its order."""
    yield from _fields("Envelope", envelope)
    yield from _time(envelope.get("time"), now)
    tags, data = envelope.get("tags"), envelope.get("data")
    yield from _tags(tags if isinstance(tags, dict) else {})
    data = data if isinstance(data, dict) else {}
    base, content = data.get("baseType"), data.get("baseData")
    if base not in BASES or not isinstance(content, dict):
        yield (
            f"Field 'baseType' on type 'Data' is not one of {', '.join(BASES)}, or there is "
            "no baseData"
        )
        return
    yield from _fields(base, content)


def moment(text: str) -> datetime:
    """Read the time of an envelope, with any number of decimals."""
    return datetime.fromisoformat(text)


def milliseconds(duration: str) -> float:
    """Read a duration like 0.00:00:01.250."""
    match = DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"no duration: {duration!r}")
    parts = {unit: float(text or 0) for unit, text in match.groupdict().items()}
    return timedelta(**parts) / timedelta(milliseconds=1)


def _fields(kind: str, values: Mapping[str, Any]) -> Iterator[str]:
    for name, field in TYPES[kind].items():
        value = values.get(name)
        if value is None or value in ("", []):
            if field.required:
                yield (
                    f"109: {_field(name, kind)} is required but missing or empty. Expected: "
                    f"{_names(field)}, Actual: undefined"
                )
        else:
            yield from _value(kind, name, field, value)
    for unknown in sorted(values.keys() - TYPES[kind].keys() - {"kind"}):
        yield f"{_field(unknown, kind)} is unknown"


def _value(kind: str, name: str, field: Field, value: Any) -> Iterator[str]:
    if not isinstance(value, field.kind) or (isinstance(value, bool) and field.kind is not bool):
        yield (
            f"{_field(name, kind)} is of incorrect type. Expected: {_names(field)}, Actual: "
            f"{type(value).__name__}"
        )
    elif field.longest and len(value) > field.longest:
        yield (
            f"100: {_field(name, kind)} is too long. Expected: {field.longest} characters, "
            f"Actual: {len(value)}"
        )
    elif name == "duration" and not DURATION.fullmatch(value):
        yield f"{_field(name, kind)} is not a valid duration"
    elif name in NESTED:
        for entry in value:
            yield from (
                _fields(NESTED[name], entry)
                if isinstance(entry, dict)
                else (f"{_field(name, kind)} holds no object",)
            )
    elif name == "properties":
        yield from _properties(kind, value)


def _properties(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    for key, value in properties.items():
        if not isinstance(value, str):
            yield (
                f"{_field(key, kind)} is of incorrect type. Expected: str, Actual: "
                f"{type(value).__name__}"
            )
        elif len(key) > MAX_KEY or len(value) > MAX_VALUE:
            yield (
                f"100: {_field(key[:MAX_KEY], kind)} is too long. Expected: {MAX_VALUE} "
                f"characters, Actual: {len(value)}"
            )


def _tags(tags: Mapping[str, Any]) -> Iterator[str]:
    for key, value in tags.items():
        longest = TAGS.get(key)
        if not isinstance(value, str):
            yield (
                f"{_field(key, 'ContextTagKeys')} is of incorrect type. Expected: str, Actual: "
                f"{type(value).__name__}"
            )
        elif longest and len(value) > longest:
            yield (
                f"100: {_field(key, 'ContextTagKeys')} is too long. Expected: {longest} "
                f"characters, Actual: {len(value)}"
            )


def _time(text: Any, now: datetime) -> Iterator[str]:
    if not isinstance(text, str) or not text:
        return
    if not TIME.fullmatch(text):
        yield (
            "102: Field 'time' on type 'Envelope' is not a valid time string. Expected: date, "
            f"Actual: {text}"
        )
        return
    age = now - moment(text)
    if age > OLDEST:
        limit, actual = (round(span / timedelta(milliseconds=1)) for span in (OLDEST, age))
        yield (
            "103: Field 'time' on type 'Envelope' is older than the allowed min date. "
            f"Expected: now - {limit}ms, Actual: now - {actual}ms"
        )
    elif -age > NEWEST:
        yield "103: Field 'time' on type 'Envelope' is newer than the allowed max date."


def _field(name: str, kind: str) -> str:
    return f"Field '{name}' on type '{kind}'"


def _names(field: Field) -> str:
    kinds = field.kind if isinstance(field.kind, tuple) else (field.kind,)
    return " or ".join("string" if kind is str else kind.__name__ for kind in kinds)
