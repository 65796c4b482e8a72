"""Event Grid's delivery by an identity, into a storage account that may have a firewall.

https://learn.microsoft.com/azure/event-grid/handler-storage-queues: behind a firewall, only a
system-assigned identity can deliver, and only if trusted services are allowed. Microsoft documents
this for network rules. It does not document it for accounts with public access disabled, so here
delivery fails for those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.arm.deployments import ids
from simulator.arm.deployments.refusals.events import WAYS, destination_of, principal_of
from simulator.arm.deployments.tenant import Resource, Tenant


def deliver(tenant: Tenant, subscription: Resource) -> str | None:
    """Return the id of the queue or container that an event reaches; None if it is lost."""
    topic = tenant.read(ids.parent(subscription.id) or "")
    for kind, inner, action in WAYS:
        sent = subscription.properties[kind]
        target = destination_of(sent[inner]["properties"])
        if _gets_in(tenant, sent["identity"], target) and tenant.may(
            principal_of(tenant, topic, sent["identity"]), action, target
        ):
            return target
    return None


def _gets_in(tenant: Tenant, identity: Mapping[str, Any], target: str) -> bool:
    account = tenant.read(target.rpartition("Services/default/")[0].rpartition("/")[0]).properties
    if account.get("publicNetworkAccess", "Enabled") != "Enabled":
        return False
    rules = account.get("networkAcls", {"defaultAction": "Allow"})
    if rules["defaultAction"] == "Allow":
        return True
    return "AzureServices" in rules.get("bypass", "") and identity["type"] == "SystemAssigned"
