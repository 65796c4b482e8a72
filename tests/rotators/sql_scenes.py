"""A SQL server whose passwords the vault holds, by strategy, as the contract suite wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from engine.contract import Job
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from simulator.reach.transport import Intercept
from simulator.sql.servers import Account, SqlServer
from tests.shared.rig import RigClock
from tests.shared.sql_product import SqlProduct
from tests.shared.sql_rig import rotated


@dataclass
class SqlScene:
    """The server `orders`, of which the vault holds one account's password."""

    rig: SqlProduct
    kind: type[SqlAdminPassword | SqlLoginPassword]
    tags: dict[str, str]
    accounts: list[Account]
    """Those whose passwords are rotated, the one held first."""
    source_name: str = "orders"

    @property
    def server(self) -> SqlServer:
        return self.rig.server

    def rotator(self, intercept: Intercept | None = None) -> SqlAdminPassword | SqlLoginPassword:
        return self.kind(self.rig.azure(intercept), RigClock(self.rig.clock))

    def job(self) -> Job:
        source = self.kind.canonical(self.tags["ProviderAddress"], self.tags) or ""
        return self.rig.job_of(source, self.accounts[0].name, self._held, options=self.tags)

    def __post_init__(self) -> None:
        self._held = self.accounts[0].newest

    def live(self) -> set[str]:
        return {account.newest for account in self.accounts}

    def value(self, credential_id: str) -> str:
        return next(account.newest for account in self.accounts if account.name == credential_id)

    def spread_slowly(self, seconds: float) -> None:
        self.server.propagation = timedelta(seconds=seconds)

    def vanish(self) -> None:
        """Delete what issues the credential: the logins, or with its administrator the server."""
        if self.kind is SqlAdminPassword:
            self.rig.world.sql.servers.clear()
        self.server.logins.clear()
        self.server.databases["shop"].contained.clear()


def _of(kind: str) -> SqlScene:
    rig = SqlProduct()
    held = rotated(rig.server, kind)
    tags = held.tags | {"CredentialId": held.accounts[0].name}
    rotator = SqlAdminPassword if kind == "admin" else SqlLoginPassword
    return SqlScene(rig, rotator, tags, held.accounts)


administrator, one_login = partial(_of, "admin"), partial(_of, "login")
contained_user, two_logins = partial(_of, "user"), partial(_of, "two logins")
