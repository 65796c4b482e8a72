"""The servers in process, which the tests use, agree with those on the wire, as in production."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloud.azure import NO_ANSWER
from cloud.sql.driver import DriverSqlServers
from cloud.sql.servers import SqlServers
from engine.errors import RekeyError, TransientError
from engine.secret import Sensitive
from rotators.shared.sql_names import SqlPlace, alter, standing
from simulator.sql.servers import ALTER_ANY_USER, SqlServer
from tests.cloud.sql.conftest import Wired
from tests.shared.simulated_sql import SimulatedSqlServers
from tests.shared.sql_rig import ADMIN, FIRST, SqlRig

NEW = "N3w-password-nobody-uses"


def prepared(rig: SqlRig) -> SqlServer:
    """Fill the server with one of everything."""
    server = rig.server
    server.add_login("mapped", FIRST, "shop")
    server.add_login("in master", FIRST, "master")
    server.add_login("disabled", FIRST, "master").enabled = False
    server.add_login("sa]; DROP", FIRST, "master")
    server.add_user("shop", "contained", FIRST)
    server.grant(rig.identity, ALTER_ANY_USER, "shop")
    return server


def entra_only(server: SqlServer) -> None:
    server.entra_only = True


def firewalled(server: SqlServer) -> None:
    server.firewalled = True


def nobody_known(server: SqlServer) -> None:
    for database in server.databases.values():
        database.granted.clear()


def few_rights(server: SqlServer) -> None:
    for database in server.databases.values():
        database.granted = {principal: set() for principal in database.granted}


STATES = [entra_only, firewalled, nobody_known, few_rights]
LOGINS = ("mapped", "in master", "disabled", "contained", "sa]; DROP")


SIGN_INS = [
    (database, user, password)
    for database in ("master", "shop", "missing")
    for user in (ADMIN, ADMIN.upper(), *LOGINS, "ghost")
    for password in (FIRST, "Wr0ng-password")
]


async def outcome(servers: SqlServers, way: str, *arguments: Any) -> object:
    """Return what a call gives: a row, or the kind of its error, its code and its text."""
    try:
        return await getattr(servers, way)(*arguments)
    except RekeyError as error:
        return type(error), error.code, error.what, error.where, error.fix


async def test_every_sign_in_ends_the_same_way(wired: Wired) -> None:
    server = prepared(wired.rig)
    for sign_in in SIGN_INS:
        await agree(wired, server, "sign_in", *sign_in)


async def test_every_statement_ends_the_same_way_and_has_the_same_effect(wired: Wired) -> None:
    server = prepared(wired.rig)
    for place in places(server):
        for name in ("mapped", "contained", "sa]; DROP", ADMIN):
            for statement in (standing(place, name), alter(place, name, Sensitive(NEW))):
                await agree(wired, server, "execute", place.opened, statement)


@pytest.mark.parametrize("state", STATES)
async def test_whatever_stands_in_the_way_is_told_the_same_way(
    wired: Wired, state: Callable[[SqlServer], None]
) -> None:
    server = prepared(wired.rig)
    state(server)
    for sign_in in SIGN_INS[::7]:
        await agree(wired, server, "sign_in", *sign_in)
    for place in places(server):
        for statement in (standing(place, "mapped"), alter(place, "contained", Sensitive("weak"))):
            await agree(wired, server, "execute", place.opened, statement)


async def test_a_statement_about_logins_outside_master_ends_the_same_way(wired: Wired) -> None:
    server = prepared(wired.rig)
    statement = alter(places(server)[0], "mapped", Sensitive(NEW))
    assert await agree(wired, server, "execute", "shop", statement) != ()


def places(server: SqlServer) -> list[SqlPlace]:
    return [SqlPlace.of(server.resource_id), SqlPlace.of(f"{server.resource_id}/databases/shop")]


async def agree(wired: Wired, server: SqlServer, way: str, database: str, *more: Any) -> object:
    """Make one call both ways, each from the same state, and return how both of them end."""
    world = wired.rig.world
    token = Sensitive(
        world.identities.token_for("https://database.windows.net", wired.rig.identity)
    )
    rest = (more[0], Sensitive(more[1])) if way == "sign_in" else (token, more[0])
    arguments = (way, server.fqdn, database, *rest)
    in_process, driver = [
        await _effect(server, servers, arguments)
        for servers in (SimulatedSqlServers(world), DriverSqlServers())
    ]
    assert in_process == driver, (way, database, more)
    return driver[0]


async def _effect(
    server: SqlServer, servers: SqlServers, arguments: tuple[Any, ...]
) -> tuple[object, list[str]]:
    """Return how a call ends and which passwords it leaves, and put them back."""
    contained = server.databases["shop"].contained
    accounts = [*server.logins.values(), *contained.values(), server.administrator]
    before = [list(account.passwords) for account in accounts]
    ended = await outcome(servers, *arguments)
    after = [account.newest for account in accounts]
    for account, passwords in zip(accounts, before, strict=True):
        account.passwords = passwords
    return ended, after


async def test_a_server_that_is_not_there_is_one_without_an_answer_both_ways(wired: Wired) -> None:
    arguments = ("sign_in", "localhost,1", "master", ADMIN, Sensitive(FIRST))
    in_process, driver = [
        await outcome(servers, *arguments)
        for servers in (SimulatedSqlServers(wired.rig.world), DriverSqlServers())
    ]
    assert isinstance(in_process, tuple)
    assert isinstance(driver, tuple)
    assert in_process[:2] == driver[:2] == (TransientError, NO_ANSWER)
