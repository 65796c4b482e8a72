"""How Microsoft.Sql writes servers and operations, as recorded; older api-versions know less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.sql.servers import Failure, SqlServer

NEWER_SINCE = "2021-02-01"
"""A recording in 2019-06-01-preview shows none of the newer properties; where between the two they began is from memory."""


def server_body(server: SqlServer, api_version: str, *, expand: bool = False) -> dict[str, Any]:
    """Return a server's properties; name and id come in lower case, a password never; `expand` adds Entra's administrator."""
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
    """Return whether a server takes Entra identities only."""
    return {
        "name": "Default",
        "type": "Microsoft.Sql/servers/azureadonlyauthentications",
        "id": f"{_lower_name(server)}/azureadonlyauthentications/default",
        "properties": {"azureADOnlyAuthentication": server.entra_only},
    }


def _administrators(server: SqlServer) -> dict[str, Any]:
    if server.entra_admin is None:
        return {}
    entra = {"administratorType": "ActiveDirectory", "principalType": "Application", "sid": server.entra_admin}
    return {"administrators": entra | {"azureADOnlyAuthentication": server.entra_only}}


def operation_body(operation_id: str, status: str, started: datetime, failure: Failure | None = None) -> dict[str, Any]:
    """Return an operation's state."""
    error = {"error": {"code": failure.code, "message": failure.message}} if failure else {}
    return {"name": operation_id, "status": status, "startTime": _time(started), **error}


def _lower_name(server: SqlServer) -> str:
    return server.resource_id.removesuffix(server.name) + server.name.lower()


def _time(time: datetime) -> str:
    # Up to three digits behind the second, without zeros at the end.
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3].rstrip("0").rstrip(".") + "Z"
