"""Microsoft.EventGrid: system topics and their subscriptions."""

from __future__ import annotations

from simulator.arm.deployments import ids
from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Tenant
from simulator.arm.errors import ArmError

TOPIC = "Microsoft.EventGrid/systemTopics"


def check_topic(tenant: Tenant, put: Put) -> None:
    """Refuse a second topic for one source, or a topic that is not beside its source.

    Both must be in the same location and resource group:
    https://learn.microsoft.com/azure/event-grid/system-topics;
    https://github.com/Azure/arm-template-whatif/issues/424
    """
    source = put.properties["source"].lower()
    for other in tenant.of_kind(TOPIC):
        if other.properties["source"].lower() == source and other.id.lower() != put.id.lower():
            message = (
                f"System topic for the source {source} already exists ({other.id}): "
                "only one system topic is allowed per source."
            )
            raise ArmError(400, "InvalidRequest", message)
    vault = tenant.read(source)
    if vault.body["location"] != put.body["location"] or ids.place_of(source) != ids.place_of(
        put.id.lower()
    ):
        message = "System topic must be in the same location and resource group as its source."
        raise ArmError(400, "InvalidRequest", message)


def check_subscription(tenant: Tenant, put: Put) -> None:
    """Refuse a destination that does not exist, or an identity that the topic lacks.

    https://learn.microsoft.com/azure/event-grid/managed-service-identity
    """
    topic = tenant.read(ids.parent(put.id) or "")
    for kind, inner in (
        ("deliveryWithResourceIdentity", "destination"),
        ("deadLetterWithResourceIdentity", "deadLetterDestination"),
    ):
        sent = put.properties[kind]
        _check_identity(topic.body.get("identity", {}), sent["identity"])
        destination = destination_of(sent[inner]["properties"])
        if not tenant.has(destination):
            message = f"The attempt to validate the provided endpoint {destination} failed."
            raise ArmError(400, "Endpoint validation", message)


def _check_identity(owned: dict[str, object], identity: dict[str, str]) -> None:
    named = identity.get("userAssignedIdentity", "")
    assigned = owned.get("userAssignedIdentities", {})
    known = isinstance(assigned, dict) and (not named or named in assigned)
    if identity["type"] not in str(owned.get("type", "None")) or not known:
        message = f"The identity {identity['type']} {named} is not one of the topic."
        raise ArmError(400, "InvalidRequest", message)


def destination_of(properties: dict[str, str]) -> str:
    """Return the id of the queue or container that events go to."""
    account = properties["resourceId"]
    if "queueName" in properties:
        return f"{account}/queueServices/default/queues/{properties['queueName']}"
    return f"{account}/blobServices/default/containers/{properties['blobContainerName']}"
