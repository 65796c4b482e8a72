"""Microsoft.Storage's JSON for accounts and keys, as recorded.

Older api-versions have fewer properties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.storage.accounts import StorageAccount
    from simulator.world import World

KEY_TIMES_SINCE = "2021-02-01"
"""Recordings show creationTime in 2022-05-01 and not in 2019-06-01. The exact version that
introduced it is from memory."""


def keys_body(account: StorageAccount, api_version: str) -> dict[str, Any]:
    """Return all keys; the service writes FULL where its own document writes Full."""
    return {
        "keys": [
            ({"creationTime": _round_trip(key.created)} if api_version >= KEY_TIMES_SINCE else {})
            | {"keyName": name, "value": key.value, "permissions": "FULL"}
            for name, key in account.keys.items()
        ]
    }


def account_body(account: StorageAccount, world: World, api_version: str) -> dict[str, Any]:
    """Return an account's properties, without its keys."""
    return {
        "sku": {"name": account.sku, "tier": account.sku.partition("_")[0]},
        "kind": account.kind,
        "id": account.resource_id,
        "name": account.name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": account.location,
        "tags": dict(account.tags),
        "properties": _newer(account, api_version) | _properties(account, world),
    }


def _newer(account: StorageAccount, api_version: str) -> dict[str, Any]:
    if api_version < KEY_TIMES_SINCE:
        return {}
    times = {name: _round_trip(key.created) for name, key in account.keys.items()}
    return {"keyCreationTime": times, "allowSharedKeyAccess": account.allow_shared_key_access}


def _properties(account: StorageAccount, world: World) -> dict[str, Any]:
    created = _round_trip(account.created)
    service = {"keyType": "Account", "enabled": True, "lastEnabledTime": created}
    return {
        "privateEndpointConnections": [],
        "networkAcls": {
            "bypass": "AzureServices",
            "virtualNetworkRules": [],
            "ipRules": [],
            "defaultAction": account.network_default_action,
        },
        "supportsHttpsTrafficOnly": True,
        "encryption": {
            "services": {"file": service, "blob": service},
            "keySource": "Microsoft.Storage",
        },
        "provisioningState": "Succeeded",
        "creationTime": created,
        "primaryEndpoints": _endpoints(account, world),
        "primaryLocation": account.location,
        "statusOfPrimary": "available",
    }


def _endpoints(account: StorageAccount, world: World) -> dict[str, str]:
    suffix = world.domains.blob.removeprefix("blob.")
    return {
        "blob": f"https://{account.name}.{world.domains.blob}/",
        "queue": f"https://{account.name}.{world.domains.queue}/",
        "table": f"https://{account.name}.table.{suffix}/",
        "file": f"https://{account.name}.file.{suffix}/",
    }


def _round_trip(time: datetime) -> str:
    # Seven decimals of a second, as in .NET's round-trip format.
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}0Z"
