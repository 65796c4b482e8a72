"""Something from every vault, several vaults at a time.

A vault that cannot be read does not hide the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from api.listing import compared, every
from cli.codes import exit_of
from cli.naming import short_name
from cli.plain import plain
from cli.session import AT_ONCE, Session
from cli.signed_in import explained
from engine.engine import Engine
from engine.errors import RekeyError
from engine.state.entry import Entry
from engine.state.index import StateIndex

PAGE = 25
"""Key Vault lists so many secrets in a call: how often progress is told."""
RECORDS = "records of the sources"
"""What is named in place of a vault where these could not be read."""


class NothingRead(Exception):  # noqa: N818
    """Not one vault could be read, and the problems have been told.

    There is nothing to show, not even a zero.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Unread:
    """A vault that could not be read, or the records."""

    vault: str
    error: RekeyError

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        error = plain(self.error)
        return {"vault": short_name(self.vault), "problem": error.what, "fix": error.fix}


@dataclass(frozen=True, slots=True)
class Gathered[T]:
    """What was found, and what kept a vault from being read."""

    found: Sequence[T]
    unread: Sequence[Unread] = ()

    def worst(self, code: int) -> int:
        """Return the problems' exit code if there are any, else this one."""
        return max((exit_of(missing.error) for missing in self.unread), default=code)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the vaults that are missing from the result, as data."""
        return [missing.to_json() for missing in self.unread]


async def gather[T](
    session: Session,
    vaults: Iterable[str],
    listing: Callable[[str], AsyncIterator[T]],
    *,
    tell: bool = True,
    seen: Callable[[T], None] | None = None,
) -> Gathered[T]:
    """List these vaults, and say on the error stream, if so asked, which of them could not be read.

    `seen` is called with everything as it comes. Raises NothingRead where no vault at all could be
    read.
    """
    items: list[T] = []
    unread: list[Unread] = []
    turn, chosen = asyncio.Semaphore(AT_ONCE), list(vaults)

    async def look(vault: str) -> None:
        async with turn:
            try:
                async for item in listing(vault):
                    items.append(item)
                    if seen:
                        seen(item)
                    elif len(items) % PAGE == 1:
                        session.terminal.progress(f"{len(items)} secrets listed")
            except RekeyError as error:
                unread.append(Unread(vault, error))

    await asyncio.gather(*map(look, chosen))
    session.terminal.progress("")
    if tell:
        await _tell(session, unread)
        if len(unread) == len(chosen):
            raise NothingRead(Gathered(items, unread).worst(0))
    return Gathered(items, unread)


def remember(session: Session, vaults: Iterable[str], gathered: Gathered[Entry]) -> None:
    """Keep the names of what was listed, for completion."""
    if session.names:
        unread = {missing.vault for missing in gathered.unread}
        refs = (entry.secret.ref for entry in gathered.found)
        session.names.keep([vault for vault in vaults if vault not in unread], refs)


async def _tell(session: Session, unread: Sequence[Unread]) -> None:
    """Say what went wrong, once where it is the same for several vaults."""
    for error in {str(plain(missing.error)): missing.error for missing in unread}.values():
        session.terminal.problem(await explained(error, session.azure), exit_of(error))


async def records(session: Session, engine: Engine) -> tuple[StateIndex, Sequence[Unread]]:
    """Read what the records say of all secrets, and say on the error stream what prevents it.

    Tags alone do not tell what has leaked, or was left at a source.
    """
    try:
        return await StateIndex.read(engine.leases.index()), ()
    except RekeyError as error:
        unread = [Unread(RECORDS, error)]
        await _tell(session, unread)
        return StateIndex({}, unread=True), unread


async def inventory(
    session: Session,
    engine: Engine,
    vaults: Iterable[str],
    index: StateIndex | None = None,
    *,
    tell: bool = True,
) -> Gathered[Entry]:
    """Say how every secret of these vaults stands, in the order of their names."""
    chosen = list(vaults)
    known, lacking = (index, ()) if index else await records(session, engine)
    gathered = await gather(session, chosen, lambda vault: every(engine, [vault], known), tell=tell)
    remember(session, chosen, gathered)
    unread = {missing.vault for missing in gathered.unread}
    entries = compared(gathered.found, {*chosen} - unread)
    return Gathered(
        sorted(entries, key=lambda entry: str(entry.secret.ref)), [*gathered.unread, *lacking]
    )
