"""Microsoft.OperationalInsights in Resource Manager: lists and reads workspaces, but not their logs.

Source: https://learn.microsoft.com/rest/api/loganalytics/workspaces/list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.listing import listed
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.telemetry.logs import LogsService, LogWorkspace
    from simulator.world import World

WORKSPACE_VERSIONS = ("2022-10-01", "2023-09-01", "2025-02-01", "2025-07-01")
KIND = "Microsoft.OperationalInsights/workspaces"
NAMED = 2
"""A type and a name."""


class WorkspacesProvider:
    """Answers for Log Analytics workspaces."""

    namespace = "Microsoft.OperationalInsights"

    def __init__(self, world: World, logs: LogsService) -> None:
        self._world = world
        self._logs = logs

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for workspaces, oldest first."""
        return WORKSPACE_VERSIONS if kind.lower() == "workspaces" else ()

    def rate(self, call: ArmRequest) -> str:  # noqa: ARG002 - the provider's interface
        """Return which rate a request counts against."""
        return "reads"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """List the workspaces of a subscription or group, or read one."""
        parts = call.path.split("/")
        if call.request.method != "GET" or len(parts) > NAMED:
            raise errors.invalid_type(self.namespace, call.api_version)
        bodies = [_body(workspace) for workspace in self._logs.workspaces.values()]
        if not parts[1:]:
            return listed(self._world, call, principal, bodies, 100)
        resource_id = f"{call.group_scope}/providers/{KIND}/{parts[1]}"
        check_role(self._world, principal, f"{KIND}/read", resource_id)
        check_group(self._world, call)
        for body in bodies:
            if body["id"].lower() == resource_id.lower():
                return json_response(200, body)
        raise errors.resource_not_found(KIND, parts[1], call.group)


def _body(workspace: LogWorkspace) -> dict[str, Any]:
    return {
        "id": workspace.resource_id,
        "name": workspace.resource_id.rpartition("/")[2],
        "type": KIND,
        "location": "westeurope",
        "properties": {"customerId": workspace.id, "provisioningState": "Succeeded"},
    }
