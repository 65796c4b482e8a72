"""One vault that a deployment serves, as the template's parameter `vaults` has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.setup.discovered import Topic
from engine.errors import ConfigError

SHAPE = (
    '[{"name": "contoso-prod", "resourceGroup": "prod", "scopes": '
    '["/subscriptions/<id>/resourceGroups/data"]}]'
)


@dataclass(frozen=True, slots=True)
class ManagedVault:
    """A vault and what its secrets may rotate; `topic` is what `Discovered.topic_of` says of it."""

    name: str
    subscription: str
    resource_group: str
    scopes: tuple[str, ...]
    kinds: tuple[str, ...]
    topic: Topic | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as the template takes it."""
        data: dict[str, Any] = {
            "name": self.name,
            "subscription": self.subscription,
            "resourceGroup": self.resource_group,
            "scopes": list(self.scopes),
            "kinds": list(self.kinds),
        }
        if self.topic is None:
            return data
        return {
            **data,
            **(
                {"existingTopic": self.topic.name}
                if self.topic.is_beside_vault
                else {"events": False}
            ),
        }


def read(text: str, variable: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list that was written before.

    Raises ConfigError for what is no such list.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    named = (
        isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries)
    )
    if not named or not all(isinstance(entry.get("name"), str) for entry in entries):
        raise ConfigError([f"{variable} is not a list of vaults: write {SHAPE}"])
    return list(entries)


def parameters_file(
    name: str, entries: Sequence[Mapping[str, Any]], template: str, logs_workspace: str = ""
) -> str:
    """Return the text of a .bicepparam file for a template at this path."""
    logs = [f"param logsWorkspace = {_literal(logs_workspace)}", ""] if logs_workspace else []
    return "\n".join(
        (
            (
                "// Written by `rekey init`. docs/deploy.md explains each line, and what else "
                "can be chosen."
            ),
            f"using {_literal(template)}",
            "",
            f"param name = {_literal(name)}",
            "",
            f"param vaults = {_literal([dict(entry) for entry in entries])}",
            "",
            *logs,
        )
    )


def _literal(value: object, indent: str = "") -> str:
    """Write a value in Bicep's own notation."""
    deeper = f"{indent}  "
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list():
            lines = "".join(f"{deeper}{_literal(item, deeper)}\n" for item in value)
            return f"[\n{lines}{indent}]" if value else "[]"
        case dict():
            lines = "".join(
                f"{deeper}{key}: {_literal(item, deeper)}\n" for key, item in value.items()
            )
            return f"{{\n{lines}{indent}}}"
        case _:
            quoted = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
            return f"'{quoted}'"
