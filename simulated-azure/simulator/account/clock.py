"""Time that passes at once where somebody waits, until it has caught up with the present."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.clock import utc_now
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.wire import Request

BEHIND = timedelta(hours=3)
HOST = "clock.localhost"


class LateClock:
    """The real time, some hours late. Every wait makes it less late.

    What has been deployed runs in processes with the real time. A token or a lease of the future
    would confuse them, one of the past does not.
    """

    def __init__(self, behind: timedelta = BEHIND) -> None:
        self._behind = behind
        self._jumped = timedelta(0)

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return utc_now() - self._behind

    def advance(self, seconds: float) -> None:
        """Let a wait pass."""
        self._behind = max(timedelta(0), self._behind - timedelta(seconds=seconds))

    def catch_up(self) -> None:
        """Go on with the real time."""
        self._jumped += self._behind
        self._behind = timedelta(0)

    def waited(self) -> datetime:
        """Return the time as somebody counts who has waited all the while."""
        return self.now() - self._jumped


class ClockService:
    """Tells processes the time, and lets their waits pass. No service of Azure.

    `busy` tells whether something is under way that takes real time: then whoever waits goes on
    waiting.
    """

    def __init__(self, clock: LateClock, busy: Callable[[], bool]) -> None:
        self._clock = clock
        self._busy = busy

    def answers(self, host: str) -> bool:
        """Return whether the host is this service's."""
        return host.partition(":")[0] == HOST

    def handle(self, request: Request) -> Response:
        """Let the seconds in the query pass, if any, and return the time."""
        self._clock.advance(float(request.query.get("seconds", "0")))
        return json_response(200, {"now": self._clock.waited().isoformat(), "busy": self._busy()})
