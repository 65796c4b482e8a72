"""Microsoft's driver against servers that speak TDS 8.0."""

from __future__ import annotations

import logging
import os
import shutil
import string
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import mssql_python
import pytest
import trustme

import cloud.sql.driver
from cloud.azure import NO_ANSWER
from cloud.databases.problems import REFUSED, UNTRUSTED
from cloud.sql.driver import STATEMENT_SECONDS, DriverSqlServers
from cloud.sql.errors import ENTRA_ONLY, NO_DATABASE, NOT_LOADED
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.shared.sql_names import SqlPlace, alter, standing
from tests.cloud.sql.conftest import Wired
from tests.parts import ROOT
from tests.programs import run
from tests.shared.promises import Ear, everything
from tests.shared.sql_rig import ADMIN, FIRST, SqlRig

PRINTABLE = "".join(character for character in string.printable if character.isprintable())


async def refused(
    wired: Wired, user: str, password: str, database: str = "master"
) -> RekeyError | None:
    """Return what speaks against a sign-in; None where nothing does."""
    try:
        await DriverSqlServers().sign_in(wired.rig.server.fqdn, database, user, Sensitive(password))
    except RekeyError as error:
        return error
    return None


async def execute(
    wired: Wired, statement: Sensitive, token: str | None = None
) -> tuple[object, ...]:
    return await DriverSqlServers().execute(
        wired.rig.server.fqdn, "master", Sensitive(token or token_of(wired.rig)), statement
    )


def token_of(rig: SqlRig, audience: str = "https://database.windows.net") -> str:
    return rig.world.identities.token_for(audience, rig.identity)


def place(rig: SqlRig) -> SqlPlace:
    return SqlPlace.of(rig.server.resource_id)


async def test_a_wrong_password_is_refused_with_18456(wired: Wired) -> None:
    error = await refused(wired, ADMIN, "Wr0ng-password")
    assert isinstance(error, VerificationFailed)
    assert error.code == REFUSED


async def test_a_name_and_a_password_of_every_printable_character_reach_the_server_as_they_are(
    wired: Wired,
) -> None:
    wired.rig.server.add_login(PRINTABLE, PRINTABLE, "master")
    assert await refused(wired, PRINTABLE, PRINTABLE) is None
    assert isinstance(await refused(wired, PRINTABLE, PRINTABLE[:-1]), VerificationFailed)


async def test_no_connection_is_pooled_which_would_take_the_old_password(wired: Wired) -> None:
    server = wired.rig.server
    text = f"Server={{{server.fqdn}}};Database={{master}};Encrypt={{strict}};UID={{{ADMIN}}};PWD={{{FIRST}}};"
    mssql_python.pooling(enabled=True)
    mssql_python.connect(text, autocommit=True).close()
    server.set_password(server.administrator, "An0ther-password")
    mssql_python.connect(text, autocommit=True).close()
    assert isinstance(await refused(wired, ADMIN, FIRST), VerificationFailed)
    assert await refused(wired, ADMIN, "An0ther-password") is None


async def test_a_login_without_a_user_in_master_is_no_wrong_password(wired: Wired) -> None:
    wired.rig.server.add_login("app", FIRST, "shop")
    error = await refused(wired, "app", FIRST)
    assert error is not None
    assert error.code == NO_DATABASE
    assert isinstance(await refused(wired, "app", "Wr0ng-password"), VerificationFailed)


async def test_a_server_for_entra_identities_only_says_so(wired: Wired) -> None:
    wired.rig.server.entra_only = True
    error = await refused(wired, ADMIN, FIRST)
    assert isinstance(error, NeedsHuman)
    assert error.code == ENTRA_ONLY


@pytest.mark.parametrize(
    "name", ["only authentication is enabled", "cannot open server", "certificate", "retry"]
)
async def test_a_login_named_like_an_error_is_not_taken_for_it(wired: Wired, name: str) -> None:
    wired.rig.server.add_login(name, FIRST, "master")
    assert isinstance(await refused(wired, name, "Wr0ng-password"), VerificationFailed)


@pytest.mark.parametrize("flaw", ["for another name", "expired", "of an unknown authority"])
async def test_a_certificate_with_a_flaw_is_not_trusted(unstarted: Wired, flaw: str) -> None:
    by = Wired(unstarted.rig, trustme.CA()) if "authority" in flaw else unstarted
    name = "database.example" if "name" in flaw else "localhost"
    ends = datetime.now(UTC) + timedelta(days=-1 if flaw == "expired" else 1)
    unstarted.present(by.certified(name, not_after=ends))
    unstarted.servers.start()
    error = await refused(unstarted, ADMIN, FIRST)
    assert isinstance(error, TransientError)
    assert error.code == UNTRUSTED
    assert unstarted.rig.calls() == {}


async def test_a_silent_server_is_given_up(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.sql.driver, "LOGIN_SECONDS", 1)
    wired.servers.silent.add(wired.rig.server.name)
    error = await refused(wired, ADMIN, FIRST)
    assert isinstance(error, TransientError)
    assert error.code == NO_ANSWER


async def test_a_question_is_answered_with_a_row(wired: Wired) -> None:
    assert await execute(wired, standing(place(wired.rig), "app")) == (1, 0)


