"""What each kind still lacks: `make missing` names the file to open and what to write there.

A kind of two keys is known to all of these by its facts, but for its page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cli.discovery import NAMED_HERE, UNLISTED
from demo.cast import cast, stage
from demo.kinds import ABSENT, platform
from engine.contract import Derived, Discover
from rotators.registry import ROTATORS
from scripts import generate
from simulator.world import Domains
from tests.crash.test_calls import RETIREMENT, ROTATION
from tests.infra import permissions
from tests.proof.places import PLACES, STORIES
from tests.rotators.subjects import SUBJECTS

ROOT = Path(__file__).parents[1]
KINDS: Mapping[str, Any] = {maker.kind: maker for maker in ROTATORS}  # type: ignore[attr-defined]
ROLES = {
    "sql-admin-password": "sql-administrator",
    "service-principal-certificate": "vault-certificates",
}
"""Kinds whose role has another name than theirs."""
WITHOUT_ROLE = {
    "service-principal-secret": "Microsoft Graph",
    "sql-login-password": "loginmanager",
    "storage-sas": "signs with the key that another secret holds",
    "service-bus-sas": "sign with the key of a rule",
    "event-hubs-sas": "sign with the key of a rule",
}
"""Kinds whose right no template can give, or that need none, and what the page of permissions says
of it."""


def names(stories: Mapping[str, object]) -> set[str]:
    """Return the kinds that stories are about: a name is a kind, or begins with one and a blank."""
    return {name.partition(" ")[0] for name in stories}


def _has_role(kind: str) -> bool:
    if kind in WITHOUT_ROLE:
        return WITHOUT_ROLE[kind] in permissions.PAGE.read_text()
    return ROLES.get(kind, f"{kind}s") in {row.role for row in permissions.rows()}


def _is_simulated(kind: str) -> bool:
    place = PLACES.get(kind) or next(
        (make for name, make in PLACES.items() if name.startswith(f"{kind} ")), None
    )
    return bool(place and place().planted())


@cache
def in_the_demo() -> frozenset[str]:
    """Return the kinds of the demo's secrets, as Rekey recognises them by their tags."""
    parts = (*cast(), *platform())
    vaults = stage(Domains(), parts).vaults
    tags = [vaults[part.vault].versions(part.name)[-1].tags or {} for part in parts]
    return frozenset(
        kind
        for kind, maker in KINDS.items()
        for own in tags
        if own.get("Rotator", kind) == kind and maker.canonical(own["ProviderAddress"], own)
    )


PLACES_THAT_KNOW: Mapping[str, Callable[[str], bool]] = {
    "docs/rotators/{kind}.md: its page, as those beside it": lambda kind: (
        ROOT / "docs" / "rotators" / f"{kind}.md"
    ).exists(),
    'rotators/: a class docstring that begins with "Rotates the"': lambda kind: bool(
        generate.what(kind)
    ),
    "rotators/: the method `seen`; or cli/discovery.py, UNLISTED: why not": lambda kind: (
        kind in NAMED_HERE or kind in UNLISTED or issubclass(KINDS[kind], Discover)
    ),
    "rotators/: the method `rights`, and docs/permissions.md: the row of its role (of two keys, "
    "`make generate` writes it); or tests/missing.py, WITHOUT_ROLE": _has_role,
    "simulated-azure/simulator/: its source, which refuses what Azure refuses": _is_simulated,
    "tests/rotators/subjects.py: a Subject, for the contract suite": lambda kind: (
        kind in {subject.kind.kind for subject in SUBJECTS}
    ),
    "tests/proof/places.py, PLACES: a secret of it in a simulated Azure": lambda kind: (
        kind in names(PLACES) and kind in names(STORIES)
    ),
    "tests/crash/test_calls.py, ROTATION: what a rotation asks of Azure": lambda kind: (
        kind in names(ROTATION)
    ),
    "tests/crash/test_calls.py, RETIREMENT: what the end of an overlap asks": lambda kind: (
        kind in names(RETIREMENT) or KINDS[kind].single_slot({}) or isinstance(KINDS[kind], Derived)
    ),
    "demo/: a secret of it, or demo/kinds.py, ABSENT: why the demo cannot show it": lambda kind: (
        kind in in_the_demo() or kind in ABSENT
    ),
}
"""What knows each kind, and what to write where it does not."""


def missing(kind: str) -> list[str]:
    """Return the files that do not know a kind, each with what to write there."""
    places = PLACES_THAT_KNOW.items()
    return [place.replace("{kind}", kind) for place, knows in places if not _knows(knows, kind)]


def _knows(knows: Callable[[str], bool], kind: str) -> bool:
    try:
        return knows(kind)
    except (LookupError, ValueError):
        return False


def main() -> int:
    """Print what is missing, kind by kind; nothing where each is known everywhere."""
    lines = [f"{kind}: {line}" for kind in KINDS for line in missing(kind)]
    lines += [f"{name}: run make generate" for name in generate.stale()]
    text = lines or [f"Nothing is missing for the {len(KINDS)} kinds."]
    sys.stdout.write("\n".join([*text, ""]))
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
