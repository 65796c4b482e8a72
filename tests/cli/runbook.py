"""The `rekey` commands of docs/runbook.md, section by section, as a shell would hand them over."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.azure import SUBSCRIPTION
from tests.az import commands

PAGE = commands.ROOT / "docs" / "runbook.md"
NAME = "app-key"
SOURCE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production/providers/Microsoft.Storage/storageAccounts/appdata"
SITE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production/providers/Microsoft.Web/sites/rekey-abc"
VALUES = {
    "VAULT": "prod",
    "NAME": NAME,
    "source": SOURCE,
    "SITE": SITE,
    "version": "0" * 32,
    "earlier": "1" * 32,
}
"""What a reader fills in. The test puts FILE, ID and the version in their place, once they
exist."""


def sections() -> dict[str, str]:
    return {
        title: body
        for title, _, body in (part.partition("\n") for part in PAGE.read_text().split("\n## ")[1:])
    }


def of(section: str, values: Mapping[str, str] = VALUES) -> list[list[str]]:
    """Return the arguments of each `rekey` in a section, in its order."""
    shell = (text for text in commands.in_page(section) if "rekey " in text)
    return [arguments for text in shell for arguments in in_shell(text, dict(values))]


def in_shell(text: str, values: dict[str, str]) -> list[list[str]]:
    """Return the arguments of each `rekey` in a piece of shell."""
    for name in ("source", "version", "earlier"):
        text = text.replace(f"<{name}>", values[name]) if name in values else text
    filled = text.encode()
    named = (
        (node, node.child_by_field_name("name"))
        for node in commands.nodes(commands.BASH.parse(filled).root_node)
    )
    return [
        [commands.argument(child, values) for child in node.children_by_field_name("argument")]
        for node, name in named
        if node.type == "command" and name is not None and name.text == b"rekey"
    ]
