"""Who may write the app's own storage account without having been named there.

Package, records and queues are in it: whoever may write them is Rekey. A role given to somebody at
a group, a subscription or a management group holds for every account below. Reader suffices to see
it: https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-scope.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cli.checks import Check
from cloud.azure import Azure
from cloud.rest.arm import Arm

STORAGE, AUTHORIZATION = "2023-05-01", "2022-04-01"
ACCOUNT = "microsoft.storage/storageaccounts"
WRITES = (
    f"{ACCOUNT}/blobservices/containers/blobs/write",
    f"{ACCOUNT}/blobservices/containers/blobs/add/action",
    f"{ACCOUNT}/queueservices/queues/messages/write",
    f"{ACCOUNT}/queueservices/queues/messages/add/action",
)
"""What changes package, records or queues."""
KEYS = f"{ACCOUNT}/listkeys/action"
WAYS = (f"{ACCOUNT}/write", "microsoft.authorization/roleassignments/write")
"""What switches an account's keys on, and what gives rights."""
MANAGEMENT = "/providers/microsoft.management/managementgroups/"


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds at a scope above the account."""

    who: str
    role: str
    scope: str
    permissions: Sequence[Mapping[str, Any]]

    def allows(self, actions: Sequence[str], kind: str) -> bool:
        """Return whether the role has one of the actions; `kind` is actions or dataActions."""
        without = f"not{kind[0].upper()}{kind[1:]}"
        return any(
            _named(action, granted.get(kind)) and not _named(action, granted.get(without))
            for granted in self.permissions
            for action in actions
        )


async def inherited(
    azure: Azure, subscription: str, accounts: Sequence[str]
) -> AsyncIterator[Check]:
    """Tell who may write the accounts with these names by a role that was given above them."""
    lowered = {name.lower() for name in accounts}
    listing = Arm(azure, STORAGE, "Reader").pages(
        f"/subscriptions/{subscription}/providers/Microsoft.Storage/storageAccounts",
        "listing the storage accounts",
        f"/subscriptions/{subscription}",
    )
    async for account in listing:
        if str(account["name"]).lower() in lowered:
            async for check in _of(azure, account):
                yield check


async def _of(azure: Azure, account: Mapping[str, Any]) -> AsyncIterator[Check]:
    where = str(account["id"])
    keyless = (account.get("properties") or {}).get("allowSharedKeyAccess") is False
    held = [holder async for holder in _above(azure, where)]
    writers = [
        holder
        for holder in held
        if holder.allows(WRITES, "dataActions")
        or (not keyless and holder.allows((KEYS,), "actions"))
    ]
    for holder in writers:
        yield Check(
            "note",
            f"{holder.who} may write the app's storage account by {holder.role} at {_level(holder.scope)}, and so is Rekey",
            where,
            f'give it at the accounts that need it: az role assignment delete --assignee {holder.who} --role "{holder.role}" --scope {holder.scope}',
        )
    if able := [
        holder for holder in held if holder not in writers and holder.allows(WAYS, "actions")
    ]:
        roles = ", ".join(sorted({f"{holder.role} at {_level(holder.scope)}" for holder in able}))
        yield Check(
            "note",
            f"administrators who can give themselves a right to the app's storage account: {len(able)} ({roles})",
            where,
        )
    if not writers:
        yield Check("fine", "no role above the app's storage account lets anybody write it", where)


async def _above(azure: Azure, account: str) -> AsyncIterator[Held]:
    """Yield the roles that hold at the account and were given above it."""
    arm = Arm(azure, AUTHORIZATION, "Reader")
    roles: dict[str, Mapping[str, Any]] = {}
    path = f"{account}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()&api-version={AUTHORIZATION}"
    async for assignment in arm.pages(path, "listing role assignments", account):
        properties = assignment["properties"]
        if str(properties["scope"]).lower() == account.lower():
            continue
        role_id = str(properties["roleDefinitionId"])
        if role_id not in roles:
            roles[role_id] = (await arm.read(role_id, "reading a role", account))["properties"]
        role = roles[role_id]
        yield Held(
            str(properties["principalId"]),
            str(role["roleName"]),
            str(properties["scope"]),
            role["permissions"],
        )


def _named(action: str, patterns: Sequence[str] | None) -> bool:
    return any(fnmatchcase(action, pattern.lower()) for pattern in patterns or ())


def _level(scope: str) -> str:
    """Return what kind of place a scope is, with its name."""
    name = scope.rpartition("/")[2]
    if scope.lower().startswith(MANAGEMENT):
        return f"the management group {name}"
    if scope in ("", "/"):
        return "the root of the tenant"
    return (
        f"the resource group {name}"
        if "/resourcegroups/" in scope.lower()
        else f"the subscription {name}"
    )
