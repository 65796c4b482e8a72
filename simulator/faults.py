"""Faults on order: what a world answers instead of what its services would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Fault:
    """Answer `response` to the next `times` requests for which `matches` holds; the service never sees them.

    With `after` set, the service handles the request first and its own answer is thrown away.
    """

    matches: Callable[[Request], bool]
    response: Response = field(default_factory=lambda: json_response(500, {"error": {"code": "InternalServerError"}}))
    times: int = 1
    after: bool = False

    def take(self, request: Request) -> bool:
        """Tell whether this fault strikes the request, and count it when it does."""
        if self.times < 1 or not self.matches(request):
            return False
        self.times -= 1
        return True

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Return the fault's answer, after the service has done its part where the fault says so."""
        if self.after:
            serve(request)
        return self.response
