"""What each state means, in one sentence, and where the runbook says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word on the page means."""

    text: str
    act: str
    """What a person does about it; empty where nothing."""
    section: str = ""
    """The runbook's section."""


MEANINGS: Mapping[str, Meaning] = {
    "incident": Meaning(
        "Its credential was reported as leaked, and is not yet proven to be refused by its source.",
        "Mend what the reason names. Rekey tries again until the source refuses the credential.",
        "A credential leaked",
    ),
    "overdue": Meaning(
        "It should have been rotated more than a day ago, or only a person rotates it and it is due,"
        " or it has expired.",
        "See that sweeps run, then rotate it. What only a person rotates: change it at its source.",
        "A secret expires soon",
    ),
    "parked": Meaning(
        "Rekey stopped trying, because a person has to fix something first.",
        "Mend what the reason names, then try again.",
        "A secret is parked",
    ),
    "drifted": Meaning(
        "Its source no longer accepts what the vault holds: somebody changed it at the source.",
        "Rotate it, or put back what was changed.",
        "Drift",
    ),
    "dropped": Meaning(
        "It fell out of management: a new version without tags was written, so nothing rotates it.",
        "Give its tags back.",
        "A secret was dropped",
    ),
    "due": Meaning("It will be rotated, or its earlier credential retired, by the next sweep.", ""),
    "ok": Meaning("Nothing is to be done.", ""),
    "disabled": Meaning("Its current version is disabled, so nothing is done for it.", ""),
    "unmanaged": Meaning(
        "It has no tag that names what issues its credential. Rekey leaves it alone.", ""
    ),
}


def section(address: str, section: str) -> str:
    """Return where a section of the runbook is read.

    Empty where its address is none of the web's. One that names a part of a page leads there.
    """
    if not section or not address.startswith(("https://", "http://")):
        return ""
    return address if "#" in address else f"{address}#{section.lower().replace(' ', '-')}"
