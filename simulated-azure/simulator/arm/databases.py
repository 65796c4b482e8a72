"""Microsoft.DBforPostgreSQL and Microsoft.DBforMySQL.

Read, list and change Flexible Servers, poll changes. Sources, all of Azure/azure-rest-api-specs:
FlexibleServers.json of postgresql (2024-08-01), the example ServerUpdate of mysql (2022-09-01) with
its two links, and the models of the packages azure-mgmt-postgresqlflexibleservers 3 and
azure-mgmt-mysqlflexibleservers 1. From memory: the codes of refusals, and the right that a poll
needs (here the right to read operations).
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.sql.servers import weakness
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.databases.gateway import DatabaseGateway
    from simulator.databases.servers import EngineName, FlexibleServer
    from simulator.identity import Principal
    from simulator.sql.servers import Failure
    from simulator.world import World

VERSIONS: dict[EngineName, tuple[str, ...]] = {
    "postgresql": ("2021-06-01", "2022-12-01", "2024-08-01", "2025-08-01", "2026-10-01"),
    "mysql": ("2021-05-01", "2022-01-01", "2023-06-30", "2023-12-30", "2024-12-30"),
}
SERVER = re.compile(r"flexibleServers/(?P<name>[^/]+)", re.IGNORECASE)
PARAMETER = re.compile(
    r"flexibleServers/(?P<name>[^/]+)/configurations/aad_auth_only", re.IGNORECASE
)
OPERATION = re.compile(
    r"locations/[^/]+/(?P<kind>azureAsyncOperation|operationResults)/(?P<id>[^/]+)", re.IGNORECASE
)
PAGE = 100


@dataclass
class Operation:
    """A running or finished change."""

    operation_id: str
    server: FlexibleServer
    started: datetime
    ends: datetime
    failure: Failure | None

    def status(self, now: datetime) -> str:
        """Return the state that a poll shows."""
        return "InProgress" if now < self.ends else "Failed" if self.failure else "Succeeded"


class DatabasesProvider:
    """Answers for one engine's servers."""

    def __init__(self, world: World, gateway: DatabaseGateway, engine: EngineName) -> None:
        self._world = world
        self._gateway = gateway
        self._engine = engine
        self.namespace = (
            "Microsoft.DBforPostgreSQL" if engine == "postgresql" else "Microsoft.DBforMySQL"
        )
        self._servers = f"{self.namespace}/flexibleServers"
        self.operations: list[Operation] = []

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for servers and what belongs to them, oldest first."""
        return VERSIONS[self._engine] if kind.lower() in ("flexibleservers", "locations") else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Answer one operation; refuse any other path or method."""
        method = call.request.method
        if call.path.lower() == "flexibleservers" and method == "GET":
            return self._list(call, principal)
        if call.group and (match := SERVER.fullmatch(call.path)) and method in ("GET", "PATCH"):
            action = "read" if method == "GET" else "write"
            server = self._server(call, principal, match["name"], action)
            return self._update(call, server) if method == "PATCH" else _answer(server_body(server))
        if call.group and (match := PARAMETER.fullmatch(call.path)) and method == "GET":
            server = self._server(call, principal, match["name"], "configurations/read")
            return self._parameter(call, server)
        if (match := OPERATION.fullmatch(call.path)) and method == "GET":
            return self._poll(call, principal, match["kind"], match["id"])
        raise errors.invalid_type(self.namespace, call.api_version)

    def _server(
        self, call: ArmRequest, principal: Principal, name: str, action: str
    ) -> FlexibleServer:
        scope = f"{call.group_scope}/providers/{self._servers}/{name}"
        check_role(self._world, principal, f"{self._servers}/{action}", scope)
        check_group(self._world, call)
        server = self._gateway.servers.get((self._engine, name.lower()))
        if server is None or server.is_gone or server.resource_id.lower() != scope.lower():
            raise errors.resource_not_found(self._servers, name, call.group)
        return server

    def _list(self, call: ArmRequest, principal: Principal) -> Response:
        readable = [
            server
            for (engine, _), server in self._gateway.servers.items()
            if engine == self._engine
            and server.resource_id.lower().startswith(f"{call.group_scope}/".lower())
            and self._world.roles.find(principal, f"{self._servers}/read", server.resource_id)
        ]
        if not readable:
            check_role(self._world, principal, f"{self._servers}/read", call.group_scope)
        bodies = [server_body(server) for server in readable]
        return _answer(page(call, self._world.domains.arm, bodies, PAGE))

    def _parameter(self, call: ArmRequest, server: FlexibleServer) -> Response:
        if self._engine != "mysql":
            raise errors.invalid_type(self.namespace, call.api_version)
        value = "OFF" if server.password_auth else "ON"
        return _answer(
            {
                "id": f"{server.resource_id}/configurations/aad_auth_only",
                "name": "aad_auth_only",
                "type": f"{self._servers}/configurations",
                "properties": {"value": value, "defaultValue": "OFF", "dataType": "Enumeration"},
            }
        )

    def _update(self, call: ArmRequest, server: FlexibleServer) -> Response:
        password = _requested(call)
        now = self._world.now()
        if any(other.server is server and now < other.ends for other in self.operations):
            text = (
                f"Server {server.name} is busy processing another operation. Please try "
                "again later."
            )
            raise errors.ArmError(409, "ServerIsBusy", text)
        _check(server, password)
        operation = Operation(
            str(uuid.UUID(bytes=self._world.entropy(16), version=4)),
            server,
            now,
            now + server.operation_time,
            server.next_failure,
        )
        server.next_failure = None
        self.operations.append(operation)
        if operation.failure is None:
            server.set_password(server.administrator, password, after=server.operation_time)
        links = {
            "Azure-AsyncOperation": self._link(call, operation, "azureAsyncOperation"),
            "Location": self._link(call, operation, "operationResults"),
        }
        return Response(202, links | _patience(server))

    def _poll(
        self, call: ArmRequest, principal: Principal, kind: str, operation_id: str
    ) -> Response:
        scope = f"/subscriptions/{call.subscription}"
        check_role(self._world, principal, f"{self.namespace}/locations/{kind}/read", scope)
        operation = next(
            (change for change in self.operations if change.operation_id == operation_id), None
        )
        if operation is None:
            raise errors.ArmError(404, "ResourceNotFound", "The operation does not exist.")
        status = operation.status(self._world.now())
        patience = _patience(operation.server) if status == "InProgress" else {}
        if kind.lower() == "operationresults":
            done = status != "InProgress"
            return _answer(server_body(operation.server)) if done else Response(202, patience)
        body: dict[str, Any] = {"name": operation_id, "status": status}
        if status == "Failed" and operation.failure:
            body["error"] = {
                "code": operation.failure.code,
                "message": operation.failure.message,
            }
        return json_response(200, body, patience)

    def _link(self, call: ArmRequest, operation: Operation, kind: str) -> str:
        path = f"/subscriptions/{call.subscription}/providers/{self.namespace}/locations/{operation.server.location}"
        query = f"api-version={call.api_version}"
        return f"https://{self._world.domains.arm}{path}/{kind}/{operation.operation_id}?{query}"


