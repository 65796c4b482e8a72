"""The stand-in for database servers refuses what real ones refuse, and takes what they take."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import pytest

from cloud.databases.drivers import drivers
from cloud.databases.servers import DatabaseServers, Operator
from engine.errors import RekeyError
from engine.secret import Sensitive
from simulator.azure import build_world
from simulator.clock import VirtualClock
from simulator.databases.servers import EngineName, FlexibleServer
from tests.mariadb import MariaDb
from tests.postgresql import PostgreSql
from tests.shared.simulated_databases import simulated_databases

pytestmark = pytest.mark.usefixtures("drained")
FIRST = "F1rst-password-nobody-uses"
TOKEN = "t0ken-of-the-app"


@dataclass
class Side:
    """One server with some logins, and the app's users `rekey` and `low`.

    `off` is locked. `late` has expired, which only PostgreSQL knows here. `twin` has a second
    account, which only MySQL can have, of a more specific host and with another password.
    """

    servers: DatabaseServers
    address: str
    names: Mapping[str, str]
    tokens: Mapping[str, str]

    async def outcome(self, act: Callable[[Side], Awaitable[None]]) -> tuple[str, str]:
        """Return the class and the code of what a call raises; empty where it succeeds."""
        try:
            await act(self)
        except RekeyError as error:
            return type(error).__name__, error.code
        return "", ""

    def sign_in(self, login: str, password: str = FIRST) -> Awaitable[None]:
        return self.servers.sign_in(
            self.address, "", self.names.get(login, login), Sensitive(password)
        )

    def operator(self, name: str) -> Operator:
        return Operator(self.names.get(name, name), Sensitive(self.tokens[name]))

    def rehearse(self, operator: str, login: str) -> Awaitable[None]:
        return self.servers.rehearse(
            self.address, self.operator(operator), self.names.get(login, login)
        )

    def alter(self, operator: str, login: str, password: str) -> Awaitable[None]:
        name = self.names.get(login, login)
        return self.servers.set_password(
            self.address, self.operator(operator), name, Sensitive(password)
        )


ACTS: Mapping[str, Callable[[Side], Awaitable[None]]] = {
    "the password": lambda side: side.sign_in("app"),
    "a wrong password": lambda side: side.sign_in("app", "Wr0ng"),
    "nobody": lambda side: side.sign_in("nobody"),
    "a locked login": lambda side: side.sign_in("off"),
    "an expired login": lambda side: side.sign_in("late"),
    "one of two accounts": lambda side: side.sign_in("twin"),
    "the more specific of two accounts": lambda side: side.sign_in("twin", "0ther"),
    "a rehearsal": lambda side: side.rehearse("rekey", "app"),
    "a rehearsal for nobody": lambda side: side.rehearse("rekey", "nobody"),
    "a rehearsal for a locked login": lambda side: side.rehearse("rekey", "off"),
    "a rehearsal for an expired login": lambda side: side.rehearse("rekey", "late"),
    "a rehearsal for one of two accounts": lambda side: side.rehearse("rekey", "twin"),
    "a rehearsal without the right": lambda side: side.rehearse("low", "app"),
    "a rehearsal by a stranger": lambda side: side.rehearse("stranger", "app"),
    "the password after rehearsals": lambda side: side.sign_in("app"),
    "a change without the right": lambda side: side.alter("low", "app", "N3w"),
    "a change for nobody": lambda side: side.alter("rekey", "nobody", "N3w"),
    "a change by a stranger": lambda side: side.alter("stranger", "app", "N3w"),
    "the password after refused changes": lambda side: side.sign_in("app"),
    "a change": lambda side: side.alter("rekey", "app", "N3w-password"),
    "the old password": lambda side: side.sign_in("app"),
    "the new password": lambda side: side.sign_in("app", "N3w-password"),
}


def add_logins(server: FlexibleServer) -> None:
    """Add what `Side` describes to a simulated server."""
    server.add_account("app", FIRST)
    server.add_account("off", FIRST).enabled = False
    if server.engine == "postgresql":
        server.add_account("late", FIRST).expired = True
    else:
        server.add_account("twin", FIRST)
        server.add_account("twin@127.0.0.1", "0ther")


def simulated(engine: EngineName, *, may_alter: bool) -> Side:
    world = build_world(VirtualClock().now)
    server = world.databases.add_server(engine, "orders", "dbadmin", FIRST)
    add_logins(server)
    server.alterable = None if may_alter else set()
    tokens = {"stranger": "n0 token"}
    for name in ("rekey", "low"):
        principal = world.add_principal(name)
        server.operators[name] = principal.oid
        tokens[name] = world.identities.token_for(
            "https://ossrdbms-aad.database.windows.net/.default", principal
        )
    return Side(simulated_databases(world)[engine], server.fqdn, {}, tokens)


def made_for_real(server: PostgreSql | MariaDb) -> Side:
    logins = ("app", "off", "late", "twin", "rekey", "low")
    names = {name: f"{name}_{secrets.token_hex(3)}" for name in logins}
    app, off, late, twin, rekey, low = names.values()
    if isinstance(server, PostgreSql):
        server.sql(
            f"CREATE ROLE {app} LOGIN PASSWORD '{FIRST}'",
            f"CREATE ROLE {off} NOLOGIN PASSWORD '{FIRST}'",
            f"CREATE ROLE {late} LOGIN PASSWORD '{FIRST}' VALID UNTIL '2020-01-01'",
            f"CREATE ROLE {rekey} LOGIN SUPERUSER PASSWORD '{TOKEN}'",
            f"CREATE ROLE {low} LOGIN PASSWORD '{TOKEN}'",
        )
    else:
        server.sql(
            f"CREATE USER {app} IDENTIFIED BY '{FIRST}'",
            f"CREATE USER {off} IDENTIFIED BY '{FIRST}' ACCOUNT LOCK",
            f"CREATE USER {twin} IDENTIFIED BY '{FIRST}'",
            f"CREATE USER {twin}@'127.0.0.1' IDENTIFIED BY '0ther'",
            f"CREATE USER {twin}@'localhost' IDENTIFIED BY '0ther'",
            f"CREATE USER {rekey} IDENTIFIED BY '{TOKEN}'",
            f"CREATE USER {low} IDENTIFIED BY '{TOKEN}'",
            f"GRANT CREATE USER ON *.* TO {rekey}",
            f"GRANT SELECT ON mysql.user TO {rekey}",
        )
    engine = "postgresql" if isinstance(server, PostgreSql) else "mysql"
    tokens = {"rekey": TOKEN, "low": TOKEN, "stranger": "n0 token"}
    return Side(Opening(drivers()[engine], engine), server.server, names, tokens)


class Opening:
    """The drivers, with the database that each engine signs in to."""

    def __init__(self, servers: DatabaseServers, engine: str) -> None:
        self._servers = servers
        self._database = {"postgresql": "postgres", "mysql": ""}[engine]
        self.rehearse = servers.rehearse
        self.set_password = servers.set_password

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        del database
        await self._servers.sign_in(server, self._database, login, password)


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
async def test_both_answer_every_call_alike(
    engine: EngineName, request: pytest.FixtureRequest
) -> None:
    fixture = {"postgresql": "postgresql", "mysql": "mariadb"}[engine]
    real = await asyncio.to_thread(made_for_real, request.getfixturevalue(fixture))
    sides = {True: simulated(engine, may_alter=True), False: simulated(engine, may_alter=False)}
    answers = {}
    for name, act in ACTS.items():
        stand_in = sides["without the right" not in name]
        answers[name] = (await stand_in.outcome(act), await real.outcome(act))
    assert {name: pair for name, pair in answers.items() if pair[0] != pair[1]} == {}
    assert answers["a change"][0] == ("", "")
    assert answers["the old password"][0] == ("VerificationFailed", "Refused")
