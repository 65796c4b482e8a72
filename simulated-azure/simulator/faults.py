"""Injected faults: what a world answers instead of its services.

`Fault` affects a number of requests. `Outage` and `Throttling` affect all requests for a while.
`Late` carries a request out minutes after its sender has given up.
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
    """Something that may answer instead of a service."""

    def take(self, request: Request) -> bool:
        """Return whether this fault affects the request; count the request if so."""
        ...

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the fault's answer; `serve` lets the service handle the request."""
        ...


def broken() -> Response:
    """Return a service's answer to an internal error."""
    return json_response(500, {"error": {"code": "InternalServerError"}})


def unavailable() -> Response:
    """Return the answer of a service that is unavailable."""
    return json_response(503, {"error": {"code": "ServiceUnavailable"}})


@dataclass
class Fault:
    """Answer `response` to the next `times` matching requests, without calling the service.

    With `after` set, the service handles the request first, and its own answer is discarded.
    """

    matches: Callable[[Request], bool]
    response: Response = field(default_factory=broken)
    times: int = 1
    after: bool = False

    def take(self, request: Request) -> bool:
        """Return whether this fault affects the request; count the request if so."""
        if self.times < 1 or not self.matches(request):
            return False
        self.times -= 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the fault's answer; with `after`, let the service handle the request first."""
        if self.after:
            serve(request)
        return self.response


@dataclass
class Outage:
    """Answer `response` to every matching request until `until`, without calling the service.

    With `after` set, the requests take effect and only their answers are lost.
    """

    matches: Callable[[Request], bool]
    now: Callable[[], datetime]
    until: datetime
    response: Response = field(default_factory=unavailable)
    after: bool = False
    struck: int = 0

    def take(self, request: Request) -> bool:
        """Return whether the outage still lasts and affects this request."""
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
    """Answer 429 until `until`; Retry-After gives the remaining seconds."""

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return a 429 that names the seconds left."""
        del request, serve
        seconds = str(math.ceil((self.until - self.now()).total_seconds()))
        body = {"error": {"code": "TooManyRequests", "message": "The request was throttled."}}
        return json_response(
            429, body, {"Retry-After": seconds, "x-ms-error-code": "TooManyRequests"}
        )


@dataclass
class Late:
    """Leave the next `times` matching requests unanswered; each takes effect after `delay`."""

    matches: Callable[[Request], bool]
    clock: VirtualClock
    delay: timedelta
    times: int = 1
    landed: list[datetime] = field(default_factory=list)
    """When each late request took effect."""

    def take(self, request: Request) -> bool:
        """Return whether this request is delayed; count the request if so."""
        if self.times < 1 or not self.matches(request):
            return False
        self.times -= 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Delay the request; its sender gets no answer."""

        def land() -> None:
            serve(request)
            self.landed.append(self.clock.now())

        self.clock.at(self.clock.now() + self.delay, land)
        return UNANSWERED
