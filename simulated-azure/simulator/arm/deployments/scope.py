"""What a template's expressions can see: its own parts, its scope, and existing resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from simulator.arm.deployments.expressions import (
    Call,
    ExpressionError,
    Literal,
    Member,
    Node,
    expression,
    parsed,
)
from simulator.arm.deployments.functions import FUNCTIONS, member
from simulator.arm.deployments.ids import Place, is_id, resource_id

if TYPE_CHECKING:
    from simulator.arm.deployments.tenant import Tenant


@dataclass(frozen=True)
class Lambda:
    """A function that is written within an expression."""

    scope: Scope
    names: tuple[str, ...]
    body: Node

    @property
    def variables(self) -> int:
        """Return how many values it takes."""
        return len(self.names)

    def __call__(self, *values: Any) -> Any:
        """Evaluate the body with these values."""
        local = {**self.scope.local, **dict(zip(self.names, values, strict=True))}
        return replace(self.scope, local=local).node(self.body)


@dataclass(frozen=True)
class Scope:
    """One template during its deployment. `value` evaluates any value of the template."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    place: Place
    name: str
    tenant: Tenant
    symbols: Mapping[str, str] = field(default_factory=dict)
    """The ids of resources by their names in the template."""
    local: Mapping[str, Any] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)
    """The current index of each loop; the innermost loop has an empty name."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The template's own parameters. Inside a user function, `parameters` holds the function's."""
    known: dict[str, Any] = field(default_factory=dict)
    """The variables that have already been evaluated."""

    def value(self, raw: Any) -> Any:
        """Evaluate a text, or every text within an object or an array."""
        if isinstance(raw, str):
            return self._text(raw)
        if isinstance(raw, list):
            return [self.value(item) for item in raw]
        return self._object(raw) if isinstance(raw, Mapping) else raw

    def node(self, node: Node) -> Any:
        """Evaluate an expression that has been read."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Member):
            return member(self.node(node.of), self.node(node.key))
        return self._call(node)

    def within(self, loop: str, index: int) -> Scope:
        """Return the scope of one round of a loop."""
        return replace(self, copies={**self.copies, loop.lower(): index, "": index})

    def _text(self, text: str) -> Any:
        inner = expression(text)
        if inner is not None:
            return self.node(parsed(inner))
        return text[1:] if text.startswith("[[") else text

    def _object(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        plain = {
            str(self.value(key)): self.value(item) for key, item in raw.items() if key != "copy"
        }
        return {**plain, **self.loops(raw.get("copy", []))}

    def loops(self, listed: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Evaluate the properties, or variables, that are loops."""
        return {
            loop["name"]: [
                self.within(loop["name"], index).value(loop["input"])
                for index in range(self.value(loop["count"]))
            ]
            for loop in listed
        }

    def _call(self, call: Call) -> Any:
        if "." in call.name:
            return self._own_function(call)
        if lazy := _LAZY.get(call.name):
            return lazy(self, *call.arguments)
        arguments = [self.node(argument) for argument in call.arguments]
        if contextual := _CONTEXTUAL.get(call.name):
            return contextual(self, *arguments)
        if call.name not in FUNCTIONS:
            raise ExpressionError(f"the function {call.name} is not known here")
        return FUNCTIONS[call.name](*arguments)

    def _own_function(self, call: Call) -> Any:
        namespace, _, name = call.name.partition(".")
        for listed in self.template["functions"]:
            if listed["namespace"].lower() == namespace:
                function = member(listed["members"], name)
                names = [parameter["name"] for parameter in function.get("parameters", [])]
                values = [self.node(argument) for argument in call.arguments]
                inner = dict(zip(names, values, strict=True))
                return replace(self, parameters=inner).value(function["output"]["value"])
        raise ExpressionError(f"the template has no function {call.name}")

    def variable(self, name: str) -> Any:
        """Evaluate a variable once: it depends only on the template's parameters."""
        if name not in self.known:
            listed = self.template["variables"]
            loops = [loop for loop in listed.get("copy", []) if loop["name"] == name]
            plain = replace(self, parameters=self.given, local={}, copies={})
            self.known[name] = (
                plain.loops(loops)[name] if loops else plain.value(member(listed, name))
            )
        return self.known[name]

    def id_of(self, target: str) -> str:
        """Return the id passed to `reference`, or the id of the resource with this symbol."""
        if is_id(target):
            return target
        if target not in self.symbols:
            raise ExpressionError(
                f"reference: {target!r} is neither an id nor a resource of the template"
            )
        return self.symbols[target]


