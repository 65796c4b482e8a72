"""Key Vault's JSON for secrets: bundles, list items, deleted secrets.

Unset properties are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.keyvault.state import DeletedSecret, SecretVersion, Vault

DAY = 86_400
FULL_RETENTION_DAYS = 90


def bundle(vault: Vault, version: SecretVersion, *, with_value: bool) -> dict[str, Any]:
    """Return a secret with its version in the id.

    Answers to updates and deletions have no value.
    """
    value = {"value": version.value} if with_value else {}
    return value | _described(
        vault, version, f"{vault.url}/secrets/{version.name}/{version.version}"
    )


def item(vault: Vault, version: SecretVersion, *, with_version: bool) -> dict[str, Any]:
    """Return a list entry without a value; only a list of versions has the version in the id."""
    suffix = f"/{version.version}" if with_version else ""
    described = _described(vault, version, f"{vault.url}/secrets/{version.name}{suffix}")
    described.pop("kid", None)
    return described


def deleted_bundle(vault: Vault, gone: DeletedSecret) -> dict[str, Any]:
    """Return a deleted secret, named by its latest version."""
    return _deletion(vault, gone) | bundle(vault, _latest(gone), with_value=False)


def deleted_item(vault: Vault, gone: DeletedSecret) -> dict[str, Any]:
    """Return a deleted secret's list entry."""
    return _deletion(vault, gone) | item(vault, _latest(gone), with_version=False)


def _latest(gone: DeletedSecret) -> SecretVersion:
    return max(gone.versions, key=lambda version: version.created)


def _deletion(vault: Vault, gone: DeletedSecret) -> dict[str, Any]:
    return {
        "recoveryId": f"{vault.url}/deletedsecrets/{gone.versions[0].name}",
        "deletedDate": gone.deleted,
        "scheduledPurgeDate": gone.deleted + vault.recoverable_days * DAY,
    }


def _described(vault: Vault, version: SecretVersion, secret_id: str) -> dict[str, Any]:
    optional = {
        "contentType": version.content_type,
        "tags": None if version.tags is None else dict(version.tags),
        "kid": version.kid,
        "managed": version.managed or None,
    }
    return {"id": secret_id, "attributes": _attributes(vault, version)} | _set_ones(optional)


def _attributes(vault: Vault, version: SecretVersion) -> dict[str, Any]:
    custom = "Customized" if vault.recoverable_days < FULL_RETENTION_DAYS else ""
    return (
        {"enabled": version.enabled}
        | _set_ones({"nbf": version.not_before, "exp": version.expires})
        | {
            "created": version.created,
            "updated": version.updated,
            "recoveryLevel": f"{custom}Recoverable+Purgeable",
            "recoverableDays": vault.recoverable_days,
        }
    )


def _set_ones(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
