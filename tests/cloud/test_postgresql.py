"""A real PostgreSQL judges what Rekey sends it, and what Rekey makes of its answers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from asyncpg.exceptions import InvalidPasswordError, PostgresError, TooManyConnectionsError

from cloud.databases import problems
from cloud.databases.postgresql import (
    SETTINGS,
    PostgresServers,
    _of_sign_in,
    _of_statement,
    identifier,
)
from cloud.databases.servers import Operator
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from tests.cloud.database_contract import FIRST, DatabaseContract, kind_of, problem_of
from tests.postgresql import HBA, SECRET, SUPERUSER, PostgreSql, start_postgresql

pytestmark = pytest.mark.usefixtures("drained")
HOSTILE = (
    "app",
    "App",
    'a"; DROP ROLE app; --',
    "a'b",
    "a\\",
    "select",
    "current_user",
    "d\u00e9j\u00e0 vu \U0001f600",
    "a%sb{}",
    "x" * 63,
)
APP = Operator(SUPERUSER, Sensitive(SECRET))
POSTGRES = PostgresServers()


@pytest.fixture
def role(postgresql: PostgreSql, request: pytest.FixtureRequest) -> Iterator[str]:
    """A role with a name of the test's own, or of its choice."""
    name = getattr(request, "param", f"app_{secrets.token_hex(4)}")
    postgresql.sql(f"CREATE ROLE {identifier(name)} LOGIN PASSWORD '{FIRST}'")
    yield name
    postgresql.sql(f"DROP ROLE {identifier(name)}")


def sign_in(server: PostgreSql, name: str, password: str) -> Awaitable[None]:
    return POSTGRES.sign_in(server.server, "postgres", name, Sensitive(password))


class TestContract(DatabaseContract):
    client, app, database = POSTGRES, APP, "postgres"
    busy = f"CREATE ROLE busy LOGIN CONNECTION LIMIT 0 PASSWORD '{FIRST}'"

    @pytest.fixture
    def server(self, postgresql: PostgreSql) -> PostgreSql:
        return postgresql

    @pytest.fixture
    def login(self, role: str) -> str:
        return role


@pytest.mark.parametrize("role", HOSTILE, indirect=True)
async def test_any_name_is_quoted_so_that_its_own_password_alone_changes(
    postgresql: PostgreSql, role: str
) -> None:
    await POSTGRES.rehearse(postgresql.server, APP, role)
    await sign_in(postgresql, role, FIRST)
    await POSTGRES.set_password(postgresql.server, APP, role, Sensitive("a new one"))
    await sign_in(postgresql, role, "a new one")
    assert (await problem_of(sign_in(postgresql, role, FIRST))).code == problems.REFUSED


async def test_no_password_is_in_what_the_server_logs(postgresql: PostgreSql, role: str) -> None:
    await POSTGRES.set_password(postgresql.server, APP, role, Sensitive("Unl0gged-value"))
    assert f'ALTER ROLE "{role}" PASSWORD \'SCRAM-SHA-256$' in postgresql.log()
    assert "Unl0gged-value" not in postgresql.log()


