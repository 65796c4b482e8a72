"""The question about the use of a key means to Kusto what it means to the simulated workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cloud.rest import vault_log
from engine.secret import SecretRef
from rotators.shared.key_use import DAYS, NOTHING, QUERY, TABLES, query_of
from simulator.azure import build_world
from simulator.clock import VirtualClock
from simulator.telemetry import vault_logs
from simulator.telemetry.logs import Logged
from simulator.wire import Request
from simulator_tests.telemetry.kql import Workspace
from simulator_tests.telemetry.kusto import parsed

KEY1, KEY2, SAS2 = "key1(0A)", "key2(5R)", "key2(5R),SasSignature(04)"
LOGGED = (
    ("StorageBlobLogs", KEY2, 1, "10.0.0.1:1"),
    ("StorageBlobLogs", SAS2, 2, "10.0.0.1:2"),
    ("StorageBlobLogs", SAS2.upper(), 7.9, "[2001:db8::1]:2"),
    ("StorageBlobLogs", KEY2, 8.1, "10.0.0.9:1"),
    ("StorageBlobLogs", "", 1, "10.0.0.8:1"),
    ("StorageTableLogs", KEY1, 1, "10.0.0.1:1"),
    ("StorageFileLogs", f"x{KEY2}", 1, "10.0.0.1:1"),
    ("StorageQueueLogs", KEY2, 9, "10.0.0.1:1"),
)


def simulated(clock: VirtualClock, query: str) -> list[dict[str, Any]]:
    """Return the rows that the simulated workspace answers with."""
    world = build_world(clock.now)
    reader, central = world.add_principal("reader"), world.add_log_workspace("central")
    world.grant(reader, ["*/read"], central.resource_id)
    for table, authentication, days, caller in LOGGED:
        time = clock.now() - timedelta(days=days)
        row = Logged(time, "appdata", authentication, caller)
        central.tables.setdefault(table, []).append(row)
    token = world.identities.token_for("https://api.loganalytics.io", reader)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    url = f"https://{world.domains.logs}/v1/workspaces/{central.id}/query"
    body = json.dumps({"query": query, "timespan": f"P{DAYS}D"}).encode()
    answer: Any = world.handle(Request("POST", url, headers, body)).json()
    (table,) = answer["tables"]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def test_the_simulated_workspace_counts_as_a_kusto_engine_does(workspace: Workspace) -> None:
    """The engine knows no fuzzy union, so it is asked table by table; a parser sees the whole."""
    clock, query = VirtualClock(), query_of("appdata", "key2")
    workspace.fill(
        (
            table,
            {
                "Type": table,
                "TimeGenerated": clock.now() - timedelta(days=days),
                "AccountName": "appdata",
                "AuthenticationHash": authentication,
                "CallerIpAddress": caller,
            },
        )
        for table, authentication, days, caller in LOGGED
    )
    since = clock.now() - timedelta(days=DAYS)
    union = f"union isfuzzy=true {NOTHING}{', '.join(TABLES)}"
    recent = query.replace(f"ago({DAYS}d)", f"datetime('{since:%Y-%m-%d %H:%M:%S}')")
    answers = [workspace.ask(recent.replace(union, table)) for table in TABLES]
    theirs = {row["Type"]: counts(row) for rows in answers for row in rows}
    assert theirs == {row["Type"]: counts(row) for row in simulated(clock, query)}
    assert theirs == {
        "StorageBlobLogs": (4, 3, 2),
        "StorageTableLogs": (1, 0, 0),
        "StorageFileLogs": (1, 0, 0),
    }


def counts(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return int(row["Logged"]), int(row["Requests"]), int(row["Callers"])


def test_microsofts_parser_finds_nothing_wrong_with_the_question_of_who_read_a_secret() -> None:
    ours = vault_log.query_of(SecretRef("https://prod.vault.azure.net", "app-key"), 30)
    misspelt = ours.replace("Status = HttpStatusCode", "Status = HttpStatus")
    verdicts = parsed({"ours": ours, "misspelt": misspelt})
    columns = [name for name, _ in vault_logs.COLUMNS]
    assert verdicts["ours"] == {"complaints": [], "columns": columns}
    assert verdicts["misspelt"]["complaints"]


def test_microsofts_parser_finds_nothing_wrong_with_the_query() -> None:
    misspelt = query_of("appdata", "key2").replace("AuthenticationHash startswith", "Hash has")
    verdicts = parsed({"ours": query_of("appdata", "key2"), "misspelt": misspelt, "raw": QUERY})
    columns = ["Type", "Logged", "Requests", "Callers", "Last"]
    assert verdicts["ours"] == {"complaints": [], "columns": columns}
    assert verdicts["misspelt"]["complaints"]
    assert verdicts["raw"]["complaints"]
    assert all(table in query_of("appdata", "key2") for table in TABLES)
