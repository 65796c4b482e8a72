"""One part of a sweep: the pages that fit into one function call. The next part continues it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.model.sweep_order import SoFar, SweepOrder
from engine.ports import Clock
from engine.sweep.pace import Pace


@dataclass
class Part:
    """How far this part has come, and how much time it has left."""

    clock: Clock
    pace: Pace
    begun: datetime
    """When the first part began."""
    ends: float
    """When this part stops starting pages, on the monotonic clock."""
    token: str | None
    """The token of the next page; None for the first page."""

    @classmethod
    def of(
        cls, order: SweepOrder, scopes: Mapping[str, Sequence[str]], clock: Clock, seconds: float
    ) -> Part:
        """Start where the order says."""
        so_far, now = order.so_far, clock.now()
        begun = so_far.begun if so_far else now
        elapsed = max((now - begun).total_seconds(), 0.0)
        pace = Pace(scopes, order.period, so_far.started if so_far else None, elapsed)
        return cls(
            clock, pace, begun, clock.monotonic() + seconds, so_far.token if so_far else None
        )

    @property
    def is_over(self) -> bool:
        """Return whether the next page must be left to another part."""
        return self.clock.monotonic() >= self.ends

    def next(
        self,
        order: SweepOrder,
        seen: int,
        posted: int,
        broken: int = 0,
        states: Mapping[str, int] | None = None,
    ) -> SweepOrder:
        """Return the order for the next part."""
        so_far = SoFar(
            str(self.token), self.begun, seen, posted, broken, states or {}, self.pace.started
        )
        return replace(order, so_far=so_far)
