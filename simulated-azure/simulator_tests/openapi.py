"""Checks answers against Microsoft's OpenAPI documents.

Declared statuses, and bodies of the declared shape only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from simulator_tests.schemas import Translation, document

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.wire import Response


@dataclass(frozen=True)
class Operation:
    """One operation of a document."""

    operation_id: str
    responses: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Document:
    """One OpenAPI document. `error_ref` names the shape of errors where operations declare none."""

    path: Path
    error_ref: str | None = None

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the operation that a request asks for.

        A path with fewer variables wins over one with more.
        """
        paths = document(self.path)["paths"]
        for template in sorted(paths, key=lambda path: path.count("{")):
            declared = paths[template].get(method.lower())
            if declared and re.fullmatch(_pattern(template), path, re.IGNORECASE):
                return Operation(declared["operationId"], declared["responses"])
        return None

    def problems(self, operation: Operation, response: Response) -> list[str]:
        """Return what is wrong with an answer: an undeclared status, or a body of another shape."""
        declared = self._declared(operation, response.status)
        where = f"{operation.operation_id} {response.status}"
        if declared is None:
            return [f"{where}: the status is not declared"]
        if "schema" not in declared:
            return [f"{where}: a body where none is declared"] if response.body else []
        errors = _validator(self.path, json.dumps(declared["schema"])).iter_errors(
            json.loads(response.body)
        )
        return [f"{where}: {error.json_path}: {error.message}" for error in errors]

    def _declared(self, operation: Operation, status: int) -> dict[str, Any] | None:
        fallback = (
            {"schema": {"$ref": self.error_ref}} if status >= HTTPStatus.BAD_REQUEST else None
        )
        default: dict[str, Any] | None = (
            operation.responses.get("default", fallback) if fallback else None
        )
        return operation.responses.get(str(status), default)


@cache
def _validator(path: Path, declared: str) -> Draft202012Validator:
    translation = Translation(path, {})
    schema = translation.schema(json.loads(declared))
    return Draft202012Validator(schema | {"$defs": translation.definitions})


def _pattern(template: str) -> str:
    # A version may be empty: the latest is asked for with nothing after the last slash.
    return re.sub(
        r"\{[^}]*version\}", "[^/]*", re.sub(r"\{(?![^}]*version\})[^}]*\}", "[^/]+", template)
    )
