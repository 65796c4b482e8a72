"""How fast one sweep starts work, so that a mass rotation stays within Azure's limits.

Resource Manager takes 10 writes a second and 1,200 an hour for one subscription and region
(https://learn.microsoft.com/azure/storage/common/scalability-targets-resource-provider). Key Vault
takes 300 new secrets in 10 seconds for one vault
(https://learn.microsoft.com/azure/key-vault/general/service-limits). Pure, except for its counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from engine.errors import PermanentError, TransientError
from engine.parts import Parts
from engine.state.request import Work
from engine.state.sweep_order import MOST_DELAY

WRITES_PER_SECOND = 10
WRITES_PER_HOUR = 1200
CREATES_PER_SECOND = 30
REVOCATION_WRITES = 2
"""How many changes an incident makes at a source: the new credential, and the end of the old."""
ELSEWHERE = "elsewhere"
"""The budget of what is in no subscription."""


class Pace:
    """Assigns start times within one sweep of one vault.

    Vaults are swept at the same time, so vaults whose `scopes` share a subscription share its
    budget evenly. `period` is the time until the next sweep, which takes up what does not fit.
    `writes` is how many changes at its source one piece of work makes within seconds.
    """

    def __init__(
        self,
        scopes: Mapping[str, Sequence[str]],
        period: timedelta,
        started: Mapping[str, int] | None = None,
        elapsed: float = 0.0,
        writes: int = 1,
    ) -> None:
        """Continue after what an earlier call `started`, `elapsed` seconds into the sweep.

        Where that is negative, nothing starts for so long.
        """
        self._bound = [{_budget(scope) for scope in bound} for bound in scopes.values()]
        self._hours = max(period, timedelta(minutes=1)) / timedelta(hours=1)
        self.started: Counter[str] = Counter(started)
        """How many changes, or reads, each budget has started so far."""
        self._created = self.started.total() // writes
        self._elapsed = elapsed
        self._writes = writes

    def start(self, source: str | None) -> float:
        """Return the seconds until work may start that must not be left to the next sweep.

        At most MOST_DELAY: Azure's own limits make it wait then.
        """
        delay = self.delay(source)
        return MOST_DELAY.total_seconds() if delay is None else delay

    def delay(self, source: str | None, wait: float = 0.0, *, reads: bool = False) -> float | None:
        """Return the seconds until work on this source may start; at least `wait`.

        None means that it is left to the next sweep. Reads and changes have budgets of their own.
        """
        budget = _budget(source or "")
        sharing = max(1, sum(budget in scopes for scopes in self._bound))
        spent = f"reads of {budget}" if reads else budget
        started = self.started[spent]
        if started >= max(1, int(WRITES_PER_HOUR / sharing * self._hours)):
            return None
        self.started[spent] += self._writes
        self._created += 1
        # The first 1,200 may start within this hour, the next 1,200 only an hour later.
        hours, rest = divmod(started, max(1, WRITES_PER_HOUR // sharing))
        start = max(
            hours * 3600 + rest * sharing / WRITES_PER_SECOND,
            (self._created - 1) / CREATES_PER_SECOND,
        )
        # Work that waits for the same moment takes turns from then on.
        return wait + start if wait else max(start - self._elapsed, 0.0)


def _budget(source: str) -> str:
    subscription = re.match(r"/subscriptions/[^/]+", source)
    return subscription[0] if subscription else ELSEWHERE


async def post(parts: Parts, item: Work, delay: float = 0.0) -> None:
    """Post work, due in `delay` seconds; raises TransientError."""
    with repeating():
        await parts.post(item, delay)


@contextmanager
def repeating() -> Iterator[None]:
    """Turn every error into a TransientError, so that the sweep is repeated and misses no secret.

    A refusal by the app's storage says nothing about the secret.
    """
    try:
        yield
    except PermanentError as error:
        raise TransientError(
            error.what, where=error.where, fix=error.fix, code=error.code
        ) from None