def _if(scope: Scope, condition: Node, yes: Node, no: Node) -> Any:
    return scope.node(yes if scope.node(condition) else no)


def _and(scope: Scope, *conditions: Node) -> bool:
    return all(scope.node(condition) for condition in conditions)


def _or(scope: Scope, *conditions: Node) -> bool:
    return any(scope.node(condition) for condition in conditions)


def _coalesce(scope: Scope, *nodes: Node) -> Any:
    return next((value for node in nodes if (value := scope.node(node)) is not None), None)


def _lambda(scope: Scope, *parts: Node) -> Lambda:
    names = tuple(str(scope.node(part)) for part in parts[:-1])
    return Lambda(scope, names, parts[-1])


def _parameters(scope: Scope, name: str) -> Any:
    return member(scope.parameters, name)


def _lambda_variables(scope: Scope, name: str) -> Any:
    return scope.local[name]


def _copy_index(scope: Scope, loop: str = "", offset: int = 0) -> int:
    return scope.copies[loop.lower()] + offset


def _reference(scope: Scope, target: str, version: str = "", full: str = "") -> Any:
    del version
    resource = scope.tenant.read(scope.id_of(target))
    return resource.full() if full.lower() == "full" else resource.shown()


def _resource_id(scope: Scope, *parts: str) -> str:
    kind = next(index for index, part in enumerate(parts) if "/" in part)
    before = parts[:kind]
    group = before[-1] if before else scope.place.group
    subscription = before[0] if len(before) > 1 else scope.place.subscription
    return resource_id(Place(subscription, group).id, parts[kind], *parts[kind + 1 :])


def _subscription_resource_id(scope: Scope, *parts: str) -> str:
    named = "/" not in parts[0]
    subscription = parts[0] if named else scope.place.subscription
    return resource_id(Place(subscription).id, *parts[1 if named else 0 :])


def _extension_resource_id(scope: Scope, target: str, kind: str, *names: str) -> str:
    del scope
    return resource_id(target, kind, *names)


def _tenant_resource_id(scope: Scope, kind: str, *names: str) -> str:
    del scope
    return resource_id("", kind, *names)


def _resource_group(scope: Scope) -> dict[str, Any]:
    group = scope.place.group
    return {"id": scope.place.id, "name": group, "location": scope.tenant.location}


def _subscription(scope: Scope) -> dict[str, Any]:
    plain = scope.place.subscription
    return {"id": Place(plain).id, "subscriptionId": plain, "tenantId": scope.tenant.tenant_id}


def _deployment(scope: Scope) -> dict[str, Any]:
    return {"name": scope.name}


def _tenant(scope: Scope) -> dict[str, Any]:
    return {"tenantId": scope.tenant.tenant_id}


def _utc_now(scope: Scope, form: str = "") -> str:
    if form != "yyyy-MM-ddTHH:mm:ssZ":
        raise ExpressionError(f"utcNow in the form {form!r} is not known here")
    return f"{scope.tenant.now():%Y-%m-%dT%H:%M:%SZ}"


def _deployer(scope: Scope) -> dict[str, Any]:
    return {"objectId": scope.tenant.deployer, "tenantId": scope.tenant.tenant_id}


def _environment(scope: Scope) -> dict[str, Any]:
    return dict(scope.tenant.cloud)


_LAZY: dict[str, Callable[..., Any]] = {
    "if": _if,
    "and": _and,
    "or": _or,
    "coalesce": _coalesce,
    "lambda": _lambda,
}
_CONTEXTUAL: dict[str, Callable[..., Any]] = {
    "parameters": _parameters,
    "variables": Scope.variable,
    "lambdavariables": _lambda_variables,
    "copyindex": _copy_index,
    "reference": _reference,
    "resourceid": _resource_id,
    "subscriptionresourceid": _subscription_resource_id,
    "extensionresourceid": _extension_resource_id,
    "tenantresourceid": _tenant_resource_id,
    "resourcegroup": _resource_group,
    "subscription": _subscription,
    "deployment": _deployment,
    "tenant": _tenant,
    "deployer": _deployer,
    "environment": _environment,
    "utcnow": _utc_now,
}
