"""Microsoft.KeyVault: vaults, which only templates of examples and tests make."""

from __future__ import annotations

from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Tenant
from simulator.arm.errors import ArmError


def check_vault(tenant: Tenant, put: Put) -> None:
    """Refuse the name of a vault that was deleted: it is kept for up to 90 days.

    https://github.com/alan-turing-institute/data-safe-haven/issues/2523 shows the answer.
    """
    if put.name.lower() in tenant.deleted:
        message = (
            "A vault with the same name already exists in deleted state. You need to either "
            "recover or purge existing key vault. Follow this link "
            "https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."
        )
        raise ArmError(409, "ConflictError", message)