@pytest.mark.parametrize(
    "audience", ["https://management.azure.com", "https://database.usgovcloudapi.net"]
)
async def test_a_token_for_somebody_else_is_refused(wired: Wired, audience: str) -> None:
    with pytest.raises(AccessDenied):
        await execute(wired, standing(place(wired.rig), "app"), token_of(wired.rig, audience))


async def test_a_statement_without_a_connection_is_known_not_to_be_sent(wired: Wired) -> None:
    statement = alter(place(wired.rig), "nobody", Sensitive("An0ther-password"))
    with pytest.raises(NeedsHuman) as refused_there:
        await execute(wired, statement)
    assert not refused_there.value.unsent
    wired.rig.server.firewalled = True
    with pytest.raises(AccessDenied) as turned_away:
        await execute(wired, statement)
    wired.rig.server.fqdn = "localhost,1"
    with pytest.raises(TransientError) as closed:
        await execute(wired, statement)
    assert turned_away.value.unsent
    assert closed.value.unsent


async def test_two_statements_at_once_are_none(wired: Wired) -> None:
    with pytest.raises(PermanentError):
        await execute(
            wired,
            Sensitive("ALTER LOGIN [app] WITH PASSWORD = N'An0ther-password' DROP LOGIN [app]"),
        )


async def test_no_password_and_no_statement_is_ever_told(
    wired: Wired, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = "Pl4nted-password-Pl4nted"
    ear, root = Ear(), logging.getLogger()
    root.addHandler(ear)
    level, root.level = root.level, logging.DEBUG
    errors: list[RekeyError | None] = [await refused(wired, ADMIN, planted)]
    try:
        for statement in (
            alter(place(wired.rig), "app", Sensitive(planted)),
            Sensitive(f"ALTER '{planted}'"),
        ):
            with pytest.raises(RekeyError) as caught:
                await execute(wired, statement)
            errors.append(caught.value)
        wired.rig.server.fqdn = "localhost,1"
        errors.append(await refused(wired, ADMIN, planted))
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
    texts = [*ear.heard, *(everything(error) for error in errors), *capfd.readouterr()]
    assert len(errors) == 4
    assert [text for text in texts if "Pl4nted" in text] == []
    assert all(error and error.__context__ is None and error.__cause__ is None for error in errors)


SIGNS_IN = """
import asyncio
from cloud.sql.driver import DriverSqlServers
from engine.errors import RekeyError
from engine.secret import Sensitive
try:
    asyncio.run(DriverSqlServers().sign_in("localhost,1", "master", "app", Sensitive("Pl4nted")))
except RekeyError as error:
    print(type(error).__name__, error.code, error)
"""


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("mssql_py_core.abi3.so", "the library libssl.so.9 is missing"),
        ("libs/linux/glibc/x86_64/lib/mssqlodbc.so", "Failed to load the driver"),
    ],
)
def test_a_driver_that_cannot_be_loaded_is_told_as_that_and_not_as_one_that_passes(
    library: str, words: str, tmp_path: Path
) -> None:
    """The driver itself, which asks for another OpenSSL than this machine has.

    It was told as a server that offers no TLS, and tried again for ever.
    """
    core = tmp_path / "mssql_py_core"
    shutil.copytree(Path(mssql_python.__file__).parents[1] / core.name, core)
    content = (core / library).read_bytes()
    (core / library).write_bytes(content.replace(b"libssl.so.3\0", b"libssl.so.9\0"))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ran = run(sys.executable, "-c", SIGNS_IN, env=env, check=True)
    assert ran.stdout.startswith(f"PermanentError {NOT_LOADED} Microsoft's SQL driver cannot be")
    assert words in ran.stdout
    assert "Fix: deploy the complete package" in ran.stdout
    assert "Pl4nted" not in ran.stdout


class SentAnyway:
    """A connection that fails the test where a statement is sent."""

    timeout = 0

    def cursor(self) -> SentAnyway:
        return self

    def execute(self, statement: str) -> None:
        raise AssertionError(f"{statement} was sent late")


class Sent(SentAnyway):
    """A connection that keeps how long each statement may take."""

    description = None

    def __init__(self) -> None:
        self.limits = list[int]()

    def execute(self, statement: str) -> None:
        del statement
        self.limits.append(self.timeout)


def test_a_statement_is_sent_with_a_limit() -> None:
    connection = Sent()
    cloud.sql.driver._first_row("ALTER", float("inf"), "orders", connection)
    assert connection.limits == [STATEMENT_SECONDS]


def test_the_driver_tries_no_sign_in_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one with a wrong password counts against the login."""
    texts = list[str]()
    driver = SimpleNamespace(connect=lambda text, **_: texts.append(text))
    monkeypatch.setattr("cloud.sql.driver._driver", lambda: driver)
    cloud.sql.driver._connected("orders", "master", {}, {})
    assert "ConnectRetryCount={0};" in texts[0]


def test_a_statement_whose_time_has_passed_is_not_sent() -> None:
    with pytest.raises(TransientError, match="not sent"):
        cloud.sql.driver._first_row("ALTER", float("-inf"), "orders", SentAnyway())


async def test_a_driver_that_lacks_a_library_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise ImportError("libssl.so.3: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("cloud.sql.driver._driver", broken)
    with pytest.raises(PermanentError, match=r"libssl\.so\.3 is missing") as caught:
        await DriverSqlServers().sign_in("orders", "master", "app", Sensitive("S3cret-password"))
    assert caught.value.unsent
