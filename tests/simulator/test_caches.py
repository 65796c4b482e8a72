"""Redis caches on loopback, called by the product's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cloud.databases.address import verified_tls
from cloud.databases.redis import RedisServers
from engine.errors import VerificationFailed
from engine.secret import Sensitive
from simulator.azure import Azure
from simulator.keys.accounts import KeyedAccount
from simulator.reach.server import Background, start_in_thread
from simulator.world import Domains

CACHES = {"Microsoft.Cache/redis": "", "Microsoft.Cache/redisEnterprise": "databases/shop"}


def staged(domains: Domains) -> Azure:
    azure = Azure(domains=domains)
    for kind, path in CACHES.items():
        azure.add_keyed(kind, "shop", path)
    return azure


@pytest.fixture(scope="module")
def cloud() -> Iterator[Background[Azure]]:
    with start_in_thread(staged) as cloud:
        yield cloud


@pytest.fixture(params=CACHES)
def cache(
    request: pytest.FixtureRequest, cloud: Background[Azure], monkeypatch: pytest.MonkeyPatch
) -> KeyedAccount:
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.running.ca_file))
    accounts = cloud.world.keyed.values()
    return next(account for account in accounts if account.contract.kind == request.param)


async def test_a_key_of_the_cache_signs_in_and_any_other_is_refused(cache: KeyedAccount) -> None:
    (ring,) = cache.rings.values()
    for key in ring.keys.values():
        await RedisServers().sign_in(cache.endpoint, "", "", Sensitive(key.value))
        await RedisServers().sign_in(cache.endpoint, "", "default", Sensitive(key.value))
    with pytest.raises(VerificationFailed):
        await RedisServers().sign_in(cache.endpoint, "", "", Sensitive("A" * 43 + "="))


async def test_nobody_gets_a_sign_of_life_without_a_key(cache: KeyedAccount) -> None:
    host, _, port = cache.endpoint.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=verified_tls())
    writer.write(b"*1\r\n$4\r\nPING\r\n")
    assert (await reader.readline()).startswith(b"-NOAUTH")
    writer.close()
    await writer.wait_closed()


async def test_caches_listen_on_ports_of_their_own(cloud: Background[Azure]) -> None:
    endpoints = {account.endpoint for account in cloud.world.keyed.values()}
    assert len(endpoints) == len(CACHES)
    assert all(endpoint.startswith("localhost:") for endpoint in endpoints)
