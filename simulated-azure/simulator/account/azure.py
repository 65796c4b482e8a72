"""A simulated Azure that deploys templates and runs the app that was deployed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from simulator.account.clock import ClockService
from simulator.account.deployments import DeploymentsProvider
from simulator.account.flex import Flex
from simulator.account.making import adopt
from simulator.account.subscriptions import Subscriptions
from simulator.account.world import Account
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.arm.deployments.tenant import Spread
    from simulator.wire import Request
    from simulator.world import Domains

HOPS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers of one connection."""


class EmptyAzure(Account):
    """An account in which nothing was deployed, and the services with which that changes.

    `folder` is where packages are unpacked.
    """

    def __init__(self, domains: Domains, folder: Path, spread: Spread | None = None) -> None:
        super().__init__(domains, spread)
        self.flex = Flex(self, folder)
        self.templates = DeploymentsProvider(self, partial(adopt, self))
        self.arm.providers["microsoft.resources"] = self.templates
        self.arm.subscriptions = Subscriptions(self)
        self.services += [self.flex, ClockService(self.clock, self.flex.starting)]

    async def answer(self, request: Request) -> Response:
        """Hand requests for an app to its host; answer all others."""
        self.flex.look()
        base = self.flex.address(request.host)
        if base is None:
            return self.handle(request)
        if not base:
            return json_response(503, {"error": "the host starts"})
        try:
            return await _handed_on(base, request)
        except aiohttp.ClientError as error:
            return json_response(502, {"error": f"the host does not answer: {error}"})


async def _handed_on(base: str, request: Request) -> Response:
    url = URL(f"{base}/{request.url.split('/', 3)[3]}", encoded=True)
    sent = {name: text for name, text in request.headers.items() if name not in HOPS}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(request.method, url, headers=sent, data=request.body) as answer,
    ):
        headers = {name: text for name, text in answer.headers.items() if name.lower() not in HOPS}
        return Response(answer.status, headers, await answer.read())
