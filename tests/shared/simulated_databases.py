"""A world's database servers and Redis caches behind the product's own port, without driver and socket.

Tests that sign in thousands of times use it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from azure.core.exceptions import AzureError

from cloud.databases import problems
from cloud.databases.redis import meaning
from simulator.clock import virtual_clock
from simulator.wire import UNANSWERED, Request, Response

if TYPE_CHECKING:
    from cloud.databases.servers import Operator
    from engine.errors import RekeyError
    from engine.secret import Sensitive
    from simulator.databases.servers import EngineName
    from simulator.reach.transport import Intercept
    from simulator.world import World

PATIENCE = 10.0
"""How many seconds a driver waits for an answer."""


class SimulatedDatabases:
    """See cloud.databases.servers. `intercept` wraps every call, as for HTTP requests."""

    def __init__(
        self,
        world: World,
        engine: EngineName | Literal["redis"],
        intercept: Intercept | None = None,
    ) -> None:
        self.world = world
        self.engine = engine
        self.intercept = intercept

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        del database
        await self._send("SIGN-IN", server, login, {"password": password.reveal()})

    async def rehearse(self, server: str, operator: Operator, login: str) -> None:
        """Do all that setting a password takes, and keep nothing of it."""
        await self._send("REHEARSE", server, login, _signed(operator))

    async def set_password(
        self, server: str, operator: Operator, login: str, password: Sensitive
    ) -> None:
        body = {**_signed(operator), "password": password.reveal()}
        await self._send("ALTER", server, login, body)

    async def _send(self, method: str, server: str, login: str, body: dict[str, str]) -> None:
        sent = json.dumps({"login": login, **body}).encode()
        request = Request(method, f"{self.engine}://{server}/", {}, sent)
        response = await answered(self.world, request, self.intercept, PATIENCE)
        if response is None:
            raise problems.unanswered(server, TimeoutError())
        if response.status != HTTPStatus.OK:
            raise _problem(response, server, login, body.get("operator", ""))


async def answered(
    world: World, request: Request, intercept: Intercept | None, patience: float
) -> Response | None:
    """Return what a server answers to one call; None where that is lost, or takes too long."""

    async def call() -> Response:
        return world.handle(request)

    try:
        response = await (intercept(request, call) if intercept else call())
    except AzureError:
        return None
    if response is UNANSWERED and (clock := virtual_clock(world.now)):
        await clock.sleep(patience)
    return None if response is UNANSWERED else response


class SimulatedRedis(SimulatedDatabases):
    """See cloud.databases.redis: the same line of an answer means the same."""

    def __init__(self, world: World, intercept: Intercept | None = None) -> None:
        super().__init__(world, "redis", intercept)

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Try an access key once."""
        del database, login
        sent = json.dumps({"password": password.reveal()}).encode()
        request = Request("SIGN-IN", f"redis://{server}/", {}, sent)
        response = await answered(self.world, request, self.intercept, PATIENCE)
        if response is None:
            raise problems.unanswered(server, TimeoutError())
        if response.status != HTTPStatus.OK:
            raise problems.unreached(server, OSError())
        if problem := meaning(server, response.body.decode()):
            raise problem


def _signed(operator: Operator) -> dict[str, str]:
    return {"operator": operator.name, "token": operator.token.reveal()}


def _problem(response: Response, server: str, login: str, operator: str) -> RekeyError:
    answer = response.json()
    refused = answer.get("refused") if isinstance(answer, dict) else None
    meanings: dict[str, RekeyError] = {
        "refused": problems.refused(server, login, is_app=False),
        "app_refused": problems.refused(server, operator, is_app=True),
        "no_login": problems.no_login(server, login),
        "may_not_alter": problems.may_not_alter(server, login),
        "disabled": problems.disabled(server),
        "several": problems.several(server, login),
        "no_database": problems.no_database(server),
        "read_only": problems.read_only(server),
        "firewall": problems.firewall(server),
        "unreached": problems.unreached(server, ConnectionRefusedError()),
    }
    if refused in meanings:
        return meanings[refused]
    if response.status == HTTPStatus.FORBIDDEN:
        return problems.firewall(server)
    if response.status == HTTPStatus.BAD_GATEWAY:
        return problems.unreached(server, OSError())
    return problems.unanswered(server, OSError())


def simulated_databases(
    world: World, intercept: Intercept | None = None
) -> dict[str, SimulatedDatabases]:
    """Return a stand-in for every engine's driver."""
    engines: tuple[EngineName, ...] = ("postgresql", "mysql")
    return {engine: SimulatedDatabases(world, engine, intercept) for engine in engines}
