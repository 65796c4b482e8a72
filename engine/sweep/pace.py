"""How fast one sweep lets work start, so that a mass rotation runs at Azure's limits and not over them. Pure but for its count.

Limits: Resource Manager takes 10 writes a second and 1,200 an hour for a subscription and region; Key Vault 300 new secrets in
10 seconds for a vault (https://learn.microsoft.com/azure/storage/common/scalability-targets-resource-provider,
https://learn.microsoft.com/azure/key-vault/general/service-limits).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

WRITES_PER_SECOND = 10
WRITES_PER_HOUR = 1200
CREATES_PER_SECOND = 30


ELSEWHERE = "elsewhere"


class Pace:
    """Hands out starting times within one sweep of one vault.

    Vaults are swept at the same time, so those whose `scopes` lie in one subscription share its budget evenly. `period` is the
    time until the next sweep: what does not fit before it is left for it.
    """

    def __init__(
        self,
        scopes: Mapping[str, Sequence[str]],
        period: timedelta,
        started: Mapping[str, int] | None = None,
        elapsed: float = 0.0,
    ) -> None:
        """Go on with what an earlier part of the sweep `started`, so many seconds after its beginning."""
        self._bound = [{_budget(scope) for scope in each} for each in scopes.values()]
        self._hours = max(period, timedelta(minutes=1)) / timedelta(hours=1)
        self._started: Counter[str] = Counter(started or {})
        self._created = self._started.total()
        self._elapsed = elapsed

    @property
    def started(self) -> Mapping[str, int]:
        """How much was started so far in each budget."""
        return dict(self._started)

    def delay(self, source: str | None) -> float | None:
        """Return after how many seconds work on this source may start; None where it must wait for the next sweep."""
        budget = _budget(source or "")
        sharing, started = max(1, sum(budget in each for each in self._bound)), self._started[budget]
        if started >= max(1, int(WRITES_PER_HOUR / sharing * self._hours)):
            return None
        self._started[budget] += 1
        self._created += 1
        # Within an hour the first 1,200 may go at once, the next only an hour later.
        hours, rest = divmod(started, max(1, WRITES_PER_HOUR // sharing))
        start = max(hours * 3600 + rest * sharing / WRITES_PER_SECOND, (self._created - 1) / CREATES_PER_SECOND)
        return max(start - self._elapsed, 0.0)


def _budget(source: str) -> str:
    found = re.match(r"/subscriptions/[^/]+", source)
    return found[0] if found else ELSEWHERE
