"""The state of Flexible Servers: who may sign in, and who may set whose password.

What the servers refuse follows real PostgreSQL and MariaDB servers; tests hold both against each
other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from simulator.clock import utc_now
from simulator.sql.servers import Account, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

type EngineName = Literal["postgresql", "mysql"]
ANYWHERE = "@%"
"""How MySQL completes the name of an account without a host."""


def user_and_host(name: str) -> tuple[str, str]:
    """Return the parts of an account of MySQL; one without a host signs in from everywhere."""
    user, at, host = name.rpartition("@")
    return (user, host) if at else (name, "%")


def specificity(name: str) -> tuple[bool, int]:
    """Return how specific the host of an account is: the one with the most specific host signs in.

    https://dev.mysql.com/doc/refman/8.4/en/connection-access.html
    """
    host = user_and_host(name)[1]
    return not {*host} & {*"%_"}, len(host)


VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<rounds>\d+):(?P<salt>[^$]+)\$(?P<stored>[^:]+):.+")


def is_kept(kept: str, password: str) -> bool:
    """Return whether a server that keeps this text knows the password.

    It is the password, or the verifier that PostgreSQL keeps in its place (RFC 5802).
    """
    match = VERIFIER.fullmatch(kept)
    if match is None:
        return kept == password
    salt, rounds = base64.b64decode(match["salt"]), int(match["rounds"])
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64encode(stored).decode() == match["stored"]


class DatabaseRefusal(Exception):  # noqa: N818 - the server refuses
    """What a server refuses, by its name in cloud/databases/problems.py, or `gone`."""


@dataclass
class FlexibleServer:
    """One server. `operators` maps the names of Entra users to object ids and to whom they may alter.

    `propagation`, `operation_time`, `retry_after` and `next_failure` are those of SqlServer.
    """

    engine: EngineName
    name: str
    subscription: str
    group: str
    administrator: Account
    fqdn: str
    location: str = "westeurope"
    state: str = "Ready"
    password_auth: bool = True
    is_replica: bool = False
    is_gone: bool = False
    firewalled: bool = False
    propagation: timedelta = timedelta(0)
    operation_time: timedelta = timedelta(seconds=1)
    retry_after: int | None = None
    next_failure: Failure | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    closed_to: set[str] = field(default_factory=set)
    """Accounts that may not open the database that everybody signs in to."""
    operators: dict[str, str] = field(default_factory=dict)
    alterable: set[str] | None = None
    """Which accounts operators may alter; None for all."""
    now: Callable[[], datetime] = utc_now

    @property
    def provider(self) -> str:
        """The type of resource."""
        namespace = {"postgresql": "Microsoft.DBforPostgreSQL", "mysql": "Microsoft.DBforMySQL"}
        return f"{namespace[self.engine]}/flexibleServers"

    @property
    def resource_id(self) -> str:
        """The server's ARM id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{self.provider}/{self.name}"

    def add_account(self, name: str, password: str) -> Account:
        """Add a role or a user."""
        account = Account(name, [(self.now(), password)])
        self.accounts[name.removesuffix(ANYWHERE)] = account
        return account

    def set_password(
        self, account: Account, password: str, after: timedelta = timedelta(0)
    ) -> None:
        """Set an account's password, accepted after `after` and the propagation."""
        account.set(password, self.now() + after + self.propagation)

    def sign_in(self, name: str, password: str) -> None:
        """Sign a caller in with a password; raise DatabaseRefusal."""
        self._check_reach()
        account = self._account(name)
        if (
            not self.password_auth
            or not account
            or account.expired
            or not is_kept(account.password(self.now()), password)
        ):
            raise DatabaseRefusal("refused")
        if not account.enabled:
            raise DatabaseRefusal("disabled")
        if name in self.closed_to:
            raise DatabaseRefusal("no_database")

    def sign_in_as(self, name: str, oid: str | None) -> None:
        """Sign an Entra principal in under its user's name; raise DatabaseRefusal."""
        self._check_reach()
        if oid is None or self.operators.get(name) != oid:
            raise DatabaseRefusal("app_refused")

    def alter(self, name: str, password: str | None) -> None:
        """Set a password, or with None only see whether that could be done.

        Raise DatabaseRefusal.
        """
        account = self.accounts.get(name.removesuffix(ANYWHERE))
        if account is None:
            raise DatabaseRefusal("no_login")
        if password is None and self.engine == "postgresql":
            if account.expired or not account.enabled:
                raise DatabaseRefusal("disabled")
        elif password is None and self.alike(name):
            raise DatabaseRefusal("several")
        if self.alterable is not None and name not in self.alterable:
            raise DatabaseRefusal("may_not_alter")
        if self.is_replica:
            raise DatabaseRefusal("read_only")
        if password is not None:
            self.set_password(account, password)

    def _account(self, name: str) -> Account | None:
        if name == self.administrator.name:
            return self.administrator
        if self.engine == "mysql":
            name = max(self._of_user(name), key=specificity, default="")
        return self.accounts.get(name.removesuffix(ANYWHERE))

    def alike(self, name: str) -> bool:
        """Return whether a user of MySQL has several accounts. Here all let every client in."""
        return len(self._of_user(name)) > 1

    def _of_user(self, name: str) -> list[str]:
        user = user_and_host(name)[0]
        return [known for known in self.accounts if user_and_host(known)[0] == user]

    def _check_reach(self) -> None:
        if self.is_gone or self.state == "Stopped":
            raise DatabaseRefusal("unreached")
        if self.firewalled:
            raise DatabaseRefusal("firewall")
