"""Microsoft.Authorization: the role assignments that hold at a scope, and their roles.

Sources: https://learn.microsoft.com/rest/api/authorization/role-assignments/list-for-scope (the
filter atScope() leaves out what lies below) and role-definitions/get-by-id.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.rbac import DATA, ROLES
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.identity import Principal
    from simulator.rbac import Assignment
    from simulator.wire import Request
    from simulator.world import World

PATH = re.compile(
    r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/"
    r"(?P<kind>roleAssignments|roleDefinitions)(/(?P<name>[^/]+))?",
    re.IGNORECASE,
)
READ = "Microsoft.Authorization/{}/read"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
ABOVE = ("", "/")
"""The root of the tenant."""


def answer(world: World, request: Request, caller: Principal) -> Response | None:
    """Return the assignments at a scope, or a role; None for any other path."""
    match = PATH.fullmatch(request.path)
    if match is None or request.method != "GET":
        return None
    scope, kind = match["scope"], match["kind"]
    if world.roles.find(caller, READ.format(kind), scope) is None:
        raise errors.authorization_failed(caller, READ.format(kind), scope)
    if kind.lower() == "roledefinitions":
        return json_response(200, _role(world, match["name"] or ""))
    subscription = "/".join(scope.split("/")[:3])
    rows = [_row(row, subscription) for row in world.roles.assignments if _holds(row.scope, scope)]
    return json_response(200, {"value": rows})


def _holds(given: str, scope: str) -> bool:
    """Return whether an assignment holds at a scope; management groups contain everything here."""
    whole = given.lower().rstrip("/")
    if whole in ABOVE or whole.startswith("/providers/microsoft.management/"):
        return True
    return f"{scope.lower()}/".startswith(f"{whole}/")


def _row(assignment: Assignment, subscription: str) -> dict[str, Any]:
    name = assignment.assignment_id
    properties = {
        "scope": assignment.scope,
        "roleDefinitionId": f"{subscription}{DEFINITIONS}/{_id(assignment.actions)}",
        "principalId": assignment.oid,
        "principalType": "User",
    }
    return {
        "id": f"{assignment.scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
        "name": name,
        "properties": properties,
    }


def _role(world: World, name: str) -> dict[str, Any]:
    known = {_id(row.actions): row.actions for row in world.roles.assignments}
    if name not in known:
        raise errors.ArmError(404, "RoleDefinitionDoesNotExist", f"There is no role {name}.")
    actions = known[name]
    named = {_id(given): title for title, given in ROLES.items()}
    data = [action for action in actions if DATA.match(action)]
    permissions = {
        "actions": [action for action in actions if action not in data],
        "notActions": [],
        "dataActions": data,
        "notDataActions": [],
    }
    title = named.get(name, "Custom role")
    return {"name": name, "properties": {"roleName": title, "permissions": [permissions]}}


def _id(actions: tuple[str, ...]) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(actions)))
