"""The query API of Log Analytics, for a small part of its language.

Refusals: https://learn.microsoft.com/azure/azure-monitor/logs/api/errors. The words for a table
that does not exist are those that users published. Rights, per table too:
https://learn.microsoft.com/azure/azure-monitor/logs/manage-access. That a table without the right
is as good as one that does not exist is an assumption.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from simulator.identity import Principal, bearer
from simulator.telemetry import vault_logs
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.telemetry.vault_logs import Audited
    from simulator.world import World

AUDIENCES = ("https://api.loganalytics.io", "https://api.loganalytics.azure.com")
RIGHT = "Microsoft.OperationalInsights/workspaces/query"
PATH = re.compile(r"/v1/workspaces/(?P<id>[^/]+)/query")
SPAN = re.compile(r"P(?P<days>\d+)D")
QUERY = re.compile(
    r"union (?P<fuzzy>isfuzzy=true )?(?P<nothing>\(datatable\([\w:, ]+\)\[\]\), )?"
    r"(?P<tables>\w+(, \w+)*)\n"
    r"\| where TimeGenerated > ago\((?P<days>\d+)d\) and AccountName == '(?P<account>[^'\\\n]*)'\n"
    r"\| extend Used = AuthenticationHash startswith '(?P<hash>[^'\\\n]*)', "
    r"Caller = replace_regex\(CallerIpAddress, @':\\d\+\$', ''\)\n"
    r"\| summarize Logged = count\(\), Requests = countif\(Used\), "
    r"Callers = dcountif\(Caller, Used\), Last = maxif\(TimeGenerated, Used\) by Type\n"
    r"\| take (?P<most>\d+)"
)
COLUMNS = (
    ("Type", "string"),
    ("Logged", "long"),
    ("Requests", "long"),
    ("Callers", "long"),
    ("Last", "datetime"),
)


@dataclass(frozen=True)
class Logged:
    """A request to a storage account, as its log has it."""

    time: datetime
    account: str
    authentication: str
    """AuthenticationHash."""
    caller: str
    """CallerIpAddress, with a port."""


@dataclass
class LogWorkspace:
    """A Log Analytics workspace: `tables` are those to which something was ever sent."""

    id: str
    resource_id: str
    tables: dict[str, list[Logged]] = field(default_factory=dict)
    audited: dict[str, list[Audited]] = field(default_factory=dict)
    """The tables of Key Vaults, in the same way."""


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An error answer; `inner` is its inner error's code and message."""

    def __init__(self, status: int, code: str, message: str, *inner: str) -> None:
        super().__init__(code)
        self.status = status
        error: dict[str, Any] = {"message": message, "code": code}
        if inner:
            error["innererror"] = dict(zip(("code", "message"), inner, strict=True))
        self.body = {"error": error}


class LogsService:
    """Answers queries of every workspace in `workspaces`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.workspaces: dict[str, LogWorkspace] = {}

    def answers(self, host: str) -> bool:
        """Return whether the host is the service's."""
        return host == self._world.domains.logs

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            caller, workspace = self._caller(request), self._workspace(request)
            self._allow(caller, workspace, "read")
            return json_response(200, self._run(caller, workspace, _body(request)))
        except Refusal as refusal:
            return json_response(refusal.status, refusal.body)

    def _caller(self, request: Request) -> Principal:
        token = bearer(request.header("authorization"))
        if token is None:
            missing = "Authentication failed. The 'Authorization' header is missing."
            raise Refusal(HTTPStatus.UNAUTHORIZED, "AuthenticationFailed", missing)
        own = f"https://{self._world.domains.logs}"
        principal = self._world.identities.principal_of(token, *AUDIENCES, own)
        if principal is None:
            invalid = "The access token is invalid."
            raise Refusal(HTTPStatus.FORBIDDEN, "InvalidAuthenticationToken", invalid)
        return principal

    def _workspace(self, request: Request) -> LogWorkspace:
        match = PATH.fullmatch(request.path)
        workspace = self.workspaces.get(match["id"].lower()) if match else None
        if workspace is None or request.method != "POST":
            message = f"The requested path does not exist: {request.path}"
            raise Refusal(HTTPStatus.NOT_FOUND, "PathNotFoundError", message)
        return workspace

    def _allow(self, caller: Principal, workspace: LogWorkspace, action: str) -> None:
        if not self._may(caller, workspace, action):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "InsufficientAccessError",
                "The provided credentials have insufficient access to perform the requested "
                "operation",
                "UnauthorizedClient",
                "The service principal does not have sufficient permissions to access this "
                f"resource: {workspace.id}",
            )

    def _may(self, caller: Principal, workspace: LogWorkspace, action: str) -> bool:
        return bool(self._world.roles.find(caller, f"{RIGHT}/{action}", workspace.resource_id))

    def _run(
        self, caller: Principal, workspace: LogWorkspace, body: dict[str, Any]
    ) -> dict[str, Any]:
        query, span = QUERY.fullmatch(body["query"]), SPAN.fullmatch(body.get("timespan", ""))
        if span and (audit := vault_logs.QUERY.fullmatch(body["query"])):
            return self._audit(caller, workspace, audit, int(span["days"]))
        if query is None or span is None:
            raise _invalid("SyntaxError", "Syntax Error")
        tables = query["tables"].split(", ")
        known = [
            name
            for name in tables
            if name in workspace.tables and self._may(caller, workspace, f"{name}/read")
        ]
        unknown = [name for name in tables if name not in known]
        if unknown and not (query["fuzzy"] and (known or query["nothing"])):
            named = f"'union' operator: Failed to resolve table expression named '{unknown[0]}'"
            raise _invalid("SemanticError", named)
        days = min(int(query["days"]), int(span["days"]))
        since = self._world.now() - timedelta(days=days)
        rows = [
            _summary(name, matches, query["hash"])
            for name in known
            if (matches := _matching(workspace.tables[name], query["account"], since))
        ]
        columns = [{"name": name, "type": kind} for name, kind in COLUMNS]
        listed = rows[: int(query["most"])]
        return {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": listed}]}

    def _audit(
        self, caller: Principal, workspace: LogWorkspace, query: re.Match[str], days: int
    ) -> dict[str, Any]:
        """Answer from the tables that there are and that the caller may read."""
        rows = [
            row
            for name, table in workspace.audited.items()
            if self._may(caller, workspace, f"{name}/read")
            for row in table
        ]
        answered = vault_logs.answered(
            query, rows, self._world.now() - vault_logs.span(query, days)
        )
        columns = [{"name": name, "type": kind} for name, kind in vault_logs.COLUMNS]
        return {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": answered}]}


def _matching(rows: list[Logged], account: str, since: datetime) -> list[Logged]:
    return [row for row in rows if row.account == account and row.time > since]


def _summary(table: str, rows: list[Logged], start: str) -> list[object]:
    """Return one row of the result. `startswith` ignores case in Kusto."""
    used = [row for row in rows if row.authentication.lower().startswith(start.lower())]
    callers = {re.sub(r":\d+$", "", row.caller) for row in used}
    last = max((row.time for row in used), default=None)
    text = last.strftime("%Y-%m-%dT%H:%M:%S.%f0Z") if last else None
    return [table, len(rows), len(used), len(callers), text]


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    typed = request.header("content-type").startswith("application/json")
    if not typed or not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise _invalid("QueryValidationError", "Failed parsing the query")
    return body


def _invalid(code: str, message: str) -> Refusal:
    general = "The request had some invalid properties"
    return Refusal(HTTPStatus.BAD_REQUEST, "BadArgumentError", general, code, message)
