"""The whole product over a world with a SQL server, one secret, and the promises that are made about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cloud.azure import Azure
from engine.model import template
from engine.model.tags import RETIRE, Pending
from engine.service import Service
from rotators import registry
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept, SimulatedCredential, SimulatedTransport
from simulator.sql.in_process import SimulatedSqlServers
from simulator.sql.servers import ALTER_ANY_USER, LOGIN_MANAGER, Account, SqlServer
from tests.shared.promises import Broken
from tests.shared.rig import Rig, RigClock
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

    def service(self, intercept: Intercept | None = None) -> Service:
        """Start the app, with servers in process in place of Microsoft's driver."""
        built = super().service(intercept)
        azure = Azure(
            SimulatedCredential(self.world, self.identity),
            options={"transport": SimulatedTransport(self.world, intercept)},
            sql=SimulatedSqlServers(self.world, intercept),
        )
        return replace(
            built,
            engine=replace(built.engine, rotators=registry.build(azure, RigClock(self.clock))),
        )

    def put(self, tags: dict[str, str], value: str) -> SecretVersion:
        """Put the secret under management."""
        usual = {"ProviderAddress": self.server.resource_id, "ValidityPeriodDays": "90"}
        expires = self.clock.now() + timedelta(days=10)
        return self.vault.put(
            NAME, value, expires=expires, tags=usual | tags, content_type="text/plain"
        )


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


@dataclass
class SqlPromises:
    """Watches the secret and its server. `instant` is called after every call, `finally_` at the end."""

    rig: SqlProduct
    kind: Kind
    known: set[str] = field(default_factory=set)
    planted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = {version.version for version in self.rig.vault.versions(NAME)}
        self.instant()

    def instant(self) -> None:
        """Check what must hold at every moment."""
        versions = self.rig.vault.versions(NAME)
        self.planted |= {text for account in self.accounts() for _, text in account.passwords}
        if not self.kind.single and not self.accepted(versions[-1]):
            raise Broken("P1: the current version is not accepted")
        for version in versions:
            if version.version not in self.known and not self.accepted(version):
                raise Broken("P3: a version was published that the server does not accept")
        self.known |= {version.version for version in versions}
        self._nothing_cut_off({version.version: version for version in versions})
        if not versions[-1].enabled:
            raise Broken("the latest version is disabled")

    def finally_(self, versions: int) -> None:
        """Check what must hold once nothing is left to do."""
        self.instant()
        found = self.rig.vault.versions(NAME)
        if not self.accepted(found[-1]):
            raise Broken("P1: the current version is not accepted in the end")
        if len(found) != versions:
            raise Broken(f"P2: {len(found)} versions instead of {versions}")

    def nothing_left(self) -> None:
        """Check, after the overlap, that only the current credential is alive and only its version enabled."""
        *old, current = self.rig.vault.versions(NAME)
        if any(self.accepted(version) for version in old):
            raise Broken("P5: a superseded password is alive")
        if not self.kind.single and any(version.enabled for version in old):
            raise Broken("P5: a version whose password was retired is still enabled")
        if RETIRE in (current.tags or {}):
            raise Broken("P5: something is still to be retired")

    def accounts(self) -> list[Account]:
        """Return everybody who can sign in to the server."""
        server = self.rig.server
        return [
            server.administrator,
            *server.logins.values(),
            *server.databases["shop"].contained.values(),
        ]

    def accepted(self, version: SecretVersion) -> bool:
        """Tell whether the server accepts what a version holds."""
        tags = version.tags or {}
        fields = template.extract(
            tags.get("ValueTemplate", "{password}"), _sensitive(version.value)
        )
        user = tags.get("CredentialId", ADMIN)
        account = next(each for each in self.accounts() if each.name == user)
        return fields is not None and account.accepts(
            fields["password"].reveal(), self.rig.clock.now()
        )

    def _nothing_cut_off(self, by_id: dict[str, SecretVersion]) -> None:
        for version in by_id.values():
            if RETIRE in (version.tags or {}):
                pending = Pending.parse((version.tags or {})[RETIRE])
                old = by_id[pending.version]
                if self.rig.clock.now() < pending.at and not (self.accepted(old) and old.enabled):
                    raise Broken("P4: a password was cut off inside its overlap")


def _sensitive(value: str) -> Any:
    from engine.secret import Sensitive

    return Sensitive(value)
