"""Azure SQL over TDS: prove a password by signing in with it, run one statement under the app's own identity.

Microsoft's driver blocks, so each call runs in a thread, under the driver's own time-outs: a thread
cannot be cancelled,
and a statement must not take effect after the lease that it was sent under. Encryption is strict
(TDS 8.0: TLS first),
so the certificate is always verified. Pooling is off: a pooled connection would accept a password
that is gone.
Sources: https://learn.microsoft.com/sql/relational-databases/security/networking/tds-8 and
https://learn.microsoft.com/sql/connect/python/mssql-python/python-sql-driver-mssql-python-quickstart
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cloud.sql.errors import explain
from cloud.sql.servers import Row
from engine.errors import RekeyError, TransientError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from types import ModuleType

LOGIN_SECONDS = 5
"""The longest that a server may take to answer a sign-in."""
STATEMENT_SECONDS = 8
"""The longest that a statement may take; with the sign-in it stays under
engine.rotate.run.CALL_SECONDS."""
SENT_WITHIN = 10.0
"""How many seconds after it was asked for a statement may still be sent: what is left of a call is
STATEMENT_SECONDS."""
ACCESS_TOKEN = 1256
"""SQL_COPT_SS_ACCESS_TOKEN:
https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory."""
PROVIDER = "MSSQL_PYTHON_NATIVE_PROVIDER"
PROVIDER_HERE = "mssql-odbc"
"""The driver's part that needs nothing but OpenSSL from the system; the other one needs Kerberos
and libltdl."""


class DriverSqlServers:
    """Servers reached through mssql-python; see SqlServers."""

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        """Sign in once, on a connection of its own."""
        secret = password.reveal()
        settings = {"UID": user, "PWD": secret}
        where = f"{server}, database {database}"
        await _in_thread(
            partial(_connected, server, database, settings, {}, _nothing), where, user, secret
        )

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> Row:
        """Run one statement under an access token, once."""
        text, where = statement.reveal(), f"{server}, database {database}"
        before = {ACCESS_TOKEN: _token_struct(token.reveal())}
        latest = time.monotonic() + SENT_WITHIN
        work = partial(
            _connected, server, database, {}, before, partial(_first_row, text, latest, where)
        )
        return await _in_thread(work, where, None, text)


async def _in_thread(work: Callable[[], Row], where: str, user: str | None, secret: str) -> Row:
    """Do the work in a thread; its error comes out as a RekeyError, raised afresh: the driver's keeps what was sent."""
    answer = await asyncio.to_thread(_attempt, work, where, user, secret)
    if isinstance(answer, RekeyError):
        raise answer
    return answer


def _attempt(
    work: Callable[[], Row], where: str, user: str | None, secret: str
) -> Row | RekeyError:
    try:
        return work()
    except RekeyError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the driver raises RuntimeError, ValueError and its own tree alike
        return explain(str(error), where, user, secret)


def _connected(
    server: str,
    database: str,
    settings: Mapping[str, str],
    before: Mapping[int, bytes],
    use: Callable[[Any], Row],
) -> Row:
    driver = _driver()
    wanted = {
        "Server": server,
        "Database": database,
        "Encrypt": "strict",
        "ConnectRetryCount": "0",
        **settings,
    }
    text = "".join(f"{key}={_braced(value)};" for key, value in wanted.items())
    connection = driver.connect(
        text, autocommit=True, attrs_before=dict(before), timeout=LOGIN_SECONDS
    )
    try:
        return use(connection)
    finally:
        connection.close()


def _driver() -> ModuleType:
    """Load the driver, which takes time and memory, when it is first needed."""
    os.environ.setdefault(PROVIDER, PROVIDER_HERE)
    import mssql_python

    mssql_python.pooling(enabled=False)
    # It writes every error to stderr, past all configuration; what matters of them is in the
    # RekeyError.
    logging.getLogger("mssql_python").handlers[:] = [logging.NullHandler()]
    return mssql_python


def _braced(value: str) -> str:
    """Quote a connection string's value: https://learn.microsoft.com/openspecs/sql_server_protocols/ms-odbcstr."""
    return "{" + value.replace("}", "}}") + "}"


def _token_struct(token: str) -> bytes:
    encoded = token.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded


def _nothing(connection: Any) -> Row:
    del connection
    return ()


def refuse_late(now: float, latest: float, where: str) -> None:
    """Raise TransientError where it is too late to send a statement: its lease may be over, and others at work."""
    if now > latest:
        raise TransientError(
            "a statement was not sent, since its time had passed", where=where, code="NotSent"
        )


def _first_row(statement: str, latest: float, where: str, connection: Any) -> Row:
    connection.timeout = STATEMENT_SECONDS
    cursor = connection.cursor()
    refuse_late(time.monotonic(), latest, where)
    cursor.execute(statement)
    row = cursor.fetchone() if cursor.description else None
    return tuple(row or ())
