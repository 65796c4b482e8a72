"""The whole product over a world with a SQL server and one secret of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from engine.secret import Sensitive
from engine.state import template
from simulator.keyvault.state import SecretVersion
from simulator.sql.servers import Account, SqlServer
from tests.shared.rig import Rig
from tests.shared.sql_rig import ADMIN, SQL_ACTIONS, add_server, rotated

NAME = "sql-password"


class SqlProduct(Rig):
    """A rig whose world has the SQL server `orders` too, and whose app may rotate what is on it."""

    server: SqlServer

    def __post_init__(self) -> None:
        super().__post_init__()
        self.server = add_server(self.world, self.identity)
        group = self.server.resource_id.partition("/providers/")[0]
        self.world.grant(self.identity, SQL_ACTIONS, group)

    def put(self, tags: dict[str, str], value: str) -> SecretVersion:
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
    """One strategy, and how many slots it has."""

    name: str
    single: bool = True

    def setup(self, rig: SqlProduct) -> None:
        """Put a secret of it under management."""
        held = rotated(rig.server, self.name)
        rig.put(held.tags, held.value)


KINDS = {
    "an administrator": Kind("admin"),
    "a login": Kind("login"),
    "a contained user": Kind("user"),
    "two logins": Kind("two logins", single=False),
}


def sql(kind: str = "a login") -> SqlProduct:
    """Return a rig with the secret of one strategy."""
    rig = SqlProduct()
    KINDS[kind].setup(rig)
    return rig
