"""Death, lost answers and refusals at any one call that the app makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from azure.core.exceptions import ServiceResponseError

from simulator.transport import Call
from simulator.wire import Request, Response, json_response

Mode = Literal["die before", "die after", "lose the answer", "throttle", "fail after the effect", "forbid"]
MODES: tuple[Mode, ...] = get_args(Mode)


def share(at: int) -> tuple[Mode, Mode]:
    """Return two of the six modes for a call, so that any three calls in a row see all six; `make prove` tries every one."""
    return MODES[2 * at % 6], MODES[(2 * at + 1) % 6]


class Died(BaseException):
    """The worker's process ended here. Nothing of it runs on, so it passes every `except Exception`."""


@dataclass
class Saboteur:
    """Stands in the transport: lets calls through, and strikes at the calls named in `plan` (counted from 0)."""

    plan: dict[int, Mode] = field(default_factory=dict)
    watch: Callable[[], None] = lambda: None
    """Called after every call that took effect."""
    calls: int = 0
    dead: bool = False

    async def __call__(self, request: Request, call: Call) -> Response:
        del request
        if self.dead:
            raise Died
        mode = self.plan.get(self.calls)
        self.calls += 1
        if mode == "die before":
            self._die()
        if mode == "throttle":
            return _refused(429, "TooManyRequests", {"Retry-After": "7"})
        if mode == "forbid":
            return _refused(403, "Forbidden")
        response = await call()
        self.watch()
        if mode == "die after":
            self._die()
        if mode == "lose the answer":
            raise ServiceResponseError("Connection aborted: the answer is lost")
        return _refused(500, "InternalServerError") if mode == "fail after the effect" else response

    def _die(self) -> None:
        self.dead = True
        raise Died

    def revive(self) -> None:
        """Start a new process: its calls are counted on, so that a second strike can hit it."""
        self.dead = False


def _refused(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    return json_response(
        status, {"error": {"code": code, "message": "sabotaged"}}, {"x-ms-error-code": code, **(headers or {})}
    )
