"""The whole product over real PostgreSQL and MariaDB servers: real drivers, real statements, real sign-ins.

Resource Manager is simulated, and its server has the real one's address. The app's token is the
password of its user there, since only Azure's own servers know tokens.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from api.app import Api
from cloud.databases.drivers import drivers
from composition import build_api
from engine.errors import NeedsHuman, VerificationFailed
from engine.secret import Sensitive
from engine.state import template
from rotators.shared.database_engine import SUFFIXES
from simulator.databases.servers import EngineName
from simulator.reach.transport import Intercept, SimulatedCredential, SimulatedTransport
from tests.mariadb import MariaDb
from tests.postgresql import PostgreSql
from tests.rotators.database_scenes import FIRST, NAME, SECOND, DatabaseScene
from tests.shared.rig import Rig, RigClock

pytestmark = pytest.mark.usefixtures("drained")
TOKEN = "t0ken-of-the-app"
DAY = 86_400


class TokenHolder(SimulatedCredential):
    """The app's identity, whose token for databases is always the same."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for the resource of the first scope."""
        if "ossrdbms-aad" in scopes[0]:
            return AccessToken(TOKEN, 2**32)
        return await super().get_token(*scopes, **options)


class RealRig(Rig):
    """A rig whose app uses the real drivers."""

    def api(self, intercept: Intercept | None = None, env: Mapping[str, str] | None = None) -> Api:
        return build_api(
            self.settings,
            env=env or {},
            identity=TokenHolder(self.world, self.identity),
            clock=RigClock(self.clock),
            options={"transport": SimulatedTransport(self.world, intercept)},
        )


@dataclass
class Real:
    """A scene whose server is a real one."""

    scene: DatabaseScene
    server: PostgreSql | MariaDb

    async def signs_in(self, login: str, password: str) -> bool:
        engine = self.scene.engine
        opened = {"postgresql": "postgres", "mysql": ""}[engine]
        try:
            await drivers()[engine].sign_in(self.server.server, opened, login, Sensitive(password))
        except VerificationFailed:
            return False
        return True

    @property
    def rotator(self) -> Any:
        return self.scene.rotator(
            credential=TokenHolder(self.scene.rig.world, self.scene.rig.identity), databases={}
        )

    def published(self) -> dict[str, str]:
        """Return the user and the password that the vault holds."""
        version = self.scene.rig.vault.versions(NAME)[-1]
        tags = version.tags or {}
        fields = template.extract(
            tags.get("ValueTemplate", "{password}"), Sensitive(version.value or "")
        )
        assert fields
        return {"user": tags["CredentialId"], "password": fields["password"].reveal()}


def statements(engine: EngineName, app: str, logins: tuple[str, ...]) -> list[str]:
    """Return how the app's user and the logins are made, with the rights of the kind's page."""
    passwords = dict(zip(logins, (FIRST, SECOND), strict=False))
    if engine == "postgresql":
        return [
            f"CREATE ROLE \"{app}\" LOGIN CREATEROLE PASSWORD '{TOKEN}'",
            *(
                f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{text}'"
                for name, text in passwords.items()
            ),
            *(f'GRANT "{name}" TO "{app}" WITH ADMIN OPTION' for name in logins),
        ]
    return [
        f"CREATE USER `{app}` IDENTIFIED BY '{TOKEN}'",
        f"GRANT CREATE USER ON *.* TO `{app}`",
        f"GRANT SELECT ON mysql.user TO `{app}`",
        *(f"CREATE USER `{name}` IDENTIFIED BY '{text}'" for name, text in passwords.items()),
    ]


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> PostgreSql | MariaDb:
    name = {"postgresql": "postgresql", "mysql": "mariadb"}[request.param]
    database: PostgreSql | MariaDb = request.getfixturevalue(name)
    return database


