"""Where a Redis cache listens, and how one of its access keys is proven there.

A key is a password of the cache's default user. A classic cache is one resource, and says its host
and its port. A managed one says its host, and each of its databases has a port, keys and a switch
of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from cloud.databases.redis import PORT, RedisServers
from engine.errors import RekeyError, TransientError
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.key_facts import KeyPlace, Slot, properties_of
from rotators.shared.two_keys import TwoKeys

CLASSIC, MANAGED = "microsoft.cache/redis", "microsoft.cache/redisenterprise"
MANAGED_PORT = 10000


class RedisCache(TwoKeys):
    """Two keys that sign in to a cache."""

    template_fields: ClassVar[frozenset[str]] = frozenset({"host", "key", "name", "port"})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._redis = azure.redis or RedisServers()
        self._ports: dict[str, int] = {}

    async def fields(
        self, place: KeyPlace, slot: Slot, key: Sensitive, options: Mapping[str, str]
    ) -> dict[str, Sensitive]:
        """Return the key, where it is used, and the cache's name."""
        del slot, options
        host, _, port = (await self._server(place)).partition(":")
        texts = {"host": host, "name": place.name, "port": port}
        return {"key": key, **{name: Sensitive(text) for name, text in texts.items()}}

    async def prove(self, place: KeyPlace, key: Sensitive) -> RekeyError | None:
        """Sign in with the key and ask for a sign of life."""
        try:
            await self._redis.sign_in(await self._server(place), "", "", key)
        except RekeyError as problem:
            if isinstance(problem, TransientError):
                self._source.forget(place)
                self._ports.pop(place.source, None)
            return problem
        return None

    async def _server(self, place: KeyPlace) -> str:
        """Return host and port."""
        host = await self._source.host(place)
        if place.source not in self._ports:
            self._ports[place.source] = await self._port(place)
        return f"{host}:{self._ports[place.source]}"

    async def _port(self, place: KeyPlace) -> int:
        """Return the port with TLS: a classic cache has it, or the database of a managed one."""
        if place.top == CLASSIC:
            resource, name, usual = await self._source.known(place), "sslPort", PORT
        else:
            resource, name, usual = await self._source.detail(place), "port", MANAGED_PORT
        port = properties_of(resource).get(name)
        return port if isinstance(port, int) else usual
