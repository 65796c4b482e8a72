"""How each service writes its resources and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.keys.accounts import Key, KeyedAccount, KeyRing


def account_body(account: KeyedAccount, version: str) -> dict[str, Any]:
    """Return a resource's properties in an api-version; keys are never among them."""
    contract = account.contract
    address = f"https://{account.host}/" if contract.whole_address else account.host
    is_said = contract.address and version >= contract.told_since
    where: dict[str, Any] = {contract.address: address} if is_said else {}
    switch = {} if contract.switched_below else switch_of(account)
    return {
        "id": account.resource_id,
        "name": account.name,
        "type": contract.kind,
        "location": "westeurope",
        "kind": account.flavour or None,
        "properties": {
            **({contract.kept: where} if contract.kept else where),
            **switch,
            **_generations(account),
            **_port(account),
            "provisioningState": account.state,
            "publicNetworkAccess": "Enabled" if account.open_network else "Disabled",
        },
    }


def switch_of(account: KeyedAccount) -> dict[str, Any]:
    """Return the property that says whether keys are switched on."""
    contract = account.contract
    state = contract.on if account.takes_keys else contract.off
    return {contract.switch: state} if contract.switch else {}


def child_body(account: KeyedAccount, ring: KeyRing) -> dict[str, Any]:
    """Return what has the keys below a resource, without them."""
    scope = f"{account.resource_id}/apis{f'/{ring.api}' if ring.api else ''}"
    own: dict[str, Any] = {"rights": list(ring.rights)} if is_rule(ring) else switch_of(account)
    if account.contract.port:
        own |= {"port": account.contract.port, "provisioningState": account.state}
    if account.contract.kind.startswith("Microsoft.ApiManagement"):
        own["scope"] = scope
    return {"id": f"{account.resource_id}/{ring.path}", "name": ring.rule, "properties": own}


def is_rule(ring: KeyRing) -> bool:
    """Return whether the keys are those of a shared access rule."""
    return ring.path.lower().split("/")[-2:-1] == ["authorizationrules"]


def _port(account: KeyedAccount) -> dict[str, Any]:
    """Return where a classic cache listens; a managed one says it of each database."""
    contract = account.contract
    return {"sslPort": contract.port} if contract.port and not contract.children else {}


def _generations(account: KeyedAccount) -> dict[str, Any]:
    ring = account.ring("")
    if ring is None or not account.contract.kind.startswith("Microsoft.DocumentDB"):
        return {}
    return {
        "keysMetadata": {
            slot: {"generationTime": f"{key.created:%Y-%m-%dT%H:%M:%S.%f}0Z"}
            for slot, key in ring.keys.items()
        }
    }


def keys_body(account: KeyedAccount, ring: KeyRing) -> dict[str, Any]:
    """Return all keys, in the service's own shape."""
    match account.contract.kind.partition("/")[0]:
        case "Microsoft.AppConfiguration":
            rows = [_row(account, slot, key) for slot, key in ring.keys.items()]
            return {"value": rows if account.takes_keys else []}
        case "Microsoft.ContainerRegistry":
            rows = [{"name": slot, "value": key.value} for slot, key in ring.keys.items()]
            return {"username": account.name, "passwords": rows}
        case _ if account.contract.ruled:
            return {"keyName": ring.rule, **_flat(ring), **_connections(account, ring)}
        case "Microsoft.Batch":
            return {"accountName": account.name, **_flat(ring)}
        case "Microsoft.Maps":
            times = {
                f"{slot}LastUpdated": f"{key.created:%Y-%m-%dT%H:%M:%S.%fZ}"
                for slot, key in ring.keys.items()
            }
            return {"id": account.resource_id, **_flat(ring), **times}
        case _:
            return _flat(ring)


def key_body(account: KeyedAccount, ring: KeyRing, slot: str) -> dict[str, Any]:
    """Return one key alone, as some services answer its replacement."""
    if account.contract.asks == "id":
        return _row(account, slot, ring.keys[slot])
    return {slot: ring.keys[slot].value}


def _flat(ring: KeyRing) -> dict[str, str]:
    return {slot: key.value for slot, key in ring.keys.items()}


def _connections(account: KeyedAccount, ring: KeyRing) -> dict[str, str]:
    entity = f";EntityPath={ring.entity}" if ring.entity else ""
    head = f"Endpoint=sb://{account.host}/;SharedAccessKeyName={ring.rule};SharedAccessKey="
    return {
        f"{slot[:-3]}ConnectionString": f"{head}{key.value}{entity}"
        for slot, key in ring.keys.items()
    }


def _row(account: KeyedAccount, slot: str, key: Key) -> dict[str, Any]:
    return {
        "id": key.identity,
        "name": slot,
        "value": key.value,
        "connectionString": f"Endpoint=https://{account.host};Id={key.identity};Secret={key.value}",
        "lastModified": f"{key.created:%Y-%m-%dT%H:%M:%S}+00:00",
        "readOnly": slot.endswith("Read Only"),
    }
