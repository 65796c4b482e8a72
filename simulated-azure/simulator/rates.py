"""Request rates: how many calls of one kind a service accepts in a time window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Rate:
    """At most `limit` calls in any `window`. A refused call does not count."""

    limit: int
    window: timedelta
    _taken: deque[datetime] = field(default_factory=deque)

    def take(self, now: datetime) -> bool:
        """Count one call; return False if it exceeds the limit."""
        self._forget(now)
        if len(self._taken) >= self.limit:
            return False
        self._taken.append(now)
        return True

    def remaining(self, now: datetime) -> int:
        """Return how many more calls are possible at this moment."""
        self._forget(now)
        return max(self.limit - len(self._taken), 0)

    def _forget(self, now: datetime) -> None:
        while self._taken and self._taken[0] <= now - self.window:
            self._taken.popleft()
