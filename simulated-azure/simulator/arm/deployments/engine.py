"""Deploys a template: each resource starts once the resources that it depends on exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulator.arm.deployments import ids
from simulator.arm.deployments.expressions import ExpressionError
from simulator.arm.deployments.functions import TemplateError
from simulator.arm.deployments.ids import Place
from simulator.arm.deployments.providers import Put, create
from simulator.arm.deployments.scope import Scope
from simulator.arm.deployments.tenant import Resource, Tenant
from simulator.arm.deployments.timeline import Task, Timeline, Work
from simulator.arm.errors import ArmError

NESTED = "Microsoft.Resources/deployments"
OVERHEAD = 5.0
"""Seconds that a deployment itself takes. Not documented: an empty one takes several."""
SLOW = {
    "Microsoft.Web/sites": 30.0,
    "Microsoft.Network/privateEndpoints": 60.0,
    "Microsoft.Storage/storageAccounts": 20.0,
}
QUICK = 1.0
"""Seconds that all other resources take: templates may not rely on a longer time."""


class DeploymentFailed(Exception):  # noqa: N818 - the code that Resource Manager answers
    """A deployment failed. `details` are the refusals, each with the resource that it is about."""

    def __init__(self, details: list[tuple[str, ArmError]]) -> None:
        listed = "\n".join(f"{_told(error)} ({id_})" for id_, error in details)
        super().__init__(f"DeploymentFailed: {listed}")
        self.details = details


def _told(error: ArmError) -> str:
    own = f"{error.code}: {error.message}"
    return f"{own} {_told(error.cause)}" if error.cause else own


@dataclass
class Step:
    """One resource of a template; in a loop, one round of it."""

    symbol: str
    raw: Mapping[str, Any]
    scope: Scope
    after: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return the type."""
        return str(self.raw["type"])

    @property
    def place(self) -> Place:
        """Return the resource group or subscription in which it is created."""
        at = self.scope.place
        subscription = self.scope.value(self.raw.get("subscriptionId", at.subscription))
        group = self.scope.value(
            self.raw.get("resourceGroup", "" if "subscriptionId" in self.raw else at.group)
        )
        return Place(subscription, group)

    def id(self) -> str:
        """Return its id."""
        target = self.scope.value(self.raw["scope"]) if "scope" in self.raw else self.place.id
        return ids.resource_id(
            target, self.kind, *str(self.scope.value(self.raw["name"])).split("/")
        )


class Passing(Protocol):
    """Time that does not wait."""

    def advance(self, seconds: float) -> None:
        """Let seconds pass."""
        ...


class Engine:
    """Deploys templates to a tenant, in its virtual time.

    `delays` are additional seconds for resources of the template, by symbol.
    """

    def __init__(
        self, tenant: Tenant, clock: Passing, delays: Mapping[str, float] | None = None
    ) -> None:
        self._tenant = tenant
        self._clock = clock
        self._delays = delays or {}

    def deploy(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, Any],
        place: Place,
        name: str = "rekey",
    ) -> dict[str, Any]:
        """Deploy a template and return its outputs; raise DeploymentFailed with every refusal."""
        timeline = Timeline(self._clock.advance)
        scope = Scope(template, {}, place, name, self._tenant)
        run = Run(timeline, scope, parameters, self._delays)
        task = timeline.start(run.work())
        timeline.run()
        if task.error:
            raise task.error
        if not task.ended:
            raise ExpressionError("the template's resources wait for each other")
        return run.outputs


