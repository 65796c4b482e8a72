"""MySQL over PyMySQL: prove a password by a sign-in, set one as the app's own identity.

The driver blocks, so each call runs in a thread, bounded by the driver's own time-outs. MySQL
writes a password to its logs as a hash only
(https://dev.mysql.com/doc/refman/8.4/en/password-logging.html). An account keeps its plugin.
Codes: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from cloud.databases import problems
from cloud.databases.address import (
    LOGIN_SECONDS,
    STATEMENT_SECONDS,
    host_and_port,
    verified_tls,
)
from cloud.databases.servers import Operator
from cloud.sql.driver import SENT_WITHIN, refuse_late
from engine.errors import NeedsHuman, RekeyError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

    type Connect = Callable[[], Connection[Cursor]]
    type Work = Callable[[Connection[Cursor]], None]
    type Explain = Callable[[Exception], RekeyError]

PORT = 3306
ANYWHERE = "%"
"""The host of an account that may sign in from everywhere."""
LIMITS = "SET SESSION lock_wait_timeout = {0}, wait_timeout = {0}".format(int(STATEMENT_SECONDS))
"""The server ends a session that idles. So a process that freezes before it sends its statement,
and thaws once its lease is over, changes nothing any more."""
ALTER = "ALTER USER %s@%s IDENTIFIED BY %s"
ACCOUNT = (
    "SELECT plugin, ssl_type,"
    " (SELECT COUNT(*) > 1 FROM mysql.user AS alike WHERE alike.user IN ('', %s)),"
    " (SELECT (SELECT JSON_CONTAINS_PATH(user_attributes, 'one', '$.additional_password')"
    " FROM mysql.user AS same WHERE same.user = account.user AND same.host = account.host)"
    " FROM (SELECT NULL AS user_attributes) AS in_mariadb)"
    " FROM mysql.user AS account WHERE user = %s AND host = %s"
)
"""How does the account sign in, does it need a certificate of its own, is there another one that
the server may try in its place, and has it a second password? The host of each account decides, and
one without a name is everybody's: https://dev.mysql.com/doc/refman/8.4/en/connection-access.html.
MariaDB has neither second passwords nor their column, so NULL stands in for it."""
CERTIFIED = ("X509", "SPECIFIED")
"""Without a client's certificate, a good password is refused as a wrong one is."""
WITH_PASSWORD = frozenset(
    {"caching_sha2_password", "mysql_native_password", "sha256_password", "ed25519", "parsec", ""}
)
"""Plugins that keep a password at the server; any other one asks somebody else, such as Entra."""
CAME_FROM = re.compile(r"@'([0-9A-Za-z.:_-]{1,255})' \(using password")
"""How a refusal names the address that a client came from: error 1045."""
READ_ONLY = (1290, 1836)
DISABLED = (3118, 3955, 4151, 1820, 1862)
"""Locked (by a person, by FAILED_LOGIN_ATTEMPTS, of MariaDB), and an expired password (at a
statement, at a sign-in)."""
UNREACHED, NO_TLS = (2002, 2003, 2005), 2026
PASSING = (1040, 1053, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 3024, 4031)
"""Too many connections, a shutdown, a blocked host, networks, locks, limits, time-outs, an idle session."""


class MySqlServers:
    """See DatabaseServers."""

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Sign in once, on a new connection."""
        name, _ = account(login)
        await _in_thread(
            partial(_connected, server, database, name, password),
            _nothing,
            partial(_of_sign_in, server, login, is_app=False),
        )

    async def rehearse(self, server: str, operator: Operator, login: str) -> None:
        """Look at the account, and let the server judge a change of one that does not exist."""
        await self._operate(server, operator, login, partial(_rehearse, server, login))

    async def set_password(
        self, server: str, operator: Operator, login: str, password: Sensitive
    ) -> None:
        """Set the password in one statement."""
        latest = time.monotonic() + SENT_WITHIN
        work = partial(_alter, server, latest, (*account(login), password.reveal()))
        await self._operate(server, operator, login, work)

    async def _operate(self, server: str, operator: Operator, login: str, work: Work) -> None:
        await _in_thread(
            partial(_connected, server, None, operator.name, operator.token),
            work,
            partial(_of_operator, server, operator.name, login),
        )


def account(login: str) -> tuple[str, str]:
    """Return the user and the host of a login; the last @ separates them."""
    user, at, host = login.rpartition("@")
    return (user, host) if at else (login, ANYWHERE)


def _rehearse(server: str, login: str, connection: Connection[Cursor]) -> None:
    with connection.cursor() as cursor:
        name, host = account(login)
        cursor.execute(ACCOUNT, (name, name, host))
        row = cursor.fetchone()
        if row is None:
            raise problems.no_login(server, login)
        plugin, certificate, has_others, has_second = row
        if plugin not in WITH_PASSWORD or certificate in CERTIFIED:
            raise _no_passwords(server)
        if int(has_others):
            raise problems.several(server, login)
        if has_second:
            raise _second_password(server, login)
        _judge_right(cursor)


def _judge_right(cursor: Cursor) -> None:
    """Raise the driver's error if the app may not alter accounts, or the server takes no change.

    The server checks both before it looks for the account, which does not exist.
    """
    from pymysql.err import MySQLError

    nobody = f"rekey-{secrets.token_hex(8)}"
    try:
        cursor.execute(ALTER, (nobody, "localhost", secrets.token_urlsafe(32) + "-aA1"))
    except MySQLError as error:
        if _code(error) != 1396:  # noqa: PLR2004 - "operation failed": no such account
            raise


def _alter(
    server: str, latest: float, values: tuple[str, str, str], connection: Connection[Cursor]
) -> None:
    with connection.cursor() as cursor:
        refuse_late(time.monotonic(), latest, server)
        cursor.execute(ALTER, values)


def _nothing(connection: Connection[Cursor]) -> None:
    del connection


async def _in_thread(connect: Connect, work: Work, explain: Explain) -> None:
    """Do the work in a thread; the driver's error, which may hold a value, does not leave it."""
    problem = await asyncio.to_thread(_attempt, connect, work, explain)
    if problem:
        raise problem


