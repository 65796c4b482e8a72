"""A real MariaDB judges what Rekey sends to MySQL, and what Rekey makes of its answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Iterator
from typing import Self

import pytest
from pymysql.converters import escape_string
from pymysql.err import OperationalError

from cloud.azure import NO_ANSWER
from cloud.databases import problems
from cloud.databases.mysql import (
    ACCOUNT,
    MySqlServers,
    _connected,
    _of_operator,
    _of_sign_in,
    account,
)
from cloud.databases.servers import Operator
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from tests.cloud.database_contract import FIRST, DatabaseContract, kind_of, problem_of
from tests.mariadb import SECRET, SUPERUSER, MariaDb, start_mariadb
from tests.shared.promises import everything

HOSTILE = (
    "app",
    "App",
    "a'; DROP USER app; --",
    'a"`b',
    "a\\",
    "a\\' OR 1=1 -- ",
    "select",
    "d\u00e9j\u00e0 vu \u6f22",
    "a%sb{}_%%",
    "a@b@%",
    "x" * 32,
)
APP = Operator(SUPERUSER, Sensitive(SECRET))
MYSQL = MySqlServers()


def quoted(login: str) -> str:
    """Return a login as the tests' own statements name it, quoted by other means than the product's."""
    user, host = account(login)
    return f"`{user.replace('`', '``')}`@'{escape_string(host)}'"


@pytest.fixture
def user(mariadb: MariaDb, request: pytest.FixtureRequest) -> Iterator[str]:
    """A user with a name of the test's own, or of its choice."""
    name = getattr(request, "param", f"app_{secrets.token_hex(4)}")
    mariadb.sql(f"CREATE USER {quoted(name)} IDENTIFIED BY '{FIRST}'")
    yield name
    mariadb.sql(f"DROP USER {quoted(name)}")


def sign_in(server: MariaDb, name: str, password: str, database: str = "") -> Awaitable[None]:
    return MYSQL.sign_in(server.server, database, name, Sensitive(password))


class TestContract(DatabaseContract):
    client, app, database = MYSQL, APP, ""
    busy = f"CREATE USER busy IDENTIFIED BY '{FIRST}' WITH MAX_CONNECTIONS_PER_HOUR 1"

    @pytest.fixture
    def server(self, mariadb: MariaDb) -> MariaDb:
        return mariadb

    @pytest.fixture
    def login(self, user: str) -> str:
        return user


@pytest.mark.parametrize("user", HOSTILE, indirect=True)
@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
async def test_any_name_is_quoted_so_that_its_own_password_alone_changes(
    mariadb: MariaDb, user: str, mode: str
) -> None:
    await asyncio.to_thread(mariadb.sql, f"SET GLOBAL sql_mode = '{mode}'")
    await MYSQL.rehearse(mariadb.server, APP, user)
    await sign_in(mariadb, user, FIRST)
    await MYSQL.set_password(mariadb.server, APP, user, Sensitive("a \\ 'new' one"))
    await asyncio.to_thread(mariadb.sql, "SET GLOBAL sql_mode = ''")
    await sign_in(mariadb, user, "a \\ 'new' one")
    assert (await problem_of(sign_in(mariadb, user, FIRST))).code == problems.REFUSED


@pytest.mark.parametrize(
    ("login", "parts"),
    [("app", ("app", "%")), ("app@10.0.%", ("app", "10.0.%")), ("a@b@%", ("a@b", "%"))],
)
def test_the_last_at_separates_user_and_host(login: str, parts: tuple[str, str]) -> None:
    assert account(login) == parts


async def test_the_grants_of_the_kinds_page_are_what_it_takes(mariadb: MariaDb, user: str) -> None:
    from rotators.shared.database_engine import MYSQL as FACTS

    low = f"low_{secrets.token_hex(4)}"
    await asyncio.to_thread(mariadb.sql, f"CREATE USER {low} IDENTIFIED BY '{FIRST}'")
    app = Operator(low, Sensitive(FIRST))
    grants = FACTS.grants(low, user).split("; ")
    error = await problem_of(MYSQL.set_password(mariadb.server, app, user, Sensitive("value-x")))
    assert (type(error), error.code) == (AccessDenied, problems.MAY_NOT_ALTER)
    for grant in grants:
        assert await kind_of(MYSQL.rehearse(mariadb.server, app, user)) == (
            AccessDenied,
            problems.MAY_NOT_ALTER,
        )
        await asyncio.to_thread(mariadb.sql, grant)
    await MYSQL.rehearse(mariadb.server, app, user)
    assert "CREATE USER 'rekey-" not in mariadb.log(), "a rehearsal makes nobody"
    await sign_in(mariadb, user, FIRST)
    await MYSQL.set_password(mariadb.server, app, user, Sensitive("a new one"))


