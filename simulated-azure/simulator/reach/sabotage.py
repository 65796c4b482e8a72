"""Death, lost answers and refusals at any one call that an app in this process makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from azure.core.exceptions import ServiceResponseError

from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response

Mode = Literal[
    "die before", "die after", "lose the answer", "throttle", "fail after the effect", "forbid"
]
MODES: tuple[Mode, ...] = get_args(Mode)


def share(at: int, many: int = 2) -> tuple[Mode, ...]:
    """Return so many of the six modes for a call, so that calls in a row see all six."""
    return tuple(MODES[(many * at + number) % 6] for number in range(many))


class Died(BaseException):
    """The process ended here.

    Nothing of it runs on, so it passes every `except Exception`.
    """


@dataclass
class Saboteur:
    """Stands in the transport: lets calls through.

    It also strikes at the calls named in `plan` (counted from 0).
    """

    plan: dict[int, Mode] = field(default_factory=dict)
    watch: Callable[[], None] = lambda: None
    """Called after every call that took effect."""
    calls: int = 0
    dead: bool = False

    async def __call__(self, request: Request, call: Call) -> Response:
        """Let one call through, or strike."""
        del request
        if self.dead:
            raise Died
        mode = self.plan.get(self.calls)
        self.calls += 1
        if mode == "die before":
            self._die()
        if mode == "throttle":
            return refused(429, "TooManyRequests", {"Retry-After": "7"})
        if mode == "forbid":
            return refused(403, "Forbidden")
        response = await call()
        self.watch()
        if mode == "die after":
            self._die()
        if mode == "lose the answer":
            raise ServiceResponseError("Connection aborted: the answer is lost")
        return refused(500, "InternalServerError") if mode == "fail after the effect" else response

    def _die(self) -> None:
        self.dead = True
        raise Died

    def revive(self) -> None:
        """Start a new process: its calls are counted on, so that a second strike can hit it."""
        self.dead = False


def refused(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    """Return a refusal as every service of Azure words one."""
    return json_response(
        status,
        {"error": {"code": code, "message": "sabotaged"}},
        {"x-ms-error-code": code, **(headers or {})},
    )
