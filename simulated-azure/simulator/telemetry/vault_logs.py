"""The audit log of Key Vaults in a workspace, for the one form of query that Rekey asks.

Columns: https://learn.microsoft.com/azure/azure-monitor/reference/tables/azkvauditlogs. Published
recordings of events have the version in `id` where `requestUri` names none, and the claims oid,
appid, upn and xms_mirid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

TABLES = ("AZKVAuditLogs", "AzureDiagnostics")
QUERY = re.compile(
    r"union isfuzzy=true \(datatable\([\w:, ]+\)\[\]\),\n"
    r"\(AZKVAuditLogs\n\| where TimeGenerated > ago\((?P<days>\d+)d\)\n\| project [^|]+\),\n"
    r"\(AzureDiagnostics\n\| where TimeGenerated > ago\(\d+d\) and "
    r"ResourceProvider == 'MICROSOFT.KEYVAULT'\n\| project [^|]+\)\n"
    r"\| where Id startswith '(?P<vault>[^']+)/' or Uri startswith '(?P=vault)/'\n"
    r"\| extend IsRead = OperationName == 'SecretGet' and Status == 200 and "
    r"Id startswith '(?P<secret>[^']+)/'\n\| extend [^|]+\n"
    r"\| summarize [^|]+\n\| order by Last desc\n\| take (?P<most>\d+)"
)
COLUMNS = (
    ("Version", "string"),
    ("Resource", "string"),
    ("Person", "string"),
    ("App", "string"),
    ("Object", "string"),
    ("Reads", "long"),
    ("Last", "datetime"),
)
type Key = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Audited:
    """One call of a vault, as its audit log has it; columns of both tables in one spelling."""

    time: datetime
    operation: str
    status: int
    id: str
    uri: str
    resource: str = ""
    """The claim xms_mirid."""
    person: str = ""
    """The claim upn."""
    app: str = ""
    oid: str = ""


def answered(match: re.Match[str], rows: Iterable[Audited], since: datetime) -> list[list[object]]:
    """Return the rows of the result."""
    vault, secret = f"{match['vault']}/".lower(), f"{match['secret']}/".lower()
    groups: dict[Key, list[tuple[bool, datetime]]] = {}
    for row in rows:
        is_ours = any(text.lower().startswith(vault) for text in (row.id, row.uri))
        if row.time <= since or not is_ours:
            continue
        is_read = (
            row.operation == "SecretGet"
            and row.status == 200  # noqa: PLR2004
            and row.id.lower().startswith(secret)
        )
        key = _key(row) if is_read else ("", "", "", "", "")
        groups.setdefault(key, []).append((is_read, row.time))
    listed: list[list[object]] = [
        [*key, sum(is_read for is_read, _ in calls), _text(max(time for _, time in calls))]
        for key, calls in groups.items()
    ]
    return sorted(listed, key=lambda row: str(row[-1]), reverse=True)[: int(match["most"])]


def span(match: re.Match[str], days: int) -> timedelta:
    """Return how far back the query looks: its own bound, or that of the request."""
    return timedelta(days=min(days, int(match["days"])))


def _key(row: Audited) -> Key:
    return row.id.split("/")[5], row.resource, row.person, row.app, row.oid


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
