"""The OpenAPI document is valid, every call is fuzzed from it, and every answer is in it.

test_openapi_boundaries.py sends what is at the boundary of what the document allows.
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.requests import Request
from api.route import Route
from api.routes import ROUTES, document
from engine import VERSION
from tests.api.test_leaks import leak, leaky
from tests.shared.rig import Rig
from tests.shared.scene import NAME, scene, send
from tests.unchanged import unchanged

PAGES = ("/api/inventory", "/api/dashboard")
OPEN = ("/api/openapi.json", "/api/health", "/api/leaks/github")
ROOT = Path(__file__).parents[2]
schema = schemathesis.openapi.from_dict(document())
OPERATIONS = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
FORBIDDING = [
    operation for operation in OPERATIONS if operation.label.partition(" ")[2] not in OPEN
]
"""Those to which something can be sent that their document forbids."""


def test_the_document_is_a_valid_openapi_document() -> None:
    validate(document())
    assert json.loads(json.dumps(document())) == document()


def test_the_version_is_written_in_one_place_and_the_changelog_begins_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "engine/__init__.py"
    assert document()["info"]["version"] == VERSION
    releases = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[:1] == [VERSION]


def test_every_call_is_described_once() -> None:
    described = {
        (path, method) for path, methods in document()["paths"].items() for method in methods
    }
    assert described == {(f"/api/{route.path}", route.method.lower()) for route in ROUTES}
    assert len(described) == len(ROUTES)


class NotServed(Exception):
    """The Functions host answers this by itself: no function has such a method and path."""


def matching(path: str, method: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a path, as the Functions host would find it."""
    parts = path.removeprefix("/api/").split("/")
    for route in ROUTES:
        names = route.path.split("/")
        if route.method == method and len(names) == len(parts):
            pairs = list(zip(names, parts, strict=True))
            if all(name == part or name.startswith("{") for name, part in pairs):
                return route, {
                    name.strip("{}"): part for name, part in pairs if name.startswith("{")
                }
    raise NotServed(path)


def carry(case: Case[Any], rig: Rig) -> Response:
    """Send a generated request to the API, past the wire."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://rekey.test")).prepare()
    body: Any = sent.body or b""
    raw = body.encode() if isinstance(body, str) else bytes(body)
    route, path = matching(urlsplit(str(sent.url)).path, str(sent.method))
    headers = {name.lower(): str(value) for name, value in sent.headers.items()}
    request = Request.arrived(
        route.method, route.path, {**path, **{k: str(v) for k, v in case.path_parameters.items()}},
        {k: str(v) for k, v in case.query.items()}, headers, raw,
    )  # fmt: skip
    answer = asyncio.run(rig.api().answer(route, request))
    kept = {
        name.lower(): [value]
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items()
    }
    return Response(answer.status, kept, answer.text().encode(), sent, 0.0, verify=False)


FUZZ = settings(max_examples=10, derandomize=True, suppress_health_check=list(HealthCheck))
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


async def test_every_answer_that_leads_elsewhere_is_described_with_where_it_leads() -> None:
    rig = leaky()
    value = rig.latest("app-key").value
    for path, method, answer in (
        ("/api/dashboard", "get", await send(rig.api(), "http_door", query={"code": "a-key"})),
        ("/api/leaks", "post", await leak(rig.api(), value)),
    ):
        headers = document()["paths"][path][method]["responses"][str(answer.status)]["headers"]
        assert "Location" in answer.headers
        # A report that is received from who may know no more leads nowhere.
        assert headers["Location"]["required"] == (answer.status != 202)


def test_no_header_is_described_of_a_delivery_of_githubs_which_leads_nowhere() -> None:
    received = document()["paths"]["/api/leaks/github"]["post"]["responses"]["202"]
    assert "headers" not in received


@pytest.mark.parametrize("operation", FORBIDDING, ids=lambda operation: str(operation.label))
def test_what_the_document_forbids_is_refused_and_nothing_is_changed(
    operation: APIOperation[Any, Any, Any, Any],
) -> None:
    @FUZZ
    @given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def sent(case: Case[Any]) -> None:
        rig = scene()
        with unchanged(rig), suppress(NotServed):
            case.validate_response(carry(case, rig), checks=[*CHECKS, negative_data_rejection])

    sent()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
def test_what_the_document_allows_is_readable(operation: APIOperation[Any, Any, Any, Any]) -> None:
    """No schema says what needs an Idempotency-Key, or what a policy document may hold."""
    rig = scene()

    @FUZZ
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def sent(case: Case[Any]) -> None:
        with suppress(NotServed):
            answer = carry(case, rig)
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code in (400, 413, 422):
                problem = json.loads(answer.content)
                parts = [flaw.get("pointer") for flaw in problem["errors"]]
                assert problem["type"].endswith("-missing") or "#/document" in parts, problem
            for variant in variants(case):
                variant.validate_response(carry(variant, rig), checks=CHECKS)

    sent()


def variants(case: Case[Any]) -> Iterator[Case[Any]]:
    """Yield a case about a secret that is there, and one from a browser, where it may be so."""
    if "name" in case.path_parameters:
        case.path_parameters |= {"vault": "prod", "name": NAME}
        yield case
    if case.path in PAGES:
        case.headers["Accept"] = "text/html"
        yield case


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.name
)
async def test_a_get_changes_nothing_and_reads_no_value(route: Route) -> None:
    rig = scene()
    path = {"vault": "prod", "name": NAME, "operation": "0", "incident": "0"}
    query = {"since": "2026-01-01T00:00:00Z"} if "since" in route.query else {}
    with unchanged(rig):
        answer = await send(rig.api(), route.name, path, query)
    assert rig.latest(NAME).value not in answer.text()
    paths = [exchange.request.path for exchange in rig.world.exchanges]
    assert not [path for path in paths if re.fullmatch(r"/secrets/[^/]+/[0-9a-f]*", path)]


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.body], ids=lambda route: route.name
)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 1_048_576, 413),
        (b'{"reason": "' + b"x" * 1_048_576 + b'"}', 413),
        (b"\xff", 400),
        (b"[]", 400),
    ],
)
async def test_a_body_that_is_too_long_or_none_is_refused_everywhere(
    route: Route, body: bytes, status: int
) -> None:
    rig = scene()
    with unchanged(rig):
        answer = await send(rig.api(), route.name, {"vault": "prod", "name": NAME}, body=body)
    assert answer.status == status
    assert answer.body["fix"]
