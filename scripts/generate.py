"""Write what follows from the kinds of rotators/: tables of the template, lists, rows of pages.

`make generate` writes it, and so does `make format`. With --check nothing is written: what differs
is named, and the program ends with 1.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.contract import Lingering, Lingers
from rotators.registry import ROTATORS
from rotators.shared.key_facts import Facts
from rotators.shared.rights import Rights
from rotators.shared.two_keys import TwoKeys
from rotators.storage_key import StorageKey
from scripts import snapshots
from scripts.simulated_contracts import contracts

ROOT = Path(__file__).resolve().parents[1]
NOTE = "generated: `make generate` writes this from rotators/"
MARKED = re.compile(
    rf"(^[^\n]*<(?:!-- )?{NOTE}[^\n]*\n).*?(^[^\n]*/generated)", re.MULTILINE | re.DOTALL
)
DOC = re.compile(r"Rotates (the [^\n]+)\.")
OTHERS = {
    "Microsoft.Sql/servers": "2023-08-01",
    "Microsoft.Web/sites": "2024-04-01",
    "Microsoft.App/containerApps": "2025-01-01",
}
"""Further types of resource at which the template gives rights, with their api-versions."""
EVERYWHERE = {
    "Microsoft.Communication/communicationServices": "2023-04-01",
    "Microsoft.Search/searchServices": "2023-11-01",
}
"""What the template asks for where not every cloud offers the version that the kind asks for."""
WHY = (
    "see whether keys are switched on and where they are used, know which one the vault holds, "
    "make the other one new"
)
BLOCK = """\

#disable-next-line BCP081
resource {name} '{type}@{version}' existing = [
  for one in filter(single, one => one.type == '{lower}'): {{ name: one.resource }}
]

resource at{title} 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (one, index) in filter(single, one => one.type == '{lower}'): {{
    scope: {name}[index]
    name: guid({name}[index].id, appPrincipalId, one.role)
    properties: {{
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleIds[one.role]
    }}
  }}
]
"""
"""The compiler need not know a type that is new."""
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/keys/providers"
KINDS: Mapping[str, Any] = {maker.kind: maker for maker in ROTATORS}  # type: ignore[attr-defined]
FAMILY: tuple[type[TwoKeys], ...] = tuple(
    maker for maker in KINDS.values() if issubclass(maker, TwoKeys) and maker is not StorageKey
)
"""The kinds with two keys whose rows say the same of each."""


def what(kind: str) -> str:
    """Return what a kind rotates, as its class says; raises ValueError where that says nothing."""
    if match := DOC.match(KINDS[kind].__doc__ or ""):
        return match[1]
    file = f"rotators/{kind.replace('-', '_')}.py"
    raise ValueError(f'{file}: begin the docstring of the class with "Rotates the … of … ."')


def rights() -> dict[str, Rights]:
    """Return the rights of each kind that has a role of its own in the template."""
    return {kind: maker.rights() for kind, maker in KINDS.items() if hasattr(maker, "rights")}


def types() -> dict[str, str]:
    """Return the types of resource that have credentials, each with its api-version."""
    return {top: _version(KINDS[kind], top) for kind, own in rights().items() for top in own.types}


def _version(maker: Any, top: str) -> str:
    facts: Facts | None = getattr(maker, "facts", None)
    if facts is None:
        return str(maker.engine.version)
    return facts.versions.get(top.lower(), facts.version)


def kinds_bicep() -> str:
    """Return infra/kinds.bicep."""
    own = rights()
    lower = {kind: [quoted(top.lower()) for top in held.types] for kind, held in own.items()}
    tables = {
        "keyedTypes": (
            "The kinds whose role is called as they are, with an s, and their types of resource.",
            [f"  '{kind}': [{', '.join(tops)}]" for kind, tops in lower.items()],
        ),
        "keyedActions": (
            "What each of those roles permits.",
            [
                "\n".join([f"  '{kind}s': [", *(f"    '{act}'" for act in held.actions), "  ]"])
                for kind, held in own.items()
            ],
        ),
        "keyedSummaries": (
            "What each of those roles is for, as the portal shows it.",
            [f"  '{kind}s': {quoted(f'What it takes to rotate {what(kind)}.')}" for kind in own],
        ),
    }
    return "\n".join(
        [
            f"// The kinds of credentials. {NOTE.capitalize()}.",
            *_union("kind", "What a secret in a vault may be.", KINDS),
            *_union("keyedRole", "What may be done at sources.", [f"{kind}s" for kind in own]),
            *(
                f"\n@export()\n@description({quoted(about)})\nvar {name} = {{\n"
                + "\n".join(rows)
                + "\n}"
                for name, (about, rows) in tables.items()
            ),
            "",
        ]
    )


def quoted(text: str) -> str:
    """Return a text as Bicep writes it."""
    return "'" + text.replace("'", "\\'") + "'"


def _union(name: str, text: str, members: Any) -> list[str]:
    rows = [f"  | '{member}'" for member in members]
    return [f"\n@export()\n@description({quoted(text)})\ntype {name} =", *rows]


def access_bicep() -> str:
    """Return the rights at single resources: Bicep wants each type of resource written out."""
    return "".join(
        BLOCK.format(
            type=top,
            version=EVERYWHERE.get(top, version),
            lower=top.lower(),
            title=(
                title := "".join(part[0].upper() + part[1:] for part in re.split(r"[./]", top)[1:])
            ),
            name=title[0].lower() + title[1:],
        )
        for top, version in (types() | OTHERS).items()
    )


def scopes_bicep() -> str:
    """Return a scope of each type, for the snapshot with everything on."""
    tops = [top for top in types() if top not in StorageKey.facts.tops]
    return "".join(f"      '{GROUP}/{top}/contoso{at}'\n" for at, top in enumerate(tops))


def portal_list(form: str) -> str:
    """Return the portal's form with every kind that it can give rights for."""
    document = json.loads(form)
    (chosen,) = (
        element
        for step in document["parameters"]["steps"]
        for element in step["elements"]
        if element["name"] == "kinds"
    )
    chosen["constraints"]["allowedValues"] = [
        {"label": _label(kind), "value": kind}
        for kind in KINDS
        # Applications need a step that no template can do.
        if not kind.startswith("service-principal-")
    ]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _label(kind: str) -> str:
    text = what(kind).removeprefix("the ")
    note = " (no further right)" if hasattr(KINDS[kind], "parents") else ""
    if kind.endswith("-admin-password"):
        note = " (the right to change a whole server)"
    return text[0].upper() + text[1:] + note


