"""A world's SQL servers behind the product's own port, without driver and socket.

Tests that sign in thousands of times use it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cloud.azure import NO_ANSWER
from cloud.sql.errors import explain
from engine.errors import RekeyError, TransientError
from engine.secret import Sensitive
from simulator.sql import errors
from simulator.wire import Request, Response
from tests.shared.simulated_databases import answered

if TYPE_CHECKING:
    from simulator.reach.transport import Intercept
    from simulator.world import World

PATIENCE = 15.0
"""How many seconds the driver waits for an answer."""
AS_THE_DRIVER_SAYS = (
    "Driver Error: Syntax error or access violation; DDBC Error: [Microsoft][SQL Server]"
)


class SimulatedSqlServers:
    """See cloud.sql.driver.SqlServers. `intercept` wraps every call, as for HTTP requests."""

    def __init__(self, world: World, intercept: Intercept | None = None) -> None:
        self.world = world
        self.intercept = intercept

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        body = {"user": user, "password": password.reveal()}
        await self._send("SIGN-IN", server, database, body, user)

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> tuple[Any, ...]:
        """Run one statement under an access token."""
        body = {"token": token.reveal(), "statement": statement.reveal()}
        return await self._send("EXECUTE", server, database, body, None)

    async def _send(
        self, method: str, server: str, database: str, body: dict[str, str], user: str | None
    ) -> tuple[Any, ...]:
        request = Request(
            method, f"tds://{server}/{quote(database, safe='')}", {}, json.dumps(body).encode()
        )
        where = f"{server}, database {database}"
        response = await answered(self.world, request, self.intercept, PATIENCE)
        if response is None:
            raise TransientError("the server gave no answer", where=where, code=NO_ANSWER)
        answer: Any = response.json()
        if response.status == HTTPStatus.OK:
            return tuple(answer["row"])
        raise _problem(
            response, answer, where, user, body.get("statement", body.get("password", ""))
        )


def _problem(
    response: Response, answer: Any, where: str, user: str | None, secret: str
) -> RekeyError:
    if "refused" in answer:
        return explain(AS_THE_DRIVER_SAYS + answer["refused"]["text"], where, user, secret)
    if response.status == HTTPStatus.FORBIDDEN:
        return explain(AS_THE_DRIVER_SAYS + errors.firewalled(where).text, where, user, secret)
    return TransientError(
        f"the server gave no answer: {response.status}", where=where, code=NO_ANSWER
    )
