"""Microsoft.Storage: accounts."""

from __future__ import annotations

import re

from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Tenant
from simulator.arm.errors import ArmError


def check_account(tenant: Tenant, put: Put) -> None:
    """Refuse an invalid account name, and one that somebody else has: names are Azure's own.

    https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules;
    https://github.com/vmware-archive/azure-concourse/issues/7 shows the answer.
    """
    if put.name in tenant.taken:
        message = f"The storage account named {put.name} is already taken."
        raise ArmError(409, "StorageAccountAlreadyTaken", message)
    if not re.fullmatch(r"[a-z0-9]{3,24}", put.name):
        message = f"{put.name} is not a valid storage account name."
        raise ArmError(400, "AccountNameInvalid", message)
