"""Microsoft.App: read Container Apps and revisions, and create a revision by its suffix.

Sources: the OpenAPI documents of api-version 2025-01-01: ContainerApps_Get, ContainerApps_Update (a
JSON merge patch, answered with 200 or 202) and ContainerAppsRevisions_GetRevision. The error code
for a second revision of the same name comes from users' reports.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.world import World

APPS = "Microsoft.App/containerApps"
API_VERSIONS = ("2023-05-01", "2024-03-01", "2025-01-01")
PATH = re.compile(r"containerApps/(?P<name>[^/]+)(/revisions/(?P<revision>[^/]+))?", re.IGNORECASE)


@dataclass
class ContainerApp:
    """A Container App: where its secrets come from, and the state of each revision by name."""

    resource_id: str
    secrets: dict[str, str] = field(default_factory=dict)
    """Name → keyVaultUrl."""
    revisions: dict[str, str] = field(default_factory=dict)
    state: str = "Provisioned"
    """The state of a new revision."""
    created: dict[str, str] = field(default_factory=dict)
    """When each revision was made (ISO 8601)."""

    @property
    def name(self) -> str:
        """Return the app's name."""
        return self.resource_id.rpartition("/")[2]

    def body(self) -> dict[str, Any]:
        """Return the app as Resource Manager shows it: names and URLs of secrets, never a value."""
        secrets = [
            {"name": name, "keyVaultUrl": url, "identity": "system"}
            for name, url in self.secrets.items()
        ]
        latest = {"latestRevisionName": list(self.revisions)[-1]} if self.revisions else {}
        ready = [name for name, state in self.revisions.items() if state == "Provisioned"]
        latest |= {"latestReadyRevisionName": ready[-1]} if ready else {}
        properties = {
            "provisioningState": "Succeeded",
            "configuration": {"secrets": secrets},
            **latest,
        }
        return {"id": self.resource_id, "name": self.name, "type": APPS, "properties": properties}


class ContainerAppsProvider:
    """Answers for the world's Container Apps."""

    namespace = "Microsoft.App"

    def __init__(self, world: World) -> None:
        self._world = world
        self.apps: dict[str, ContainerApp] = {}

    def add(self, resource_id: str, **secrets: str) -> ContainerApp:
        """Add an app whose secrets have these Key Vault URLs."""
        app = self.apps[resource_id.lower()] = ContainerApp(resource_id, secrets)
        return app

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for Container Apps, oldest first."""
        return API_VERSIONS if kind.lower() == "containerapps" else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Return an app or a revision, or create a revision."""
        match, method = PATH.fullmatch(call.path), call.request.method
        if match is None or method not in (("GET",) if match["revision"] else ("GET", "PATCH")):
            raise errors.invalid_type(self.namespace, call.api_version)
        action = "write" if method == "PATCH" else "revisions/read" if match["revision"] else "read"
        scope = f"{call.group_scope}/providers/{APPS}/{match['name']}"
        check_role(self._world, principal, f"{APPS}/{action}", scope)
        check_group(self._world, call)
        app = self.apps.get(scope.lower())
        if app is None:
            raise errors.resource_not_found(APPS, match["name"], call.group)
        if match["revision"]:
            return _revision(app, match["revision"])
        now = self._world.now().isoformat()
        return json_response(200, app.body()) if method == "GET" else _update(app, call, now)


def _revision(app: ContainerApp, name: str) -> Response:
    state = app.revisions.get(name)
    if state is None:
        raise errors.ArmError(
            404,
            "RevisionNotFound",
            f"Revision '{name}' of container app '{app.name}' was not found.",
        )
    running = {"Provisioned": "Running", "Provisioning": "Processing"}.get(state, state)
    properties = {
        "active": True,
        "createdTime": app.created.get(name),
        "provisioningState": state,
        "runningState": running,
    }
    return json_response(200, {"name": name, "type": f"{APPS}/revisions", "properties": properties})


def _update(app: ContainerApp, call: ArmRequest, now: str) -> Response:
    try:
        suffix = json.loads(call.request.body)["properties"]["template"]["revisionSuffix"]
    except (ValueError, LookupError, TypeError) as error:
        raise errors.invalid_content(str(error)) from None
    name = f"{app.name}--{suffix}"
    if name in app.revisions:
        message = f"The revision suffix is invalid: a revision with suffix {suffix} already exists."
        raise errors.ArmError(400, "ContainerAppInvalidRevisionSuffix", message)
    app.revisions[name], app.created[name] = app.state, now
    return json_response(202, app.body(), {"Retry-After": "15"})
