"""What is asked of database servers, whichever driver reaches them."""

from __future__ import annotations

from typing import Any, Protocol

from engine.secret import Sensitive

type Row = tuple[Any, ...]


class SqlServers(Protocol):
    """Database servers by name, as a connection string names them. Every method raises RekeyErrors only."""

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        """Sign in once, on a connection of its own; VerificationFailed where the server refuses the password."""
        ...

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> Row:
        """Run one statement under an access token, once; return its first row, empty where it gives none."""
        ...
