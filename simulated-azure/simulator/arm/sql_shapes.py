"""Microsoft.Sql's JSON for servers and operations, as recorded.

Older api-versions have fewer properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.sql.servers import Failure, SqlServer

NEWER_SINCE = "2021-02-01"
"""A recording in 2019-06-01-preview has none of the newer properties. The exact version that
introduced them is from memory."""


def server_body(server: SqlServer, api_version: str, *, expand: bool = False) -> dict[str, Any]:
    """Return a server's properties, never a password; name and id are in lower case.

    `expand` adds the Entra administrator.
    """
    newer = {"externalGovernanceStatus": "Disabled", "restrictOutboundNetworkAccess": "Disabled"}
    properties = {
        "administratorLogin": server.administrator.name,
        "version": "12.0",
        "state": "Ready",
        "fullyQualifiedDomainName": server.fqdn,
        "privateEndpointConnections": [],
        "publicNetworkAccess": "Enabled",
        **(newer if api_version >= NEWER_SINCE else {}),
        **(_administrators(server) if expand else {}),
    }
    tags = {"tags": dict(server.tags)} if server.tags else {}
    return {
        "kind": "v12.0",
        "properties": properties,
        "location": server.location,
        **tags,
        "id": _lower_name(server),
        "name": server.name.lower(),
        "type": "Microsoft.Sql/servers",
    }


def entra_only_body(server: SqlServer) -> dict[str, Any]:
    """Return the setting that makes a server accept Entra identities only."""
    return {
        "name": "Default",
        "type": "Microsoft.Sql/servers/azureadonlyauthentications",
        "id": f"{_lower_name(server)}/azureadonlyauthentications/default",
        "properties": {"azureADOnlyAuthentication": server.entra_only},
    }


def _administrators(server: SqlServer) -> dict[str, Any]:
    if server.entra_admin is None:
        return {}
    entra = {
        "administratorType": "ActiveDirectory",
        "principalType": "Application",
        "sid": server.entra_admin,
    }
    return {"administrators": entra | {"azureADOnlyAuthentication": server.entra_only}}


def operation_body(
    operation_id: str, status: str, started: datetime, failure: Failure | None = None
) -> dict[str, Any]:
    """Return an operation's state."""
    error = {"error": {"code": failure.code, "message": failure.message}} if failure else {}
    return {"name": operation_id, "status": status, "startTime": _time(started), **error}


def _lower_name(server: SqlServer) -> str:
    return server.resource_id.removesuffix(server.name) + server.name.lower()


def _time(time: datetime) -> str:
    # Up to three decimals of a second, without trailing zeros.
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3].rstrip("0").rstrip(".") + "Z"