async def test_a_locked_user_needs_a_person(mariadb: MariaDb, user: str) -> None:
    await asyncio.to_thread(mariadb.sql, f"ALTER USER {user} ACCOUNT LOCK")
    assert await kind_of(sign_in(mariadb, user, FIRST)) == (NeedsHuman, problems.LOGIN_DISABLED)


@pytest.mark.parametrize(
    ("way", "is_fit"),
    [
        ("IDENTIFIED VIA unix_socket", False),
        ("REQUIRE X509", False),
        ("REQUIRE SUBJECT '/CN=app'", False),
        ("REQUIRE SSL", True),
    ],
)
async def test_an_account_that_no_password_alone_opens_is_left_alone(
    mariadb: MariaDb, user: str, way: str, *, is_fit: bool
) -> None:
    await asyncio.to_thread(mariadb.sql, f"ALTER USER {user} {way}")
    rehearsed = MYSQL.rehearse(mariadb.server, APP, user)
    if is_fit:
        await rehearsed
    else:
        assert await kind_of(rehearsed) == (NeedsHuman, "PasswordsOff")


async def test_a_database_that_is_closed_to_the_user_is_told_apart_from_a_wrong_password(
    mariadb: MariaDb, user: str
) -> None:
    for database in ("mysql", "nowhere"):
        closed = sign_in(mariadb, user, FIRST, database)
        assert (await problem_of(closed)).code == problems.NO_DATABASE
    wrong = sign_in(mariadb, user, "wrong", "mysql")
    assert (await problem_of(wrong)).code == problems.REFUSED


@pytest.fixture(scope="module")
def reading() -> Iterator[MariaDb]:
    """A server that only reads, and on which the app is nobody's superuser."""
    with start_mariadb() as server:
        server.sql(
            f"CREATE USER app IDENTIFIED BY '{FIRST}'",
            f"CREATE USER rekey IDENTIFIED BY '{FIRST}'",
            "GRANT CREATE USER ON *.* TO rekey",
            "GRANT SELECT ON mysql.user TO rekey",
            "SET GLOBAL read_only = ON",
        )
        yield server


async def test_a_server_that_only_reads_needs_a_person(
    reading: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(reading.authority))
    app = Operator("rekey", Sensitive(FIRST))
    for call in (
        MYSQL.rehearse(reading.server, app, "app"),
        MYSQL.set_password(reading.server, app, "app", Sensitive("value-x")),
    ):
        assert await kind_of(call) == (NeedsHuman, problems.READ_ONLY)


@pytest.fixture(scope="module")
def with_attributes() -> Iterator[MariaDb]:
    """A server whose table of users has the column of MySQL's that tells of a second password."""
    with start_mariadb() as server:
        server.sql(
            f"CREATE USER twice IDENTIFIED BY '{FIRST}'",
            f"CREATE USER once IDENTIFIED BY '{FIRST}'",
            "CREATE OR REPLACE VIEW mysql.user AS SELECT user, host, '' AS plugin, '' AS ssl_type,"
            " IF(user = 'twice', JSON_OBJECT('additional_password', '*hash'), NULL)"
            " AS user_attributes FROM mysql.global_priv",
        )
        yield server


async def test_an_account_with_a_second_password_which_no_change_ends_needs_a_person(
    with_attributes: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(with_attributes.authority))
    await MYSQL.rehearse(with_attributes.server, APP, "once")
    error = await problem_of(MYSQL.rehearse(with_attributes.server, APP, "twice"))
    assert isinstance(error, NeedsHuman)
    assert "DISCARD OLD PASSWORD" in error.fix


@pytest.fixture(scope="module")
def unencrypted() -> Iterator[MariaDb]:
    """A server without TLS."""
    with start_mariadb("--skip-ssl", "--require-secure-transport=OFF") as server:
        yield server


async def test_a_server_without_tls_gets_no_password(
    unencrypted: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(unencrypted.authority))
    error = await problem_of(sign_in(unencrypted, SUPERUSER, SECRET))
    assert error.code == problems.UNTRUSTED
    assert "Connect" not in unencrypted.log()


def test_a_statement_waits_no_longer_for_a_lock_and_a_session_idles_no_longer_than_the_client(
    mariadb: MariaDb, user: str
) -> None:
    """A process that freezes before its statement finds its session ended by the server."""
    connection = _connected(mariadb.server, None, user, Sensitive(FIRST))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@lock_wait_timeout, @@wait_timeout")
        assert cursor.fetchone() == (5, 5)


def test_a_session_is_opened_with_these_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    options = dict[str, object]()
    monkeypatch.setattr("pymysql.connect", lambda **named: options.update(named))
    _connected("server", None, "rekey", Sensitive(FIRST))
    assert options["init_command"] == "SET SESSION lock_wait_timeout = 5, wait_timeout = 5"


