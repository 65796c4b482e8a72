"""Translates schemas of OpenAPI documents (Swagger 2.0) into JSON Schema, closed to properties that nobody declared."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

DATE_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$"
TEXT = {"type": "string"}
COMMON_TYPES: dict[str, dict[str, Any]] = {
    "TrackedResource": {
        "properties": {
            **dict.fromkeys(("id", "name", "type", "location"), TEXT),
            "tags": {"type": "object", "additionalProperties": TEXT},
        },
        "required": ["id", "name", "type", "location"],
    },
    "PrivateEndpointConnection": {"type": "object"},
}
"""Types that the documents take from files which are not at hand, as Azure's common types define
them."""


@cache
def document(path: Path) -> Any:
    """Return a document as it is written."""
    return json.loads(path.read_text())


class Translation:
    """Translates schemas of one document, following references into its neighbours.

    `definitions` gathers what it met.
    """

    def __init__(self, path: Path, definitions: dict[str, Any]) -> None:
        self._path = path
        self.definitions = definitions

    def schema(self, declared: dict[str, Any], *, closed: bool = True) -> dict[str, Any]:
        """Return one schema; an open one lets others beside it declare more properties."""
        if "$ref" in declared:
            return self._referred(declared["$ref"], closed=closed)
        kept = {
            name: declared[name] for name in ("type", "required") if name in declared
        } | _restrictions(declared)
        if "items" in declared:
            kept["items"] = self.schema(declared["items"])
        if "properties" in declared:
            kept["properties"] = {
                name: self._property(name, property_)
                for name, property_ in declared["properties"].items()
            }
        if isinstance(declared.get("additionalProperties"), dict):
            kept["additionalProperties"] = self.schema(declared["additionalProperties"])
        if "allOf" in declared:
            kept["allOf"] = [self.schema(part, closed=False) for part in declared["allOf"]]
        return kept | ({"unevaluatedProperties": False} if closed and "properties" in kept else {})

    def _property(self, name: str, declared: dict[str, Any]) -> dict[str, Any]:
        schema = self.schema(declared)
        # The documents say that a nextLink is text; recordings show null on the last page.
        return {"anyOf": [schema, {"type": "null"}]} if name == "nextLink" else schema

    def _referred(self, reference: str, *, closed: bool) -> dict[str, Any]:
        file, _, pointer = reference.partition("#")
        name = pointer.rsplit("/", 1)[-1]
        path = (self._path.parent / file).resolve() if file else self._path
        if not path.exists():
            return COMMON_TYPES[name]
        key = f"{path.stem}.{name}.{'closed' if closed else 'open'}"
        if key not in self.definitions:
            self.definitions[key] = {}  # a type may refer to itself
            translation = Translation(path, self.definitions)
            self.definitions[key] = translation.schema(
                document(path)["definitions"][name], closed=closed
            )
        return {"$ref": f"#/$defs/{key}"}


def _restrictions(declared: dict[str, Any]) -> dict[str, Any]:
    if "enum" in declared:
        # Azure compares values of an enumeration without regard to case: documents say Full, the
        # service FULL.
        return {"pattern": f"^(?i:{'|'.join(re.escape(value) for value in declared['enum'])})$"}
    return {"pattern": DATE_TIME} if declared.get("format") == "date-time" else {}
