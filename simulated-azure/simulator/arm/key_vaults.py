"""Microsoft.KeyVault in Resource Manager: list the vaults of a subscription or group.

Source: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.listing import listed

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.keyvault.state import Vault
    from simulator.wire import Response
    from simulator.world import World

VAULT_VERSIONS = ("2022-07-01", "2023-02-01", "2023-07-01", "2024-11-01", "2026-02-01")


class VaultsProvider:
    """Microsoft.KeyVault in Resource Manager: lists and reads vaults, but not their secrets."""

    namespace = "Microsoft.KeyVault"

    def __init__(self, world: World) -> None:
        self._world = world
        self.page_size = 1000
        self.access_policies: set[str] = set()
        """Names of vaults that use access policies instead of Azure RBAC."""

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for vaults, oldest first."""
        return VAULT_VERSIONS if kind.lower() == "vaults" else ()

    def rate(self, call: ArmRequest) -> str:  # noqa: ARG002 - the provider's interface
        """Return which rate a request counts against."""
        return "reads"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """List the vaults of a subscription or group."""
        if call.request.method != "GET" or call.path.lower() != "vaults":
            raise errors.invalid_type(self.namespace, call.api_version)
        bodies = [self._body(vault) for vault in self._world.vaults.values()]
        return listed(self._world, call, principal, bodies, self.page_size)

    def _body(self, vault: Vault) -> dict[str, Any]:
        properties = {
            "tenantId": vault.tenant,
            "vaultUri": f"{vault.url}/",
            "enableRbacAuthorization": vault.name not in self.access_policies,
        }
        return {
            "id": vault.resource_id,
            "name": vault.name,
            "type": "Microsoft.KeyVault/vaults",
            "location": vault.location,
            "properties": properties,
        }
