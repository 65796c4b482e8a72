"""Who may do what: what was granted beforehand, and what a template granted once it has spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.rbac import DATA, Assignment, Roles

if TYPE_CHECKING:
    from simulator.arm.deployments.tenant import Tenant
    from simulator.identity import Principal


class SpreadingRoles(Roles):
    """Role assignments of a world, and those of a tenant's templates.

    `owners` are the object ids of people whose `*` is the role Owner.
    """

    def __init__(self, tenant: Tenant) -> None:
        super().__init__()
        self._tenant = tenant
        self.owners: set[str] = set()

    def find(self, principal: Principal, action: str, scope: str) -> Assignment | None:
        """Return what permits an action; None if nothing does, or not yet."""
        owned = principal.oid in self.owners and DATA.match(action)
        granted = None if owned else super().find(principal, action, scope)
        if granted is None and self._tenant.may(principal.oid, action, scope):
            return Assignment(principal.oid, (action,), scope)
        return granted
