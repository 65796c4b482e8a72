"""Create the app registration that callers sign in with, and assign its roles.

python scripts/app_registration.py register NAME URL IDENTITY
python scripts/app_registration.py assign CLIENT ROLE PRINCIPAL…

`register` takes the deployment's outputs appName, appUrl and identityPrincipalId, and prints the
client id for the parameter signInClientId. It creates no secret: the app's identity authenticates
the registration instead. `assign` gives one of the roles Rekey.Reporter, Rekey.Reader,
Rekey.Operator and Rekey.Admin to object ids of people, groups or programs. Both can be run again and keep what exists.
They use your `az` sign-in: an Application Administrator, or for `register` alone an Application
Developer. docs/access.md has the steps. Sources:
https://learn.microsoft.com/graph/api/application-upsert, federatedidentitycredential-upsert,
serviceprincipal-upsert and serviceprincipal-post-approleassignedto;
https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # So that it runs as a file too.

from scripts.az import GUID, AzError, az, cloud, get, graph_url, listed, patch, post

ROLES = {
    "Rekey.Reporter": "Report leaked values, and learn nothing of what they are.",
    "Rekey.Reader": "See the state of every secret.",
    "Rekey.Operator": "Rotate, retire, restore and unpark single secrets; see their state.",
    "Rekey.Admin": (
        "Start incidents, change the policy document, and everything that operators may."
    ),
}
SCOPE = "user_impersonation"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The application id of the Azure CLI, the same in every tenant.

It is preauthorized, so people get tokens through it without a consent prompt.
"""
AUDIENCES = {
    "AzureCloud": "api://AzureADTokenExchange",
    "AzureUSGovernment": "api://AzureADTokenExchangeUSGov",
    "AzureChinaCloud": "api://AzureADTokenExchangeChina",
}
"""The audience of the managed identity's token, by cloud. Source:
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations."""


def register(name: str, url: str, identity: str) -> str:
    """Create or repair the registration and return its client id."""
    federated = federated_with(identity)
    applications = f"{graph_url()}/applications"
    patch(f"{applications}(uniqueName='{name}')", application(name, url))
    made = get(f"{applications}(uniqueName='{name}')?$select=id,appId")
    client = str(made["appId"])
    patch(f"{applications}/{made['id']}", reachable(client))
    patch(f"{applications}/{made['id']}/federatedIdentityCredentials(name='rekey')", federated)
    # Without a role nobody gets a token.
    patch(f"{graph_url()}/servicePrincipals(appId='{client}')", {"appRoleAssignmentRequired": True})
    return client


def application(name: str, url: str) -> dict[str, Any]:
    """Return the registration's roles and its redirect address."""
    return {
        "displayName": name,
        "signInAudience": "AzureADMyOrg",
        "web": {"redirectUris": [f"{url}/.auth/login/aad/callback"]},
        "appRoles": [
            {
                "id": own_id(role),
                "value": role,
                "displayName": role,
                "description": description,
                "allowedMemberTypes": ["User", "Application"],
                "isEnabled": True,
            }
            for role, description in ROLES.items()
        ],
        "api": {"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [scope()]},
    }


def reachable(client: str) -> dict[str, Any]:
    """Return the properties that need the client id: how callers request tokens."""
    trusted = {"appId": AZURE_CLI, "delegatedPermissionIds": [own_id(SCOPE)]}
    api = {**application("", "")["api"], "preAuthorizedApplications": [trusted]}
    return {"identifierUris": [f"api://{client}"], "api": api}


def scope() -> dict[str, Any]:
    """Return the only permission of programs that call for a person; the person's role decides."""
    consent = {
        "adminConsentDisplayName": "Call Rekey",
        "adminConsentDescription": "Call Rekey as the signed-in person.",
    }
    return {"id": own_id(SCOPE), "value": SCOPE, "type": "Admin", "isEnabled": True, **consent}


def federated_with(identity: str) -> dict[str, Any]:
    """Return the federated credential with which the app's identity replaces a secret."""
    name, tenant = cloud()["name"], az("account", "show")["tenantId"]
    if name not in AUDIENCES:
        raise AzError(
            f"cloud {name}: the token audience for federation is known only for "
            f"{', '.join(AUDIENCES)}"
        )
    issuer = f"{cloud()['endpoints']['activeDirectory'].rstrip('/')}/{tenant}/v2.0"
    return {"issuer": issuer, "subject": identity, "audiences": [AUDIENCES[name]]}


def assign(client: str, role: str, principals: Sequence[str]) -> None:
    """Give a role to the principals that do not have it yet."""
    graph = graph_url()
    app = get(f"{graph}/servicePrincipals(appId='{client}')?$select=id")["id"]
    has = {
        assignment["principalId"]
        for assignment in listed(f"{graph}/servicePrincipals/{app}/appRoleAssignedTo")
        if assignment["appRoleId"] == own_id(role)
    }
    for principal in principals:
        if principal not in has:
            body = {"principalId": principal, "resourceId": app, "appRoleId": own_id(role)}
            post(f"{graph}/servicePrincipals/{app}/appRoleAssignedTo", body)
        print(f"{principal}: {role}{' already' if principal in has else ''}")


def own_id(value: str) -> str:
    """Return the id of a role or permission; every run gives the same, so none is duplicated."""
    return str(uuid5(NAMESPACE_DNS, f"{value}.rekey"))


def _is_app(url: str, identity: str) -> bool:
    return url.startswith("https://") and bool(GUID.fullmatch(identity))


def _are_roles(client: str, role: str, *ids: str) -> bool:
    return role in ROLES and all(map(GUID.fullmatch, (client, *ids)))


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    command, rest = list(arguments[:1]), list(arguments[1:])
    try:
        if command == ["register"] and len(rest) == 3 and _is_app(*rest[1:]):  # noqa: PLR2004
            print(f"signInClientId: {register(rest[0], rest[1].rstrip('/'), rest[2])}")
        elif command == ["assign"] and len(rest) > 2 and _are_roles(*rest):  # noqa: PLR2004
            assign(rest[0], rest[1], rest[2:])
        else:
            print((__doc__ or "").strip(), file=sys.stderr)
            return 2
    except AzError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
