"""The calls to PostgreSQL and MySQL servers, whichever driver makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.secret import Sensitive


@dataclass(frozen=True, slots=True)
class Operator:
    """Who changes passwords: the app's identity, by its name in the database and its token."""

    name: str
    token: Sensitive


class SignsIn(Protocol):
    """Servers of one engine, by host name, perhaps with a port. All methods raise only RekeyErrors.

    A `login` is a PostgreSQL role, or a MySQL account in the form user@host (user alone means
    user@%), or a user of Redis.
    """

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Sign in once, on a new connection; raises VerificationFailed for a refused password."""
        ...


class DatabaseServers(SignsIn, Protocol):
    """Servers whose passwords the app's identity sets."""

    async def rehearse(self, server: str, operator: Operator, login: str) -> None:
        """Do all that setting a password takes, and keep nothing of it.

        Raises what would stand in the way: no such login, no right to alter it, a replica that
        only reads, a login that may not sign in.
        """
        ...

    async def set_password(
        self, server: str, operator: Operator, login: str, password: Sensitive
    ) -> None:
        """Set a login's password, once.

        After a TransientError it may or may not have taken effect.
        """
        ...
