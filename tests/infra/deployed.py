"""What a snapshot deploys, in the words of docs/permissions.md: who may do what, where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.bicep import GROUP, snapshot

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DEFINITION = "Microsoft.Authorization/roleDefinitions"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
PLACES = (
    (rf"{STORAGE}/\w{{1,9}}ev\w{{13}}", "storage account of events"),
    (rf"{STORAGE}/\w+", "its own storage account"),
    (rf"{GROUP}/.+/queues/rotations", "queue rotations"),
    (rf"{GROUP}/.+/containers/rekey-leases", "container rekey-leases"),
    (rf"{GROUP}/providers/Microsoft.Insights/components/[\w-]+", "Application Insights"),
    (rf"{GROUP}/providers/Microsoft.EventGrid/topics/[\w-]+", "outcome topic"),
    (r".+/providers/Microsoft.OperationalInsights/workspaces/[\w-]+", "workspace of logs"),
    (r".+/providers/Microsoft.KeyVault/vaults/[\w-]+", "each vault"),
    (r".+/providers/Microsoft.Storage/storageAccounts/\w+", "sources"),
    (r".+/providers/Microsoft.Sql/servers/[\w-]+", "sources"),
    (r".+/resourceGroups/keys/providers/Microsoft.\w+/\w+/[\w-]+", "sources"),
    (r".+/providers/Microsoft.(Web/sites|App/containerApps)/[\w-]+", "consumers"),
    (r"/subscriptions/[\w-]+(/resourceGroups/[\w-]+)?", "sources"),
)


@dataclass(frozen=True)
class Right:
    """Who (app, events, deployer) has a role: the id of a built-in one, the name of a custom one."""

    who: str
    role: str
    scope: str

    @property
    def place(self) -> str:
        """Return what kind of place the scope is."""
        return next(place for pattern, place in PLACES if re.fullmatch(pattern, self.scope))


def of_type(snapshot: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in snapshot["predictedResources"] if resource["type"] == kind]


def only(snapshot: Mapping[str, Any], kind: str) -> dict[str, Any]:
    (resource,) = of_type(snapshot, kind)
    return resource


def site(name: str) -> dict[str, Any]:
    """Return the properties of a snapshot's app."""
    properties: dict[str, Any] = only(snapshot(name), "Microsoft.Web/sites")["properties"]
    return properties


def accounts(snapshot: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the app's own storage account, and the one that Event Grid delivers to."""
    first, second = of_type(snapshot, "Microsoft.Storage/storageAccounts")
    named = settings(snapshot)["RekeyEvents__queueServiceUri"]
    return (second, first) if named.startswith(f"https://{first['name']}.") else (first, second)


def rights(snapshot: Mapping[str, Any]) -> Iterator[Right]:
    """Yield every role assignment."""
    custom = {
        _guid(resource["id"]): _role_name(resource) for resource in of_type(snapshot, DEFINITION)
    }
    for resource in of_type(snapshot, ASSIGNMENT):
        properties = resource["properties"]
        role = _guid(properties["roleDefinitionId"])
        yield Right(_who(properties["principalId"]), custom.get(role, role), _scope(resource["id"]))


def given(name: str, place: str) -> list[tuple[str, str]]:
    """Return the scope and the role of each right that a snapshot gives at a kind of place."""
    return [(right.scope, right.role) for right in rights(snapshot(name)) if right.place == place]


def custom_roles(
    snapshot: Mapping[str, Any],
) -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Yield each custom role's name, actions, data actions, and what its actions leave out."""
    for resource in of_type(snapshot, DEFINITION):
        (permissions,) = resource["properties"]["permissions"]
        actions = (permissions.get(kind, []) for kind in ("actions", "dataActions", "notActions"))
        yield _role_name(resource), *actions


def settings(snapshot: Mapping[str, Any]) -> dict[str, str]:
    listed = only(snapshot, "Microsoft.Web/sites")["properties"]["siteConfig"]["appSettings"]
    assert len({setting["name"] for setting in listed}) == len(listed)
    return {setting["name"]: setting["value"] for setting in listed}


def _who(principal: str) -> str:
    """Return whose identity an expression means; a topic's that exists already stays unknown."""
    if "deployer()" in principal:
        return "deployer"
    if principal == "[unknown()]" or "Microsoft.EventGrid/systemTopics/" in principal:
        return "events"
    assert re.search(r"userAssignedIdentities/[\w-]+'", principal), principal
    return "app"


def _guid(role_id: str) -> str:
    return role_id.rpartition("/")[2]


def _role_name(definition: Mapping[str, Any]) -> str:
    """Return a custom role's name without what makes it unique in the tenant."""
    return str(definition["properties"]["roleName"]).split()[1]


def _scope(assignment_id: str) -> str:
    """Read an assignment's scope out of the expression for its id, whose end only Azure knows."""
    if match := re.match(r"\[extensionResourceId\('([^']+)'", assignment_id):
        return match[1]
    if match := re.match(r"\[resourceId\('([\w-]+)', '([\w.()-]+)'", assignment_id):
        return f"/subscriptions/{match[1]}/resourceGroups/{match[2]}"
    match = re.match(r"\[subscriptionResourceId\('([\w-]+)'", assignment_id)
    assert match, assignment_id
    return f"/subscriptions/{match[1]}"
