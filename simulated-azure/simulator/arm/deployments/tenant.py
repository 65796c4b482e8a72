"""The resources of the tenant, their age, and who currently has which permissions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from simulator.arm.deployments import ids
from simulator.arm.deployments.built_in_roles import BUILT_IN
from simulator.arm.errors import ArmError

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DEFINITION = "Microsoft.Authorization/roleDefinitions"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_PEOPLE = uuid.UUID("6f1d3a52-93a0-4f6e-9d2b-0f8e1a4c7b55")


@dataclass(frozen=True)
class Spread:
    """How long a custom role, a role assignment or a new identity takes to be known everywhere.

    A role assignment takes effect after seconds or minutes, 30 minutes at most:
    https://learn.microsoft.com/azure/role-based-access-control/troubleshooting. How long a role
    definition takes is not documented.
    """

    roles: timedelta = timedelta(seconds=20)
    rights: timedelta = timedelta(seconds=100)
    identities: timedelta = timedelta(seconds=30)


@dataclass
class Resource:
    """One resource: the request's body, and the properties that Azure adds."""

    id: str
    kind: str
    body: Mapping[str, Any]
    since: datetime
    added: Mapping[str, Any] = field(default_factory=dict)
    """Properties that Azure computes."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Properties that Azure adds to the resource's identity."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Return the properties from the request."""
        return self.body.get("properties") or {}

    def shown(self) -> dict[str, Any]:
        """Return the properties as `reference` shows them."""
        return {**self.properties, **self.added}

    def full(self) -> dict[str, Any]:
        """Return the whole resource as `reference(…, 'full')` shows it."""
        identity = {"identity": {**self.body.get("identity", {}), **self.identity}}
        whole = {**self.body, "properties": self.shown(), "resourceId": self.id}
        return whole | (identity if self.identity or "identity" in self.body else {})


@dataclass
class Tenant:
    """A tenant of Microsoft Entra with its subscriptions."""

    now: Callable[[], datetime]
    tenant_id: str
    location: str
    cloud: Mapping[str, Any] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread)
    resources: dict[str, Resource] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    """Ids of resource groups, in lower case."""
    registered: set[tuple[str, str]] = field(default_factory=set)
    """Subscriptions with the resource providers registered in them, in lower case."""
    principals: dict[str, datetime] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    """Object ids of those who deploy. Each may be a user or a pipeline's service principal."""
    taken: set[str] = field(default_factory=set)
    """Names of storage accounts and apps that somebody else in Azure has."""
    deleted: set[str] = field(default_factory=set)
    """Names of vaults that were deleted and can still be recovered, and ids of such workspaces."""
    without_flex: set[str] = field(default_factory=set)
    """Regions that do not have Flex Consumption."""
    without_small: set[str] = field(default_factory=set)
    """Regions in which instances do not come with 512 MB."""
    without_quota: set[str] = field(default_factory=set)
    """Regions in which the subscription may have no instance of Flex Consumption."""
    deployer: str = field(init=False)
    """The object id of who deploys."""

    def __post_init__(self) -> None:
        self.deployed_by(str(uuid.uuid5(_PEOPLE, "deployer")))

    def deployed_by(self, oid: str) -> None:
        """Let somebody deploy, who has been in the directory for long."""
        self.deployer = oid
        self.people.add(oid)
        self.principals.setdefault(oid, self.now() - timedelta(days=365))

    def add_group(self, place: ids.Place) -> None:
        """Create a resource group."""
        self.groups.add(place.id.lower())

    def register(self, subscription: str, namespaces: Iterable[str]) -> None:
        """Register a subscription for resource providers."""
        self.registered |= {(subscription.lower(), namespace.lower()) for namespace in namespaces}

    def is_registered(self, subscription: str, namespace: str) -> bool:
        """Return whether a subscription is registered for a resource provider."""
        return (subscription.lower(), namespace.lower()) in self.registered

    def read(self, id_: str) -> Resource:
        """Return a resource; raise ArmError if it does not exist.

        https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found
        """
        if id_.lower() in self.resources:
            return self.resources[id_.lower()]
        raise ArmError(404, "ResourceNotFound", f"The Resource '{id_}' was not found.")

    def has(self, id_: str) -> bool:
        """Return whether a resource or a group exists."""
        return id_.lower() in self.resources or id_.lower() in self.groups

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Yield every resource of a type."""
        yield from (
            resource
            for resource in self.resources.values()
            if resource.kind.lower() == kind.lower()
        )

    def keep(self, resource: Resource) -> Resource:
        """Store a resource; an existing one keeps its age."""
        before = self.resources.get(resource.id.lower())
        if before is not None:
            resource.since = before.since
        self.resources[resource.id.lower()] = resource
        return resource

    def principal(self, name: str) -> str:
        """Return the object id of an identity, created at its first use."""
        oid = str(uuid.uuid5(_PEOPLE, name.lower()))
        self.principals.setdefault(oid, self.now())
        return oid

    def role(self, role_id: str) -> tuple[str, ...] | None:
        """Return a role's actions; None if it does not exist or has not spread yet."""
        plain = role_id.rpartition("/")[2].lower()
        if plain in BUILT_IN:
            return BUILT_IN[plain]
        for definition in self.of_kind(DEFINITION):
            old_enough = self.now() - definition.since >= self.spread.roles
            if definition.id.rpartition("/")[2].lower() == plain and old_enough:
                return actions_of(definition)
        return None

    def may(self, oid: str, action: str, scope: str) -> bool:
        """Return whether a principal may take an action at a scope at this moment."""
        return any(
            fnmatchcase(action.lower(), pattern.lower())
            for assignment in self.of_kind(ASSIGNMENT)
            if assignment.properties["principalId"] == oid
            and self.now() - assignment.since >= self.spread.rights
            and within(scope, scope_of(assignment.id))
            for pattern in self.role(assignment.properties["roleDefinitionId"]) or ()
        )


def actions_of(definition: Resource) -> tuple[str, ...]:
    """Return a custom role's actions, for the control plane and for data."""
    (permissions,) = definition.properties["permissions"]
    return (*permissions.get("actions", ()), *permissions.get("dataActions", ()))


def scope_of(assignment_id: str) -> str:
    """Return the scope of a role assignment."""
    return assignment_id.rpartition("/providers/")[0]


def within(scope: str, ancestor: str) -> bool:
    """Return whether a scope equals the ancestor or lies below it."""
    return f"{scope.lower()}/".startswith(f"{ancestor.lower()}/")
