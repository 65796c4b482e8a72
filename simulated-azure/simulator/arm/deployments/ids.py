"""Resource ids: how to build them from a type and names, and how to take them apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

_SCOPES = ("/subscriptions/", "/providers/")
_GROUP_PARTS = 5


@dataclass(frozen=True)
class Place:
    """Where a deployment puts its resources: a resource group, or a whole subscription."""

    subscription: str
    group: str = ""

    @property
    def id(self) -> str:
        """Return the id of the group or subscription."""
        whole = f"/subscriptions/{self.subscription}"
        return f"{whole}/resourceGroups/{self.group}" if self.group else whole


def resource_id(scope: str, kind: str, *names: str) -> str:
    """Return a resource's id: one segment of the type before each name."""
    namespace, *types = kind.split("/")
    pairs = chain(*zip(types, names, strict=True))
    return f"{scope}/providers/{namespace}/{'/'.join(pairs)}"


def provider(kind: str) -> str:
    """Return the namespace of a type, such as Microsoft.Web."""
    return kind.partition("/")[0]


def place_of(scope: str) -> Place:
    """Return the group or subscription that an id is in."""
    parts = scope.split("/")
    in_group = len(parts) >= _GROUP_PARTS and parts[3].lower() == "resourcegroups"
    return Place(parts[2], parts[4] if in_group else "")


def parent(id_: str) -> str | None:
    """Return the id of the parent of a child resource; None for a top-level resource."""
    scope, _, own = id_.rpartition("/providers/")
    parts = own.split("/")
    return f"{scope}/providers/{'/'.join(parts[:-2])}" if len(parts) > 3 else None  # noqa: PLR2004


def extended(id_: str) -> str | None:
    """Return the id of the resource that an extension, such as a role assignment, extends."""
    scope, _, _ = id_.rpartition("/providers/")
    return scope if "/providers/" in scope else None


def is_id(value: object) -> bool:
    """Return whether a value is the id of a resource in a subscription."""
    return isinstance(value, str) and value.startswith(_SCOPES[0]) and _SCOPES[1] in value
