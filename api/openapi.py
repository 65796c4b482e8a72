"""The OpenAPI document, made from the table of calls: what is served is what is described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from api import operations
from api.actions import VERBS
from api.answers import JSON, PROBLEM
from api.once import HEADER
from api.requests import MAX_REASON
from api.route import Route
from engine.model.entry import State
from engine.version import VERSION

STATES = [*get_args(State), "attention"]
TEXT, TIME, COUNT = {"type": "string"}, {"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}
MAYBE_TEXT, MAYBE_TIME = {"type": ["string", "null"]}, {"type": ["string", "null"], "format": "date-time"}

PATH: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vault": ("The vault's short name", {"type": "string", "minLength": 1}),
    "name": ("The secret's name", {"type": "string", "pattern": "^[0-9a-zA-Z-]{1,127}$"}),
    "operation": ("The operation's id", {"type": "string", "minLength": 1}),
}
QUERY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vault": ("Only this vault, by its short name", {"type": "string"}),
    "state": ("Only secrets in this state; `attention` means every state that needs a person", {"enum": STATES}),
    "rotator": ("Only this kind of credential", {"type": "string"}),
    "owner": ("Only secrets with this tag Owner", {"type": "string"}),
    "name": ("Only names of this pattern, such as `app-*`", {"type": "string"}),
    "source": ("Only sources with this id, or inside it", {"type": "string"}),
    "search": (
        "Only secrets whose name, owner, source or reason holds this text, or whose name fits a pattern",
        {"type": "string"},
    ),
    "group": ("What rows are grouped by, in place of their urgency", {"enum": ["owner", "rotator", "vault"]}),
    "secret": ("The page of this secret of the vault", {"type": "string"}),
    "try": (
        "What to try on that secret: the page shows what would happen",
        {"enum": ["rotate", "leaked", "restore", "retire", "unpark"]},
    ),
    "limit": ("How many secrets at most", {"type": "integer", "minimum": 1, "maximum": 1000}),
    "cursor": ("Where to go on: from `next`, as it came", {"type": "string"}),
    "dry_run": ("Tell what would happen; change nothing", {"enum": ["true", "false"]}),
    "wait": (
        "Wait so many seconds for the end",
        {"type": "integer", "minimum": 0, "maximum": operations.MOST_WAIT},
    ),
    "action": ("What was asked for", {"enum": list(VERBS)}),
    "force": ("Whether it was forced", {"enum": ["true", "false"]}),
    "compromised": ("Whether the old credential is cut off", {"enum": ["true", "false"]}),
    "since": (
        "When it was asked for: from Location, as it came",
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
    ),
}
REQUIRED = frozenset({"since"})
NEEDED = {"http_incident": ("reason",), "http_push_policy": ("document", "reason")}
"""Members that a body must have."""


def _object(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members)}


def _list(of: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(of)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_SECRET: dict[str, Any] = {
    "vault": TEXT, "secret": TEXT, "state": {"enum": list(get_args(State))}, "reason": TEXT, "fix": TEXT,
    "rotator": MAYBE_TEXT, "source": MAYBE_TEXT, "credential": MAYBE_TEXT, "owner": MAYBE_TEXT, "replica_of": MAYBE_TEXT,
    "enabled": {"type": "boolean"}, "created": TIME, "expires": MAYBE_TIME, "due": MAYBE_TIME, "parked_since": MAYBE_TIME,
    "overlap_until": MAYBE_TIME, "operation": MAYBE_TEXT,
}  # fmt: skip
_EVENT: dict[str, Any] = {
    "version": MAYBE_TEXT, "created": TIME, "expires": MAYBE_TIME, "enabled": {"type": "boolean"},
    "written_by": {"enum": ["Rekey", "somebody else"]}, "operation": MAYBE_TEXT, "cause": MAYBE_TEXT, "credential": MAYBE_TEXT,
    "to_retire": MAYBE_TEXT, "state": MAYBE_TEXT, "reason": MAYBE_TEXT,
}  # fmt: skip
_PROGRESS: dict[str, Any] = {
    "secrets": COUNT, "rotated": COUNT, "waiting": COUNT, "needs_a_person": COUNT,
    "named": {"type": "array", "items": _object(secret=TEXT, reason=TEXT, fix=TEXT)},
}  # fmt: skip
_SUBJECT: dict[str, Any] = {"operation": MAYBE_TEXT, "vault": TEXT, "secret": TEXT, "version": MAYBE_TEXT}
SCHEMAS: Mapping[str, Any] = {
    "Secret": _object(**_SECRET),
    "Event": _object(**_EVENT),
    "Secrets": _object(secrets=_list("Secret"), next=MAYBE_TEXT),
    "SecretWithHistory": _object(**_SECRET, version=MAYBE_TEXT, history=_list("Event")),
    "Queued": _object(**_SUBJECT, status={"const": "queued"}, reason=TEXT),
    "Forecast": _object(**_SUBJECT, action=TEXT, reason=TEXT),
    "Acted": {"anyOf": [_ref("Forecast"), _ref("Operation")]},
    "Operation": _object(
        **_SUBJECT, action={"enum": list(VERBS)}, status={"enum": list(get_args(operations.Status))}, reason=TEXT
    ),
    "IncidentQueued": _object(
        status={"const": "queued"}, since=TIME, vaults={"type": "array", "items": TEXT}, reason=TEXT
    ),
    "IncidentProgress": _object(
        **_PROGRESS, status={"enum": ["running", "needs a person", "ended", "nothing in scope", "dry run"]}
    ),
    "Policy": _object(
        version=MAYBE_TEXT,
        document=TEXT,
        history={
            "type": "array",
            "items": _object(
                version=MAYBE_TEXT, created=TIME, enabled={"type": "boolean"}, by=MAYBE_TEXT, reason=MAYBE_TEXT
            ),
        },
        effect={"anyOf": [{"type": "null"}, _ref("Effect")]},
    ),
    "Effect": _object(
        now={"type": ["object", "null"], "additionalProperties": COUNT},
        then={"type": "object", "additionalProperties": COUNT},
        changed={
            "type": "array",
            "items": _object(secret=TEXT, **{"from": MAYBE_TEXT, "to": MAYBE_TEXT, "reason": MAYBE_TEXT}),
        },
    ),
    "Health": _object(status={"const": "ok"}, vaults=COUNT),
    "OpenApi": {"type": "object"},
    "Problem": _object(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT, instance=TEXT, fix=TEXT),
}
_PROBLEMS = {
    "400": "The request cannot be read",
    "401": "Nobody is signed in",
    "403": "The caller, or the app, may not do this",
    "404": "There is no such vault here, or no such secret",
    "409": "There is nothing to do now",
    "422": "It cannot be done as it is",
    "429": "This instance has enough to do",
    "503": "Azure is busy",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of these calls, OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.0."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route)
    key = {"type": "apiKey", "in": "header", "name": "x-functions-key"}
    entra = {"type": "http", "scheme": "bearer", "description": "A token of Microsoft Entra, where sign-in is on"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rekey", "version": VERSION, "description": "See docs/api.md and docs/access.md."},
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": {"functionKey": key, "entra": entra}},
    }


def _operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name.removeprefix("http_"),
        "summary": route.summary,
        "description": f"Least role: {route.role.value_in_entra}" if route.role else "For anybody",
        "security": [{"functionKey": []}, {"entra": []}] if route.role else [],
        "parameters": [_parameter("path", name) for name in re.findall(r"{(\w+)}", route.path)]
        + [_parameter("query", name) for name in route.query],
        "responses": _responses(route),
    }
    if route.method == "POST":
        header = {"name": HEADER, "in": "header", "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"}}
        told = "Sent twice, it acts once. An incident must have it, unless it is a dry run"
        described["parameters"].append({**header, "description": told})
    if route.body:
        described["requestBody"] = {"required": route.name in NEEDED, "content": {JSON: {"schema": _body(route)}}}
    return described


def _body(route: Route) -> dict[str, Any]:
    members: dict[str, Any] = {
        name: {"type": "boolean"} if kind is bool else {"type": "string"} for name, kind in route.body.items()
    }
    members["reason"]["description"] = f"For the audit record; cut after {MAX_REASON} characters"
    required = [name for name in members if name in NEEDED.get(route.name, ())]
    return {"type": "object", "properties": members, "additionalProperties": False, "required": required}


def _parameter(place: str, name: str) -> dict[str, Any]:
    text, schema = (PATH if place == "path" else QUERY)[name]
    required = place == "path" or name in REQUIRED
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _responses(route: Route) -> dict[str, Any]:
    success = {status: _success(schema, status) for status, schema in route.answers.items()}
    known = set(_PROBLEMS) - (set() if route.method != "GET" else {"409"})
    if route.role is None:
        known = {"429", "503"} | ({"401"} if "303" in route.answers else set())
    problem = {PROBLEM: {"schema": _ref("Problem")}}
    return success | {status: {"description": _PROBLEMS[status], "content": problem} for status in sorted(known)}


def _success(schema: str, status: str) -> dict[str, Any]:
    kind = "text/html" if schema == "Html" else JSON
    content = {"schema": {"type": "string"} if schema == "Html" else _ref(schema)}
    running = {"Retry-After": {"schema": TEXT}} if status == "202" else {}
    headers = running | ({"Location": {"schema": TEXT}} if status == "202" and schema != "Operation" else {})
    text = "Accepted: follow Location" if "Location" in headers else "Still running" if running else "As asked"
    return {"description": text, "content": {kind: content}, **({"headers": headers} if headers else {})}