@pytest.fixture
def real(
    server: PostgreSql | MariaDb, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Real:
    """A server with one login, or with as many as the test asks for."""
    monkeypatch.delitem(SUFFIXES, "https://management.azure.com")
    suffix = secrets.token_hex(3)
    logins = tuple(f"{name}_{suffix}" for name in getattr(request, "param", ("app",)))
    engine: EngineName = "postgresql" if isinstance(server, PostgreSql) else "mysql"
    rig = RealRig()
    rig.identity = replace(rig.identity, name=f"rekey_{suffix}")
    scene = DatabaseScene(engine, logins, rig)
    scene.server.fqdn = server.server
    scene.database = {"postgresql": "postgres", "mysql": "information_schema"}[engine]
    server.sql(*statements(engine, rig.identity.name, logins))
    return Real(scene, server)


two = pytest.mark.parametrize("real", [("app_a", "app_b")], indirect=True)


async def rotated(real: Real, action: str = "rotate") -> str:
    """Let the app do what is due; return what came of it."""
    rig = real.scene.rig
    outcome = await rig.handle(NAME, trigger="sweep", action=action)
    return str(outcome.result)


async def test_one_login_is_rotated_and_the_old_password_is_refused(real: Real) -> None:
    real.scene.manage()
    (login,) = real.scene.logins
    assert await rotated(real) == "rotated"
    new = real.published()
    assert new["user"] == login
    assert await real.signs_in(login, new["password"])
    assert not await real.signs_in(login, FIRST)


@two
async def test_two_logins_alternate_and_the_old_one_is_retired(real: Real) -> None:
    real.scene.manage()
    first, second = real.scene.logins
    assert await rotated(real) == "rotated"
    new = real.published()
    assert new["user"] == second
    assert await real.signs_in(second, new["password"])
    assert not await real.signs_in(second, SECOND)
    assert await real.signs_in(first, FIRST), "inside its overlap"
    real.scene.rig.clock.advance(8 * DAY)
    assert await rotated(real, "retire") == "retired"
    assert not await real.signs_in(first, FIRST)
    assert await real.signs_in(second, new["password"])


async def test_a_password_is_set_back(real: Real) -> None:
    rotator, job = real.rotator, real.scene.job(proven=False)
    issued = await rotator.issue(job)
    (login,) = real.scene.logins
    assert issued.restorable
    await rotator.verify(job.source, login, issued.fields["password"])
    await rotator.undo(job, Sensitive(FIRST))
    assert await rotator.accepts(job.source, "", Sensitive(FIRST))
    assert not await rotator.accepts(job.source, login, issued.fields["password"])


def expired(login: str) -> tuple[list[str], list[str]]:
    """A PostgreSQL role whose password has expired, and how it is lifted."""
    limit = f'ALTER ROLE "{login}" VALID UNTIL'
    return [f"{limit} '2020-01-01'"], [f"{limit} 'infinity'"]


def hidden(login: str) -> tuple[list[str], list[str]]:
    """A MySQL user with another account of a more specific host."""
    others = [f"`{login}`@'{host}'" for host in ("127.0.0.1", "localhost")]
    made = [f"CREATE USER {other} IDENTIFIED BY '0ther'" for other in others]
    return made, [f"DROP USER {other}" for other in others]


def certified(login: str) -> tuple[list[str], list[str]]:
    """A MySQL user that needs a certificate of its own as well."""
    return [f"ALTER USER `{login}` REQUIRE X509"], [f"ALTER USER `{login}` REQUIRE NONE"]


@pytest.mark.parametrize(
    ("server", "way"),
    [("postgresql", expired), ("mysql", hidden), ("mysql", certified)],
    indirect=["server"],
)
async def test_an_audit_replaces_no_good_password_that_is_refused_as_a_wrong_one_is(
    real: Real, way: Callable[[str], tuple[list[str], list[str]]]
) -> None:
    real.scene.manage()
    (login,) = real.scene.logins
    assert await rotated(real) == "rotated"
    password = real.published()["password"]
    hide, show = way(login)
    await asyncio.to_thread(real.server.sql, *hide)
    real.scene.rig.clock.advance(DAY)
    assert not await real.signs_in(login, password)
    assert await rotated(real, "audit") == "parked"
    with pytest.raises(NeedsHuman):
        await real.rotator.accepts(real.scene.job().source, login, Sensitive(password))
    await asyncio.to_thread(real.server.sql, *show)
    assert await real.signs_in(login, password)


async def test_a_role_that_may_not_open_the_usual_database_is_proven_all_the_same(
    real: Real,
) -> None:
    if not isinstance(real.server, PostgreSql):
        return  # A MySQL user signs in to no database.
    (login,) = real.scene.logins
    close = "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"
    keep = f'GRANT CONNECT ON DATABASE postgres TO "{real.scene.rig.identity.name}"'
    await asyncio.to_thread(real.server.sql, keep, close)
    try:
        issued = await real.rotator.issue(real.scene.job())
        await real.rotator.verify(real.scene.job().source, login, issued.fields["password"])
        assert not await real.rotator.accepts(real.scene.job().source, login, Sensitive(FIRST))
    finally:
        await asyncio.to_thread(real.server.sql, "GRANT CONNECT ON DATABASE postgres TO PUBLIC")


@two
async def test_a_login_that_may_not_open_the_database_of_the_value_is_not_published(
    real: Real,
) -> None:
    first, second = real.scene.logins
    if isinstance(real.server, PostgreSql):
        allow, deny = "CONNECT ON DATABASE {0} TO", "CONNECT ON DATABASE {0} FROM PUBLIC"
        made = ["CREATE DATABASE {0}", f"REVOKE {deny}"]
    else:
        allow, made = "SELECT ON {0}.* TO", ["CREATE DATABASE {0}"]
    shop = f"shop_{secrets.token_hex(3)}"
    for statement in (*made, f"GRANT {allow} {first}"):
        await asyncio.to_thread(real.server.sql, statement.format(shop))
    real.scene.database = shop
    real.scene.manage()
    assert await rotated(real) == "parked"
    assert real.published() == {"user": first, "password": FIRST}
    await asyncio.to_thread(real.server.sql, f"GRANT {allow} {second}".format(shop))
    real.scene.rig.clock.advance(DAY)
    assert await rotated(real) == "rotated"
    assert real.published()["user"] == second
