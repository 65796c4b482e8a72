"""What a workspace's logs say of the use of a storage account's key: for people, never evidence.

Sources: https://learn.microsoft.com/azure/azure-monitor/reference/tables/storagebloblogs (and
storagefilelogs, storagequeuelogs, storagetablelogs) for the columns. For the hash, `key1(<hash>)`
or `key1(<hash>),SasSignature(<hash>)`, see
https://learn.microsoft.com/azure/storage/blobs/monitor-blob-storage-reference. That page spells the
types of authentication otherwise than the logs are seen to, so the hash alone decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cloud.rest.client import Json
from engine.errors import NeedsHuman
from rotators.shared.key_facts import moment, text_of

DAYS = 8
"""A week and a day: a job that runs weekly shows, though its last run arrived late in the logs."""
TABLES = {
    "StorageBlobLogs": "blob",
    "StorageFileLogs": "file",
    "StorageQueueLogs": "queue",
    "StorageTableLogs": "table",
}
"""The table of each service of an account."""
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
"""An account's name, which no other account of the cloud has:
https://learn.microsoft.com/azure/storage/common/storage-account-overview."""
KEY = re.compile(r"key[12]")
# At least one part of the union must exist, else isfuzzy fails too:
# https://learn.microsoft.com/kusto/query/union-operator
NOTHING = (
    "(datatable(Type: string, TimeGenerated: datetime, AccountName: string, "
    "AuthenticationHash: string, CallerIpAddress: string)[]), "
)
QUERY = (
    "union isfuzzy=true {nothing}{tables}\n"
    "| where TimeGenerated > ago({days}d) and AccountName == '{account}'\n"
    "| extend Used = AuthenticationHash startswith '{key}(', "
    "Caller = replace_regex(CallerIpAddress, @':\\d+$', '')\n"
    "| summarize Logged = count(), Requests = countif(Used), Callers = dcountif(Caller, Used), "
    "Last = maxif(TimeGenerated, Used) by Type\n"
    "| take {most}"
)
"""Counts, and no address: whose they are is nobody's business here."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the log of one service of an account shows of a key."""

    requests: int
    callers: int
    """How many addresses they came from."""
    last: datetime | None
    """When the last one was; None where there is none."""


def query_of(account: str, key: str) -> str:
    """Return the query; raises NeedsHuman rather than put anything but two names into it."""
    if not (ACCOUNT.fullmatch(account) and KEY.fullmatch(key)):
        raise NeedsHuman(f"{account[:60]!r} is no storage account's name, or {key[:60]!r} no key's")
    return QUERY.format(
        nothing=NOTHING,
        tables=", ".join(TABLES),
        days=DAYS,
        account=account,
        key=key,
        most=len(TABLES),
    )


def uses_of(rows: Iterable[Json]) -> dict[str, Use]:
    """Read the rows, by service; raises ValueError for anything that the query cannot give."""
    uses: dict[str, Use] = {}
    for row in rows:
        service, requests = TABLES.get(text_of(row, "Type"), ""), _count(row, "Requests")
        last = moment(text_of(row, "Last")) if requests else None
        if not service or (requests and last is None) or not _count(row, "Logged"):
            raise ValueError("no row of the query")
        uses[service] = Use(requests, _count(row, "Callers"), last)
    return uses


def sentence(uses: Mapping[str, Use], *, is_partial: bool) -> str:
    """Return what a person should know of the other key, without the last full stop."""
    missing = [service for service in TABLES.values() if service not in uses]
    if len(missing) == len(TABLES):
        return (
            f"The workspace has no log of the account from the last {DAYS} days, so nothing is "
            "known of its use"
        )
    seen = [
        f"{service}, {_many(use.requests, 'request')} from {_many(use.callers, 'address')}, "
        f"the last at {use.last:%Y-%m-%d %H:%M}Z"
        for service, use in uses.items()
        if use.requests
    ]
    logs = f"The last {DAYS} days' logs of {', '.join(uses)}"
    text = f"{logs} show it in use: {'; '.join(seen)}" if seen else f"{logs} show no use of it"
    text += f". There is no log of {', '.join(missing)}" if missing else ""
    return text + (". The workspace calls its answer incomplete" if is_partial else "")


def _count(row: Json, name: str) -> int:
    number = row.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"{name} is no count")
    return number


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")
