"""A certificate that is not trusted is named as the reason, with what to do about a proxy's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cloud.azure import NO_ANSWER, Azure
from cloud.clock import SystemClock
from cloud.follow_up.webhooks import ChatWebhooks
from cloud.rest.arm import Arm
from cloud.rest.data_plane import DataPlane, Signed
from cloud.rest.signed_requests import SignedRequests
from cloud.rest.signing import SigningKey
from cloud.vaults import KeyVaults
from engine.errors import TransientError
from engine.secret import SecretRef, Sensitive
from engine.state.policy import Webhook
from engine.state.request import Notice
from simulator.azure import build_world
from simulator.reach.names import resolve_localhost
from simulator.reach.server import serve
from simulator.reach.transport import SimulatedCredential
from tests.cloud.test_sent_once import Closing


async def key() -> SigningKey:
    return SigningKey("id", Sensitive("k" * 32))


async def vault(azure: Azure, url: str) -> None:
    await KeyVaults(azure, frozenset([url])).read(SecretRef(url, "app"))


async def resource(azure: Azure, url: str) -> None:
    await Arm(azure, "2025-01-01", "Role").read("/subscriptions/x", "reading", url)


async def proof(azure: Azure, url: str) -> None:
    await DataPlane(azure).send(Signed(url, {}), "there")


async def endpoint(azure: Azure, url: str) -> None:
    await SignedRequests(azure, SystemClock(), url, key).post("issue", b"{}", "issuing", "there")


async def webhook(azure: Azure, url: str) -> None:
    hook = Webhook(None, "slack", "hook")
    await ChatWebhooks(azure).send(hook, Sensitive(url), Notice("title", ()))


CALLS: dict[str, Callable[[Azure, str], Awaitable[None]]] = {
    "a vault": vault,
    "a resource": resource,
    "the proof of a key": proof,
    "an endpoint of one's own": endpoint,
    "a webhook": webhook,
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_certificate_that_is_not_trusted_says_so_and_where_to_name_an_authority(
    name: str,
) -> None:
    undo = resolve_localhost()
    try:
        async with serve(lambda domains: build_world(domains=domains)) as running:
            world = running.world
            url, identity = world.add_vault("prod").url, world.add_principal("rekey")
            azure = Closing(SimulatedCredential(world, identity), arm_endpoint=url)
            with pytest.raises(TransientError, match="has an unknown issuer") as caught:
                await CALLS[name](azure, url)
            for transport in azure.transports:
                await transport.close()
    finally:
        undo()
    assert "SSL_CERT_FILE" in caught.value.fix
    assert caught.value.code in (NO_ANSWER, "")
