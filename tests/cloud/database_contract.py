"""What the clients of both database engines keep to, each judged by a real server of its own.

test_mysql.py and test_postgresql.py give it their engine, and add what only that one has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import ClassVar

import pytest

from cloud.databases import problems
from cloud.databases.servers import DatabaseServers, Operator
from engine.errors import AccessDenied, NotFound, RekeyError, TransientError
from engine.secret import Sensitive
from tests.mariadb import MariaDb
from tests.postgresql import PostgreSql
from tests.shared.promises import everything

type Server = MariaDb | PostgreSql
FIRST = "F1rst-password-nobody-uses"
PASSWORDS = (
    "x",
    "a'b\\\"$$ %s",
    "\\' OR",
    "h\u00fcnter\u00a02",
    "\u1e9b\u0323 \U0001f600",
    "p" * 200,
)


async def problem_of(call: Awaitable[object]) -> RekeyError:
    with pytest.raises(RekeyError) as caught:
        await call
    return caught.value


async def kind_of(call: Awaitable[object]) -> tuple[type[RekeyError], str | None]:
    """Return the class of what a call raises, and its code."""
    error = await problem_of(call)
    return type(error), error.code


class DatabaseContract:
    """Tests of one engine: `server` and `login` are fixtures of its own."""

    client: ClassVar[DatabaseServers]
    app: ClassVar[Operator]
    database: ClassVar[str]
    busy: ClassVar[str]
    """Makes the role `busy`, whom the server turns away as one that has too much open already."""

    def sign_in(self, server: str, login: str, password: str = FIRST) -> Awaitable[None]:
        return self.client.sign_in(server, self.database, login, Sensitive(password))

    def set_password(self, server: Server, login: str, password: str) -> Awaitable[None]:
        return self.client.set_password(server.server, self.app, login, Sensitive(password))

    @pytest.mark.parametrize("password", PASSWORDS)
    async def test_any_password_can_be_set_and_signs_in(
        self, server: Server, login: str, password: str
    ) -> None:
        await self.set_password(server, login, password)
        await self.sign_in(server.server, login, password)

    async def test_a_rehearsal_changes_nothing(self, server: Server, login: str) -> None:
        await self.client.rehearse(server.server, self.app, login)
        await self.sign_in(server.server, login)

    async def test_a_login_that_does_not_exist_is_said_to_be_missing(self, server: Server) -> None:
        rehearsed = self.client.rehearse(server.server, self.app, "nobody")
        for call in (rehearsed, self.set_password(server, "nobody", "value")):
            error = await problem_of(call)
            assert isinstance(error, NotFound)
            assert "'nobody'" in str(error)

    async def test_the_app_itself_is_told_that_it_is_not_let_in(self, server: Server) -> None:
        stranger = Operator("rekey", Sensitive("t0ken"))
        error = await problem_of(self.client.rehearse(server.server, stranger, "app"))
        assert isinstance(error, AccessDenied)
        assert "t0ken" not in everything(error)

    async def test_a_server_whose_name_is_not_in_its_certificate_is_not_trusted(
        self, server: Server, login: str
    ) -> None:
        elsewhere = server.server.replace("localhost", "127.0.0.1")
        assert await kind_of(self.sign_in(elsewhere, login)) == (TransientError, problems.UNTRUSTED)

    async def test_a_server_that_is_not_there_is_out_of_reach(self) -> None:
        assert await kind_of(self.client.rehearse("localhost:1", self.app, "app")) == (
            TransientError,
            problems.NOT_REACHED,
        )

    async def test_a_change_without_a_connection_is_known_not_to_be_sent(
        self, server: Server, login: str
    ) -> None:
        await asyncio.to_thread(server.sql, self.busy)
        with suppress(RekeyError):
            await self.sign_in(server.server, "busy")
        busy, stranger = (Operator(name, Sensitive(FIRST)) for name in ("busy", "rekey"))
        for app, code in ((busy, problems.BUSY), (stranger, problems.REFUSED)):
            value = Sensitive("value-x")
            error = await problem_of(self.client.set_password(server.server, app, login, value))
            assert (error.code, error.unsent) == (code, True)
        refused = await problem_of(self.set_password(server, "nobody", "value-x"))
        assert not refused.unsent, "a statement was sent"
        await asyncio.to_thread(server.sql, "DROP USER busy")

    async def test_no_error_keeps_a_value(self, server: Server, login: str) -> None:
        for call in (
            self.sign_in(server.server, login, "Wr0ng-value"),
            self.set_password(server, "nobody", "Wr0ng-value"),
            self.sign_in("localhost:1", login, "Wr0ng-value"),
        ):
            assert "Wr0ng-value" not in everything(await problem_of(call))
