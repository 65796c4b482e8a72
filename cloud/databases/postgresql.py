"""PostgreSQL over asyncpg: prove a password by a sign-in, set one as the app's own identity.

Only a verifier is sent, never a new password (cloud/databases/scram.py). DDL is transactional, so
a change is rehearsed whole and rolled back. Codes:
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cloud.databases import problems
from cloud.databases.address import (
    LOGIN_SECONDS,
    STATEMENT_SECONDS,
    host_and_port,
    verified_tls,
)
from cloud.databases.scram import verifier
from cloud.databases.servers import Operator
from cloud.sql.driver import SENT_WITHIN, refuse_late
from engine.errors import NeedsHuman, RekeyError
from engine.secret import Sensitive

PORT = 5432
MAINTENANCE = "postgres"
"""The database that every server has; roles belong to none."""
LIMIT = str(int(STATEMENT_SECONDS * 1000))
SETTINGS = {
    "application_name": "rekey",
    "statement_timeout": LIMIT,
    "lock_timeout": LIMIT,
    "idle_in_transaction_session_timeout": LIMIT,
}
ROLE_QUERY = (
    "SELECT rolcanlogin, COALESCE(rolvaliduntil < now(), false),"
    " COALESCE(current_setting('azure.accepted_password_auth_method', true), 'scram-sha-256')"
    " FROM pg_catalog.pg_roles WHERE rolname = $1"
)
"""May the role sign in, has its password expired, and which hashes does Azure's server accept?"""
CONCURRENT = "tuple concurrently updated"
ZERO_WIDTH_SPACE = "\u200b"


class PostgresServers:
    """See DatabaseServers."""

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Sign in once, on a new connection.

        NeedsHuman for a password that the driver prepares otherwise than the server: a good one
        would be refused.
        """
        if ZERO_WIDTH_SPACE in password.reveal():
            raise NeedsHuman(
                "the value holds U+200B, a space without width, so no sign-in can prove it",
                where=server,
                fix="set a password without it, and write that into the secret",
            )
        async with _connected(server, database, login, password, is_app=False):
            pass

    async def rehearse(self, server: str, operator: Operator, login: str) -> None:
        """Set a password that nobody keeps inside a transaction, and roll it back."""
        unused = verifier(Sensitive(secrets.token_urlsafe(32)))
        async with _operating(server, operator, login) as connection:
            row = await connection.fetchrow(ROLE_QUERY, login)
            _refuse_unusable(row, server, login)
            await connection.execute(f"BEGIN; {_alter(login, unused)}; ROLLBACK")

    async def set_password(
        self, server: str, operator: Operator, login: str, password: Sensitive
    ) -> None:
        """Send the password's verifier in one statement.

        The server ends a session that idles inside a transaction. So a process that freezes before
        it sends the statement, and thaws once its lease is over, changes nothing any more.
        """
        latest = time.monotonic() + SENT_WITHIN
        statement = _alter(login, verifier(password))
        async with _operating(server, operator, login) as connection:
            await connection.execute("BEGIN")
            refuse_late(time.monotonic(), latest, server)
            await connection.execute(f"{statement}; COMMIT")


def identifier(name: str) -> str:
    """Quote an identifier; a NUL, which no statement carries, is refused by raising NeedsHuman."""
    if "\0" in name:
        raise NeedsHuman("a name holds a NUL character", fix="correct the tag CredentialId")
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _alter(login: str, kept: Sensitive) -> str:
    # A verifier is base64 with $ and :, so nothing of it needs escaping.
    return f"ALTER ROLE {identifier(login)} PASSWORD '{kept.reveal()}'"


def _refuse_unusable(row: Any, server: str, login: str) -> None:
    if row is None:
        raise problems.no_login(server, login)
    can_sign_in, has_expired, hashes = row
    if not can_sign_in or has_expired:
        raise problems.disabled(server)
    if "scram-sha-256" not in hashes.lower():
        raise NeedsHuman(
            "the server does not accept passwords kept as SCRAM-SHA-256",
            where=server,
            fix="add scram-sha-256 to the server parameter azure.accepted_password_auth_method",
        )


@asynccontextmanager
async def _operating(server: str, operator: Operator, login: str) -> AsyncIterator[Any]:
    """Connect as the app; raises the meaning of what the server says of a statement."""
    async with _connected(
        server, MAINTENANCE, operator.name, operator.token, is_app=True
    ) as connection:
        problem: RekeyError
        try:
            yield connection
        except RekeyError:
            raise
        except Exception as error:  # noqa: BLE001 - the driver raises many classes
            problem = _of_statement(error, server, login)
        else:
            return
        # Raised outside the handler, since the driver's error holds the statement.
        raise problem


@asynccontextmanager
async def _connected(
    server: str, database: str, login: str, password: Sensitive, *, is_app: bool
) -> AsyncIterator[Any]:
    import asyncpg

    host, port = host_and_port(server, PORT)
    opened = None
    try:
        opened = await asyncpg.connect(
            host=host, port=port, user=login, password=password.reveal(), database=database,
            ssl=verified_tls(), timeout=LOGIN_SECONDS, command_timeout=STATEMENT_SECONDS,
            server_settings=SETTINGS, statement_cache_size=0,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - the driver raises many classes
        problem = _of_sign_in(error, f"{server}, database {database}", login, is_app=is_app)
        problem.unsent = True
    if opened is None:
        raise problem
    try:
        yield opened
    finally:
        await _close(opened)


async def _close(connection: Any) -> None:
    """Say goodbye to the server, which need not answer."""
    try:
        await connection.close(timeout=1.0)
    except OSError:
        connection.terminate()


def _of_sign_in(  # noqa: PLR0911 - a table
    error: Exception, where: str, login: str, *, is_app: bool
) -> RekeyError:
    """Return what it means that the server ended a sign-in so."""
    code, text = getattr(error, "sqlstate", None), str(error)
    match code:
        case "28P01":
            return problems.refused(where, login, is_app=is_app)
        case "28000" if "not permitted to log in" in text:
            return problems.disabled(where)
        case "28000" if "no pg_hba.conf entry" in text:
            return problems.firewall(where)
        case "28000":
            return problems.refused(where, login, is_app=True) if is_app else _no_passwords(where)
        case "3D000" | "42501":
            return problems.no_database(where)
        case None:
            return _unreached(where, error)
        case _:
            return _other(where, code)


def _of_statement(error: Exception, server: str, login: str) -> RekeyError:  # noqa: PLR0911 - a table
    """Return what it means that the server ended a statement so."""
    code = getattr(error, "sqlstate", None)
    match code:
        case "42704":
            return problems.no_login(server, login)
        case "42501":
            return problems.may_not_alter(server, login)
        case "25006":
            return problems.read_only(server)
        case "22023":
            return problems.policy(server)
        case "XX000" if CONCURRENT in str(error):
            return problems.busy(server, code)
        case None:
            return problems.unanswered(server, error)
        case _:
            return _other(server, code)


def _unreached(where: str, error: Exception) -> RekeyError:
    if "rejected SSL upgrade" in str(error):
        return problems.untrusted(where)
    return problems.unreached(where, error)


def _other(where: str, code: str) -> RekeyError:
    # Classes: connection, transaction, resources, locks, operator intervention.
    passing = code[:2] in ("08", "40", "53", "55", "57")
    return problems.busy(where, code) if passing else problems.other(where, code)


def _no_passwords(where: str) -> RekeyError:
    return NeedsHuman(
        "the server does not let this login sign in with a password",
        where=where,
        fix="turn PostgreSQL authentication on at the server, or remove the secret",
        code="PasswordsOff",
    )
