"""Access keys of Azure Cache for Redis, and of the databases of Azure Managed Redis.

Source: azure-rest-api-specs, Microsoft.Cache redis 2024-11-01 and redisEnterprise 2025-04-01; of
the retirement: https://learn.microsoft.com/azure/azure-cache-for-redis/retirement-faq
"""

from __future__ import annotations

import re
from typing import ClassVar

from engine.contract import Job, Lingering
from rotators.shared.key_facts import Facts
from rotators.shared.redis_cache import CLASSIC, MANAGED, RedisCache

CLOSED = ("Disabled", "Deleting", "Unlinking")
"""States of a cache that nobody can use any more."""
RETIRES = "Azure Cache for Redis retires on 2028-09-30: move to Azure Managed Redis before"


class RedisKey(RedisCache):
    """Rotates the access keys of Redis caches."""

    kind: ClassVar[str] = "redis-key"
    lingers = Lingering(
        "connections that are open stay open until their client closes them",
        "https://redis.io/docs/latest/commands/auth/",
    )
    lists_first: ClassVar[bool] = True
    facts: ClassVar[Facts] = Facts(
        noun="Redis cache",
        types=("Microsoft.Cache/redis", "Microsoft.Cache/redisEnterprise/databases"),
        version="2024-11-01",
        versions={MANAGED: "2025-04-01"},
        names_it="keyType",
        shape=re.compile(r"[A-Za-z0-9+/=]{43,128}"),
        switches={
            "disableAccessKeyAuthentication": True,
            "accessKeysAuthentication": "Disabled",
            "provisioningState": CLOSED,
        },
        switched_below=True,
        at_once=(CLASSIC,),
        address="hostName",
        parts={MANAGED: "databases"},
        further=("Microsoft.Cache/redisEnterprise/databases/read",),
    )

    async def forewarn(self, job: Job) -> str:
        """Say, too, that a classic cache will be retired."""
        known = await super().forewarn(job)
        classic = self.facts.place(job.source).top == CLASSIC
        return "; ".join(filter(None, (known, RETIRES if classic else "")))