def server_body(server: FlexibleServer) -> dict[str, Any]:
    """Return a server's properties, never a password."""
    modes = {
        "activeDirectoryAuth": "Enabled",
        "passwordAuth": "Enabled" if server.password_auth else "Disabled",
    }
    replica = {"postgresql": "AsyncReplica", "mysql": "Replica"}[server.engine]
    primary = {"postgresql": "Primary", "mysql": "None"}[server.engine]
    return {
        "id": server.resource_id,
        "name": server.name,
        "type": server.provider,
        "location": server.location,
        "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        "properties": {
            "administratorLogin": server.administrator.name,
            "state": server.state,
            "fullyQualifiedDomainName": server.fqdn,
            "replicationRole": replica if server.is_replica else primary,
            "network": {"publicNetworkAccess": "Enabled"},
            **({"authConfig": modes} if server.engine == "postgresql" else {}),
        },
    }


def _requested(call: ArmRequest) -> str:
    try:
        password = json.loads(call.request.body)["properties"]["administratorLoginPassword"]
    except (ValueError, LookupError, TypeError) as error:
        raise errors.invalid_content(str(error)) from None
    return str(password)


def _check(server: FlexibleServer, password: str) -> None:
    if server.state == "Stopped":
        text = f"Operation is not allowed on the stopped server {server.name}."
        raise errors.ArmError(400, "OperationNotAllowedOnStoppedServer", text)
    if server.is_replica:
        text = "The password of a replica's administrator is its primary's."
        raise errors.ArmError(400, "OperationNotAllowedOnReplica", text)
    if (server.engine == "postgresql" and not server.password_auth) or weakness(
        password, server.administrator.name
    ):
        text = "Invalid value given for parameter administratorLoginPassword."
        raise errors.ArmError(400, "InvalidParameterValue", text)


def _patience(server: FlexibleServer) -> dict[str, str]:
    return {} if server.retry_after is None else {"Retry-After": str(server.retry_after)}


def _answer(body: dict[str, Any]) -> Response:
    return json_response(200, body)
