"""A world with one subscription in which nothing has been deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from simulator.account.clock import ClockService, LateClock
from simulator.account.deployments import DeploymentsProvider
from simulator.account.flex import Flex
from simulator.account.making import adopt
from simulator.account.rights import SpreadingRoles
from simulator.account.subscriptions import Subscriptions
from simulator.arm.deployments.ids import Place
from simulator.arm.deployments.tenant import Resource, Spread, Tenant
from simulator.azure import Azure
from simulator.identity import HOME_TENANT
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simulator.wire import Request
    from simulator.world import Domains

HOPS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers of one connection."""


class EmptyAzure(Azure):
    """A simulated Azure that deploys templates and runs the app that was deployed.

    `environment` is what makes the app use this world; whoever serves the world sets it.
    """

    def __init__(self, domains: Domains, folder: Path, spread: Spread | None = None) -> None:
        self.clock = LateClock()
        super().__init__(self.clock.now, domains)
        self.regions = ("westeurope", "northeurope")
        self.environment: dict[str, str] = {}
        self.tenant = Tenant(
            self.clock.now, HOME_TENANT, self.regions[0], _cloud(domains), spread or Spread()
        )
        self.roles: SpreadingRoles = SpreadingRoles(self.tenant)
        self.flex = Flex(self, folder)
        self.templates = DeploymentsProvider(self)
        self.arm.providers["microsoft.resources"] = self.templates
        self.arm.subscriptions = Subscriptions(self)
        self.services += [self.flex, ClockService(self.clock, self.flex.starting)]

    def add_group(self, subscription: str = "", group: str = "") -> None:
        """Add a resource group, in which templates can be deployed."""
        super().add_group(*filter(None, (subscription, group)))
        for name, groups in self.groups.items():
            for one in groups:
                self.tenant.add_group(Place(name, one))

    def furnish(self) -> None:
        """Let templates find the vaults and accounts that there are."""
        for vault in self.vaults.values():
            body = {"location": vault.location, "properties": {"enableRbacAuthorization": True}}
            self._keep(vault.resource_id, "Microsoft.KeyVault/vaults", body)
        for account in self.accounts.values():
            body = {"location": account.location, "properties": {}}
            self._keep(account.resource_id, "Microsoft.Storage/storageAccounts", body)

    def adopt(self) -> None:
        """Let the services have what a template made."""
        adopt(self)

    async def answer(self, request: Request) -> Response:
        """Hand requests for an app to its host; answer all others."""
        self.flex.look()
        base = self.flex.address(request.host)
        if base is None:
            return self.handle(request)
        if not base:
            return json_response(503, {"error": "the host starts"})
        return await _handed_on(base, request)

    def _keep(self, resource_id: str, kind: str, body: Mapping[str, object]) -> None:
        self.tenant.keep(Resource(resource_id, kind, body, self.now()))


async def _handed_on(base: str, request: Request) -> Response:
    url = URL(f"{base}/{request.url.split('/', 3)[3]}", encoded=True)
    sent = {name: text for name, text in request.headers.items() if name not in HOPS}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(request.method, url, headers=sent, data=request.body) as answer,
    ):
        headers = {name: text for name, text in answer.headers.items() if name.lower() not in HOPS}
        return Response(answer.status, headers, await answer.read())


def _cloud(domains: Domains) -> dict[str, object]:
    return {
        "name": "AzureCloud",
        "resourceManager": f"https://{domains.arm}/",
        "authentication": {"loginEndpoint": f"https://{domains.login}/"},
        "suffixes": {
            "keyvaultDns": f".{domains.vault}",
            "storage": domains.blob.removeprefix("blob."),
        },
    }
