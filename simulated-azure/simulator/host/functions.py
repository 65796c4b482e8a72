"""The host's view of an indexed function: its name and its bindings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Function:
    """One indexed function. `bindings` are the worker's raw bindings, as objects."""

    name: str
    bindings: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_raw(cls, name: str, raw_bindings: list[str]) -> Function:
        """Return the function for the JSON strings that the worker reports."""
        return cls(name, tuple(json.loads(raw) for raw in raw_bindings))

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts the function."""
        return next(
            binding for binding in self.bindings if binding["type"].lower().endswith("trigger")
        )

    @property
    def kind(self) -> str:
        """The trigger's type in lower case, such as queuetrigger."""
        return str(self.trigger["type"]).lower()

    def output(self, name: str) -> Mapping[str, Any]:
        """Return the output binding of this name; $return is the function's return value."""
        return next(
            binding
            for binding in self.bindings
            if binding["name"] == name and binding["direction"] == "OUT"
        )
