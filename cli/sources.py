"""Credentials that nobody may be looking after.

What there is in a scope, and how old, as far as Azure tells. Sources:
https://learn.microsoft.com/rest/api/storagerp/storage-accounts/list (keyCreationTime),
https://learn.microsoft.com/rest/api/sql/servers/list and
https://learn.microsoft.com/graph/api/serviceprincipal-list-ownedobjects.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloud.azure import READING, Azure, stream
from cloud.rest.client import Json, next_page
from cloud.rest.graph import Graph
from engine.errors import AccessDenied

if TYPE_CHECKING:
    from azure.mgmt.sql.models import Server
    from azure.mgmt.storage.models import StorageAccount

PLACE = re.compile(r"/subscriptions/([^/]+)(?:/resourcegroups/([^/]+))?(?:/.*)?")
LISTED = frozenset({"storage-key"})
"""Kinds whose age is told where they are listed here, so they are not asked to list themselves."""
APPLICATION = "#microsoft.graph.application"
STORAGE = "2023-05-01"
"""The api-version of a listing of storage accounts: every cloud of Azure offers it."""
READ_APPLICATIONS = "sign in with the permission Application.Read.All"
"""Who lacks it is shown the id and the type of what he owns, and null for all else."""
ENTRA_ONLY = "administrators/activedirectory"
"""What a listing of servers must expand to tell whether they take passwords at all."""
APPLICATIONS = "service-principal-secret and -certificate"
CERTIFICATE, CERTIFICATES = "service-principal-certificate", "/certificates"
"""The kind of an application's certificates, and what its sources have behind the client id."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential at its source."""

    kind: str
    source: str
    """The source's id, in lower case."""
    name: str
    created: datetime | None
    """None where Azure does not tell, as for every SQL password."""
    ends: datetime | None = None
    way_off: str = ""
    """The property, with its value, that switches such credentials off; empty where none does."""


def under(azure: Azure, scope: str) -> dict[str, AsyncIterator[Credential]]:
    """Return one stream for each kind of what is in a scope, by the kind's name.

    An ARM id (lower case), or the id of an application.
    """
    if not (match := PLACE.fullmatch(scope)):
        return {APPLICATIONS: _application(azure, scope)}
    listings = {"storage-key": _accounts, "sql-admin-password": _servers}
    return {
        kind: _inside(scope, listing(azure, match[1], match[2]))
        for kind, listing in listings.items()
    }


async def _inside(scope: str, credentials: AsyncIterator[Credential]) -> AsyncIterator[Credential]:
    async for credential in credentials:
        if f"{credential.source}/".startswith(f"{scope}/"):
            yield credential


async def owned(azure: Azure) -> AsyncIterator[Credential]:
    """Stream the secrets and certificates of every application that the identity owns."""
    graph, where = Graph(azure), "Microsoft Graph"
    claims = await graph.claims(where)
    path = (
        "/me/ownedObjects"
        if "scp" in claims
        else f"/servicePrincipals/{claims.get('oid')}/ownedObjects"
    )
    while path:
        answer = await graph.read(path, "listing the applications owned", where)
        for item in answer.get("value", ()):
            if item.get("@odata.type") == APPLICATION:
                if not item.get("appId"):
                    raise AccessDenied(
                        "you may list an application, but not read it",
                        where=where,
                        fix=READ_APPLICATIONS,
                    )
                for credential in _credentials(item):
                    yield credential
        path = next_page(answer.get("@odata.nextLink"), f"{azure.graph_endpoint}/v1.0", where)


async def _accounts(
    azure: Azure, subscription: str, group: str | None
) -> AsyncIterator[Credential]:
    from azure.mgmt.storage.aio import StorageManagementClient

    options = {"api_version": STORAGE, **_management(azure, subscription)}
    accounts = StorageManagementClient(**options).storage_accounts
    listing = (
        accounts.list_by_resource_group(group, **READING) if group else accounts.list(**READING)
    )
    where = f"/subscriptions/{subscription}" + (f"/resourcegroups/{group}" if group else "")
    async for account in stream("listing storage accounts", listing, where=where, role="Reader"):
        # An account that takes no keys has none that anybody could use.
        if account.allow_shared_key_access is not False:
            for credential in _keys(account):
                yield credential


async def _servers(azure: Azure, subscription: str, group: str | None) -> AsyncIterator[Credential]:
    from azure.mgmt.sql.aio import SqlManagementClient

    servers = SqlManagementClient(**_management(azure, subscription)).servers
    options = {"expand": ENTRA_ONLY, **READING}
    listing = servers.list_by_resource_group(group, **options) if group else servers.list(**options)
    where = f"/subscriptions/{subscription}" + (f"/resourcegroups/{group}" if group else "")
    async for server in stream("listing SQL servers", listing, where=where, role="Reader"):
        if _takes_passwords(server):
            yield Credential(
                "sql-admin-password",
                str(server.id).lower(),
                str(server.administrator_login),
                created=None,
                way_off="azureADOnlyAuthentication=true",
            )


async def _application(azure: Azure, app_id: str) -> AsyncIterator[Credential]:
    path = f"/applications(appId='{app_id}')?$select=id,appId,passwordCredentials,keyCredentials"
    application = await Graph(azure).read(path, "reading the application", app_id)
    for credential in _credentials(application):
        yield credential


def _management(azure: Azure, subscription: str) -> dict[str, Any]:
    return {
        "credential": azure.credential,
        "subscription_id": subscription,
        "base_url": azure.arm_endpoint,
        "credential_scopes": [azure.arm_scope],
        **azure.client_options,
    }


def _keys(account: StorageAccount) -> list[Credential]:
    times = account.key_creation_time
    named = {"key1": times.key1, "key2": times.key2} if times else {"key1": None, "key2": None}
    return [
        Credential(
            "storage-key",
            str(account.id).lower(),
            name,
            created,
            way_off="allowSharedKeyAccess=false",
        )
        for name, created in named.items()
    ]


def _takes_passwords(server: Server) -> bool:
    entra = server.administrators
    return bool(server.administrator_login) and not (entra and entra.azure_ad_only_authentication)


def _credentials(application: Json) -> list[Credential]:
    source = str(application["appId"]).lower()
    secrets = application.get("passwordCredentials") or ()
    keys = application.get("keyCredentials") or ()
    return [
        *(_credential("service-principal-secret", source, secret) for secret in secrets),
        *(_credential(CERTIFICATE, f"{source}{CERTIFICATES}", key) for key in keys),
    ]


def _credential(kind: str, source: str, listed: Json) -> Credential:
    begins, ends = (_moment(listed.get(name)) for name in ("startDateTime", "endDateTime"))
    return Credential(kind, source, str(listed["keyId"]).lower(), begins, ends)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
