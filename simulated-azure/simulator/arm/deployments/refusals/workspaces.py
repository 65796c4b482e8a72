"""Microsoft.OperationalInsights: workspaces."""

from __future__ import annotations

from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Tenant
from simulator.arm.errors import ArmError


def check_workspace(tenant: Tenant, put: Put) -> None:
    """Refuse the name of a workspace that was deleted elsewhere: it is kept for 14 days.

    Made again with the same name in the same subscription, group and region it is recovered:
    https://learn.microsoft.com/rest/api/loganalytics/workspaces/delete.
    https://github.com/Azure/azure-quickstart-templates/issues/5284 shows the answer to all others.
    """
    name, place = put.name.lower(), f"{put.id.lower()} in {put.body['location']}"
    kept = {known for known in tenant.deleted if f"/workspaces/{name} in " in known}
    if kept and place not in kept:
        raise ArmError(409, "Conflict", f"The workspace name '{put.name}' is not unique")
    tenant.deleted -= kept
