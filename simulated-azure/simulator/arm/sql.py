"""Microsoft.Sql: read and change servers, poll changes, and read the Entra-only setting.

Sources: the recorded PATCH of azure-sdk-for-python (sdk/sql/azure-mgmt-sql/tests/recordings), and
the OpenAPI documents of api-version 2025-01-01. Which roles a poll needs is not documented: here it
needs the right to read operations.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.arm.sql_shapes import entra_only_body, operation_body, server_body
from simulator.sql.servers import Failure, SqlServer, weakness
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.sql.gateway import SqlGateway
    from simulator.world import World

SERVERS = "Microsoft.Sql/servers"
API_VERSIONS = (
    *(
        "2014-04-01",
        "2015-05-01-preview",
        "2018-06-01-preview",
        "2019-06-01-preview",
        "2020-02-02-preview",
    ),
    *(
        "2020-08-01-preview",
        "2020-11-01-preview",
        "2021-02-01-preview",
        "2021-05-01-preview",
        "2021-08-01-preview",
    ),
    *(
        "2021-11-01",
        "2021-11-01-preview",
        "2022-02-01-preview",
        "2022-05-01-preview",
        "2022-08-01-preview",
    ),
    *(
        "2022-11-01-preview",
        "2023-02-01-preview",
        "2023-05-01-preview",
        "2023-08-01-preview",
        "2023-08-01",
    ),
    *("2024-05-01-preview", "2025-01-01"),
)
SERVER = re.compile(r"servers/(?P<name>[^/]+)", re.IGNORECASE)
ENTRA_ONLY = re.compile(
    r"servers/(?P<name>[^/]+)/azureADOnlyAuthentications(/(?P<mode>[^/]+))?", re.IGNORECASE
)
OPERATION = re.compile(
    r"locations/[^/]+/(?P<kind>serverAzureAsyncOperation|serverOperationResults)/(?P<id>[^/]+)",
    re.IGNORECASE,
)
HEADERS = {"Server": "Microsoft-HTTPAPI/2.0"}
READ_HEADERS = {**HEADERS, "Vary": "Accept-Encoding"}
MESSAGES = {
    "PasswordTooShort": (
        "The provided password is too short. The password must be at least 8 characters long."
    ),
    "PasswordTooLong": (
        "The provided password is too long. The password can be at most 128 characters long."
    ),
    "PasswordNotComplex": (
        "Password validation failed. The password does not meet policy requirements because it "
        "is not complex enough."
    ),
}


@dataclass
class Operation:
    """A running or finished change: when it started, when it ends, and its result."""

    server: SqlServer
    started: datetime
    ends: datetime
    failure: Failure | None
    operation_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def status(self, now: datetime) -> str:
        """Return the state that a poll shows."""
        return "InProgress" if now < self.ends else "Failed" if self.failure else "Succeeded"


class SqlProvider:
    """Answers for the world's SQL servers. `operations` are all changes so far, oldest first."""

    namespace = "Microsoft.Sql"

    def __init__(self, world: World, gateway: SqlGateway) -> None:
        self._world = world
        self._gateway = gateway
        self.operations: list[Operation] = []
        self.page_size = 1000

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for servers and what belongs to them, oldest first."""
        return API_VERSIONS if kind.lower() in ("servers", "locations") else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Answer one operation; refuse any other path or method."""
        method = call.request.method
        if call.path.lower() == "servers" and method == "GET":
            return self._list(call, principal)
        if call.group and (match := SERVER.fullmatch(call.path)) and method in ("GET", "PATCH"):
            action = "read" if method == "GET" else "write"
            server = self._server(call, principal, match["name"], action)
            return (
                self._update(call, server)
                if method == "PATCH"
                else _read(server_body(server, call.api_version))
            )
        if call.group and (match := ENTRA_ONLY.fullmatch(call.path)) and method == "GET":
            server = self._server(call, principal, match["name"], "azureADOnlyAuthentications/read")
            return _entra_only(server, match["mode"])
        if (match := OPERATION.fullmatch(call.path)) and method == "GET":
            return self._poll(call, principal, match["kind"], match["id"])
        raise errors.invalid_type(self.namespace, call.api_version)

    def _server(self, call: ArmRequest, principal: Principal, name: str, action: str) -> SqlServer:
        scope = f"{call.group_scope}/providers/{SERVERS}/{name}"
        check_role(self._world, principal, f"{SERVERS}/{action}", scope)
        check_group(self._world, call)
        server = self._gateway.servers.get(name.lower())
        if server is None or server.resource_id.lower() != scope.lower():
            raise errors.resource_not_found(SERVERS, name, call.group)
        return server

    def _list(self, call: ArmRequest, principal: Principal) -> Response:
        # Like every list of Resource Manager, it silently omits what the caller may not read.
        inside = [
            server
            for server in self._gateway.servers.values()
            if server.resource_id.lower().startswith(f"{call.group_scope}/".lower())
            and self._world.roles.find(principal, f"{SERVERS}/read", server.resource_id)
        ]
        if not inside:
            check_role(self._world, principal, f"{SERVERS}/read", call.group_scope)
        if call.group:
            check_group(self._world, call)
        expand = call.request.query.get("$expand", "").lower() == "administrators/activedirectory"
        bodies = [server_body(server, call.api_version, expand=expand) for server in inside]
        return _read(page(call, self._world.domains.arm, bodies, self.page_size))

    def _update(self, call: ArmRequest, server: SqlServer) -> Response:
        login, password = _requested(call)
        now = self._world.now()
        if any(other.server is server and now < other.ends for other in self.operations):
            text = (
                "An ongoing logical server request is already in progress, please try your "
                "request again later."
            )
            raise errors.ArmError(409, "UpsertLogicalServerRequestAlreadyInProgress", text)
        if password is not None:
            _check(server, login, password)
        operation = Operation(
            server, now, now + server.operation_time, server.next_failure, self._id()
        )
        server.next_failure = None
        self.operations.append(operation)
        if password is not None and operation.failure is None:
            server.set_password(server.administrator, password, after=server.operation_time)
        links = {
            "Azure-AsyncOperation": self._link(call, operation, "serverAzureAsyncOperation"),
            "Location": self._link(call, operation, "serverOperationResults"),
        }
        body = {
            "operation": "UpsertLogicalServer",
            "startTime": operation_body(operation.operation_id, "", now)["startTime"],
        }
        return json_response(202, body, HEADERS | links | _patience(server))

    def _poll(
        self, call: ArmRequest, principal: Principal, kind: str, operation_id: str
    ) -> Response:
        check_role(self._world, principal, f"Microsoft.Sql/locations/{kind}/read", call.group_scope)
        operation = next(
            (change for change in self.operations if change.operation_id == operation_id), None
        )
        if operation is None:
            raise errors.ArmError(
                404,
                "OperationIdNotFound",
                f"The operation with Id '{operation_id}' does not exist.",
            )
        status = operation.status(self._world.now())
        patience = _patience(operation.server) if status == "InProgress" else {}
        if kind.lower() == "serverazureasyncoperation":
            failure = operation.failure if status == "Failed" else None
            return _read(operation_body(operation_id, status, operation.started, failure), patience)
        if status == "InProgress":
            location = self._link(call, operation, "serverOperationResults")
            return Response(202, HEADERS | patience | {"Location": location})
        if status == "Failed" and operation.failure:
            raise errors.ArmError(409, operation.failure.code, operation.failure.message)
        return _read(server_body(operation.server, call.api_version))

    def _link(self, call: ArmRequest, operation: Operation, kind: str) -> str:
        location = f"providers/Microsoft.Sql/locations/{operation.server.location}"
        path = f"{call.group_scope}/{location}/{kind}"
        query = f"api-version={call.api_version}"
        return f"https://{self._world.domains.arm}{path}/{operation.operation_id}?{query}"

    def _id(self) -> str:
        return str(uuid.UUID(bytes=self._world.entropy(16), version=4))


