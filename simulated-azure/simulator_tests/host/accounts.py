"""Azurite with many accounts, so that every host under test has a storage account of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulator_tests.azurite import ACCOUNT, KEY, start_azurite

_NAMES = [f"account{number}" for number in range(90)]


@dataclass
class Accounts:
    """The accounts of one running server."""

    _connection: str
    _free: list[str] = field(default_factory=lambda: list(_NAMES))

    def fresh(self) -> str:
        """Return the connection string of an account that nobody has used yet."""
        return self._connection.replace(ACCOUNT, self._free.pop())


@contextlib.contextmanager
def run_accounts() -> Iterator[Accounts]:
    """Run the server until the end of the block; all accounts have the same key."""
    accounts = ";".join(f"{name}:{KEY}" for name in _NAMES)
    with start_azurite(accounts) as connection:
        yield Accounts(connection)