def _attempt(connect: Connect, work: Work, explain: Explain) -> RekeyError | None:
    connection = None
    try:
        connection = connect()
        with closing(connection):
            work(connection)
    except RekeyError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the driver raises many classes
        problem = explain(error)
        problem.unsent = connection is None
        return problem
    return None


def _connected(
    server: str, database: str | None, name: str, password: Sensitive
) -> Connection[Cursor]:
    import pymysql

    host, port = host_and_port(server, PORT)
    # As bytes, since the driver would encode text as Latin-1. A context makes TLS a must.
    return pymysql.connect(
        host=host, port=port, user=name, password=password.reveal().encode(), database=database,
        ssl=verified_tls(), charset="utf8mb4", connect_timeout=int(LOGIN_SECONDS),
        read_timeout=int(STATEMENT_SECONDS) + 1, write_timeout=int(STATEMENT_SECONDS),
        init_command=LIMITS, autocommit=True, program_name="rekey",
    )  # fmt: skip


def _code(error: BaseException) -> int:
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _of_sign_in(server: str, login: str, error: Exception, *, is_app: bool) -> RekeyError:
    """Return what it means that the server ended a sign-in so."""
    match code := _code(error):
        case 1045 | 1698 if not is_app and (address := _elsewhere(login, error)):
            return _from_elsewhere(server, login, address)
        case 1045 | 1698:
            return problems.refused(server, login, is_app=is_app)
        case 1130 | 9000:
            return problems.firewall(server)
        case 1044 | 1049:
            return problems.no_database(server)
        case _ if code in DISABLED:
            return problems.disabled(server)
        case _:
            return _other(server, error)


def _elsewhere(login: str, error: Exception) -> str:
    """Return from where the app came, where the account's host does not let that in; else nothing.

    The server tried another account then, or none, so it has not looked at the password.
    """
    came = CAME_FROM.search(str(error))
    return "" if came is None or _lets_in(account(login)[1], came[1]) else came[1]


def _lets_in(host: str, address: str) -> bool:
    """Return whether it is certain that the host of an account lets a client's address in."""
    network, has_mask, mask = host.partition("/")
    if not has_mask:
        known = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in host)
        return re.fullmatch(known, address, re.IGNORECASE) is not None
    try:
        # Of a mask, ipaddress would take 0.0.0.255 for 255.255.255.0; the server does not.
        bits = IPv4Address(mask) if "." in mask else IPv4Network(f"0.0.0.0/{mask}").netmask
        return int(IPv4Address(address)) & int(bits) == int(IPv4Address(network))
    except ValueError:
        return False


def _from_elsewhere(server: str, login: str, address: str) -> RekeyError:
    return NeedsHuman(
        f"{login!r} may not sign in from the app's address, {address}, so no password can be tried",
        where=server,
        fix="name an account in CredentialId or Logins whose host lets that address in",
        code="Elsewhere",
    )


def _of_operator(server: str, operator: str, login: str, error: Exception) -> RekeyError:
    """Return what it means that the server ended the app's sign-in, or its statement, so."""
    match code := _code(error):
        case 1396:
            return problems.no_login(server, login)
        case 1142 | 1143 | 1227:
            return problems.may_not_alter(server, login)
        case 1819 | 3638:
            return problems.policy(server)
        case _ if code in READ_ONLY:
            return problems.read_only(server)
        case _:
            return _of_sign_in(server, operator, error, is_app=True)


def _other(server: str, error: Exception) -> RekeyError:
    code = _code(error)
    if code in UNREACHED:
        # TLS fails beneath it, or the network does.
        return problems.unreached(server, getattr(error, "original_exception", None) or error)
    if code == NO_TLS:
        return problems.untrusted(server)
    if code < 1000 or 2000 <= code < 3000:  # noqa: PLR2004 - the client's own codes
        return problems.unanswered(server, error)
    if code in PASSING:
        return problems.busy(server, str(code))
    return problems.other(server, str(code))


def _no_passwords(server: str) -> RekeyError:
    return NeedsHuman(
        "the account does not sign in with a password of its own alone",
        where=server,
        fix="name an account with a password in CredentialId or Logins, let it sign in without a "
        "certificate (REQUIRE SSL), or remove the secret",
        code="PasswordsOff",
    )


def _second_password(server: str, login: str) -> RekeyError:
    return NeedsHuman(
        f"{login!r} has a second password, which stays valid whatever becomes of the first one",
        where=server,
        fix="end it: ALTER USER ... DISCARD OLD PASSWORD",
        code="SecondPassword",
    )