class Run:
    """One running deployment, with the deployments nested in it."""

    def __init__(
        self,
        timeline: Timeline,
        scope: Scope,
        parameters: Mapping[str, Any],
        delays: Mapping[str, float] | None = None,
    ) -> None:
        self._timeline = timeline
        self._delays = delays or {}
        self._scope = _with_parameters(scope, parameters)
        self.outputs: dict[str, Any] = {}

    def work(self) -> Work:
        """Deploy everything; raise DeploymentFailed once all resources that started have ended."""
        tenant, place = self._scope.tenant, self._scope.place
        if place.id.lower() not in tenant.groups and place.group:
            error = ArmError(
                404, "ResourceGroupNotFound", f"Resource group '{place.group}' could not be found."
            )
            raise DeploymentFailed([(place.id, error)])
        yield OVERHEAD
        steps = self._steps()
        # Azure registers the providers that a template names, but not those that its resources need
        # in addition:
        # https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types
        tenant.register(place.subscription, {ids.provider(step.kind) for step in steps})
        tasks: dict[str, Task] = {}
        for step in steps:
            tasks[step.symbol] = self._timeline.start(self._step(step, tasks))
        yield tasks.values()
        self._end(steps, tasks)

    def _end(self, steps: list[Step], tasks: Mapping[str, Task]) -> None:
        errors = [(step, tasks[step.symbol].error) for step in steps if tasks[step.symbol].error]
        details = [detail for step, error in errors if error for detail in _details(step, error)]
        if details:
            raise DeploymentFailed(details)
        listed = self._scope.template.get("outputs", {})
        self.outputs = {name: self._scope.value(output["value"]) for name, output in listed.items()}

    def _steps(self) -> list[Step]:
        """Return the resources to create, and make every symbol known to expressions."""
        listed = list(self._listed())
        symbols = {step.symbol: step.id() for step in listed}
        self._scope = replace(self._scope, symbols=symbols)
        for step in listed:
            step.scope = replace(step.scope, symbols=symbols)
        return [
            step
            for step in listed
            if not step.raw.get("existing") and step.scope.value(_condition(step))
        ]

    def _listed(self) -> Iterator[Step]:
        for symbol, raw in _symbols(self._scope.template.get("resources", {})):
            loop = raw.get("copy")
            if loop is None:
                yield Step(symbol, raw, self._scope, self._after(raw, self._scope))
                continue
            for index in range(self._scope.value(loop["count"])):
                scope = self._scope.within(loop["name"], index)
                serial = (
                    (f"{symbol}[{index - 1}]",) if loop.get("mode") == "serial" and index else ()
                )
                yield Step(f"{symbol}[{index}]", raw, scope, (*self._after(raw, scope), *serial))

    def _after(self, raw: Mapping[str, Any], scope: Scope) -> tuple[str, ...]:
        return tuple(scope.value(dependency) for dependency in raw.get("dependsOn", ()))

    def _step(self, step: Step, tasks: Mapping[str, Task]) -> Work:
        """Create one resource once everything that it depends on exists."""
        needed = [task for symbol, task in tasks.items() if _depends(step, symbol)]
        yield needed
        if any(task.error for task in needed):
            return
        yield self._delays.get(step.symbol.partition("[")[0], 0.0)
        if step.kind == NESTED:
            yield from self._nested(step)
        else:
            yield SLOW.get(step.kind, QUICK)
            _made(step)

    def _nested(self, step: Step) -> Work:
        properties = step.raw["properties"]
        name = str(step.scope.value(step.raw["name"]))
        inner = Scope(properties["template"], {}, step.place, name, step.scope.tenant)
        parameters = {
            key: step.scope.value(value) for key, value in properties.get("parameters", {}).items()
        }
        run = Run(
            self._timeline, inner, {key: value.get("value") for key, value in parameters.items()}
        )
        task = self._timeline.start(run.work())
        yield [task]
        if task.error:
            raise task.error
        shown = {key: {"value": value} for key, value in run.outputs.items()}
        tenant = step.scope.tenant
        tenant.keep(Resource(step.id(), NESTED, {}, tenant.now(), {"outputs": shown}))


def _symbols(resources: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield resources with their symbols; templates of language version 1 have no symbols."""
    if isinstance(resources, Mapping):
        yield from resources.items()
        return
    for index, raw in enumerate(resources):
        if "dependsOn" in raw:
            raise ExpressionError(
                "dependsOn without symbols is not known here: say languageVersion 2.0"
            )
        yield f"#{index}", raw


def _made(step: Step) -> None:
    """Evaluate a resource, and let its provider accept or refuse it."""
    shown = {
        key: value
        for key, value in step.raw.items()
        if key not in {"copy", "dependsOn", "condition", "scope", "subscriptionId", "resourceGroup"}
    }
    body = step.scope.value(shown)
    body["properties"] = without_nulls(body.get("properties", {}))
    create(step.scope.tenant, Put(step.id(), step.kind, body))


def without_nulls(value: Any) -> Any:
    """Return the value without nulls: a null property means the same as an absent one."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _condition(step: Step) -> Any:
    return step.raw.get("condition", True)


def _depends(step: Step, symbol: str) -> bool:
    """Return whether a step waits for a symbol; a loop's name stands for all of its rounds."""
    return any(symbol == after or symbol.startswith(f"{after}[") for after in step.after)


def _details(step: Step, error: Exception) -> list[tuple[str, ArmError]]:
    if isinstance(error, DeploymentFailed):
        return error.details
    if isinstance(error, ArmError):
        return [(step.symbol, error)]
    if isinstance(error, TemplateError | ExpressionError):
        # https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-template
        return [(step.symbol, ArmError(400, "InvalidTemplate", str(error)))]
    raise error


def _with_parameters(scope: Scope, values: Mapping[str, Any]) -> Scope:
    """Return the scope with the parameter values, and defaults for the missing ones."""
    known = dict(values)
    for name, parameter in scope.template.get("parameters", {}).items():
        if known.get(name) is None:
            known[name] = replace(scope, parameters=known).value(parameter.get("defaultValue"))
    return replace(scope, parameters=known, given=known)
