"""Just enough of Azure Policy to judge a secret by the built-in definitions for vaults' data.

Operators and functions:
https://learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.keyvault.state import SecretVersion

KIND = "Microsoft.KeyVault.Data/vaults/secrets"


def fields(version: SecretVersion) -> dict[str, Any]:
    """Return what policies see of a version; what is unset does not exist."""
    moments = {
        "createdOn": version.created,
        "expiresOn": version.expires,
        "notBefore": version.not_before,
    }
    seen = {
        f"{KIND}/attributes.{name}": _moment(seconds)
        for name, seconds in moments.items()
        if seconds is not None
    }
    return {
        "type": KIND,
        **seen,
        **({f"{KIND}/contentType": version.content_type} if version.content_type else {}),
    }


@dataclass(frozen=True)
class Judge:
    """Evaluates the rule of one definition with its parameters.

    A rule that says anything unknown raises.
    """

    definition: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def objects(self, secret: Mapping[str, Any], now: datetime) -> bool:
        """Tell whether the rule's condition holds, which is what its effect is for."""
        return self._holds(self.definition["properties"]["policyRule"]["if"], secret, now)

    def _holds(
        self, condition: Mapping[str, Any], secret: Mapping[str, Any], now: datetime
    ) -> bool:
        (operator,) = set(condition) - {"field", "value"}
        operand = condition[operator]
        if operator in ("allOf", "anyOf"):
            every = [self._holds(part, secret, now) for part in operand]
            return all(every) if operator == "allOf" else any(every)
        actual = (
            secret.get(condition["field"])
            if "field" in condition
            else self._value(condition["value"], secret, now)
        )
        if operator == "exists":
            return (actual is not None) is bool(operand)
        expected = self._value(operand, secret, now)
        return {"equals": _equal, "greater": _greater, "less": _less}[operator](actual, expected)

    def _value(self, text: Any, secret: Mapping[str, Any], now: datetime) -> Any:
        if not (isinstance(text, str) and text.startswith("[")):
            return text
        functions: dict[str, Callable[..., Any]] = {
            "utcNow": lambda: now,
            "addDays": lambda moment, days: moment + timedelta(days=days),
            "empty": lambda value: value is None,
            "if_": lambda condition, yes, no: yes if condition else no,
            "field": secret.get,
            "parameters": self.parameters.__getitem__,
        }
        # The language's calls and literals are written as Python's are, but for the name of one
        # function.
        return _called(ast.parse(text[1:-1].replace("if(", "if_("), mode="eval").body, functions)


def _called(node: ast.expr, functions: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return functions[node.func.id](*(_called(arg, functions) for arg in node.args))


def _equal(actual: Any, expected: Any) -> bool:
    return bool(actual == expected)


def _greater(actual: Any, expected: Any) -> bool:
    return actual is not None and bool(actual > expected)


def _less(actual: Any, expected: Any) -> bool:
    return actual is not None and bool(actual < expected)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
