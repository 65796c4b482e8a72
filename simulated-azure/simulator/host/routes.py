"""Route templates of HTTP triggers, such as secrets/{vault}/{name}/rotate."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from simulator.host.functions import Function
from simulator.host.route_constraints import satisfies

_PARAMETER = re.compile(r"\{(\*?)([^}:?=]+)((?::[^}?=]*)*)[^}?]*(\??)\}")
_PARTS = 5
"""The fields that split() by _PARAMETER gives for each parameter, after the literal before it."""


def template_of(function: Function) -> str:
    """Return a function's route without the prefix; the default is the function's name."""
    return str(function.trigger.get("route") or function.name).strip("/")


@dataclass(frozen=True)
class Route:
    """One function's route. An empty `methods` means all methods."""

    function: Function
    template: str
    methods: frozenset[str]
    level: str

    @classmethod
    def of(cls, function: Function, prefix: str) -> Route:
        """Read the route from an HTTP trigger's binding."""
        binding = function.trigger
        methods = frozenset(method.upper() for method in binding.get("methods") or [])
        level = str(binding.get("authLevel") or "function").lower()
        template = "/".join(part for part in (prefix.strip("/"), template_of(function)) if part)
        return cls(function, template, methods, level)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The template as an expression; literal parts match in any case, as in ASP.NET."""
        return re.compile("".join(map(_segment, self.template.split("/"))) + "/?", re.IGNORECASE)

    @property
    def precedence(self) -> list[int]:
        """The key to sort by.

        Literal before constrained before parameter before catch-all, from the left.
        """
        return [_rank(part) for part in self.template.split("/")]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path's parameters; None if the route does not match."""
        if self.methods and method.upper() not in self.methods:
            return None
        match = self.pattern.fullmatch(path)
        if not match:
            return None
        values = {}
        for (_, name, constraints, _), value in zip(
            _PARAMETER.findall(self.template), match.groups(), strict=True
        ):
            if value is None:
                continue
            if not satisfies(value, constraints):
                return None
            values[name] = value
        return values


def _rank(part: str) -> int:
    if part.startswith("{*"):
        return 3
    if "{" not in part:
        return 0
    return 1 if ":" in part else 2


def _segment(part: str) -> str:
    whole = _PARAMETER.fullmatch(part)
    if whole and whole[1]:
        return "(?:/(.*))?"
    if whole and whole[4]:
        return "(?:/([^/]+))?"
    # split() gives literal, star, name, constraints, question mark, literal, …
    return "/" + "([^/]+)".join(re.escape(literal) for literal in _PARAMETER.split(part)[::_PARTS])


def all_routes(functions: Iterable[Function], prefix: str) -> list[Route]:
    """Return the routes of all HTTP triggers, most specific first."""
    routes = [
        Route.of(function, prefix) for function in functions if function.kind == "httptrigger"
    ]
    return sorted(routes, key=lambda route: route.precedence)
