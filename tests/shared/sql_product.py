"""The whole product over a world with a SQL server and one secret of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.model import template
from engine.secret import Sensitive
from simulator.keyvault.state import SecretVersion
from simulator.sql.servers import ALTER_ANY_USER, LOGIN_MANAGER, Account, SqlServer
from tests.shared.rig import Rig
from tests.shared.sql_rig import ADMIN, FIRST, SQL_ACTIONS, TEMPLATE

SECOND = "S3cond-password-nobody-uses"
NAME = "sql-password"


class SqlProduct(Rig):
    """A rig whose world has the SQL server `orders` too, and whose app may rotate what is on it."""

    server: SqlServer

    def __post_init__(self) -> None:
        super().__post_init__()
        self.server = self.world.sql.add_server("orders", ADMIN, FIRST)
        self.server.add_database("shop")
        self.server.grant(self.identity, LOGIN_MANAGER)
        self.server.grant(self.identity, ALTER_ANY_USER, "shop")
        self.world.grant(
            self.identity, SQL_ACTIONS, self.server.resource_id.partition("/providers/")[0]
        )

    def put(self, tags: dict[str, str], value: str) -> SecretVersion:
        """Put the secret under management."""
        usual = {"ProviderAddress": self.server.resource_id, "ValidityPeriodDays": "90"}
        expires = self.clock.now() + timedelta(days=10)
        return self.vault.put(
            NAME, value, expires=expires, tags=usual | tags, content_type="text/plain"
        )

    def accounts(self) -> list[Account]:
        """Return everybody who can sign in to the server."""
        return [
            self.server.administrator,
            *self.server.logins.values(),
            *self.server.databases["shop"].contained.values(),
        ]

    def passwords(self) -> set[str]:
        """Return every password that the server takes or has taken."""
        return {text for account in self.accounts() for _, text in account.passwords}

    def accepted(self, version: SecretVersion) -> bool:
        """Return whether the server accepts what a version holds."""
        tags = version.tags or {}
        fields = template.extract(tags.get("ValueTemplate", "{password}"), Sensitive(version.value))
        user = tags.get("CredentialId", ADMIN)
        account = next(account for account in self.accounts() if account.name == user)
        return fields is not None and account.accepts(fields["password"].reveal(), self.clock.now())


@dataclass(frozen=True)
class Kind:
    """One strategy: how its secret is set up, and how many slots it has."""

    setup: Callable[[SqlProduct], Any]
    single: bool = True


def _admin(rig: SqlProduct) -> None:
    rig.put({}, FIRST)


def _login(rig: SqlProduct) -> None:
    rig.server.add_login("app", FIRST, "shop")
    rig.put({"CredentialId": "app", "Rotator": "sql-login-password"}, FIRST)


def _user(rig: SqlProduct) -> None:
    rig.server.add_user("shop", "app", FIRST)
    rig.put(
        {"CredentialId": "app", "ProviderAddress": f"{rig.server.resource_id}/databases/shop"},
        FIRST,
    )


def _two(rig: SqlProduct) -> None:
    rig.server.add_login("app_a", FIRST, "shop")
    rig.server.add_login("app_b", SECOND, "shop")
    value = TEMPLATE.format(server=rig.server.fqdn, database="shop", user="app_a", password=FIRST)
    tags = {
        "CredentialId": "app_a",
        "Logins": "app_a,app_b",
        "ValueTemplate": TEMPLATE,
        "Database": "shop",
    }
    rig.put(tags, value)


KINDS = {
    "an administrator": Kind(_admin),
    "a login": Kind(_login),
    "a contained user": Kind(_user),
    "two logins": Kind(_two, single=False),
}


def sql(kind: str = "a login") -> SqlProduct:
    """Return a rig with the secret of one strategy."""
    rig = SqlProduct()
    KINDS[kind].setup(rig)
    return rig
