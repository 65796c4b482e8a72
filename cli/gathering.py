"""Something from every vault, several vaults at a time; a vault that cannot be read does not hide the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from api.listing import every
from cli.codes import exit_of
from cli.session import AT_ONCE, Session
from engine.errors import RekeyError
from engine.model.entry import Entry
from engine.rotate.engine import Engine


@dataclass(frozen=True, slots=True)
class Gathered[T]:
    """What was found, and what kept a vault from being read."""

    found: Sequence[T]
    errors: Sequence[RekeyError]

    def worst(self, code: int) -> int:
        """Return the problems' exit code if there are any, else this one."""
        return max((exit_of(error) for error in self.errors), default=code)


async def gather[T](
    session: Session, vaults: Iterable[str], listing: Callable[[str], AsyncIterator[T]], *, tell: bool = True
) -> Gathered[T]:
    """List these vaults, and say on the error stream, if so asked, which of them could not be read."""
    found: list[T] = []
    errors: list[RekeyError] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(vault: str) -> None:
        async with turn:
            try:
                async for one in listing(vault):
                    found.append(one)
                    session.terminal.progress(f"{len(found)} secrets listed")
            except RekeyError as error:
                errors.append(error)

    await asyncio.gather(*map(look, vaults))
    session.terminal.progress("")
    for error in errors if tell else ():
        session.terminal.problem(error, exit_of(error))
    return Gathered(found, errors)


async def inventory(session: Session, engine: Engine, vaults: Iterable[str], *, tell: bool = True) -> Gathered[Entry]:
    """Say how every secret of these vaults stands, in the order of their names."""
    gathered = await gather(session, vaults, lambda vault: every(engine, [vault]), tell=tell)
    return Gathered(sorted(gathered.found, key=lambda one: str(one.secret.ref)), gathered.errors)
