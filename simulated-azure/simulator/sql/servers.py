"""The state of Azure SQL servers: who may sign in, and what T-SQL and Resource Manager change.

Texts and numbers of errors:
https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.clock import utc_now
from simulator.sql import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.identity import Principal

MASTER = "master"
LOGIN_MANAGER = "loginmanager"
ALTER_ANY_USER = "ALTER ANY USER"


def folded(name: str) -> str:
    """Return what the default collation tells a name by: neither its case nor its width."""
    return unicodedata.normalize("NFKC", name).casefold()


@dataclass
class Account:
    """A login, or a user contained in one database.

    Each password has the time from which it is accepted. Only the last password whose time has come
    is accepted, so an old one works until the new one has spread.
    """

    name: str
    passwords: list[tuple[datetime, str]]
    enabled: bool = True
    expired: bool = False
    """Of PostgreSQL: VALID UNTIL has passed."""

    def accepts(self, password: str, now: datetime) -> bool:
        """Return whether this is the currently accepted password."""
        return self.password(now) == password

    def password(self, now: datetime) -> str:
        """Return the currently accepted password."""
        return next(text for begins, text in reversed(self.passwords) if begins <= now)

    @property
    def newest(self) -> str:
        """The password that was set last, even if it has not spread yet."""
        return self.passwords[-1][1]

    def set(self, password: str, begins: datetime) -> None:
        """Replace the password; one that was never accepted is forgotten."""
        self.passwords = [
            *[entry for entry in self.passwords if entry[0] <= begins],
            (begins, password),
        ]


@dataclass
class Database:
    """One database: login users, contained users with passwords, and Entra permissions."""

    name: str
    login_users: set[str] = field(default_factory=set)
    contained: dict[str, Account] = field(default_factory=dict)
    granted: dict[str, set[str]] = field(default_factory=dict)
    """By object id: permissions, or roles in master."""


@dataclass(frozen=True)
class Session:
    """A signed-in caller. It stays signed in when the password changes."""

    server: SqlServer
    database: Database
    name: str
    rights: frozenset[str]


@dataclass
class Failure:
    """Why the next change through Resource Manager is accepted and then fails."""

    code: str
    message: str


@dataclass
class SqlServer:
    """One logical server.

    Names are compared without case and width, as in the default collation. `propagation` is how long
    databases take to learn a new password. `operation_time` is how long a change through Resource
    Manager runs. `retry_after` is how many seconds pollers are asked to wait. `next_failure` is how
    the next change fails.
    """

    name: str
    subscription: str
    group: str
    administrator: Account
    location: str = "westeurope"
    fqdn: str = ""
    entra_only: bool = False
    entra_admin: str | None = None
    propagation: timedelta = timedelta(0)
    operation_time: timedelta = timedelta(seconds=1)
    retry_after: int | None = None
    next_failure: Failure | None = None
    firewalled: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    logins: dict[str, Account] = field(default_factory=dict)
    databases: dict[str, Database] = field(default_factory=dict)
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self.fqdn = self.fqdn or f"{self.name}.database.windows.net"
        self.databases[MASTER] = Database(MASTER)

    @property
    def resource_id(self) -> str:
        """The server's ARM id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.Sql/servers/{self.name}"

    def add_database(self, name: str) -> Database:
        """Add an empty database."""
        return self.databases.setdefault(name.casefold(), Database(name))

    def add_login(self, name: str, password: str, *databases: str) -> Account:
        """Add a login, with a user in these databases."""
        self.logins[folded(name)] = Account(name, [(self.now(), password)])
        for database in databases:
            self.databases[database.casefold()].login_users.add(folded(name))
        return self.logins[folded(name)]

    def add_user(self, database: str, name: str, password: str) -> Account:
        """Add a user contained in a database."""
        account = Account(name, [(self.now(), password)])
        self.databases[database.casefold()].contained[folded(name)] = account
        return account

    def grant(self, principal: Principal, right: str, database: str = MASTER) -> None:
        """Make a principal a user of a database, with a permission there or a role in master."""
        self.databases[database.casefold()].granted.setdefault(principal.oid, set()).add(right)

    def set_password(
        self, account: Account, password: str, after: timedelta = timedelta(0)
    ) -> None:
        """Set an account's password, accepted after `after` and the propagation."""
        account.set(password, self.now() + after + self.propagation)

    def sign_in(self, database: str, name: str, password: str) -> Session:
        """Sign a caller in with a password; raise SqlError."""
        self._check_firewall()
        if self.entra_only:
            raise errors.entra_only(name)
        place = self.databases.get(database.casefold())
        account = self._account(place, name)
        if account is None or not account.accepts(password, self.now()):
            raise errors.login_failed(name)
        if not account.enabled:
            raise errors.disabled(name)
        if place is None:
            raise errors.no_database(database, name)
        admitted = (
            account is self.administrator
            or folded(name) in place.login_users | place.contained.keys()
        )
        if not admitted:
            raise (
                errors.no_user(place.name, name)
                if place.name == MASTER
                else errors.no_database(place.name, name)
            )
        return Session(
            self, place, account.name, frozenset({"dbo"} if account is self.administrator else ())
        )

    def sign_in_as(self, database: str, principal: Principal) -> Session:
        """Sign an Entra principal in; raise SqlError."""
        self._check_firewall()
        place = self.databases.get(database.casefold())
        if place is None:
            raise errors.no_database(database, errors.BY_TOKEN)
        if principal.oid == self.entra_admin:
            return Session(self, place, principal.name, frozenset({"dbo"}))
        if principal.oid not in place.granted:
            raise errors.login_failed(errors.BY_TOKEN)
        return Session(self, place, principal.name, frozenset(place.granted[principal.oid]))

    def _account(self, database: Database | None, name: str) -> Account | None:
        if folded(name) == folded(self.administrator.name):
            return self.administrator
        contained = database.contained.get(folded(name)) if database else None
        return contained or self.logins.get(folded(name))

    def _check_firewall(self) -> None:
        if self.firewalled:
            raise errors.firewalled(self.name)


def weakness(password: str, name: str) -> str | None:
    """Return the code of Azure's objection to a password; None if it is accepted."""
    classes = (str.isupper, str.islower, str.isdigit, lambda char: not char.isalnum())
    present = sum(any(test(char) for char in password) for test in classes)
    if len(password) < 8:  # noqa: PLR2004
        return "PasswordTooShort"
    if len(password) > 128:  # noqa: PLR2004
        return "PasswordTooLong"
    return "PasswordNotComplex" if present < 3 or name.casefold() in password.casefold() else None  # noqa: PLR2004
