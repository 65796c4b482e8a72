"""The OpenAPI document, made from the table of calls: what is served is what is described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from api import models, operations, readers
from api.actions import VERBS
from api.answers import FAILED, HTML, JSON, KINDS, PROBLEM, PROMETHEUS, Kind
from api.idempotency import HEADER
from api.listing import EXPIRES_WITHIN, MOST_DAYS
from api.page.columns import SORTS
from api.page.filters import GROUPS
from api.page.problem import is_page
from api.policies import IF_MATCH
from api.requests import required
from api.route import Route
from engine import VERSION
from engine.secret import SECRET_NAME, VERSION_ID
from engine.state.entry import State
from engine.state.incident import INCIDENT_ID
from engine.state.policy import SCOPE

STATES = [*get_args(State), "attention"]
TEXT = {"type": "string"}
TEXTS: Mapping[str, str] = {"Html": HTML, "Metrics": PROMETHEUS}
"""What is answered as text, with its media type."""

PATH: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vault": (
        "The vault, by its short name as answers show it, or its host",
        {"type": "string", "minLength": 1},
    ),
    "name": ("The secret's name", {"type": "string", "pattern": "^[0-9a-zA-Z-]{1,127}$"}),
    "operation": ("The operation's id", {"type": "string", "minLength": 1}),
    "incident": ("The incident's id", {"type": "string", "pattern": INCIDENT_ID}),
}
QUERY: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vault": ("Only this vault, by its short name or its URL", {"type": "string"}),
    "state": (
        "Only secrets in this state; `attention` means every state that needs a person",
        {"enum": STATES},
    ),
    "rotator": ("Only this kind of credential", {"type": "string"}),
    "owner": ("Only secrets with this tag Owner", {"type": "string"}),
    "name": ("Only names of this pattern, such as `app-*`", {"type": "string"}),
    "source": ("Only sources with this id, or inside it", {"type": "string"}),
    "search": (
        (
            "Only secrets whose name, owner, source or reason holds this text, or whose name "
            "fits a pattern"
        ),
        {"type": "string"},
    ),
    "group": (
        "What rows are grouped by, in place of their urgency",
        {"enum": [*GROUPS]},
    ),
    "sort": ("The column that rows are sorted by; `-` turns it round", {"enum": [*SORTS]}),
    EXPIRES_WITHIN: (
        "Only what expires within so many days, or has expired, and is not disabled",
        {"type": "integer", "minimum": 0, "maximum": MOST_DAYS},
    ),
    "secret": ("The page of this secret of the vault", {"type": "string"}),
    "incident": ("The page of this incident", {"type": "string"}),
    "try": (
        "What to try on that secret: the page shows what would happen",
        {"enum": ["rotate", "leaked", "restore", "retire", "unpark"]},
    ),
    "limit": ("How many secrets at most", {"type": "integer", "minimum": 1, "maximum": 1000}),
    "cursor": ("Where to go on: from `next`, as it came", {"type": "string"}),
    "days": (
        "How many days to look back",
        {"type": "integer", "minimum": 1, "maximum": readers.MOST_DAYS},
    ),
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
HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    HEADER: (
        (
            "Sent twice, it acts once. Needed by incidents, and by "
            "rotate with force or compromised, unless it is a dry run"
        ),
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    IF_MATCH: (
        "The ETag of the version that is replaced; `replacing` in the body says the same",
        {"type": "string", "pattern": '^"[0-9a-z]{1,64}"$'},
    ),
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    """Describe every answer and every body, from the types that they are made of and read into."""
    kinds = [*models.SHOWN, *{route.body for route in routes if route.body}]
    components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")[
        1
    ]
    components["IncidentBody"]["anyOf"] = _scopes()
    acted = {"anyOf": [_ref("Forecast"), _ref("Operation")]}
    return {**dict(sorted(components.items())), "Acted": acted, "OpenApi": {"type": "object"}}


def _scopes() -> list[dict[str, Any]]:
    """Describe what an incident may cover: all of it alone, or what at least one member narrows."""
    none, source = {"const": ""}, f"^({SCOPE.pattern})$"
    patterns = {"vault": r"\S", "name": "^[0-9A-Za-z*-]{1,127}$", "source": source}
    shapes = {
        name: {"anyOf": [none, {"type": "string", "pattern": pattern}]}
        for name, pattern in patterns.items()
    }
    everything = {"everything": {"const": True}, **dict.fromkeys((*patterns, "version"), none)}
    narrowed = {"everything": {"const": False}, "version": none, **shapes}
    exact = {
        **narrowed,
        "vault": {"type": "string", "pattern": r"\S"},
        "name": {"type": "string", "pattern": f"^{SECRET_NAME.pattern}$"},
        "version": {"type": "string", "pattern": f"^{VERSION_ID.pattern}$"},
    }
    return [
        {"properties": everything, "required": ["everything"]},
        {"properties": exact, "required": ["vault", "name", "version"]},
        *(
            {
                "properties": {**narrowed, name: {"type": "string", "pattern": pattern}},
                "required": [name],
            }
            for name, pattern in patterns.items()
        ),
    ]


LATER = {"Retry-After": True}
SUCCESS_HEADERS: Mapping[tuple[str, str], Mapping[str, bool]] = {
    ("202", "Queued"): {"Location": True, **LATER},
    ("202", "IncidentQueued"): {"Location": True, **LATER},
    ("202", "Operation"): LATER,
    ("202", "Leak"): {"Location": False},
    ("200", "IncidentProgress"): LATER,
    ("200", "Policy"): {"ETag": False},
    ("303", "Html"): {"Location": True},
}
"""The headers of a success, by its status and type, and whether each is always there."""
PROBLEM_HEADERS = {405: {"Allow": True}, 429: LATER, 503: LATER}
SUCCESSES = {
    "Queued": "Accepted: follow Location",
    "IncidentQueued": "Accepted: follow Location",
}
_OF_BODY = "$response.body#/"
LINKS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "Secrets": {
        "show": {"vault": f"{_OF_BODY}secrets/0/vault", "name": f"{_OF_BODY}secrets/0/secret"}
    },
    "SecretWithHistory": {
        verb: {"vault": f"{_OF_BODY}vault", "name": f"{_OF_BODY}secret"}
        for verb in (*VERBS, "show")
    },
    "Queued": {
        "operation": {
            **{name: f"{_OF_BODY}{name}" for name in ("vault", "operation", "action", "since")},
            "name": f"{_OF_BODY}secret",
        }
    },
    "IncidentQueued": {"incident_progress": {"incident": f"{_OF_BODY}id"}},
    "Incidents": {"incident_progress": {"incident": f"{_OF_BODY}incidents/0/id"}},
}
"""Which call an answer leads to, and with what: each part of it is sent back as it came."""
DESCRIPTION = "See docs/api.md and docs/access.md. What can be read by GET answers HEAD as well."
ALL_KINDS: tuple[Kind, ...] = (*(kind for _, kind in KINDS), FAILED)
PROBLEM_CONTENT = {PROBLEM: {"schema": _ref("Problem")}}
PAGE_CONTENT = {HTML: {"schema": TEXT}}
"""What a browser is shown instead."""
ANYBODYS = frozenset({400, 405, 429, 500, 503})
"""What may come of a call that anybody may make."""
WRITERS = frozenset({409, 413, 422})
"""What comes only of a request that changes something, or of its body."""


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the document of these calls, OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.0."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route)
    key = {"type": "apiKey", "in": "header", "name": "x-functions-key"}
    entra = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of Microsoft Entra, where sign-in is on",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rekey", "version": VERSION, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "responses": {
                kind.name: {"description": kind.title, "content": PROBLEM_CONTENT}
                for kind in ALL_KINDS
            },
            "securitySchemes": {"functionKey": key, "entra": entra},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": route.name.removeprefix("http_"),
        "summary": route.summary,
        "description": f"Least role: {route.role.value}" if route.role else "For anybody",
        "security": [{"functionKey": []}, {"entra": []}] if route.role else [],
        "parameters": [
            _parameter("path", name, PATH) for name in re.findall(r"{(\w+)}", route.path)
        ]
        + [_parameter("query", name, QUERY) for name in route.query]
        + [_parameter("header", name, HEADERS) for name in route.headers],
        "responses": _responses(route),
    }
    if route.body:
        described["requestBody"] = {
            "required": bool(required(route.body)),
            "content": {JSON: {"schema": _ref(route.body.__name__)}},
        }
    return described


def _parameter(
    place: str, name: str, table: Mapping[str, tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    text, schema = table[name]
    required = place == "path" or name in REQUIRED
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _responses(route: Route) -> dict[str, Any]:
    success = {status: _success(route, status) for status in route.answers}
    problems: dict[int, list[str]] = {}
    for kind in ALL_KINDS:
        if _may_come(route, kind):
            problems.setdefault(kind.status, []).append(kind.title)
    return success | {
        str(status): {
            "description": "; ".join(titles),
            "content": PROBLEM_CONTENT | (PAGE_CONTENT if is_page(route) else {}),
            **_headers(PROBLEM_HEADERS.get(status, {})),
        }
        for status, titles in sorted(problems.items())
    }


def _may_come(route: Route, kind: Kind) -> bool:
    if route.role is None:
        is_checked = "303" in route.answers or route.confidential
        return kind.status in ANYBODYS or (kind.status == 401 and is_checked)  # noqa: PLR2004
    if kind.status in (412, 428):
        return IF_MATCH in route.headers
    return route.method != "GET" or kind.status not in WRITERS or kind.name == "needs-mending"


def _success(route: Route, status: str) -> dict[str, Any]:
    schema = route.answers[status]
    kind = TEXTS.get(schema, JSON)
    content = {"schema": TEXT if schema in TEXTS else _ref(schema)}
    answer = {"description": SUCCESSES.get(schema, "As asked"), "content": {kind: content}}
    if links := LINKS.get(schema):
        answer["links"] = {
            name: {"operationId": name, "parameters": parameters}
            for name, parameters in links.items()
        }
    named = SUCCESS_HEADERS.get((status, schema), {})
    # What only some get, nobody gets who need not sign in.
    return answer | _headers(
        {name: always for name, always in named.items() if always or route.role}
    )


def _headers(named: Mapping[str, bool]) -> dict[str, Any]:
    headers = {name: {"required": always, "schema": TEXT} for name, always in named.items()}
    return {"headers": headers} if headers else {}
