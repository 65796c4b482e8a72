"""The commands that a page offers, ready to copy. Pure.

What comes out of a tag is put into one only where no shell reads more into it than text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.page import actions
from engine.secret import Version
from engine.state.entry import Entry

OPTIONS = {
    "ProviderAddress": "--provider",
    "ValidityPeriodDays": "--validity-days",
    "RotateBeforeDays": "--rotate-before-days",
    "OverlapHours": "--overlap-hours",
    "Rotator": "--rotator",
    "RotationWindow": "--window",
    "Owner": "--owner",
}
"""Which option of `rekey adopt` gives a tag back. CredentialId is left out: the new version may
hold another one."""
PLAIN = re.compile(r"[0-9A-Za-z_/][0-9A-Za-z_@./:, +-]{0,255}")
LEFT_ALONE = ("only a person", "a replica", "it holds")


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what it does."""

    does: str
    text: str


def commands(entry: Entry, earlier: Sequence[Version]) -> list[Command]:
    """Return what fits a secret's state.

    `earlier` are its versions before the current one, newest first.
    """
    ref = entry.secret.ref
    place = ref.place
    offered = [Command(action.does, action.command(entry)) for action in actions.possible(entry)]
    if offered:
        dry = f"rekey rotate {place} --dry-run"
        offered.insert(0, Command("Says what a rotation would do, and changes nothing.", dry))
    elif entry.state in ("dropped", "unmanaged") and not entry.reason.startswith(LEFT_ALONE):
        offered += _adopting(place, entry, earlier)
    versions = (
        f"az keyvault secret list-versions --vault-name {ref.vault_name} --name {ref.name} "
        "--output table"
    )
    return [*offered, Command("Lists its versions, without any value.", versions)]


def _adopting(place: str, entry: Entry, earlier: Sequence[Version]) -> list[Command]:
    tagged = (version.tags for version in earlier if "ProviderAddress" in version.tags)
    lost: Mapping[str, str] = next(tagged, {}) if entry.state == "dropped" else {}
    options = " ".join(
        f"{OPTIONS[tag]} {shlex.quote(lost[tag])}"
        for tag in OPTIONS
        if PLAIN.fullmatch(lost.get(tag, ""))
    )
    options = options if "--provider" in options else f'--provider "id" {options}'.strip()
    does = "Gives it back the tags that it had." if lost else "Puts it under management."
    return [
        Command(
            "Says what that would do, and changes nothing.",
            f"rekey adopt {place} {options} --dry-run",
        ),
        Command(f"{does} Nothing is rotated.", f"rekey adopt {place} {options}"),
    ]
