"""What the simulated Azure knows of a resource with two keys until somebody writes it down there.

The simulator's own contracts are read from Microsoft's published examples. A kind that is new has
none yet: then its facts stand in, so that its rotations can be played at once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rotators.shared.two_keys import TwoKeys

CONTRACTS = Path(__file__).resolve().parents[1] / "simulated-azure/simulator/keys/contracts.py"
FORMS = {
    ("base64", 32): base64.b64encode(bytes(32)).decode(),
    ("base64", 64): base64.b64encode(bytes(64)).decode(),
    **{("letters", length): "a" * length for length in (84, 52, 32)},
    ("hex", 32): "0" * 32,
}
"""Forms of keys, each with an example."""
NOTE = (
    "generated: `make generate` writes this from the facts of kinds that have no contract in "
    "contracts.py; write one there from Microsoft's published examples, and its row leaves here"
)


def contracts(family: Iterable[type[TwoKeys]]) -> str:
    """Return the contracts of the types that the simulator has none for."""
    written = CONTRACTS.read_text()
    missing = (
        contract(kind, top)
        for kind in family
        for top in kind.facts.tops
        if f'Contract(\n        "{top}"' not in written
    )
    return json.dumps({"note": NOTE, "contracts": [*missing]}, indent=2) + "\n"


def contract(kind: type[TwoKeys], top: str) -> dict[str, Any]:
    """Return the contract of one type of resource."""
    facts = kind.facts
    kept, _, address = facts.addresses.get(top.lower(), facts.address).rpartition(".")
    form, length = next(form for form, text in FORMS.items() if facts.shape.fullmatch(text))
    switch, off = next(iter(facts.switches.items()), ("", True))
    off = off[0] if isinstance(off, tuple) else off
    goes_on = kind.lists_first and top.lower() not in facts.at_once
    return {
        "kind": top,
        "versions": [facts.versions.get(top.lower(), facts.version)],
        "slots": {slot.name: slot.sent or slot.name for pair in facts.pairs for slot in pair.slots},
        "host": facts.host
        or f"{{name}}.{top.partition('.')[2].replace('/', '-').lower()}.azure.net",
        "address": address,
        "kept": kept,
        "lists": facts.lists,
        "replaces": facts.replaces,
        "asks": facts.names_it,
        "replies": "nothing" if goes_on else "all",
        "form": form,
        "length": length,
        "switch": switch,
        "off": off,
        "on": (not off) if isinstance(off, bool) else "Enabled",
        "switched_below": facts.switched_below,
        "children": [kind[len(top) + 1 :] for kind in facts.types if kind.startswith(f"{top}/")],
    }
