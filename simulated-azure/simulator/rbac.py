"""Role assignments: which principal may take which action at which scope."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.identity import Principal

ROLES = {
    "Key Vault Secrets Officer": ("Microsoft.KeyVault/vaults/secrets/*",),
    "Key Vault Secrets User": (
        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ),
    "Storage Account Key Operator Service Role": (
        "Microsoft.Storage/storageAccounts/listkeys/action",
        "Microsoft.Storage/storageAccounts/regeneratekey/action",
    ),
    "Owner": ("*",),
    "Storage Blob Data Contributor": (
        "Microsoft.Storage/storageAccounts/blobServices/containers/*",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
    ),
    "Storage Queue Data Contributor": ("Microsoft.Storage/storageAccounts/queueServices/queues/*",),
}
"""Actions of the built-in roles in use:
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles."""
DATA = re.compile(
    r"Microsoft\.KeyVault/vaults/(secrets|keys|certificates)/"
    r"|Microsoft\.Storage/storageAccounts/blobServices/containers/(blobs/|\*)"
    r"|Microsoft\.Storage/storageAccounts/queueServices/queues/(messages/|\*)"
    r"|Microsoft\.EventGrid/events/",
    re.IGNORECASE,
)
"""Actions on data. Owner's `*` does not contain them:
https://learn.microsoft.com/azure/role-based-access-control/role-definitions#control-and-data-actions.
"""


@dataclass(frozen=True)
class Assignment:
    """Actions that one principal may take at a scope and below it.

    Wildcards are allowed, as in a role definition.
    """

    oid: str
    actions: tuple[str, ...]
    scope: str
    assignment_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def allows(self, oid: str, action: str, scope: str) -> bool:
        """Return whether this assignment permits the action; case is ignored, as in Azure."""
        return (
            oid == self.oid
            and _within(scope.lower(), self.scope.lower().rstrip("/"))
            and any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)
        )


class Roles:
    """All role assignments of the tenant. Everything else is denied."""

    def __init__(self) -> None:
        self.assignments: list[Assignment] = []

    def grant(self, principal: Principal, actions: Iterable[str], scope: str) -> Assignment:
        """Allow a principal actions at a scope and everything below it."""
        assignment = Assignment(principal.oid, tuple(actions), scope)
        self.assignments.append(assignment)
        return assignment

    def revoke(self, assignment: Assignment) -> None:
        """Remove one assignment; raise ValueError if it does not exist."""
        self.assignments.remove(assignment)

    def find(self, principal: Principal, action: str, scope: str) -> Assignment | None:
        """Return the assignment that permits an action; None if it is denied."""
        return next(
            (
                assignment
                for assignment in self.assignments
                if assignment.allows(principal.oid, action, scope)
            ),
            None,
        )


def _within(scope: str, ancestor: str) -> bool:
    return scope == ancestor or scope.startswith(f"{ancestor}/")
