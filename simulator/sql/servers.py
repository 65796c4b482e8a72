"""The state of Azure SQL servers: who may sign in with what, and what T-SQL and Resource Manager change of it.

Texts and numbers of errors: https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
"""

from __future__ import annotations

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


@dataclass
class Account:
    """A login, or a user contained in one database: its name, and its passwords with when each begins to be accepted.

    The last password that has begun is the only one accepted, so an old one lives on while the new one spreads.
    """

    name: str
    passwords: list[tuple[datetime, str]]
    enabled: bool = True

    def accepts(self, password: str, now: datetime) -> bool:
        """Tell whether this is the password that holds now."""
        return self.password(now) == password

    def password(self, now: datetime) -> str:
        """Return the password that holds now."""
        return next(text for begins, text in reversed(self.passwords) if begins <= now)

    @property
    def newest(self) -> str:
        """The password that was set last, whether or not it has spread."""
        return self.passwords[-1][1]

    def set(self, password: str, begins: datetime) -> None:
        """Replace the password; one that never began is forgotten."""
        self.passwords = [*[entry for entry in self.passwords if entry[0] <= begins], (begins, password)]


@dataclass
class Database:
    """One database: users of logins, contained users with passwords, and what principals of Entra may do in it."""

    name: str
    login_users: set[str] = field(default_factory=set)
    contained: dict[str, Account] = field(default_factory=dict)
    granted: dict[str, set[str]] = field(default_factory=dict)
    """By object id: permissions, or in master the roles."""


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in. It stays signed in whatever becomes of the password."""

    server: SqlServer
    database: Database
    name: str
    rights: frozenset[str]


@dataclass
class Failure:
    """Why the next change through Resource Manager will be accepted and then fail."""

    code: str
    message: str


@dataclass
class SqlServer:
    """One logical server. Names are compared without case, as the usual collation does.

    `propagation` is how long databases take to learn a new password, `operation_time` how long a change through
    Resource Manager runs, `retry_after` the seconds that it asks pollers to wait, `next_failure` how the next one ends.
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
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/Microsoft.Sql/servers/{self.name}"

    def add_database(self, name: str) -> Database:
        """Add an empty database."""
        return self.databases.setdefault(name.casefold(), Database(name))

    def add_login(self, name: str, password: str, *databases: str) -> Account:
        """Add a login, with a user in these databases."""
        self.logins[name.casefold()] = Account(name, [(self.now(), password)])
        for database in databases:
            self.databases[database.casefold()].login_users.add(name.casefold())
        return self.logins[name.casefold()]

    def add_user(self, database: str, name: str, password: str) -> Account:
        """Add a user contained in a database."""
        account = Account(name, [(self.now(), password)])
        self.databases[database.casefold()].contained[name.casefold()] = account
        return account

    def grant(self, principal: Principal, right: str, database: str = MASTER) -> None:
        """Make a principal a user of a database, with a permission there or a role of master."""
        self.databases[database.casefold()].granted.setdefault(principal.oid, set()).add(right)

    def set_password(self, account: Account, password: str, after: timedelta = timedelta(0)) -> None:
        """Give an account a password, `after` so long and the propagation."""
        account.set(password, self.now() + after + self.propagation)

    def sign_in(self, database: str, name: str, password: str) -> Session:
        """Let somebody in with a password; raises SqlError."""
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
        admitted = account is self.administrator or name.casefold() in place.login_users | place.contained.keys()
        if not admitted:
            raise errors.no_user(place.name, name) if place.name == MASTER else errors.no_database(place.name, name)
        return Session(self, place, account.name, frozenset({"dbo"} if account is self.administrator else ()))

    def sign_in_as(self, database: str, principal: Principal) -> Session:
        """Let a principal of Entra in; raises SqlError."""
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
        if name.casefold() == self.administrator.name.casefold():
            return self.administrator
        contained = database.contained.get(name.casefold()) if database else None
        return contained or self.logins.get(name.casefold())

    def _check_firewall(self) -> None:
        if self.firewalled:
            raise errors.firewalled(self.name)


def weakness(password: str, name: str) -> str | None:
    """Return the code of what Azure has against a password; None where it takes it."""
    classes = (str.isupper, str.islower, str.isdigit, lambda char: not char.isalnum())
    present = sum(any(test(char) for char in password) for test in classes)
    if len(password) < 8:  # noqa: PLR2004
        return "PasswordTooShort"
    if len(password) > 128:  # noqa: PLR2004
        return "PasswordTooLong"
    return "PasswordNotComplex" if present < 3 or name.casefold() in password.casefold() else None  # noqa: PLR2004