def readme_table() -> str:
    """Return the README's rows: first what is no resource with two keys."""
    order = sorted(KINDS, key=lambda kind: KINDS[kind] in FAMILY)
    rows = (f"| [`{kind}`](docs/rotators/{kind}.md) | {what(kind)} |" for kind in order)
    return _table("| kind | rotates |", rows)


def permissions_table() -> str:
    """Return the rows of the roles of kinds with two keys."""
    rows = (
        f"| sources | custom `{maker.kind}s` "
        f"| {', '.join(f'`{action}`' for action in maker.facts.actions)} "
        f"| {WHY} | {what(maker.kind)} there are parked as access denied |"
        for maker in FAMILY
    )
    return _table("| At | Role | Permits | Why | Without it |", rows)


def lingering_table() -> str:
    """Return what may still work two minutes after a leak, with the kinds that it is true of."""
    same: dict[Lingering, list[str]] = {}
    for kind, maker in KINDS.items():
        if isinstance(maker, Lingers):
            same.setdefault(maker.lingers, []).append(f"[`{kind}`](rotators/{kind}.md)")
    rows = (
        f"| {', '.join(kinds)} | {lingers.what} | <{lingers.source}> |"
        for lingers, kinds in same.items()
    )
    return _table("| kind | what may still work | source |", rows)


def _table(head: str, rows: Iterable[str]) -> str:
    """Return a table between blank lines: a comment may not touch it."""
    line = re.sub(r"[^|]+", "---", head)
    return "\n".join(["", head, line, *rows, "", ""])


def between(text: str, *blocks: str) -> str:
    """Return a text with what stands between its pairs of markers written anew."""
    fresh = iter(blocks)
    return MARKED.sub(lambda match: match[1] + next(fresh) + match[2], text)


WRITTEN: Mapping[str, Callable[[str], str]] = {
    "infra/kinds.bicep": lambda _: kinds_bicep(),
    "infra/modules/source-access.bicep": lambda text: between(text, access_bicep()),
    "infra/snapshots/everything-on.bicepparam": lambda text: between(
        text, scopes_bicep(), "".join(f"      '{kind}'\n" for kind in KINDS)
    ),
    "infra/createUiDefinition.json": portal_list,
    "README.md": lambda text: between(text, readme_table()),
    "docs/permissions.md": lambda text: between(text, permissions_table()),
    "docs/leaks.md": lambda text: between(text, lingering_table()),
    "simulated-azure/simulator/keys/derived.json": lambda _: contracts(FAMILY),
}
"""What is written, from what stands there."""


def stale() -> dict[str, str]:
    """Return the files that differ from what the kinds say, with what they should hold."""
    before = {name: _text(ROOT / name) for name in WRITTEN}
    after = {name: write(before[name]) for name, write in WRITTEN.items()}
    return {name: text for name, text in after.items() if text != before[name]}


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Write what differs, and compile the template anew where its sources do; or only check."""
    differing = stale()
    if "--check" in arguments:
        for name in differing:
            print(f"{name} is not what rotators/ says: run make generate")
        return bool(differing)
    for name, text in differing.items():
        (ROOT / name).write_text(text)
        print(f"wrote {name}")
    if not any(name.endswith((".bicep", ".bicepparam")) for name in differing):
        return 0
    if os.environ.get("BICEP") or shutil.which("bicep"):
        return snapshots.main()
    print(
        "the template changed: run make snapshots where Microsoft's Bicep compiler is in the path"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
