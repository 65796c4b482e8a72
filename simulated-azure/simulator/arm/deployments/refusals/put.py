"""The request to create a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Put:
    """A request to create a resource, with every expression evaluated."""

    id: str
    kind: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the last part of its name."""
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Return its properties."""
        return self.body.get("properties") or {}
