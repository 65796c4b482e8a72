"""Azure SQL over TDS: verify a password by a sign-in, run a statement under the app's own identity.

Microsoft's driver blocks, so each call runs in a thread. A thread cannot be cancelled, and a
statement must not take effect after its lease ended, so the driver's own time-outs apply.
Encryption is strict (TDS 8.0: TLS first), so the certificate is always verified. Pooling is off,
since a pooled connection would still accept a replaced password. Sources:
https://learn.microsoft.com/sql/relational-databases/security/networking/tds-8 and
https://learn.microsoft.com/sql/connect/python/mssql-python/python-sql-driver-mssql-python-quickstart
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from cloud.sql.errors import explain, not_loaded
from cloud.sql.servers import Row
from engine.errors import RekeyError, TransientError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from types import ModuleType

type Use = Callable[[Any], Row]

LOGIN_SECONDS = 5
"""The longest that a server may take to answer a sign-in."""
STATEMENT_SECONDS = 8
"""The longest that a statement may take; with the sign-in it is below
engine.rotation.source_lease.CALL_SECONDS."""
SENT_WITHIN = 10.0
"""How many seconds after the start of a call its statement may still be sent.

The rest of the call is STATEMENT_SECONDS.
"""
ACCESS_TOKEN = 1256
"""SQL_COPT_SS_ACCESS_TOKEN:
https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory."""
PROVIDER = "MSSQL_PYTHON_NATIVE_PROVIDER"
PROVIDER_HERE = "mssql-odbc"
"""The driver's backend that needs only OpenSSL; the other backend needs Kerberos and libltdl."""


class DriverSqlServers:
    """Servers reached through mssql-python; see SqlServers."""

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        """Sign in once, on a new connection."""
        secret = password.reveal()
        settings = {"UID": user, "PWD": secret}
        where = f"{server}, database {database}"
        connect = partial(_connected, server, database, settings, {})
        await _in_thread(connect, _nothing, where, user, secret)

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> Row:
        """Run one statement under an access token, once."""
        text, where = statement.reveal(), f"{server}, database {database}"
        before = {ACCESS_TOKEN: _token_struct(token.reveal())}
        latest = time.monotonic() + SENT_WITHIN
        connect = partial(_connected, server, database, {}, before)
        return await _in_thread(
            connect, partial(_first_row, text, latest, where), where, None, text
        )


async def _in_thread(
    connect: Callable[[], Any], use: Use, where: str, user: str | None, secret: str
) -> Row:
    """Do the work in a thread and raise its error as a RekeyError.

    The driver's error may hold the secret, so it does not leave the thread.
    """
    answer = await asyncio.to_thread(_attempt, connect, use, where, user, secret)
    if isinstance(answer, RekeyError):
        raise answer
    return answer


def _attempt(
    connect: Callable[[], Any], use: Use, where: str, user: str | None, secret: str
) -> Row | RekeyError:
    connection = None
    try:
        connection = connect()
        with closing(connection):
            return use(connection)
    except RekeyError as error:
        return error
    except ImportError as error:
        problem = not_loaded(str(error), where)
    except Exception as error:  # noqa: BLE001 - the driver raises many classes
        problem = explain(str(error), where, user, secret)
    problem.unsent = connection is None
    return problem


def _connected(
    server: str, database: str, settings: Mapping[str, str], before: Mapping[int, bytes]
) -> Any:
    driver = _driver()
    fixed = {"Server": server, "Database": database, "Encrypt": "strict", "ConnectRetryCount": "0"}
    text = "".join(f"{key}={_braced(value)};" for key, value in {**fixed, **settings}.items())
    return driver.connect(text, autocommit=True, attrs_before=dict(before), timeout=LOGIN_SECONDS)


def _driver() -> ModuleType:
    """Load the driver at first use, since it takes time and memory."""
    os.environ.setdefault(PROVIDER, PROVIDER_HERE)
    import mssql_python

    mssql_python.pooling(enabled=False)
    # It writes every error to stderr and ignores the logging setup. The RekeyError holds what
    # matters.
    logging.getLogger("mssql_python").handlers[:] = [logging.NullHandler()]
    return mssql_python


def _braced(value: str) -> str:
    """Quote a value of a connection string.

    Source: https://learn.microsoft.com/openspecs/sql_server_protocols/ms-odbcstr.
    """
    return "{" + value.replace("}", "}}") + "}"


def _token_struct(token: str) -> bytes:
    encoded = token.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded


def _nothing(connection: Any) -> Row:
    del connection
    return ()


def refuse_late(now: float, latest: float, where: str) -> None:
    """Raise TransientError if it is too late to send a statement.

    The lease may have ended, and another worker may have it. A process that freezes right after
    this look still sends T-SQL: no deadline can stand beside ALTER LOGIN, which must be the only
    statement in its batch (https://msdn.microsoft.com/library/azure/ee336254). The engine then
    has the source looked at as soon as the process thaws. PostgreSQL and MySQL end the session.
    """
    if now > latest:
        problem = TransientError(
            "a statement was not sent, because its time limit had passed",
            where=where,
            code="NotSent",
        )
        problem.unsent = True
        raise problem


def _first_row(statement: str, latest: float, where: str, connection: Any) -> Row:
    connection.timeout = STATEMENT_SECONDS
    cursor = connection.cursor()
    refuse_late(time.monotonic(), latest, where)
    cursor.execute(statement)
    row = cursor.fetchone() if cursor.description else None
    return tuple(row or ())
