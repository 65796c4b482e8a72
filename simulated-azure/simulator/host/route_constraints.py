"""Constraints of route parameters, such as {id:int}, as ASP.NET Core resolves them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

_CALL = re.compile(r"(\w+)(?:\((.*)\))?")
_CONSTRAINTS_OF = re.compile(r"\{\*?[^}:?=]+((?::[^}?=]*)*)")


class UnknownConstraintError(ValueError):
    """A template names a constraint that does not exist."""


def _is_number(kind: Callable[[str], object]) -> Callable[[str, list[str]], bool]:
    def check(text: str, _arguments: list[str]) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return True

    return check


def _is_between(value: float, arguments: list[str]) -> bool:
    low, high = float(arguments[0]), float(arguments[-1])
    return low <= value <= high


_CHECKS: dict[str, Callable[[str, list[str]], bool]] = {
    "int": _is_number(int),
    "long": _is_number(int),
    "decimal": _is_number(float),
    "double": _is_number(float),
    "float": _is_number(float),
    "guid": _is_number(uuid.UUID),
    "bool": lambda text, _: text.lower() in {"true", "false"},
    "alpha": lambda text, _: re.fullmatch(r"[a-zA-Z]*", text) is not None,
    "required": lambda text, _: bool(text),
    "length": lambda text, arguments: _is_between(len(text), arguments),
    "minlength": lambda text, arguments: len(text) >= int(arguments[0]),
    "maxlength": lambda text, arguments: len(text) <= int(arguments[0]),
    "min": lambda text, arguments: text.lstrip("-").isdigit() and int(text) >= int(arguments[0]),
    "max": lambda text, arguments: text.lstrip("-").isdigit() and int(text) <= int(arguments[0]),
    "range": lambda text, arguments: (
        text.lstrip("-").isdigit() and _is_between(int(text), arguments)
    ),
    "regex": lambda text, arguments: (
        re.search(",".join(arguments), text, re.IGNORECASE) is not None
    ),
}


def check_template(template: str) -> None:
    """Check every constraint of a template.

    Raises UnknownConstraintError if a constraint does not exist.
    """
    for written in _CONSTRAINTS_OF.findall(template):
        for constraint in filter(None, written.split(":")):
            match = _CALL.fullmatch(constraint)
            if not match or match[1] not in _CHECKS:
                raise UnknownConstraintError(
                    f"The constraint reference '{constraint}' could not be resolved to a type."
                )


def satisfies(text: str, constraints: str) -> bool:
    """Return whether a value meets all of its constraints, such as :int:min(1)."""
    for constraint in filter(None, constraints.split(":")):
        match = _CALL.fullmatch(constraint)
        if match and not _CHECKS[match[1]](text, (match[2] or "").split(",")):
            return False
    return True
