"""Redis caches on loopback, over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import pytest

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
def cache(request: pytest.FixtureRequest, cloud: Background[Azure]) -> KeyedAccount:
    accounts = cloud.world.keyed.values()
    return next(account for account in accounts if account.contract.kind == request.param)


async def said(cloud: Background[Azure], cache: KeyedAccount, *words: str) -> bytes:
    """Send one command of Redis over TLS, and return the line of its answer."""
    trusted = ssl.create_default_context(cafile=str(cloud.running.ca_file))
    host, _, port = cache.endpoint.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trusted)
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    writer.write(f"*{len(words)}\r\n{parts}".encode())
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_key_of_the_cache_signs_in_and_any_other_is_refused(
    cloud: Background[Azure], cache: KeyedAccount
) -> None:
    (ring,) = cache.rings.values()
    for key in ring.keys.values():
        assert await said(cloud, cache, "AUTH", key.value) == b"+OK\r\n"
        assert await said(cloud, cache, "AUTH", "default", key.value) == b"+OK\r\n"
    assert (await said(cloud, cache, "AUTH", "A" * 43 + "=")).startswith(b"-WRONGPASS")


async def test_nobody_gets_a_sign_of_life_without_a_key(
    cloud: Background[Azure], cache: KeyedAccount
) -> None:
    assert (await said(cloud, cache, "PING")).startswith(b"-NOAUTH")


async def test_caches_listen_on_ports_of_their_own(cloud: Background[Azure]) -> None:
    endpoints = {account.endpoint for account in cloud.world.keyed.values()}
    assert len(endpoints) == len(CACHES)
    assert all(endpoint.startswith("localhost:") for endpoint in endpoints)
