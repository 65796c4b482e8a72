"""The questions that a deployment asks, with what was found as the answers to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum

from cli.consent import Person
from cli.setup.discovered import Discovered, FoundVault, sources, workspaces
from cli.setup.managed_vaults import ManagedVault
from cli.sources import Credential
from cli.terminal import Terminal
from cloud.azure import Azure
from engine.errors import NotFound, RekeyError

GROUP_PARTS = 5
"""/subscriptions/<id>/resourceGroups/<name>, split at its slashes."""
LOGGED = "storage-key"
"""The kind whose use is looked up in logs."""
NAMES = {"storage-key": "storage account", "sql-admin-password": "SQL server"}


class Choice(Enum):
    """How many rows may be chosen, by the words that ask for them."""

    SOME = "Numbers, separated by commas: "
    ONE_OR_NONE = "A number, or nothing for none: "

    def allows(self, count: int) -> bool:
        """Return whether so many may be chosen."""
        return count >= 1 if self is Choice.SOME else count <= 1

    def rule(self, rows: int) -> str:
        """Return what to write."""
        if self is Choice.SOME:
            return f"write numbers from 1 to {rows}, such as 1,{rows}"
        return f"write one number from 1 to {rows}, or nothing"


async def choose(
    azure: Azure, discovered: Discovered, person: Person, terminal: Terminal
) -> list[ManagedVault]:
    """Ask which vaults are served, and what the secrets of each may rotate."""
    if not discovered.vaults:
        raise NotFound(
            f"no Key Vault is in sight in the tenant {discovered.tenant}",
            fix="create one, or sign in as somebody who may read one",
        )
    terminal.line("Which vaults shall Rekey look after?")
    rows = [
        f"{vault.name}  (group {vault.group}, subscription {vault.subscription})"
        for vault in discovered.vaults
    ]
    chosen = _pick(person, terminal, rows)
    return [
        await _serve(azure, discovered, discovered.vaults[index], person, terminal)
        for index in chosen
    ]


async def choose_logs(
    azure: Azure,
    discovered: Discovered,
    vaults: Sequence[ManagedVault],
    person: Person,
    terminal: Terminal,
) -> str:
    """Ask which workspace has the logs of the storage accounts; return its id, empty for none.

    Nobody is asked where no key of theirs is served, or no workspace is in sight.
    """
    if not any(LOGGED in vault.kinds for vault in vaults):
        return ""
    ids = await workspaces(azure, discovered.subscriptions)
    if not ids:
        return ""
    terminal.line()
    terminal.line("Which Log Analytics workspace gets the logs of these storage accounts, if any?")
    terminal.line(
        "Before the first rotation of a key Rekey looks there for who uses the other one."
    )
    rows = [
        f"{name}  (group {group}, subscription {place})" for place, group, name in map(_parts, ids)
    ]
    chosen = _pick(person, terminal, rows, Choice.ONE_OR_NONE)
    return ids[chosen[0]] if chosen else ""


def _parts(workspace: str) -> tuple[str, str, str]:
    parts = workspace.split("/")
    return parts[2], parts[4], parts[-1]


async def _serve(
    azure: Azure, discovered: Discovered, vault: FoundVault, person: Person, terminal: Terminal
) -> ManagedVault:
    terminal.line()
    terminal.line(f"What may the secrets of {vault.name} rotate? Nothing outside is ever touched.")
    listed = await sources(azure, vault.subscription)
    scopes = _groups(listed)
    if not scopes:
        raise NotFound(
            f"nothing that Rekey can rotate is in sight in the subscription {vault.subscription}",
            where=vault.name,
            fix="name it with --scope, or sign in as somebody who may read it (Reader)",
        )
    rows = [f"{scope}  ({_content(listed, scope)})" for scope in scopes]
    chosen = [scopes[index] for index in _pick(person, terminal, rows)]
    kinds = _kinds(listed, chosen)
    if "sql-admin-password" in kinds:
        kinds = _with_sql(person, terminal, kinds)
    topic = discovered.topic_of(vault)
    if topic and topic.is_beside_vault:
        terminal.line(
            f"{vault.name} has the system topic {topic.name} already: a subscription is "
            "attached to it."
        )
    elif topic:
        terminal.line(
            f"{vault.name} has a system topic in another group: the hourly sweep finds what is due."
        )
    return ManagedVault(
        vault.name, vault.subscription, vault.group, tuple(chosen), tuple(kinds), topic
    )


def _with_sql(person: Person, terminal: Terminal, kinds: Sequence[str]) -> list[str]:
    """Ask before a right is given that is broader than a password."""
    terminal.line(
        "SQL servers are among them. Their passwords need the right to change a whole server."
    )
    if _yes(person, terminal, "May Rekey set their administrators' passwords? (y/n)"):
        return list(kinds)
    return [kind for kind in kinds if kind != "sql-admin-password"] or ["storage-key"]


def _groups(listed: Sequence[Credential]) -> list[str]:
    counted = Counter("/".join(credential.source.split("/")[:GROUP_PARTS]) for credential in listed)
    return [group for group, _ in counted.most_common()]


def _content(listed: Sequence[Credential], scope: str) -> str:
    kinds = Counter(
        credential.kind for credential in listed if credential.source.startswith(f"{scope}/")
    )
    return ", ".join(
        f"{count} {NAMES[kind]}{'s' if count > 1 else ''}" for kind, count in kinds.items()
    )


def _kinds(listed: Sequence[Credential], scopes: Sequence[str]) -> list[str]:
    inside = tuple(f"{scope}/" for scope in scopes)
    return sorted(
        {credential.kind for credential in listed if credential.source.startswith(inside)},
        reverse=True,
    )


def _pick(
    person: Person, terminal: Terminal, rows: Sequence[str], choice: Choice = Choice.SOME
) -> list[int]:
    """Let rows be chosen by their numbers; a wrong answer is asked again."""
    for number, row in enumerate(rows, 1):
        terminal.line(f"  {number}  {row}")
    while True:
        answer = _answer(person, choice.value)
        numbers = [part.strip() for part in answer.split(",") if part.strip()]
        if choice.allows(len(numbers)) and all(
            part.isascii() and part.isdigit() and 1 <= int(part) <= len(rows) for part in numbers
        ):
            return [int(part) - 1 for part in dict.fromkeys(numbers)]
        terminal.line(choice.rule(len(rows)))


def _yes(person: Person, terminal: Terminal, question: str) -> bool:
    while True:
        answer = _answer(person, f"{question} ").strip().lower()
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        terminal.line("write y or n")


def _answer(person: Person, question: str) -> str:
    try:
        return person.ask(question)
    except EOFError:
        raise RekeyError(
            "nobody answered, and nothing was written", fix="run it again where you can type"
        ) from None
