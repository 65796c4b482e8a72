"""Which of the worker's functions the host accepts, and why it rejects the others.

Rejecting one function does not affect the others, and only the log shows it: HTTP answers as if
nothing were wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulator.host.bundle import ID, chosen
from simulator.host.functions import Function
from simulator.host.route_constraints import UnknownConstraintError, check_template
from simulator.host.routes import template_of
from simulator.host.settings import HostFile

# The host's Utility.FunctionNameValidationRegex and BindingNameValidationRegex.
_FUNCTION_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]{0,127}|\$return")
# ScriptHostBuilderExtensions adds HTTP, timer, manual and warm-up. All other bindings come from an
# extension bundle.
_BUILT_IN = {"http", "httptrigger", "timertrigger", "manualtrigger", "warmuptrigger"}
_RESERVED = ("admin", "runtime")


def runnable(
    functions: Iterable[Function], host_file: HostFile
) -> tuple[list[Function], dict[str, str]]:
    """Return the functions that the host runs, and the reason for each one that it rejects.

    Raises SettingError where host.json names no bundle as it should: then the host does not start.
    """
    accepted: list[Function] = []
    bundle = chosen(host_file)
    refused: dict[str, str] = {}
    for function in sorted(functions, key=lambda function: function.name.lower()):
        problem = next(_problems(function, accepted, bundle), None)
        if problem:
            refused[function.name] = problem
        else:
            accepted.append(function)
    return accepted, refused


def _problems(function: Function, accepted: list[Function], bundle: str | None) -> Iterator[str]:
    if not _FUNCTION_NAME.fullmatch(function.name):
        yield f"'{function.name}' is not a valid function name."
    yield from _binding_problems(function.bindings)
    if bundle is None and (unknown := _not_built_in(function)):
        types = ", ".join(unknown)
        yield (
            f"The binding type(s) '{types}' are not registered. Please ensure the type is "
            "correct and the binding "
            f'extension is installed: host.json needs "extensionBundle" with id {ID}.'
        )
    if function.kind == "httptrigger":
        yield from _route_problems(function, accepted)


def _not_built_in(function: Function) -> list[str]:
    return [
        binding["type"] for binding in function.bindings if binding["type"].lower() not in _BUILT_IN
    ]


def _binding_problems(bindings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    names: set[str] = set()
    for binding in bindings:
        name = str(binding.get("name") or "")
        if not _BINDING_NAME.fullmatch(name):
            yield f"The binding name {name} is invalid. Please assign a valid name to the binding."
        if name.lower() in names:
            yield f"Multiple bindings with name '{name}' discovered. Binding names must be unique."
        names.add(name.lower())


def _route_problems(function: Function, accepted: list[Function]) -> Iterator[str]:
    template = template_of(function)
    if template.lower().startswith(_RESERVED):
        yield "The specified route conflicts with one or more built in routes."
    try:
        check_template(template)
    except UnknownConstraintError as error:
        yield str(error)
    for other in accepted:
        if other.kind == "httptrigger" and _conflict(function, other):
            yield (
                f"The route specified conflicts with the route defined by function '{other.name}'."
            )


def _conflict(function: Function, other: Function) -> bool:
    if template_of(function).lower() != template_of(other).lower():
        return False
    methods, others = (
        {str(name).upper() for name in item.trigger.get("methods") or []}
        for item in (function, other)
    )
    return not methods or not others or bool(methods & others)
