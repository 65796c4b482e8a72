"""A Flexible Server of each engine whose passwords the vault holds, by strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from engine.contract import Job
from engine.secret import Sensitive
from engine.state import template
from rotators.mysql_admin_password import MysqlAdminPassword
from rotators.mysql_user_password import MysqlUserPassword
from rotators.postgresql_admin_password import PostgresqlAdminPassword
from rotators.postgresql_role_password import PostgresqlRolePassword
from simulator.databases.servers import EngineName, FlexibleServer
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept
from simulator.sql.servers import Account
from tests.shared.rig import Rig, RigClock

type Password = (
    PostgresqlAdminPassword | PostgresqlRolePassword | MysqlAdminPassword | MysqlUserPassword
)
type Kind = type[Password]
KINDS: Mapping[tuple[EngineName, bool], Kind] = {
    ("postgresql", True): PostgresqlAdminPassword,
    ("postgresql", False): PostgresqlRolePassword,
    ("mysql", True): MysqlAdminPassword,
    ("mysql", False): MysqlUserPassword,
}
ADMIN = "dbadmin"
FIRST = "F1rst-password-nobody-uses"
SECOND = "S3cond-password-nobody-uses"
NAME = "database-password"
TEMPLATE = "host={server};database={database};user={user};password={password}"
WRONG = "W" * 38 + "-1"


def actions(engine: EngineName, *, is_admin: bool) -> tuple[str, ...]:
    """Return what a kind's role permits."""
    provider = {
        "postgresql": "Microsoft.DBforPostgreSQL/flexibleServers",
        "mysql": "Microsoft.DBforMySQL/flexibleServers",
    }[engine]
    return (
        f"{provider}/read",
        *([f"{provider}/write"] if is_admin else []),
        *([f"{provider}/configurations/read"] if engine == "mysql" else []),
    )


@dataclass
class DatabaseScene:
    """The server `orders`, of which the vault holds one account's password."""

    engine: EngineName
    logins: tuple[str, ...] = ()
    """None for the administrator; the first one is held."""
    rig: Rig = field(default_factory=Rig)
    server: FlexibleServer = field(init=False)
    source_name: str = "orders"
    database: str = "shop"
    """What the value of two logins names."""

    def __post_init__(self) -> None:
        self.server = self.rig.world.databases.add_server(self.engine, "orders", ADMIN, FIRST)
        self.server.operators[self.rig.identity.name] = self.rig.identity.oid
        for login, password in zip(self.logins, (FIRST, SECOND), strict=False):
            self.server.add_account(login, password)
        granted = actions(self.engine, is_admin=not self.logins)
        self.rig.world.grant(self.rig.identity, granted, self.server.resource_id)

    @property
    def kind(self) -> Kind:
        return KINDS[self.engine, not self.logins]

    @property
    def accounts(self) -> list[Account]:
        """The accounts whose passwords are rotated."""
        if not self.logins:
            return [self.server.administrator]
        return [account for login in self.logins if (account := self.server.accounts.get(login))]

    @property
    def tags(self) -> dict[str, str]:
        tags = {
            "ProviderAddress": self.server.resource_id,
            "CredentialId": self.logins[0] if self.logins else ADMIN,
        }
        if len(self.logins) > 1:
            return tags | {"Logins": ",".join(self.logins), "ValueTemplate": TEMPLATE}
        return tags | ({"Rotator": self.kind.kind} if self.logins else {})

    def rotator(self, intercept: Intercept | None = None, **changes: Any) -> Password:
        named = {"identity_name": self.rig.identity.name, **changes}
        return self.kind(self.rig.azure(intercept, **named), RigClock(self.rig.clock))

    def job(self, **changes: Any) -> Job:
        tags = {**self.tags, **changes.pop("tags", {})}
        source = self.kind.canonical(tags["ProviderAddress"], tags) or ""
        usual = self.rig.job_of(source, tags["CredentialId"], FIRST, options=tags)
        return replace(usual, **changes)

    def live(self) -> set[str]:
        return {account.newest for account in self.accounts}

    def value(self, credential_id: str) -> str:
        return next(account.newest for account in self.accounts if account.name == credential_id)

    def spread_slowly(self, seconds: float) -> None:
        self.server.propagation = timedelta(seconds=seconds)

    def vanish(self) -> None:
        """Delete what issues the credential: the logins, or with its administrator the server."""
        self.server.accounts.clear()
        self.server.is_gone = not self.logins

    def manage(self) -> SecretVersion:
        """Put the secret under management, due in a few days."""
        value, tags = FIRST, self.tags | {"ValidityPeriodDays": "90"}
        if len(self.logins) > 1:
            tags["Database"] = self.database
            names = {"server": self.server.fqdn, "database": self.database, "user": self.logins[0]}
            value = TEMPLATE.format(**names, password=FIRST)
        expires = self.rig.clock.now() + timedelta(days=10)
        return self.rig.vault.put(
            NAME, value, expires=expires, tags=tags, content_type="text/plain"
        )

    def accepted(self, version: SecretVersion) -> bool:
        """Return whether the server accepts what a version holds."""
        tags = version.tags or {}
        fields = template.extract(
            tags.get("ValueTemplate", "{password}"), Sensitive(version.value or "")
        )
        login = tags.get("CredentialId", ADMIN)
        account = next(account for account in self.accounts if account.name == login)
        return fields is not None and account.accepts(
            fields["password"].reveal(), self.rig.clock.now()
        )

    def planted(self) -> set[str]:
        """Return every password that there has been."""
        everybody = [self.server.administrator, *self.server.accounts.values()]
        return {text for account in everybody for _, text in account.passwords}


SCENES: Mapping[str, tuple[EngineName, tuple[str, ...]]] = {
    "postgresql-admin-password": ("postgresql", ()),
    "postgresql-role-password": ("postgresql", ("app",)),
    "postgresql-role-password of two roles": ("postgresql", ("app_a", "app_b")),
    "mysql-admin-password": ("mysql", ()),
    "mysql-user-password": ("mysql", ("app",)),
    "mysql-user-password of two users": ("mysql", ("app_a", "app_b")),
}
