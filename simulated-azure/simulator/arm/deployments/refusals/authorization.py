"""Microsoft.Authorization: custom roles and assignments, which take effect after a delay."""

from __future__ import annotations

import uuid

from simulator.arm.deployments.built_in_roles import BUILT_IN
from simulator.arm.deployments.refusals.put import Put
from simulator.arm.deployments.tenant import (
    ASSIGNMENT,
    DEFINITION,
    Resource,
    Tenant,
    scope_of,
    within,
)
from simulator.arm.errors import ArmError


def check_definition(tenant: Tenant, put: Put) -> None:
    """Refuse a role whose name already exists in the tenant.

    https://learn.microsoft.com/azure/role-based-access-control/custom-roles
    """
    name = put.properties["roleName"]
    for other in tenant.of_kind(DEFINITION):
        if other.properties["roleName"] == name and other.id.lower() != put.id.lower():
            message = f"A custom role with the same name '{name}' already exists in this directory."
            raise ArmError(409, "RoleDefinitionWithSameNameExists", message)


def check_assignment(tenant: Tenant, put: Put) -> None:
    """Refuse a role or an identity that is not known yet, or cannot be used at this scope."""
    _check_name(put)
    _check_principal(tenant, put)
    _check_role(tenant, put)
    _check_change(tenant, put)
    _check_others(tenant, put)


def _check_name(put: Put) -> None:
    """Refuse a name that is no GUID: https://github.com/Azure/azure-sdk-for-python/issues/4621."""
    try:
        uuid.UUID(put.name)
    except ValueError:
        message = (
            f"The role assignment ID '{put.name}' is not valid. The role assignment ID must be a "
            "GUID."
        )
        raise ArmError(400, "InvalidRoleAssignmentId", message) from None


def _check_principal(tenant: Tenant, put: Put) -> None:
    """Refuse an unknown identity, or a new one if principalType is not ServicePrincipal.

    https://learn.microsoft.com/azure/role-based-access-control/role-assignments-template#new-service-principal
    """
    oid = put.properties["principalId"]
    since = tenant.principals.get(oid)
    is_said = put.properties.get("principalType") == "ServicePrincipal"
    if since is None or (not is_said and tenant.now() - since < tenant.spread.identities):
        plain = oid.replace("-", "")
        message = f"Principal {plain} does not exist in the directory {tenant.tenant_id}."
        raise ArmError(400, "PrincipalNotFound", message)
    _check_kind(tenant, put, oid)


def _check_kind(tenant: Tenant, put: Put, oid: str) -> None:
    """Refuse a type that is not the principal's. Who deploys is now a user, now a pipeline.

    https://github.com/Azure/modern-web-app-pattern-dotnet/pull/129 shows the answer.
    """
    named = put.properties.get("principalType")
    if named and (oid in tenant.people or named != "ServicePrincipal"):
        message = f"The PrincipalId '{oid}' has another type than PrinciaplType '{named}'."
        raise ArmError(400, "UnmatchedPrincipalType", message)


def _check_role(tenant: Tenant, put: Put) -> None:
    """Refuse a role whose definition has not spread yet.

    https://github.com/mspnp/aks-baseline/issues/310; https://github.com/Azure/bicep/issues/1013
    """
    role = put.properties["roleDefinitionId"].rpartition("/")[2]
    if role in BUILT_IN:
        return
    definition = _definition(tenant, role)
    if definition is None or tenant.role(role) is None:
        message = f"The specified role definition with ID '{role.replace('-', '')}' does not exist."
        raise ArmError(404, "RoleDefinitionDoesNotExist", message)
    scopes = definition.properties["assignableScopes"]
    if not any(within(scope_of(put.id), scope) for scope in scopes):
        message = f"The scope '{scope_of(put.id)}' is not an assignable scope of the role."
        raise ArmError(400, "RoleAssignmentScopeNotAssignableToRoleDefinition", message)


def _definition(tenant: Tenant, role: str) -> Resource | None:
    listed = tenant.of_kind(DEFINITION)
    return next(
        (definition for definition in listed if definition.id.rpartition("/")[2] == role), None
    )


def _check_change(tenant: Tenant, put: Put) -> None:
    """Refuse to change the principal of an existing assignment.

    https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
    """
    if not tenant.has(put.id):
        return
    before = tenant.read(put.id).properties
    if any(before[key] != put.properties[key] for key in ("principalId", "roleDefinitionId")):
        message = "Tenant ID, application ID, principal ID, and scope cannot be updated."
        raise ArmError(400, "RoleAssignmentUpdateNotPermitted", message)


def _check_others(tenant: Tenant, put: Put) -> None:
    """Refuse what somebody has already been given at this scope, under another name.

    https://github.com/Azure/azure-dev/issues/9253 and https://github.com/Azure/bicep/issues/19936
    """
    given = tuple(put.properties[key] for key in ("principalId", "roleDefinitionId"))
    for other in tenant.of_kind(ASSIGNMENT):
        held = tuple(other.properties[key] for key in ("principalId", "roleDefinitionId"))
        same = (scope_of(other.id).lower(), held) == (scope_of(put.id).lower(), given)
        if same and other.id.lower() != put.id.lower():
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
