"""Microsoft.EventGrid: system topics and their subscriptions."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.arm.deployments import ids
from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import Resource, Tenant
from simulator.arm.errors import ArmError

TOPIC = "Microsoft.EventGrid/systemTopics"
SEND = "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action"
WRITE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
WAYS = (
    ("deliveryWithResourceIdentity", "destination", SEND),
    ("deadLetterWithResourceIdentity", "deadLetterDestination", WRITE),
)
"""How an event travels: the properties that say so, and the right that it takes."""


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
    """Refuse a destination that does not exist, or an identity that is missing or lacks the right.

    https://learn.microsoft.com/azure/event-grid/managed-service-identity
    """
    topic = tenant.read(ids.parent(put.id) or "")
    for kind, inner, action in WAYS:
        sent = put.properties[kind]
        _check_identity(topic.body.get("identity", {}), sent["identity"])
        destination = destination_of(sent[inner]["properties"])
        if not tenant.has(destination):
            message = f"The attempt to validate the provided endpoint {destination} failed."
            raise ArmError(400, "Endpoint validation", message)
        account = str(sent[inner]["properties"]["resourceId"])
        if not tenant.may(principal_of(tenant, topic, sent["identity"]), action, account):
            raise _not_authorized(put)


def _not_authorized(put: Put) -> ArmError:
    """Return the answer where the identity's right has not spread yet, or is not on the account.

    Event Grid looks for the right while the subscription is created, and fails without it:
    https://github.com/Azure/bicep-registry-modules/issues/5205 has the answer in full. Microsoft's
    connector for GitHub's audit log waits five to ten minutes for it, and grants on the account
    (Azure/Azure-Sentinel, Solutions/GitHub). A public log of a deployment of September 2026 shows
    three failures within 20 minutes with the right on the queue, and success at once with the same
    right on the account. Dead letters need their right as early:
    https://github.com/MicrosoftDocs/azure-docs/issues/98216.
    """
    failed = (
        "The resource write operation failed to complete successfully, because it reached "
        "terminal provisioning state 'Failed'."
    )
    reason = (
        f"Managed Identity for {put.name} does not have permission to perform appropriate action "
        "on the destination resource. Managed identity for event subscription does not have "
        "authorization to deliver to the endpoint. Visit aka.ms/egmsivalidation for more details."
    )
    cause = ArmError(403, "Managed Identity Authorization Error", reason)
    return ArmError(409, "ResourceDeploymentFailure", failed, cause=cause)


def _check_identity(owned: dict[str, object], identity: dict[str, str]) -> None:
    """Refuse an identity that the topic does not have.

    https://learn.microsoft.com/azure/event-grid/managed-service-identity: "enable managed identity
    on your topic" comes first.
    """
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


def principal_of(tenant: Tenant, topic: Resource, identity: Mapping[str, str]) -> str:
    """Return the object id of the identity that a topic delivers with."""
    named = identity.get("userAssignedIdentity")
    owner = tenant.read(named).added if named else topic.identity
    return str(owner.get("principalId", ""))