class Connection:
    """Answers each query with one row, and keeps what is executed."""

    def __init__(self, row: tuple[object, ...] | None = None) -> None:
        self.row, self.executed = row, list[str]()

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass

    def execute(self, statement: str, _: object) -> None:
        self.executed.append(statement)

    def fetchone(self) -> tuple[object, ...] | None:
        return self.row


async def test_a_statement_whose_time_has_passed_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection()
    monkeypatch.setattr("cloud.databases.mysql._connected", lambda *_: connection)
    monkeypatch.setattr("cloud.databases.mysql.SENT_WITHIN", -1.0)
    error = await problem_of(MYSQL.set_password("server", APP, "app", Sensitive(FIRST)))
    assert (error.code, error.unsent) == ("NotSent", True)
    assert not connection.executed


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (None, problems.NO_LOGIN),
        (("authentication_ldap_simple", "", 0, None), "PasswordsOff"),
        (("caching_sha2_password", "X509", 0, None), "PasswordsOff"),
        (("caching_sha2_password", "", 1, None), problems.SEVERAL),
        (("caching_sha2_password", "", 0, 1), "SecondPassword"),
    ],
)
async def test_an_account_whose_password_is_not_all_is_left_alone(
    row: tuple[object, ...] | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(row)
    monkeypatch.setattr("cloud.databases.mysql._connected", lambda *_: connection)
    assert (await problem_of(MYSQL.rehearse("server", APP, "app"))).code == code
    assert connection.executed == [ACCOUNT]


@pytest.mark.parametrize(
    ("login", "address", "kind"),
    [
        ("app", "10.1.2.3", VerificationFailed),
        ("app@10.0.%", "10.1.2.3", NeedsHuman),
        ("app@10.0.%", "10.0.2.3", VerificationFailed),
        ("app@10.0.0._", "10.0.0.44", NeedsHuman),
        ("app@10.0.0._", "10.0.0.4", VerificationFailed),
        ("app@10.0.0.4", "10.0.0.44", NeedsHuman),
        ("app@localhost", "10.0.0.4", NeedsHuman),
        ("app@LocalHost", "localhost", VerificationFailed),
        ("app@10.0.0.0/255.0.0.0", "192.0.2.1", NeedsHuman),
        ("app@10.0.0.0/255.0.0.0", "10.1.2.3", VerificationFailed),
        ("app@10.0.0.0/255.0.255.0", "10.9.0.3", VerificationFailed),
        ("app@10.0.0.0/0.0.0.255", "10.0.0.0", NeedsHuman),
        ("app@10.0.0.0/8", "192.0.2.1", NeedsHuman),
        ("app@10.0.0.0/8", "10.1.2.3", VerificationFailed),
        ("app@10.0.0.0/eight", "10.1.2.3", NeedsHuman),
        ("app@10.0.0.0/8", "client.example", NeedsHuman),
        ("app@10.0.%", None, VerificationFailed),
    ],
)
def test_a_user_that_may_not_come_from_the_apps_address_has_refused_no_password(
    login: str, address: str | None, kind: type[RekeyError]
) -> None:
    text = f"Access denied for user 'app'@'{address}' (using password: YES)" if address else "no"
    made = _of_sign_in("server", login, OperationalError(1045, text), is_app=False)
    assert type(made) is kind
    if kind is NeedsHuman:
        assert str(address) in str(made)
        assert made.fix


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (3118, NeedsHuman, problems.LOGIN_DISABLED),
        (1862, NeedsHuman, problems.LOGIN_DISABLED),
        (3955, NeedsHuman, problems.LOGIN_DISABLED),
        (1130, AccessDenied, problems.FIREWALL),
        (1040, TransientError, problems.BUSY),
        (2013, TransientError, NO_ANSWER),
        (2026, TransientError, problems.UNTRUSTED),
        (1819, NeedsHuman, problems.POLICY),
        (3638, NeedsHuman, problems.POLICY),
        (1836, NeedsHuman, problems.READ_ONLY),
        (1205, TransientError, problems.BUSY),
        (0, TransientError, NO_ANSWER),
    ],
)
def test_codes_that_only_mysql_sends_have_their_documented_meaning(
    code: int, kind: type[RekeyError], name: str
) -> None:
    error = OperationalError(code, "text with S3cret")
    for made in (
        _of_operator("server", "rekey", "app", error),
        *(
            [_of_sign_in("server", "app", error, is_app=False)]
            if code not in (1819, 3638, 1836)
            else []
        ),
    ):
        assert (type(made), made.code) == (kind, name)
        assert "S3cret" not in everything(made)


@pytest.mark.parametrize("code", [1142, 1143, 1227])
def test_the_app_lacks_a_right_whether_table_column_or_server_says_so(code: int) -> None:
    made = _of_operator("server", "rekey", "app", OperationalError(code, "denied"))
    assert (type(made), made.code) == (AccessDenied, problems.MAY_NOT_ALTER)
