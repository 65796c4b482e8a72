"""The commands that a page offers, ready to copy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from api.page import actions
from engine.state.entry import Entry

LEFT_ALONE = ("only a person", "a replica", "it holds")


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what it does."""

    does: str
    text: str


def commands(entry: Entry) -> list[Command]:
    """Return what fits a secret's state."""
    ref = entry.secret.ref
    place = ref.place
    offered = [Command(action.does, action.command(entry)) for action in actions.possible(entry)]
    if offered:
        dry = f"rekey rotate {place} --dry-run"
        offered.insert(0, Command("Says what a rotation would do, and changes nothing.", dry))
    elif entry.state in ("dropped", "unmanaged") and not entry.reason.startswith(LEFT_ALONE):
        offered += _adopting(entry)
    versions = (
        f"az keyvault secret list-versions --vault-name {ref.vault_name} --name {ref.name} "
        "--output table"
    )
    return [*offered, Command("Lists its versions, without any value.", versions)]


def _adopting(entry: Entry) -> list[Command]:
    place, lost = entry.secret.ref.place, entry.state == "dropped"
    # The command finds the tags that were lost, so nothing out of a tag is put into a shell.
    command = f"rekey adopt {place}" if lost else f'rekey adopt {place} --provider "id"'
    does = "Gives it back the tags that it had." if lost else "Puts it under management."
    return [
        Command("Says what that would do, and changes nothing.", f"{command} --dry-run"),
        Command(f"{does} Nothing is rotated.", command),
    ]
