"""The query API refuses what Azure refuses, in its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.telemetry.logs import RIGHT, LogWorkspace
from simulator.wire import Request, Response

AUDIENCE = "https://api.loganalytics.io"
NOTHING = (
    "(datatable(Type: string, TimeGenerated: datetime, AccountName: string, "
    "AuthenticationHash: string, CallerIpAddress: string)[]), "
)
QUERY = (
    f"union isfuzzy=true {NOTHING}StorageBlobLogs, StorageFileLogs\n"
    "| where TimeGenerated > ago(8d) and AccountName == 'appdata'\n"
    "| extend Used = AuthenticationHash startswith 'key2(', "
    r"Caller = replace_regex(CallerIpAddress, @':\d+$', '')"
    "\n| summarize Logged = count(), Requests = countif(Used), Callers = dcountif(Caller, Used), "
    "Last = maxif(TimeGenerated, Used) by Type\n"
    "| take 20"
)
"""A query that the simulated language knows: see simulator/telemetry/logs.py."""


class Bench:
    """A world with a workspace, and a caller who may query it all."""

    def __init__(self, *rights: str) -> None:
        self.world: Azure = build_world()
        self.caller = self.world.add_principal("reader")
        self.workspace: LogWorkspace = self.world.add_log_workspace("central")
        self.workspace.tables["StorageBlobLogs"] = []
        self.world.grant(self.caller, rights or ("*/read",), self.workspace.resource_id)

    def post(self, query: object = QUERY, **changes: Any) -> Response:
        """Send a query; `changes` are parts of the request in place of the right ones."""
        token = self.world.identities.token_for(changes.get("audience", AUDIENCE), self.caller)
        headers = changes.get(
            "headers", {"authorization": f"Bearer {token}", "content-type": "application/json"}
        )
        path = changes.get("path", f"/v1/workspaces/{self.workspace.id}/query")
        body = changes.get("body", json.dumps({"query": query, "timespan": "P8D"}).encode())
        url = f"https://{self.world.domains.logs}{path}"
        return self.world.handle(Request(changes.get("method", "POST"), url, headers, body))


def code(answer: Response) -> tuple[int, str, str]:
    body: Any = answer.json()
    error = body["error"]
    return answer.status, error["code"], error.get("innererror", {}).get("code", "")


def test_a_query_of_what_there_is_is_answered_with_a_table() -> None:
    answer: Any = Bench().post().json()
    (table,) = answer["tables"]
    assert table["name"] == "PrimaryResult"
    assert table["rows"] == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"headers": {}}, (401, "AuthenticationFailed", "")),
        ({"headers": {"authorization": "Bearer a.b.c"}}, (403, "InvalidAuthenticationToken", "")),
        (
            {"audience": "https://management.azure.com"},
            (403, "InvalidAuthenticationToken", ""),
        ),
        ({"path": "/v1/workspaces/central/query"}, (404, "PathNotFoundError", "")),
        ({"method": "PUT"}, (404, "PathNotFoundError", "")),
        ({"body": b"{"}, (400, "BadArgumentError", "QueryValidationError")),
        ({"query": "Heartbeat | take 1"}, (400, "BadArgumentError", "SyntaxError")),
        ({"query": QUERY + "0 | union Secrets"}, (400, "BadArgumentError", "SyntaxError")),
    ],
)
def test_what_is_wrong_is_refused(changes: dict[str, Any], refusal: tuple[int, str, str]) -> None:
    assert code(Bench().post(**changes)) == refusal


def test_without_the_right_to_query_nothing_is_told() -> None:
    answer = Bench("Microsoft.OperationalInsights/workspaces/read").post()
    assert code(answer) == (403, "InsufficientAccessError", "UnauthorizedClient")


def test_a_table_that_does_not_exist_fails_a_query_unless_the_union_is_fuzzy() -> None:
    missing = (400, "BadArgumentError", "SemanticError")
    strict = QUERY.replace("isfuzzy=true ", "")
    assert code(Bench().post(strict)) == missing
    bench = Bench()
    del bench.workspace.tables["StorageBlobLogs"]
    assert bench.post().status == 200
    assert code(bench.post(QUERY.replace(NOTHING, ""))) == missing
    assert code(Bench(f"{RIGHT}/read").post(QUERY.replace(NOTHING, ""))) == missing
