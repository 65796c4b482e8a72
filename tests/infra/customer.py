"""A tenant before Rekey comes: what a set of parameters names, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scripts.deploying.patience import NotYetError, patiently
from scripts.deploying.template import SPREADING
from scripts.snapshots import COMPILED
from simulator.arm.deployments.engine import DeploymentFailed, Engine
from simulator.arm.deployments.ids import Place, place_of, resource_id
from simulator.arm.deployments.tenant import Resource, Spread, Tenant
from simulator.clock import VirtualClock
from tests.infra.bicep import SNAPSHOTS, SUBSCRIPTION, bicep

TENANT = "00000000-0000-0000-0000-0000000000ff"
PLACE = Place(SUBSCRIPTION, "rekey")
VAULT = "Microsoft.KeyVault/vaults"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
CUSTOMER = "77777777-8888-4999-8aaa-bbbbbbbbbbbb"
"""The id under which the workspace of logs is asked."""
TOPIC = "Microsoft.EventGrid/systemTopics"
REGION = "westeurope"


def parameters(name: str) -> dict[str, Any]:
    """Return a set of parameters as the compiler reads it."""
    run = bicep("build-params", str(SNAPSHOTS / f"{name}.bicepparam"), "--stdout")
    assert run.code == 0, run.said
    listed = json.loads(json.loads(run.output)["parametersJson"])["parameters"]
    return {key: entry["value"] for key, entry in listed.items()}


def template() -> dict[str, Any]:
    """Return the compiled template, which another test keeps true, for the caller to change."""
    compiled: dict[str, Any] = json.loads(COMPILED.read_text())
    return compiled


@dataclass(frozen=True)
class Waiting:
    """A virtual clock as whoever deploys waits by it."""

    clock: VirtualClock

    def now(self) -> datetime:
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


@dataclass
class CustomerTenant:
    """What there is, and the template that is deployed into it."""

    parameters: dict[str, Any]
    spread: Spread = field(default_factory=Spread)
    template: dict[str, Any] = field(default_factory=template)
    clock: VirtualClock = field(default_factory=VirtualClock)
    tenant: Tenant = field(init=False)
    outputs: dict[str, Any] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds that modules of the template take in addition."""

    def __post_init__(self) -> None:
        self.parameters = copy.deepcopy(self.parameters)
        cloud = self.parameters.get("cloud", {})
        self.tenant = Tenant(self.clock.now, TENANT, REGION, cloud=cloud, spread=self.spread)
        self.tenant.add_group(PLACE)
        # The hooks of a deployment see to it; what follows shows what happens without them.
        self.tenant.register(SUBSCRIPTION, ["Microsoft.App"])
        for vault in self.parameters["vaults"]:
            self._add_vault(vault)
        for group in self.parameters.get("alertActionGroups", []):
            self.add(group, "Microsoft.Insights/actionGroups")
        if workspace := self.parameters.get("logsWorkspace"):
            self.add(workspace, WORKSPACE, properties={"customerId": CUSTOMER})

    def deploy(self) -> dict[str, Any]:
        self.outputs = Engine(self.tenant, self.clock, self.delays).deploy(
            self.template, self.parameters, PLACE
        )
        return self.outputs

    def deploy_patiently(self) -> dict[str, Any]:
        """Deploy as scripts/deploying does: again while Azure does not know what was just made."""
        return patiently("template", self._attempt, Waiting(self.clock), fix="none")

    def _attempt(self) -> dict[str, Any]:
        try:
            return self.deploy()
        except DeploymentFailed as failure:
            if not any(code in str(failure) for code in SPREADING):
                raise
            raise NotYetError(str(failure)) from None

    def module(self, *names: str) -> dict[str, Any]:
        """Return a module's own template, to change it."""
        template = self.template
        for name in names:
            template = template["resources"][name]["properties"]["template"]
        return template

    def add(self, id_: str, kind: str, **body: Any) -> Resource:
        self.tenant.add_group(place_of(id_))
        return self.tenant.keep(Resource(id_, kind, {"location": REGION, **body}, self.clock.now()))

    def add_topic(self, vault: dict[str, Any], name: str, **body: Any) -> Resource:
        """Add a system topic of a vault, with an identity unless the body says otherwise."""
        place = self.place(vault)
        source = resource_id(place.id, VAULT, vault["name"])
        body = {"properties": {"source": source}, "identity": {"type": "SystemAssigned"}} | body
        topic = self.add(resource_id(place.id, TOPIC, name), TOPIC, **body)
        if body["identity"]["type"] == "SystemAssigned":
            topic.identity = {"principalId": self.tenant.principal(topic.id)}
        return topic

    def place(self, vault: dict[str, Any]) -> Place:
        return Place(vault.get("subscription", SUBSCRIPTION), vault.get("resourceGroup", "rekey"))

    def one(self, kind: str) -> Resource:
        """Return the only resource of a type in the app's group."""
        (resource,) = self.all(kind)
        return resource

    def all(self, kind: str) -> list[Resource]:
        """Return the resources of a type in the app's group."""
        return [
            candidate
            for candidate in self.tenant.of_kind(kind)
            if candidate.id.startswith(f"{PLACE.id}/")
        ]

    def _add_vault(self, vault: dict[str, Any]) -> None:
        id_ = resource_id(self.place(vault).id, VAULT, vault["name"])
        self.add(id_, VAULT, properties={"enableRbacAuthorization": True})
        for id_, kind in _resources([*vault.get("scopes", []), *vault.get("consumers", [])]):
            self.add(id_, kind)
        if "existingTopic" in vault:
            self.add_topic(vault, vault["existingTopic"])
        for scope in vault.get("scopes", []):
            self.tenant.add_group(place_of(scope))


def _resources(scopes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the resources that scopes name, each with its type."""
    for scope in scopes:
        parts = scope.strip("/").split("/")
        if len(parts) >= 8:  # subscriptions, resourceGroups, providers and a type, each with a name
            yield "/" + "/".join(parts[:8]), "/".join(parts[5:7])
