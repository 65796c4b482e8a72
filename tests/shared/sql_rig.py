"""A world with one SQL server and the two rotators over it, in process and in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cloud.azure import Azure
from engine.contract import Issued, Job
from engine.secret import Sensitive
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from simulator import azure as simulated
from simulator.clock import VirtualClock
from simulator.databases.servers import FlexibleServer
from simulator.identity import Principal
from simulator.reach.transport import (
    Intercept,
    SimulatedCredential,
    SimulatedTransport,
    forget_challenges,
)
from simulator.sql.servers import ALTER_ANY_USER, LOGIN_MANAGER, Account, SqlServer
from simulator.world import Domains
from tests.shared.rig import RigClock
from tests.shared.simulated_sql import SimulatedSqlServers

ADMIN = "sqladmin"
FIRST, SECOND = "F1rst-password-nobody-uses", "S3cond-password-nobody-uses"
SQL_ACTIONS = (
    "Microsoft.Sql/servers/read",
    "Microsoft.Sql/servers/write",
    "Microsoft.Sql/servers/azureADOnlyAuthentications/read",
)
"""What the template's role permits, and no more."""
TEMPLATE = "Server={server};Database={database};User ID={user};Password={password}"


def may_watch(
    world: simulated.Azure, identity: Principal, server: SqlServer | FlexibleServer
) -> None:
    """Let an identity follow changes of a server to their end, which the template grants nobody."""
    subscription, provider = server.resource_id.split("/resourceGroups/")
    namespace = provider.split("/")[2]
    world.grant(identity, (f"{namespace}/locations/*/read",), subscription)


def add_server(world: simulated.Azure, identity: Principal) -> SqlServer:
    """Add the server `orders` with the database `shop`, whose logins and users the app may alter."""
    server = world.sql.add_server("orders", ADMIN, FIRST)
    server.add_database("shop")
    server.grant(identity, LOGIN_MANAGER)
    server.grant(identity, ALTER_ANY_USER, "shop")
    return server


@dataclass(frozen=True)
class Rotated:
    """Accounts of a server whose passwords are rotated, the one held first, and their secret."""

    accounts: list[Account]
    tags: dict[str, str]
    value: str = FIRST


def rotated(server: SqlServer, kind: str) -> Rotated:
    """Return the `admin` of a server, or one `login`, a contained `user`, or `two logins` there."""
    address = {"ProviderAddress": server.resource_id}
    if kind == "admin":
        return Rotated([server.administrator], address)
    if kind == "login":
        login = server.logins.get("app") or server.add_login("app", FIRST, "shop")
        return Rotated([login], address | {"CredentialId": "app", "Rotator": SqlLoginPassword.kind})
    if kind == "user":
        contained = {"ProviderAddress": f"{server.resource_id}/databases/shop"}
        user = server.databases["shop"].contained.get("app") or server.add_user(
            "shop", "app", FIRST
        )
        return Rotated([user], contained | {"CredentialId": "app"})
    logins = {"app_a": FIRST, "app_b": SECOND}
    tags = {"CredentialId": "app_a", "Logins": "app_a,app_b", "Database": "shop"}
    return Rotated(
        [server.add_login(name, password, "shop") for name, password in logins.items()],
        address | tags | {"ValueTemplate": TEMPLATE},
        TEMPLATE.format(server=server.fqdn, database="shop", user="app_a", password=FIRST),
    )


@dataclass
class SqlRig:
    """The server `orders` with the database `shop`, and an app with the rights that it needs."""

    intercept: Intercept | None = None
    domains: Domains | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)
    world: simulated.Azure = field(init=False)
    server: SqlServer = field(init=False)
    identity: Principal = field(init=False)

    def __post_init__(self) -> None:
        forget_challenges()
        self.world = simulated.build_world(self.clock.now, self.domains)
        self.identity = self.world.add_principal("rekey")
        self.server = add_server(self.world, self.identity)
        group = self.server.resource_id.partition("/providers/")[0]
        self.world.grant(self.identity, SQL_ACTIONS, group)

    def azure(self, **changes: Any) -> Azure:
        """Return the app's own view of Azure."""
        options: dict[str, Any] = {
            "credential": SimulatedCredential(self.world, self.identity),
            "arm_endpoint": f"https://{self.world.domains.arm}",
            "options": {"transport": SimulatedTransport(self.world, self.intercept)},
            "sql": SimulatedSqlServers(self.world, self.intercept),
        }
        return Azure(**{**options, **changes})

    def admin(self, **changes: Any) -> SqlAdminPassword:
        """Return the rotator of administrators' passwords, in a fresh process."""
        return SqlAdminPassword(self.azure(**changes), RigClock(self.clock))

    def login(self, **changes: Any) -> SqlLoginPassword:
        """Return the rotator of logins' passwords, in a fresh process."""
        return SqlLoginPassword(self.azure(**changes), RigClock(self.clock))

    def tags(self, **changes: str) -> dict[str, str]:
        """Return the owner's tags of a secret for this server."""
        return {"ProviderAddress": self.server.resource_id, **changes}

    def job(
        self,
        rotator: SqlAdminPassword | SqlLoginPassword,
        tags: Mapping[str, str],
        held: str | None = None,
        *,
        proven: bool = False,
        in_place: bool = False,
    ) -> Job:
        """Return what the engine would ask of a rotator for a secret with these tags."""
        source = rotator.canonical(tags["ProviderAddress"], tags)
        assert source
        return Job(
            source=source,
            operation="operation",
            held_id=tags.get("CredentialId"),
            held=Sensitive(held) if held is not None else None,
            proven=proven,
            in_place=in_place,
            expires=self.clock.now() + timedelta(days=90),
            options=tags,
        )

    def accepts(self, user: str, password: str, database: str = "master") -> bool:
        """Tell whether somebody who has this password is recognised."""
        account = self.server._account(self.server.databases[database], user)
        return account is not None and account.accepts(password, self.clock.now())

    def calls(self) -> Counter[str]:
        """Count the calls so far by method, and forget them."""
        counts = Counter(exchange.request.method for exchange in self.world.exchanges)
        self.world.exchanges.clear()
        return counts


def password_of(issued: Issued) -> str:
    return issued.fields["password"].reveal()
