"""Faults on order: what a world answers instead of what its services would.

`Fault` strikes a number of requests, `Outage` and `Throttling` all of them for a while, and `Late` lets a request take
effect minutes after its sender has given up on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from simulator.wire import UNANSWERED, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.clock import VirtualClock


class Striking(Protocol):
    """Something that may answer in place of a service."""

    def take(self, request: Request) -> bool:
        """Return whether this fault strikes the request, and count it when it does."""
        ...

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the fault's answer; `serve` lets the service do its part."""
        ...


def broken() -> Response:
    """Return what a service answers that has failed inside."""
    return json_response(500, {"error": {"code": "InternalServerError"}})


def unavailable() -> Response:
    """Return what a service answers that is away."""
    return json_response(503, {"error": {"code": "ServiceUnavailable"}})


@dataclass
class Fault:
    """Answer `response` to the next `times` requests for which `matches` holds; the service never sees them.

    With `after` set, the service handles the request first and its own answer is thrown away.
    """

    matches: Callable[[Request], bool]
    response: Response = field(default_factory=broken)
    times: int = 1
    after: bool = False

    def take(self, request: Request) -> bool:
        """Return whether this fault strikes the request, and count it when it does."""
        if self.times < 1 or not self.matches(request):
            return False
        self.times -= 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the fault's answer, after the service has done its part where the fault says so."""
        if self.after:
            serve(request)
        return self.response


@dataclass
class Outage:
    """Answer `response` to every request for which `matches` holds, until `until`; the service never sees them.

    With `after` set, the requests take effect and only their answers are lost.
    """

    matches: Callable[[Request], bool]
    now: Callable[[], datetime]
    until: datetime
    response: Response = field(default_factory=unavailable)
    after: bool = False
    struck: int = 0

    def take(self, request: Request) -> bool:
        """Return whether the outage still lasts and is about this request."""
        if self.now() >= self.until or not self.matches(request):
            return False
        self.struck += 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the outage's answer."""
        if self.after:
            serve(request)
        return self.response


@dataclass
class Throttling(Outage):
    """Answer 429 until `until`, and say in Retry-After how long that is."""

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return a 429 that names the seconds left."""
        del request, serve
        seconds = str(math.ceil((self.until - self.now()).total_seconds()))
        body = {"error": {"code": "TooManyRequests", "message": "The request was throttled."}}
        return json_response(429, body, {"Retry-After": seconds, "x-ms-error-code": "TooManyRequests"})


@dataclass
class Late:
    """Leave the next `times` matching requests without an answer; each takes effect `delay` after it was sent."""

    matches: Callable[[Request], bool]
    clock: VirtualClock
    delay: timedelta
    times: int = 1
    landed: list[datetime] = field(default_factory=list)
    """When those that have taken effect did."""

    def take(self, request: Request) -> bool:
        """Return whether this request is to be late, and count it when it is."""
        if self.times < 1 or not self.matches(request):
            return False
        self.times -= 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Put the request off; its sender waits in vain."""

        def land() -> None:
            serve(request)
            self.landed.append(self.clock.now())

        self.clock.at(self.clock.now() + self.delay, land)
        return UNANSWERED
