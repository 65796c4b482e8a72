"""Microsoft.Resources/deployments: templates that clients bring.

Source: https://learn.microsoft.com/rest/api/resources/deployments. A deployment runs to its end
within the request that begins it; its time is the clock's. It ends as a long-running operation
does: 201, and the outcome at the address in Azure-AsyncOperation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.deployments.engine import DeploymentFailed, Engine
from simulator.arm.deployments.ids import Place
from simulator.arm.service import check_group, check_role
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.account.world import Account
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal

KIND = "Microsoft.Resources/deployments"
PATH = re.compile(
    r"deployments/(?P<name>[^/]+)(/(?P<part>validate|operations|operationStatuses|exportTemplate))?"
    r"(/[^/]+)?",
    re.IGNORECASE,
)
API_VERSIONS = ("2021-04-01", "2022-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01")


@dataclass
class Deployment:
    """One deployment, ended."""

    resource_id: str
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    failure: DeploymentFailed | None = None

    def body(self) -> dict[str, Any]:
        """Return it as Resource Manager shows it."""
        typed = {
            name: {"type": _type(value), "value": value} for name, value in self.outputs.items()
        }
        properties = {
            "provisioningState": "Failed" if self.failure else "Succeeded",
            "mode": "Incremental",
            "parameters": self.parameters,
            **({"error": error_of(self.failure)} if self.failure else {"outputs": typed}),
        }
        name = self.resource_id.rpartition("/")[2]
        return {
            "id": self.resource_id,
            "name": name,
            "type": KIND,
            "tags": self.tags,
            "properties": properties,
        }


class DeploymentsProvider:
    """Answers for the deployments to the world's resource groups."""

    namespace = "Microsoft.Resources"

    def __init__(self, world: Account, ended: Callable[[], None]) -> None:
        """Call `ended` after every deployment."""
        self._world = world
        self._ended = ended
        self.deployments: dict[str, Deployment] = {}
        self.tries = 0

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for deployments, oldest first."""
        return API_VERSIONS if kind.lower() == "deployments" else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Validate or begin a deployment, or say how one ended."""
        match = PATH.fullmatch(call.path)
        if match is None:
            raise errors.invalid_type(self.namespace, call.api_version)
        scope = f"{call.group_scope}/providers/{KIND}/{match['name']}"
        part = (match["part"] or "").lower()
        action = "write" if call.request.method == "PUT" else "read"
        check_role(self._world, principal, f"{KIND}/{part or action}", scope)
        check_group(self._world, call)
        if part == "validate":
            return json_response(200, {"properties": {"provisioningState": "Succeeded"}})
        if call.request.method == "PUT":
            return self._begin(call, scope, principal.oid)
        known = self.deployments.get(scope.lower())
        if known is None:
            raise errors.resource_not_found(KIND, match["name"], call.group)
        return json_response(200, _shown(known, part))

    def _begin(self, call: ArmRequest, scope: str, deployer: str) -> Response:
        self.tries += 1
        self._world.tenant.deployed_by(deployer)
        sent = _read(call.request.body)
        properties = sent["properties"]
        made = Deployment(
            scope, properties["template"], properties["parameters"], sent.get("tags") or {}
        )
        self.deployments[scope.lower()] = made
        values = {name: given.get("value") for name, given in made.parameters.items()}
        engine = Engine(self._world.tenant, self._world.clock)
        try:
            made.outputs = engine.deploy(
                made.template,
                values,
                Place(call.subscription, call.group),
                scope.rpartition("/")[2],
            )
        except DeploymentFailed as failure:
            made.failure = failure
        self._ended()
        operation = (
            f"https://{self._world.domains.arm}{scope}/operationStatuses/{self.tries}"
            f"?api-version={call.api_version}"
        )
        accepted = made.body() | {"properties": {"provisioningState": "Accepted"}}
        headers = {"Azure-AsyncOperation": operation, "Retry-After": "0"}
        return json_response(201, accepted, headers)


def _read(body: bytes) -> dict[str, Any]:
    """Read a request; the Azure CLI leaves out the quotes around one name.

    Its JsonCTemplatePolicy (command_modules/resource/custom.py) splices the template in as it is.
    """
    read: dict[str, Any] = json.loads(body.replace(b", template:{", b', "template":{', 1))
    return read


def _shown(known: Deployment, part: str) -> dict[str, Any]:
    if part == "operations":
        return {"value": []}
    if part == "exporttemplate":
        return {"template": known.template}
    if part == "operationstatuses":
        status = "Failed" if known.failure else "Succeeded"
        return {"status": status, **({"error": error_of(known.failure)} if known.failure else {})}
    return known.body()


def error_of(failure: DeploymentFailed) -> dict[str, Any]:
    """Return a failure as Resource Manager tells it: one detail for each refusal."""
    details = [{**error.shown(), "target": id_} for id_, error in failure.details]
    message = (
        "At least one resource deployment operation failed. Please list deployment operations for "
        "details. Please see https://aka.ms/arm-deployment-operations for usage details."
    )
    return {"code": "DeploymentFailed", "message": message, "details": details}


def _type(value: Any) -> str:
    match value:
        case bool():
            return "Bool"
        case int():
            return "Int"
        case list():
            return "Array"
        case dict():
            return "Object"
        case _:
            return "String"
