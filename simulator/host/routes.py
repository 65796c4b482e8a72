"""Route templates of HTTP triggers, such as secrets/{vault}/{name}/rotate."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from simulator.host.functions import Function

_PARAMETER = re.compile(r"\{(\*?)([^}:?=]+)[^}?]*(\??)\}")


@dataclass(frozen=True)
class Route:
    """One function's route. No `methods` means all of them."""

    function: Function
    template: str
    methods: frozenset[str]
    level: str

    @classmethod
    def of(cls, function: Function, prefix: str) -> Route:
        """Read the route from an HTTP trigger's binding; without one it is the function's name."""
        binding = function.trigger
        route = str(binding.get("route") or function.name).strip("/")
        methods = frozenset(method.upper() for method in binding.get("methods") or [])
        level = str(binding.get("authLevel") or "function").lower()
        return cls(function, "/".join(part for part in (prefix.strip("/"), route) if part), methods, level)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The template as an expression; literal parts match whatever their case, as in ASP.NET."""
        return re.compile("".join(map(_segment, self.template.split("/"))) + "/?", re.IGNORECASE)

    @property
    def precedence(self) -> list[int]:
        """The key to sort by: literal before parameter before catch-all, from the left."""
        return [2 if part.startswith("{*") else 1 if "{" in part else 0 for part in self.template.split("/")]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path's parameters, or None when the route is not meant."""
        if self.methods and method.upper() not in self.methods:
            return None
        found = self.pattern.fullmatch(path)
        if not found:
            return None
        names = [name for _, name, _ in _PARAMETER.findall(self.template)]
        return {name: value for name, value in zip(names, found.groups(), strict=True) if value is not None}


def _segment(part: str) -> str:
    whole = _PARAMETER.fullmatch(part)
    if whole and whole[1]:
        return "(?:/(.*))?"
    if whole and whole[3]:
        return "(?:/([^/]+))?"
    pieces = _PARAMETER.split(part)
    # split() gives literal, star, name, question mark, literal, …
    return "/" + "([^/]+)".join(re.escape(literal) for literal in pieces[::4])


def all_routes(functions: Iterable[Function], prefix: str) -> list[Route]:
    """Return the routes of all HTTP triggers, the more specific ones first."""
    routes = [Route.of(function, prefix) for function in functions if function.kind == "httptrigger"]
    return sorted(routes, key=lambda route: route.precedence)
