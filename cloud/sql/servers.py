"""The calls to database servers, whichever driver makes them."""

from __future__ import annotations

from typing import Any, Protocol

from engine.secret import Sensitive

type Row = tuple[Any, ...]


class SqlServers(Protocol):
    """Database servers by their names in connection strings. All methods raise only RekeyErrors."""

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        """Sign in once, on a new connection; raises VerificationFailed for a refused password."""
        ...

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> Row:
        """Run a statement once under an access token; return its first row, perhaps empty."""
        ...
