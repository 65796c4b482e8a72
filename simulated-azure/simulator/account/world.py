"""The state of an account: what it holds, who may do what, and what time it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.account.clock import LateClock
from simulator.account.regions import Region, Regions
from simulator.account.rights import SpreadingRoles
from simulator.arm.deployments.ids import Place
from simulator.arm.deployments.tenant import Resource, Spread, Tenant
from simulator.azure import Azure
from simulator.identity import HOME_TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.world import Domains


class Account(Azure):
    """A world with one subscription, whose resources are those of a tenant of the engine.

    `environment` is what makes a process use this world; whoever serves the world sets it.
    """

    def __init__(self, domains: Domains, spread: Spread | None = None) -> None:
        self.clock = LateClock()
        super().__init__(self.clock.now, domains)
        self.environment: Mapping[str, str] = {}
        self.tenant = Tenant(
            self.clock.now, HOME_TENANT, "westeurope", _cloud(domains), spread or Spread()
        )
        self.roles: SpreadingRoles = SpreadingRoles(self.tenant)
        self.regions = Regions(
            self.tenant, Region("West Europe"), Region("North Europe"), Region("West India", ())
        )

    def add_group(self, subscription: str = "", group: str = "") -> None:
        """Add a resource group, in which templates can be deployed."""
        super().add_group(*filter(None, (subscription, group)))
        for name, groups in self.groups.items():
            for one in groups:
                self.tenant.add_group(Place(name, one))

    def furnish(self) -> None:
        """Let templates find the vaults and accounts that there are."""
        for vault in self.vaults.values():
            body = {"location": vault.location, "properties": {"enableRbacAuthorization": True}}
            self._keep(vault.resource_id, "Microsoft.KeyVault/vaults", body)
        for account in self.accounts.values():
            body = {"location": account.location, "properties": {}}
            self._keep(account.resource_id, "Microsoft.Storage/storageAccounts", body)

    def _keep(self, resource_id: str, kind: str, body: Mapping[str, object]) -> None:
        self.tenant.keep(Resource(resource_id, kind, body, self.now()))


def _cloud(domains: Domains) -> dict[str, object]:
    return {
        "name": "AzureCloud",
        "resourceManager": f"https://{domains.arm}/",
        "authentication": {"loginEndpoint": f"https://{domains.login}/"},
        "suffixes": {
            "keyvaultDns": f".{domains.vault}",
            "storage": domains.blob.removeprefix("blob."),
        },
    }
