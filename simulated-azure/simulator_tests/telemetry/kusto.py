"""Tables as Azure Monitor has them, and what Microsoft's parser of Kusto says of queries on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from simulator.telemetry.tables import COLUMNS

ROOT = Path(__file__).parents[3]
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
