"""Key Vault's operations, after authorization.

Each returns the body of its 200, or None for a 204.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from simulator.keyvault import certificates, errors, parameters, shapes
from simulator.keyvault.call import Call
from simulator.keyvault.paging import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.keyvault.state import DeletedSecret, SecretVersion, Vault


@dataclass(frozen=True)
class Operation:
    """One operation: its path and method, the required action, and its rate limit."""

    method: str
    path: re.Pattern[str]
    action: str
    run: Callable[[Call], dict[str, Any] | None]
    rate: Literal["creates", "others"] = "others"
    status: int = 200
    collection: str = "secrets"
    """Where the operation's object is: part of the scope that is checked."""


def set_secret(call: Call) -> dict[str, Any]:
    """Create a new version, which inherits nothing."""
    body = parameters.read(call.request)
    if body.value is None:
        raise errors.bad_property()
    _refuse_unsettled(call)
    held = call.vault.latest(call.name)
    if held is not None and held.managed:
        raise errors.managed_secret("set")
    made = call.vault.put(call.name, body.value)
    made = call.vault.amend(made, **body.changes())
    return shapes.bundle(call.vault, made, with_value=True)


def get_secret(call: Call) -> dict[str, Any]:
    """Read one version; it may be expired or not yet valid, but not disabled."""
    shown = call.vault.shown(call.name)
    match = next(
        (version for version in reversed(shown) if call.version.lower() in ("", version.version)),
        None,
    )
    if match is None or call.vault.is_recovering(call.name):
        raise errors.secret_not_found(call.name, call.version)
    if not match.enabled:
        raise errors.secret_disabled()
    return shapes.bundle(call.vault, match, with_value=True)


def update_secret(call: Call) -> dict[str, Any]:
    """Change the attributes of one version that the body names."""
    body = parameters.read(call.request)
    changed = call.vault.amend(_existing(call), **body.changes())
    return shapes.bundle(call.vault, changed, with_value=False)


def list_secrets(call: Call) -> dict[str, Any]:
    """List secrets, including managed ones, each described by its latest version."""
    seen = call.vault.at_next_replica()
    return page(
        call.vault,
        call.request,
        call.vault.names(),
        lambda name: next(reversed(call.vault.shown(name, seen)), None),
        lambda version: shapes.item(call.vault, version, with_version=False),
    )


def list_versions(call: Call) -> dict[str, Any]:
    """List a secret's versions ordered by id, not by age; an empty list is no error."""
    versions = {version.version.upper(): version for version in call.vault.shown(call.name)}
    return page(
        call.vault,
        call.request,
        sorted(versions),
        versions.get,
        lambda version: shapes.item(call.vault, version, with_version=True),
    )


def delete_secret(call: Call) -> dict[str, Any]:
    """Soft-delete a secret with all its versions."""
    _existing(call)
    return shapes.deleted_bundle(call.vault, call.vault.delete(call.name))


def list_deleted(call: Call) -> dict[str, Any]:
    """List the secrets whose deletion has finished."""
    gone = [secret for secret in call.vault.deleted.values() if _is_visible(call.vault, secret)]
    items = {secret.versions[0].name.upper(): secret for secret in gone}
    return page(
        call.vault,
        call.request,
        sorted(items),
        items.get,
        lambda secret: shapes.deleted_item(call.vault, secret),
    )


def get_deleted(call: Call) -> dict[str, Any]:
    """Describe one deleted secret."""
    return shapes.deleted_bundle(call.vault, _deleted(call))


def recover_deleted(call: Call) -> dict[str, Any]:
    """Recover a deleted secret."""
    _deleted(call)
    return shapes.bundle(call.vault, call.vault.recover(call.name), with_value=False)


def purge_deleted(call: Call) -> None:
    """Remove a deleted secret for good."""
    _deleted(call)
    del call.vault.deleted[call.name.lower()]


def _existing(call: Call) -> SecretVersion:
    version = call.vault.find(call.name, call.version)
    if version is None or call.vault.is_recovering(call.name):
        raise errors.secret_not_found(call.name, call.version)
    return version


def _deleted(call: Call) -> DeletedSecret:
    gone = call.vault.deleted.get(call.name.lower())
    if gone is None or not _is_visible(call.vault, gone):
        raise errors.deleted_secret_not_found(call.name)
    return gone


def _refuse_unsettled(call: Call) -> None:
    gone = call.vault.deleted.get(call.name.lower())
    if gone is not None:
        raise (
            errors.is_deleted(call.name)
            if _is_visible(call.vault, gone)
            else errors.is_being_deleted(call.name)
        )
    if call.vault.is_recovering(call.name):
        raise errors.is_being_recovered(call.name)


def _is_visible(vault: Vault, gone: DeletedSecret) -> bool:
    return gone.visible_from <= vault.now()


_ACTIONS = "Microsoft.KeyVault/vaults/secrets"
_METADATA = f"{_ACTIONS}/readMetadata/action"
_ALL, _ONE = re.compile(r"/secrets/?"), re.compile(r"/secrets/(?P<name>[^/]+)/?")
_VERSIONED = re.compile(r"/secrets/(?P<name>[^/]+)(/(?P<version>[^/]*))?/?")
_ALL_DELETED, _ONE_DELETED = (
    re.compile(r"/deletedsecrets/?"),
    re.compile(r"/deletedsecrets/(?P<name>[^/]+)/?"),
)
_VERSIONS, _RECOVERED = (
    re.compile(r"/secrets/(?P<name>[^/]+)/versions/?"),
    re.compile(r"/deletedsecrets/(?P<name>[^/]+)/recover"),
)

_CERTIFICATE = "Microsoft.KeyVault/vaults/certificates"
_CREATED, _PENDING = (
    re.compile(rf"/certificates/(?P<name>[^/]+)/{last}/?") for last in ("create", "pending")
)
_CERTIFICATES = re.compile(r"/certificates/(?P<name>[^/]+)(/(?P<version>[^/]*))?/?")

OPERATIONS = (
    Operation("GET", _ALL, _METADATA, list_secrets),
    Operation("GET", _VERSIONS, _METADATA, list_versions),
    Operation("GET", _VERSIONED, f"{_ACTIONS}/getSecret/action", get_secret),
    Operation("PUT", _ONE, f"{_ACTIONS}/setSecret/action", set_secret, "creates"),
    Operation("PATCH", _VERSIONED, f"{_ACTIONS}/update/action", update_secret),
    Operation("DELETE", _ONE, f"{_ACTIONS}/delete", delete_secret),
    Operation("GET", _ALL_DELETED, _METADATA, list_deleted),
    Operation("GET", _ONE_DELETED, _METADATA, get_deleted),
    Operation("POST", _RECOVERED, f"{_ACTIONS}/recover/action", recover_deleted),
    Operation("DELETE", _ONE_DELETED, f"{_ACTIONS}/purge/action", purge_deleted),
    Operation(
        "POST",
        _CREATED,
        f"{_CERTIFICATE}/create/action",
        certificates.create,
        "creates",
        202,
        "certificates",
    ),
    Operation(
        "GET",
        _PENDING,
        f"{_CERTIFICATE}/read",
        certificates.get_pending,
        collection="certificates",
    ),
    Operation(
        "GET",
        _CERTIFICATES,
        f"{_CERTIFICATE}/read",
        certificates.get_certificate,
        collection="certificates",
    ),
)
"""In matching order: `versions` comes before a version. The actions are those of the roles Key
Vault Secrets Officer and Key Vault Certificates Officer."""