def _requested(call: ArmRequest) -> tuple[str | None, str | None]:
    try:
        properties = json.loads(call.request.body)["properties"]
        return properties.get("administratorLogin"), properties.get("administratorLoginPassword")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise errors.invalid_content(str(error)) from None


def _check(server: SqlServer, login: str | None, password: str) -> None:
    if server.entra_only:
        text = (
            "Azure Active Directory Only Authentication is enabled. Please contact your system "
            "administrator."
        )
        raise errors.ArmError(400, "AadOnlyAuthenticationIsEnabled", text)
    if login is not None and login != server.administrator.name:
        raise errors.ArmError(
            400, "InvalidParameterValue", "Invalid value given for parameter administratorLogin."
        )
    if code := weakness(password, server.administrator.name):
        raise errors.ArmError(400, code, MESSAGES[code])


def _entra_only(server: SqlServer, mode: str | None) -> Response:
    if mode is None:
        return _read({"value": [entra_only_body(server)]})
    if mode.lower() != "default":
        text = "Server Azure Active Directory only authentication type should be Default"
        raise errors.ArmError(400, "InvalidServerAADOnlyAuthTypePropertyName", text)
    return _read(entra_only_body(server))


def _patience(server: SqlServer) -> dict[str, str]:
    return {} if server.retry_after is None else {"Retry-After": str(server.retry_after)}


def _read(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return json_response(200, body, READ_HEADERS | (headers or {}))