async def test_a_process_that_freezes_before_its_statement_changes_nothing_any_more(
    postgresql: PostgreSql, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has seen that there is time, and thaws when the server has ended its idle session."""
    monkeypatch.setitem(SETTINGS, "idle_in_transaction_session_timeout", "50")
    monkeypatch.setattr("cloud.databases.postgresql.refuse_late", lambda *_: time.sleep(1))
    error = await problem_of(
        POSTGRES.set_password(postgresql.server, APP, role, Sensitive("Fr0zen-value"))
    )
    assert isinstance(error, TransientError)
    await sign_in(postgresql, role, FIRST)


async def test_a_password_that_the_driver_prepares_otherwise_than_the_server_needs_a_person(
    postgresql: PostgreSql, role: str
) -> None:
    """It is the right one, and would be refused as a wrong one is."""
    password = "pass\u200bword"
    await asyncio.to_thread(postgresql.sql, f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    assert isinstance(await problem_of(sign_in(postgresql, role, password)), NeedsHuman)


def test_a_name_with_a_nul_character_is_refused() -> None:
    with pytest.raises(NeedsHuman, match="NUL"):
        identifier("a\0b")


async def test_an_app_without_the_right_is_denied(postgresql: PostgreSql, role: str) -> None:
    low = f"low_{secrets.token_hex(4)}"
    await asyncio.to_thread(
        postgresql.sql, f"CREATE ROLE {low} LOGIN CREATEROLE PASSWORD '{FIRST}'"
    )
    app = Operator(low, Sensitive(FIRST))
    for call in (
        POSTGRES.rehearse(postgresql.server, app, role),
        POSTGRES.set_password(postgresql.server, app, role, Sensitive("value-x")),
    ):
        error = await problem_of(call)
        assert isinstance(error, AccessDenied)
        assert error.code == problems.MAY_NOT_ALTER
    await asyncio.to_thread(postgresql.sql, f'GRANT "{role}" TO {low} WITH ADMIN OPTION')
    await POSTGRES.rehearse(postgresql.server, app, role)


@pytest.mark.parametrize("state", ["NOLOGIN", "VALID UNTIL '2020-01-01'"])
async def test_a_role_that_may_not_sign_in_needs_a_person(
    postgresql: PostgreSql, role: str, state: str
) -> None:
    await asyncio.to_thread(postgresql.sql, f'ALTER ROLE "{role}" {state}')
    assert await kind_of(POSTGRES.rehearse(postgresql.server, APP, role)) == (
        NeedsHuman,
        problems.LOGIN_DISABLED,
    )
    if state == "NOLOGIN":
        assert (await problem_of(sign_in(postgresql, role, FIRST))).code == problems.LOGIN_DISABLED


async def test_a_database_that_is_closed_to_the_role_is_told_apart_from_a_wrong_password(
    postgresql: PostgreSql, role: str
) -> None:
    await asyncio.to_thread(
        postgresql.sql,
        f'CREATE DATABASE "{role}"',
        f'REVOKE CONNECT ON DATABASE "{role}" FROM PUBLIC',
    )
    closed = POSTGRES.sign_in(postgresql.server, role, role, Sensitive(FIRST))
    assert (await problem_of(closed)).code == problems.NO_DATABASE
    missing = POSTGRES.sign_in(postgresql.server, "nowhere", role, Sensitive(FIRST))
    assert (await problem_of(missing)).code == problems.NO_DATABASE
    wrong = POSTGRES.sign_in(postgresql.server, role, role, Sensitive("wrong"))
    assert (await problem_of(wrong)).code == problems.REFUSED
    await asyncio.to_thread(postgresql.sql, f'DROP DATABASE "{role}"')


async def test_an_unknown_authority_is_not_trusted(
    postgresql: PostgreSql, role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert (await problem_of(sign_in(postgresql, role, FIRST))).code == problems.UNTRUSTED


async def test_a_statement_that_waits_for_a_lock_ends_by_itself(
    postgresql: PostgreSql, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    monkeypatch.setattr(
        "cloud.databases.postgresql.SETTINGS", {"lock_timeout": "50", "statement_timeout": "5000"}
    )
    port = int(postgresql.server.partition(":")[2])
    other = await asyncpg.connect(
        host=str(postgresql.folder), port=port, user=SUPERUSER, database="postgres"
    )
    transaction = other.transaction()
    await transaction.start()
    await other.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT 5')
    error = await problem_of(
        POSTGRES.set_password(postgresql.server, APP, role, Sensitive("value-x"))
    )
    await transaction.rollback()
    await other.close()
    assert (type(error), error.code) == (TransientError, problems.BUSY)
    await sign_in(postgresql, role, FIRST)


@pytest.fixture(scope="module")
def peculiar() -> Iterator[PostgreSql]:
    """A server that only reads by default, keeps MD5 in Azure's parameter, and lets one role in."""
    hba = HBA.replace("hostssl all all 127.0.0.1/32", f"hostssl all {SUPERUSER} 127.0.0.1/32")
    configuration = "default_transaction_read_only = on\n"
    with start_postgresql(configuration, hba.replace("hostssl all all ::1/128", "#")) as server:
        yield server


async def test_a_server_that_only_reads_needs_a_person_and_a_closed_network_is_no_wrong_password(
    peculiar: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(peculiar.authority))
    assert await kind_of(POSTGRES.rehearse(peculiar.server, APP, SUPERUSER)) == (
        NeedsHuman,
        problems.READ_ONLY,
    )
    assert await kind_of(sign_in(peculiar, "anybody", "value")) == (AccessDenied, problems.FIREWALL)


class Connection:
    """Answers each query with one row, and keeps what is executed."""

    def __init__(self, row: tuple[object, ...] | None = None) -> None:
        self.row, self.executed = row, list[str]()

    async def execute(self, text: str) -> None:
        self.executed.append(text)

    async def fetchrow(self, *_: str) -> tuple[object, ...] | None:
        return self.row


async def test_a_statement_whose_time_has_passed_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection()
    monkeypatch.setattr("cloud.databases.postgresql._operating", lambda *_: nullcontext(connection))
    monkeypatch.setattr("cloud.databases.postgresql.SENT_WITHIN", -1.0)
    error = await problem_of(POSTGRES.set_password("server", APP, "app", Sensitive(FIRST)))
    assert (error.code, error.unsent) == ("NotSent", True)
    assert connection.executed == ["BEGIN"]


async def test_what_is_sent_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    monkeypatch.setattr("cloud.databases.postgresql._operating", lambda *_: nullcontext(connection))
    await POSTGRES.set_password("server", APP, "app", Sensitive(FIRST))
    _, statement = connection.executed
    assert statement.startswith('ALTER ROLE "app" PASSWORD \'SCRAM-SHA-256$')
    assert FIRST not in statement


async def test_a_rehearsal_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection((True, False, "scram-sha-256"))
    monkeypatch.setattr("cloud.databases.postgresql._operating", lambda *_: nullcontext(connection))
    await POSTGRES.rehearse("server", APP, "app")
    (statement,) = connection.executed
    assert (statement[:6], statement[-10:]) == ("BEGIN;", "; ROLLBACK")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (None, NotFound),
        ((False, False, "scram-sha-256"), NeedsHuman),
        ((True, True, "scram-sha-256"), NeedsHuman),
        ((True, False, "md5"), NeedsHuman),
    ],
)
async def test_a_role_that_no_verifier_lets_in_is_left_alone(
    row: tuple[object, ...] | None, kind: type[RekeyError], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(row)
    monkeypatch.setattr("cloud.databases.postgresql._operating", lambda *_: nullcontext(connection))
    assert isinstance(await problem_of(POSTGRES.rehearse("server", APP, "app")), kind)
    assert not connection.executed


@pytest.mark.parametrize(
    ("state", "text", "is_app", "kind", "code"),
    [
        ("28P01", "no", False, VerificationFailed, problems.REFUSED),
        ("28P01", "no", True, AccessDenied, problems.REFUSED),
        ("28000", "no pg_hba.conf entry for host", False, AccessDenied, problems.FIREWALL),
        ("42501", "permission denied for database", False, NeedsHuman, problems.NO_DATABASE),
        ("53300", "too many clients", False, TransientError, problems.BUSY),
        ("57P03", "starting up", False, TransientError, problems.BUSY),
    ],
)
def test_what_ends_a_sign_in_has_its_documented_meaning(
    state: str, text: str, is_app: bool, kind: type[RekeyError], code: str
) -> None:
    ended = PostgresError(text)
    ended.sqlstate = state
    made = _of_sign_in(ended, "server", "app", is_app=is_app)
    assert (type(made), made.code) == (kind, code)


@pytest.mark.parametrize(
    ("state", "text", "kind", "code"),
    [
        ("42704", "no", NotFound, problems.NO_LOGIN),
        ("42501", "no", AccessDenied, problems.MAY_NOT_ALTER),
        ("25006", "no", NeedsHuman, problems.READ_ONLY),
        ("22023", "no", NeedsHuman, problems.POLICY),
        ("XX000", "tuple concurrently updated", TransientError, problems.BUSY),
        ("XX000", "cache lookup failed", PermanentError, "XX000"),
        ("55P03", "canceling statement due to lock timeout", TransientError, problems.BUSY),
    ],
)
def test_what_ends_a_statement_has_its_documented_meaning(
    state: str, text: str, kind: type[RekeyError], code: str
) -> None:
    ended = PostgresError(text)
    ended.sqlstate = state
    made = _of_statement(ended, "server", "app")
    assert (type(made), made.code) == (kind, code)


async def test_the_server_ends_what_takes_longer_than_the_client_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = dict[str, Any]()

    async def connect(**named: object) -> None:
        options.update(named)
        raise TimeoutError

    monkeypatch.setattr("asyncpg.connect", connect)
    await problem_of(POSTGRES.rehearse("server", APP, "app"))
    limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    assert [options["server_settings"].get(name) for name in limits] == ["5000"] * 3


@pytest.mark.parametrize("refusal", [TooManyConnectionsError, InvalidPasswordError, TimeoutError])
async def test_a_change_that_its_server_does_not_let_in_is_known_not_to_be_sent(
    refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(**options: object) -> None:
        del options
        raise refusal("no")

    monkeypatch.setattr("asyncpg.connect", connect)
    error = await problem_of(POSTGRES.set_password("server", APP, "app", Sensitive(FIRST)))
    assert error.unsent


async def test_no_password_without_tls() -> None:
    """It answers N to the request for TLS, as a server without TLS or a thief of passwords does."""
    heard = bytearray()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(8))
        writer.write(b"N")
        heard.extend(await reader.read())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as thief:
        port = thief.sockets[0].getsockname()[1]
        error = await problem_of(
            POSTGRES.sign_in(f"127.0.0.1:{port}", "postgres", "app", Sensitive(FIRST))
        )
    assert error.code == problems.UNTRUSTED
    assert len(heard) == 8
