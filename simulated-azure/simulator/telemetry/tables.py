"""Accepted telemetry as rows of the tables that queries over Application Insights read.

Columns: https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete and the tables'
reference (AppMetrics, AppTraces, AppExceptions, AppDependencies, AppRequests), by their names in a
resource's own scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.telemetry.schema import milliseconds, moment

Row = dict[str, Any]
SEVERITIES = ("Verbose", "Information", "Warning", "Error", "Critical")
CONTEXT = {
    "timestamp": "datetime",
    "itemType": "string",
    "customDimensions": "dynamic",
    "operation_Id": "string",
    "operation_ParentId": "string",
    "operation_Name": "string",
    "cloud_RoleName": "string",
    "cloud_RoleInstance": "string",
    "sdkVersion": "string",
    "itemCount": "int",
}
CALL = {
    "id": "string",
    "name": "string",
    "duration": "real",
    "success": "string",
    "resultCode": "string",
}
COLUMNS: dict[str, dict[str, str]] = {
    "customMetrics": {
        **CONTEXT,
        "name": "string",
        "value": "real",
        "valueCount": "int",
        "valueSum": "real",
        "valueMin": "real",
        "valueMax": "real",
    },
    "traces": {**CONTEXT, "message": "string", "severityLevel": "int"},
    "exceptions": {
        **CONTEXT,
        "problemId": "string",
        "type": "string",
        "message": "string",
        "outerType": "string",
        "outerMessage": "string",
        "severityLevel": "int",
    },
    "dependencies": {**CONTEXT, **CALL, "type": "string", "target": "string", "data": "string"},
    "requests": {**CONTEXT, **CALL, "source": "string", "url": "string"},
}
"""The columns of each table and their types in Kusto's words."""


def row(envelope: Mapping[str, Any]) -> tuple[str, Row]:
    """Return an accepted envelope's table and row."""
    data = envelope["data"]
    table, fields = MAPPINGS[data["baseType"]]
    return table, {**_context(envelope, table), **fields(data["baseData"])}


def _context(envelope: Mapping[str, Any], table: str) -> Row:
    tags = envelope.get("tags") or {}
    return {
        "timestamp": moment(envelope["time"]),
        "itemType": table.removesuffix("s") if table != "dependencies" else "dependency",
        "customDimensions": envelope["data"]["baseData"].get("properties") or {},
        "operation_Id": tags.get("ai.operation.id", ""),
        "operation_ParentId": tags.get("ai.operation.parentId", ""),
        "operation_Name": tags.get("ai.operation.name", ""),
        "cloud_RoleName": tags.get("ai.cloud.role", ""),
        "cloud_RoleInstance": tags.get("ai.cloud.roleInstance", ""),
        "sdkVersion": tags.get("ai.internal.sdkVersion", ""),
        # One sampled item counts for several.
        "itemCount": round(100 / envelope.get("sampleRate", 100)),
    }


def _metric(data: Mapping[str, Any]) -> Row:
    """Return a metric's row: only its first point is stored.

    A single measurement is its own sum, minimum and maximum.
    """
    point = data["metrics"][0]
    value = float(point["value"])
    bounds = [
        value if point.get(bound) is None else float(point[bound]) for bound in ("min", "max")
    ]
    return {
        "name": point["name"],
        "value": value,
        "valueCount": point.get("count") or 1,
        "valueSum": value,
        "valueMin": bounds[0],
        "valueMax": bounds[1],
    }


def _message(data: Mapping[str, Any]) -> Row:
    return {"message": data["message"], "severityLevel": _severity(data)}


def _exception(data: Mapping[str, Any]) -> Row:
    outer, inner = data["exceptions"][0], data["exceptions"][-1]
    return {
        "problemId": data.get("problemId") or outer.get("typeName", ""),
        "type": inner.get("typeName", ""),
        "message": inner["message"],
        "outerType": outer.get("typeName", ""),
        "outerMessage": outer["message"],
        "severityLevel": _severity(data),
    }


def _call(data: Mapping[str, Any]) -> Row:
    return {
        "id": data.get("id", ""),
        "name": data.get("name", ""),
        "duration": milliseconds(data["duration"]),
        "success": str(data.get("success", True)),
        "resultCode": data.get("resultCode") or data.get("responseCode") or "",
    }


def _dependency(data: Mapping[str, Any]) -> Row:
    return {**_call(data), **{name: data.get(name) or "" for name in ("type", "target", "data")}}


def _request(data: Mapping[str, Any]) -> Row:
    return {**_call(data), **{name: data.get(name) or "" for name in ("source", "url")}}


def _severity(data: Mapping[str, Any]) -> int | None:
    level = data.get("severityLevel")
    return SEVERITIES.index(level) if isinstance(level, str) else level


MAPPINGS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Row]]] = {
    "MetricData": ("customMetrics", _metric),
    "MessageData": ("traces", _message),
    "ExceptionData": ("exceptions", _exception),
    "RemoteDependencyData": ("dependencies", _dependency),
    "RequestData": ("requests", _request),
}
