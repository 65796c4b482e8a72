"""Write docs/api-reference.md from the OpenAPI document: each call with an example.

A page of its own in place of a viewer: Swagger UI and Redoc are bundles of a megabyte of JavaScript,
and the site loads nothing that a reader of Markdown could not read. `python -m
scripts.api_reference` writes it anew; a test holds it against the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from api.routes import document

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api-reference.md"
HEAD = """\
# API reference

Every call, from the OpenAPI document that the app serves at `GET /api/openapi.json`; any viewer
reads that. `python -m scripts.api_reference` writes this page. [HTTP API](api.md) says what the
calls are for, and what the answers from 400 on mean. Examples are made from the schemas: the names
in them are made up. `$HOST` is the app's address, and `$KEY` a function key; with Entra sign-in send
`Authorization: Bearer $TOKEN` in its place.
"""
SAMPLES: Mapping[str, Any] = {
    "vault": "contoso-prod",
    "secret": "app-key",
    "name": "app-key",
    "id": "https://contoso-prod.vault.azure.net/secrets/app-key",
    "owner": "shop",
    "rotator": "storage-key",
    "reason": "expires 2026-12-12 09:00Z",
    "fix": "",
    "credential": "key1",
    "operation": "3bb8e6fd-cb58-5959-9ab1-fd5039a29bec",
    "version": "5511f46f30eba7aedc7453bfc23bad68",
    "incident": "20261104T090000Z-1a2b3c4d",
    "document": "version: 1\n",
    "next": None,
    "replacing": "0c1d2e3f405162738495a6b7c8d9eafb",
    "source": "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/data",
    "since": "2026-11-04T09:00:00Z",
}
"""What a field of this name holds in an example."""
TIME = "2026-11-04T09:00:00+00:00"
MOST_DEPTH = 6


def page() -> str:
    """Return the page."""
    described = document()
    calls = [
        "\n".join(_call(path, method, call, described["components"]["schemas"]))
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    ]
    return "\n".join((HEAD, *calls))


def _call(
    path: str, method: str, call: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield f"## {method.upper()} {path}\n"
    yield f"{call['summary']}. {call['description']}.\n"
    if call["parameters"]:
        yield "| parameter | in | |\n|---|---|---|"
        for parameter in call["parameters"]:
            yield f"| `{parameter['name']}` | {parameter['in']} | {_said(parameter)} |"
        yield ""
    body = call.get("requestBody")
    sample = _sample(body["content"]["application/json"]["schema"], schemas) if body else None
    if sample and "reason" in sample:
        sample["reason"] = "new owner"
    yield f"```sh\n{_curl(path, method, call, sample)}\n```\n"
    for status, answer in call["responses"].items():
        if status < "300":
            yield from _answer(status, answer, schemas)
    others = ", ".join(status for status in call["responses"] if status >= "300")
    yield f"Else: {others}; see [answers](api.md#answers).\n"


def _answer(status: str, answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    (kind, content), *_ = answer["content"].items()
    if kind != "application/json":
        yield f"{status}: `{kind}`.\n"
        return
    sample = _sample(content["schema"], schemas)
    yield f"{status}, {answer['description'].lower()}:\n"
    yield f"```json\n{json.dumps(sample, indent=2, ensure_ascii=False)}\n```\n"


def _said(parameter: Mapping[str, Any]) -> str:
    values = parameter["schema"].get("enum")
    choice = f": {', '.join(f'`{value}`' for value in values)}" if values else ""
    return f"{parameter['description']}{choice}"


def _curl(path: str, method: str, call: Mapping[str, Any], body: Any) -> str:
    for name in ("vault", "name", "operation", "incident"):
        path = path.replace(f"{{{name}}}", str(SAMPLES[name]))
    parts = ["curl"]
    parts += [f"-X {method.upper()}"] if method != "get" else []
    parts += ['-H "x-functions-key: $KEY"'] if call["security"] else []
    parts += [
        '-H "Idempotency-Key: $(uuidgen)"'
        for parameter in call["parameters"]
        if parameter["name"].lower() == "idempotency-key"
    ]
    parts += [f"-d '{json.dumps(body, ensure_ascii=False)}'"] if body else []
    required = [p["name"] for p in call["parameters"] if p["required"] and p["in"] == "query"]
    query = "?" + "&".join(f"{name}={SAMPLES[name]}" for name in required) if required else ""
    return " ".join([*parts, f'"https://$HOST{path}{query}"'])


def _sample(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0
) -> Any:
    """Return a value that a schema allows, as simple as one can be."""
    options = schema.get("anyOf", [])
    if "$ref" in schema or (options and "$ref" in options[0]):
        target = (schema if "$ref" in schema else options[0])["$ref"].rpartition("/")[2]
        return _sample(schemas[target], schemas, name, depth)
    if schema.get("type") == "object":
        fields = schema.get("properties", {}).items() if depth < MOST_DEPTH else ()
        return {field: _sample(part, schemas, field, depth + 1) for field, part in fields}
    if schema.get("type") == "array":
        return [_sample(schema.get("items", {}), schemas, name, depth + 1)]
    return _simple(schema, name)


def _simple(schema: Mapping[str, Any], name: str) -> Any:
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "ok" if "ok" in values else values[0]
    if name in SAMPLES:
        return SAMPLES[name]
    if {"type": "null"} in schema.get("anyOf", []):
        return None
    simple = {"integer": schema.get("minimum", 1), "number": 1, "boolean": False, "null": None}
    text = TIME if schema.get("format") == "date-time" else "…"
    return simple.get(schema.get("type", ""), text)


if __name__ == "__main__":
    PAGE.write_text(page())
