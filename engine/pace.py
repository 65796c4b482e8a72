"""How fast one sweep lets work start, so that a mass rotation runs at Azure's limits and not over them. Pure but for its count.

Limits: Resource Manager takes 10 writes a second and 1,200 an hour for a subscription and region; Key Vault 300 new secrets in
10 seconds for a vault (https://learn.microsoft.com/azure/storage/common/scalability-targets-resource-provider,
https://learn.microsoft.com/azure/key-vault/general/service-limits).
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

WRITES_PER_SECOND = 10
WRITES_PER_HOUR = 1200
CREATES_PER_SECOND = 30
MOST_DELAY = timedelta(days=6)
"""A queue message is hidden for seven days at most."""


class Pace:
    """Hands out starting times within one sweep of one vault.

    `sharing` is how many vaults are swept at the same time: each gets its share of a subscription's budget. `period` is the time
    until the next sweep: what does not fit before it is left for it.
    """

    def __init__(self, sharing: int, period: timedelta) -> None:
        self._per_second = WRITES_PER_SECOND / sharing
        self._most = max(1, int(WRITES_PER_HOUR / sharing * max(period, timedelta(minutes=1)) / timedelta(hours=1)))
        self._started: Counter[str] = Counter()
        self._created = 0

    def delay(self, source: str | None) -> float | None:
        """Return after how many seconds work on this source may start; None where it must wait for the next sweep."""
        found = re.match(r"/subscriptions/[^/]+", source or "")
        budget = found[0] if found else "elsewhere"
        started = self._started[budget]
        if started >= self._most:
            return None
        self._started[budget] += 1
        self._created += 1
        # Within an hour the first 1,200 may go at once, the next only an hour later.
        hours, rest = divmod(started, max(1, int(WRITES_PER_HOUR * self._per_second / WRITES_PER_SECOND)))
        return max(hours * 3600 + rest / self._per_second, (self._created - 1) / CREATES_PER_SECOND)
