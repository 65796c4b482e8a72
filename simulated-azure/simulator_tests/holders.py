"""Secrets of a vault, and whether their sources accept what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulator.entra.directory import Application
from simulator.keyvault.state import SecretVersion, Vault
from simulator.sql.servers import Account
from simulator.storage.accounts import StorageAccount

PASSWORD = re.compile(r"User ID=(?P<user>[^;]*);Password=(?P<password>.*)")


@dataclass(frozen=True)
class Secret:
    """One secret in one vault.

    `accepts` tells whether its source accepts what a value holds, now.
    """

    vault: Vault
    name: str
    accepts: Callable[[str], bool] = lambda _: True

    @property
    def url(self) -> str:
        """How tags name this secret."""
        return f"{self.vault.url}/secrets/{self.name}"

    @property
    def current(self) -> SecretVersion:
        """The newest version."""
        version = self.vault.latest(self.name)
        assert version is not None
        return version

    @property
    def versions(self) -> list[SecretVersion]:
        """All versions, oldest first."""
        return self.vault.versions(self.name)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the newest version."""
        return dict(self.current.tags or {})

    @property
    def works(self) -> bool:
        """Whether the source accepts what consumers read."""
        return self.current.enabled and self.accepts(self.current.value)

    def version(self, version: str) -> SecretVersion:
        """Return one version as it is now."""
        return next(candidate for candidate in self.versions if candidate.version == version)


def of_account(account: StorageAccount) -> Callable[[str], bool]:
    """Return what tells whether a value holds a key of this account."""
    return lambda value: any(key.value in value for key in account.accepted_keys())


def of_application(application: Application, now: Callable[[], datetime]) -> Callable[[str], bool]:
    """Return what tells whether an application can sign in with a value."""

    def accepts(value: str) -> bool:
        alive = application.passwords(now())
        return any(
            password.secret == value and password.start <= now() < password.end
            for password in alive
        )

    return accepts


def of_logins(now: Callable[[], datetime], *accounts: Account) -> Callable[[str], bool]:
    """Return what tells whether one of these accounts takes the password in a value."""

    def accepts(value: str) -> bool:
        parts = PASSWORD.search(value)
        password = parts["password"] if parts else value
        named = [account for account in accounts if not parts or account.name == parts["user"]]
        return any(account.enabled and account.accepts(password, now()) for account in named)

    return accepts
