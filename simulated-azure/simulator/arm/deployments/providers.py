"""The resource providers: what each one refuses, and what it adds to a new resource."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.arm import clouds, errors
from simulator.arm.deployments import ids
from simulator.arm.deployments.ids import is_id
from simulator.arm.deployments.refusals import (
    app,
    authorization,
    events,
    monitoring,
    storage,
    vaults,
    workspaces,
)
from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import ASSIGNMENT, DEFINITION, IDENTITY, Resource, Tenant
from simulator.arm.errors import ArmError

__all__ = ["Put", "create"]


type Rule = Callable[[Tenant, Put], None]


@dataclass(frozen=True)
class Kind:
    """A resource type: its api-versions, and the checks before it is created."""

    versions: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    added: Callable[[Tenant, Put], Mapping[str, Any]] = lambda _tenant, _put: {}
    """Properties that Azure adds."""


def create(tenant: Tenant, put: Put) -> Resource:
    """Create or change a resource; raise ArmError if Azure would refuse it.

    https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-resource-type
    """
    kind = KINDS.get(put.kind)
    if kind is None:
        message = f"The resource type '{put.kind}' could not be found."
        raise ArmError(400, "InvalidResourceType", message)
    _check_version(tenant, put, kind)
    _check_registration(tenant, put)
    _check_surroundings(tenant, put)
    for rule in kind.rules:
        rule(tenant, put)
    added = kind.added(tenant, put)
    resource = Resource(put.id, put.kind, put.body, tenant.now(), added, _identity(tenant, put))
    tenant.keep(resource)
    for child in _children(put):
        tenant.keep(Resource(child, f"{put.kind}/subnets", {}, tenant.now()))
    return resource


def _check_version(tenant: Tenant, put: Put, kind: Kind) -> None:
    version, (namespace, _, name) = put.body["apiVersion"], put.kind.partition("/")
    here = clouds.offered(tenant.cloud.get("name", clouds.PUBLIC), namespace, kind.versions)
    if version not in here:
        place = put.body.get("location", tenant.location)
        raise errors.no_registered_provider(version, name, here, place)


def _check_registration(tenant: Tenant, put: Put) -> None:
    subscription = ids.place_of(put.id).subscription
    namespace = ids.provider(put.kind)
    if not tenant.is_registered(subscription, namespace):
        raise missing_registration(subscription, namespace)


def missing_registration(subscription: str, namespace: str) -> ArmError:
    """Return the error for a provider that is not registered in the subscription."""
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. ({subscription}) "
        "See https://aka.ms/rps-not-found for how to register subscriptions."
    )
    return ArmError(409, "MissingSubscriptionRegistration", message)


def _check_surroundings(tenant: Tenant, put: Put) -> None:
    """Refuse references to a resource that does not exist: `dependsOn` was forgotten.

    https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-parent-resource
    and error-not-found; https://github.com/F5Networks/f5-azure-arm-templates-v2/issues/16.
    """
    above = ids.parent(put.id)
    if above and not tenant.has(above):
        message = (
            "Can not perform requested operation on nested resource. Parent resource "
            f"'{above}' not found."
        )
        raise ArmError(404, "ParentResourceNotFound", message)
    target = ids.extended(put.id)
    for id_ in {*([target] if target else []), *_named(put)}:
        if not tenant.has(id_):
            raise ArmError(404, "ResourceNotFound", f"The Resource '{id_}' was not found.")


def _named(put: Put) -> Iterator[str]:
    """Yield the ids of the resources that a resource refers to."""
    if put.kind not in {ASSIGNMENT, DEFINITION}:
        yield from (
            id_ for id_ in _ids(put.body.get("properties", {})) if "/roleDefinitions/" not in id_
        )


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        # Settings and workbooks contain ids as plain text. Azure does not check those.
        parts = (
            item for name, item in value.items() if name not in {"appSettings", "serializedData"}
        )
        for item in parts:
            yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif is_id(value):
        yield value


def _identity(tenant: Tenant, put: Put) -> Mapping[str, Any]:
    kind = put.body.get("identity", {}).get("type", "")
    if "SystemAssigned" not in kind:
        return {}
    return {"principalId": tenant.principal(put.id), "tenantId": tenant.tenant_id}


def _children(put: Put) -> Iterator[str]:
    """Yield the ids of the child resources that are created together with a resource."""
    for subnet in put.body.get("properties", {}).get("subnets", ()):
        yield f"{put.id}/subnets/{subnet['name']}"


def _own_identity(tenant: Tenant, put: Put) -> Mapping[str, Any]:
    client = str(uuid.uuid5(uuid.UUID(tenant.principal(put.id)), "client"))
    return {
        "principalId": tenant.principal(put.id),
        "clientId": client,
        "tenantId": tenant.tenant_id,
    }


def _insights(_tenant: Tenant, put: Put) -> Mapping[str, Any]:
    key = uuid.uuid5(uuid.NAMESPACE_URL, put.id)
    ingestion = "https://westeurope-5.in.applicationinsights.azure.com/"
    return {"ConnectionString": f"InstrumentationKey={key};IngestionEndpoint={ingestion}"}


def _host_name(_tenant: Tenant, put: Put) -> Mapping[str, Any]:
    return {"defaultHostName": f"{put.name}.azurewebsites.net"}


def _endpoint(tenant: Tenant, put: Put) -> Mapping[str, Any]:
    location = put.body["location"]
    del tenant
    return {"endpoint": f"https://{put.name}.{location}-1.eventgrid.azure.net/api/events"}


_INSIGHTS, _STORAGE, _NETWORK = (f"Microsoft.{name}" for name in ("Insights", "Storage", "Network"))
_ACCOUNT = f"{_STORAGE}/storageAccounts"
_SITE = "Microsoft.Web/sites"
# The public cloud's; simulator/arm/clouds.py says which of them the others have.
_STORAGE_VERSIONS = ("2023-05-01", "2024-01-01", "2025-06-01", "2025-08-01", "2026-09-01")
_WEB_VERSIONS = ("2024-04-01", "2024-11-01", "2025-03-01")
_GRID_VERSIONS = ("2022-06-15", "2025-02-15")
_NETWORK_VERSIONS = ("2024-05-01", "2025-05-01")

KINDS: dict[str, Kind] = {
    IDENTITY: Kind(("2023-01-31", "2024-11-30"), added=_own_identity),
    DEFINITION: Kind(("2022-04-01",), (authorization.check_definition,)),
    ASSIGNMENT: Kind(("2022-04-01",), (authorization.check_assignment,)),
    "Microsoft.Authorization/policyAssignments": Kind(("2024-04-01", "2025-03-01")),
    "Microsoft.OperationalInsights/workspaces": Kind(
        ("2023-09-01", "2025-07-01"), (workspaces.check_workspace,)
    ),
    f"{_INSIGHTS}/components": Kind(("2020-02-02",), added=_insights),
    f"{_INSIGHTS}/diagnosticSettings": Kind(("2021-05-01-preview",)),
    f"{_INSIGHTS}/actionGroups": Kind(("2023-01-01",)),
    f"{_INSIGHTS}/workbooks": Kind(("2023-06-01",)),
    f"{_INSIGHTS}/scheduledQueryRules": Kind(("2023-12-01",), (monitoring.check_rule,)),
    _ACCOUNT: Kind(_STORAGE_VERSIONS, (storage.check_account,)),
    f"{_ACCOUNT}/blobServices": Kind(_STORAGE_VERSIONS),
    f"{_ACCOUNT}/blobServices/containers": Kind(_STORAGE_VERSIONS),
    f"{_ACCOUNT}/managementPolicies": Kind(_STORAGE_VERSIONS),
    f"{_ACCOUNT}/queueServices": Kind(_STORAGE_VERSIONS),
    f"{_ACCOUNT}/queueServices/queues": Kind(_STORAGE_VERSIONS),
    f"{_ACCOUNT}/tableServices": Kind(_STORAGE_VERSIONS),
    "Microsoft.EventGrid/topics": Kind(_GRID_VERSIONS, added=_endpoint),
    "Microsoft.EventGrid/systemTopics": Kind(_GRID_VERSIONS, (events.check_topic,)),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": Kind(
        _GRID_VERSIONS, (events.check_subscription,)
    ),
    f"{_NETWORK}/virtualNetworks": Kind(_NETWORK_VERSIONS),
    f"{_NETWORK}/privateDnsZones": Kind(("2024-06-01",)),
    f"{_NETWORK}/privateDnsZones/virtualNetworkLinks": Kind(("2024-06-01",)),
    f"{_NETWORK}/privateEndpoints": Kind(_NETWORK_VERSIONS),
    f"{_NETWORK}/privateEndpoints/privateDnsZoneGroups": Kind(_NETWORK_VERSIONS),
    "Microsoft.KeyVault/vaults": Kind(("2023-07-01", "2026-02-01"), (vaults.check_vault,)),
    "Microsoft.Web/serverfarms": Kind(_WEB_VERSIONS, (app.check_plan,)),
    _SITE: Kind(_WEB_VERSIONS, (app.check_site,), _host_name),
    f"{_SITE}/basicPublishingCredentialsPolicies": Kind(_WEB_VERSIONS),
    f"{_SITE}/config": Kind(_WEB_VERSIONS),
    f"{_SITE}/extensions": Kind(_WEB_VERSIONS, (app.check_package,)),
}
"""Every type that this project's templates may contain."""
