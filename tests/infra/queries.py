"""The queries of alerts and workbook as they are deployed.

It holds, too, what Microsoft's parser says of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.telemetry.tables import COLUMNS
from tests.infra import deployed
from tests.infra.bicep import ROOT, snapshot

RULE = "Microsoft.Insights/scheduledQueryRules"
WORKBOOK = "Microsoft.Insights/workbooks"
USE = {
    "TimeGenerated": "datetime",
    **dict.fromkeys(("Type", "AccountName", "AuthenticationHash", "CallerIpAddress"), "string"),
}
"""What the log of each service of a storage account says of its callers."""
SCHEMA: dict[str, Mapping[str, str]] = {
    **COLUMNS,
    "StorageBlobLogs": {
        **USE,
        **dict.fromkeys(("Category", "OperationName", "StatusText", "ObjectKey"), "string"),
    },
    **dict.fromkeys(("StorageFileLogs", "StorageQueueLogs", "StorageTableLogs"), USE),
    "AZKVAuditLogs": {
        "TimeGenerated": "datetime",
        "HttpStatusCode": "int",
        "Identity": "dynamic",
        **dict.fromkeys(("OperationName", "Id", "RequestUri", "CallerIpAddress"), "string"),
    },
    "AzureDiagnostics": {
        "TimeGenerated": "datetime",
        **dict.fromkeys(("OperationName", "ResourceProvider", "Category"), "string"),
    },
}
"""The tables of the app and its host, and what matters of the logs of storage accounts and vaults:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/storagebloblogs, …/azkvauditlogs
and …/azurediagnostics, of which only the columns that every workspace has are here."""
TABLES = {
    name: f"({', '.join(f'{column}: {kind}' for column, kind in columns.items())})"
    for name, columns in SCHEMA.items()
}
"""The same in Kusto's words."""


def rules(name: str) -> dict[str, dict[str, Any]]:
    """Return the properties of every alert rule of a snapshot, by the rule's name."""
    properties = [resource["properties"] for resource in deployed.of_type(snapshot(name), RULE)]
    return {rule["displayName"].removeprefix("Rekey: "): rule for rule in properties}


def query(rule: dict[str, Any]) -> str:
    """Return a rule's query, its limit and its vaults filled in."""
    (criterion,) = rule["criteria"]["allOf"]
    return str(criterion["query"])


def alert_queries(name: str = "everything-on") -> dict[str, str]:
    """Return the query of every alert rule of a snapshot."""
    return {key: query(rule) for key, rule in rules(name).items()}


def workbook(name: str = "everything-on") -> dict[str, Any]:
    """Return the workbook of a snapshot as the portal reads it."""
    document: dict[str, Any] = json.loads(
        deployed.only(snapshot(name), WORKBOOK)["properties"]["serializedData"]
    )
    return document


def tiles() -> dict[str, dict[str, Any]]:
    """Return the content of every tile of the workbook that asks something, by its title."""
    groups = [item for item in workbook()["items"] if item["type"] == 12]
    parts = [part for group in groups for part in group["content"]["items"] if part["type"] == 3]
    return {part["name"]: part["content"] for part in parts}


def workbook_queries() -> dict[str, str]:
    """Return the query of every tile."""
    return {title: str(content["query"]) for title, content in tiles().items()}


def metrics(text: str) -> set[str]:
    """Return the metrics that a query reads."""
    return set(re.findall(r"name == '(rekey\.[\w.]+)'", text)) if "customMetrics" in text else set()


def dimensions(text: str) -> set[str]:
    """Return the custom dimensions that a query reads."""
    return {
        dotted or quoted
        for dotted, quoted in re.findall(r"customDimensions(?:\.(\w+)|\['([\w.]+)'\])", text)
    }


def parser() -> Path:
    """Return the folder of Microsoft's Kusto parser.

    Without it skip the test, or fail it where CI is set.
    """
    folder = Path(
        os.environ.get("KUSTO", ROOT / "node_modules" / "@kusto" / "language-service-next")
    )
    if not (folder / "Kusto.Language.Bridge.min.js").exists() or shutil.which("node") is None:
        reason = "npm's @kusto/language-service-next is not installed, or there is no node"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def parsed(queries: dict[str, str]) -> dict[str, dict[str, list[str]]]:
    """Return what Kusto's parser says against each query, and the columns that come out of it."""
    program = Path(__file__).with_name("kusto.js")
    question = json.dumps({"tables": TABLES, "queries": queries})
    command = ["node", str(program), str(parser())]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)  # noqa: S603
    document: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return document
