"""What a person who deploys looks at: the vaults of a subscription, and their system topics.

Sources: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-by-subscription
and https://learn.microsoft.com/rest/api/eventgrid/controlplane/system-topics/list-by-subscription.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.keyvault.state import Vault
    from simulator.world import World

VAULT_VERSIONS = ("2022-07-01", "2023-02-01", "2023-07-01", "2024-11-01", "2026-02-01")
TOPIC_VERSIONS = ("2021-12-01", "2022-06-15", "2025-02-15")


class VaultsProvider:
    """Microsoft.KeyVault as Resource Manager sees it: vaults to list and read; secrets are no business of it."""

    namespace = "Microsoft.KeyVault"

    def __init__(self, world: World) -> None:
        self._world = world
        self.page_size = 1000
        self.access_policies: set[str] = set()
        """Names of the vaults that still use access policies in place of Azure RBAC."""

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for vaults, oldest first."""
        return VAULT_VERSIONS if kind.lower() == "vaults" else ()

    def rate(self, asked: ArmRequest) -> str:  # noqa: ARG002 - the provider's interface
        """Return which rate a request counts against."""
        return "reads"

    def handle(self, asked: ArmRequest, principal: Principal) -> Response:
        """List the vaults of a subscription or group."""
        if asked.request.method != "GET" or asked.path.lower() != "vaults":
            raise errors.invalid_type(self.namespace, asked.api_version)
        bodies = [self._body(vault) for vault in self._world.vaults.values()]
        return _listed(self._world, asked, principal, bodies, self.page_size)

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


@dataclass
class SystemTopics:
    """Microsoft.EventGrid: the system topics that there are already, each the only one of its source."""

    world: World
    namespace: str = "Microsoft.EventGrid"
    topics: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 20

    def add(self, name: str, vault: Vault, tags: Mapping[str, str] | None = None) -> None:
        """Add the system topic of a vault; ValueError where it has one."""
        if any(topic["properties"]["source"] == vault.resource_id for topic in self.topics):
            raise ValueError("only one system topic is allowed per source")
        group = vault.resource_id.split("/providers/")[0]
        self.topics.append(
            {
                "id": f"{group}/providers/Microsoft.EventGrid/systemTopics/{name}",
                "name": name,
                "type": "Microsoft.EventGrid/systemTopics",
                "location": vault.location,
                "tags": dict(tags or {}),
                "properties": {
                    "source": vault.resource_id,
                    "topicType": "Microsoft.KeyVault.vaults",
                    "provisioningState": "Succeeded",
                },
            }
        )

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for system topics, oldest first."""
        return TOPIC_VERSIONS if kind.lower() == "systemtopics" else ()

    def rate(self, asked: ArmRequest) -> str:  # noqa: ARG002 - the provider's interface
        """Return which rate a request counts against."""
        return "reads"

    def handle(self, asked: ArmRequest, principal: Principal) -> Response:
        """List the system topics of a subscription or group."""
        if asked.request.method != "GET" or asked.path.lower() != "systemtopics":
            raise errors.invalid_type(self.namespace, asked.api_version)
        return _listed(self.world, asked, principal, self.topics, self.page_size)


def _listed(
    world: World, asked: ArmRequest, principal: Principal, bodies: Sequence[dict[str, Any]], size: int
) -> Response:
    """Return what the caller may read of these; refuse a caller who may read none of them nor the scope."""
    readable = [body for body in bodies if _visible(world, asked, principal, body)]
    if not readable:
        kind = f"{asked.namespace}/{asked.kind}"
        check_role(world, principal, f"{kind}/read", asked.group_scope)
    if asked.group:
        check_group(world, asked)
    return json_response(200, page(asked, world.domains.arm, readable, size))


def _visible(world: World, asked: ArmRequest, principal: Principal, body: Mapping[str, Any]) -> bool:
    inside = body["id"].lower().startswith(f"{asked.group_scope}/".lower())
    return inside and world.roles.find(principal, f"{body['type']}/read", body["id"]) is not None
