"""A change of a server through Resource Manager, followed to its end: accepted is not done.

An SDK's own poller would end with a further read of the server, wait 30 seconds between polls and
know no bound.
Source: https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Protocol

from cloud.azure import call
from cloud.rest.client import at_usual_port, decoded
from cloud.waiting import retry_after
from engine.errors import (
    AccessDenied,
    NotFound,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
)
from engine.ports import Clock
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

POLLING: Mapping[str, Any] = {
    "connection_timeout": 3,
    "read_timeout": 5,
    "retry_total": 0,
    "logging_enable": False,
}
"""Options of a poll: the next one is its retry."""
PAUSES = (0.5, 1.0, 1.0, 2.0)
"""Seconds before each of the first polls, at least; the last one holds for all others."""
WITHIN_CALL = 12.0
"""Seconds for which a change is followed by the call that began it: less than
engine.rotation.source_lease.CALL_SECONDS leaves for polls."""
AFTERWARDS = 90.0
"""Seconds for which it is followed after that, before the new password is proven."""
PATIENCE = 240.0
"""Seconds for which sign-ins are tried where nobody may watch the change. The password before it
works until it comes. A way back that is sent too early comes after it, and as late."""
ACCEPTED = 202
UNKNOWN = frozenset(
    {"InternalServerError", "OperationTimedOut", "OperationInterrupted", "OperationCancelled"}
)
"""Codes of answers that do not say whether the change is made. Every other one refuses it."""
FAILED = frozenset({"failed", "canceled", "cancelled"})


class Server(Protocol):
    """Where a server is."""

    @property
    def server_id(self) -> str:
        """The server's id in Resource Manager, in lower case."""
        ...


@dataclass(frozen=True, slots=True)
class Running:
    """An operation that has not ended yet."""

    url: str
    tells: bool
    """Every answer there has a status, so one without is none of the server's."""
    pause: float | None = None
    """What the server asked to wait, in seconds."""
    patience: float = AFTERWARDS
    """For how long sign-ins are tried if nobody may watch it, in seconds."""


class LongChange[P: Server](ABC):
    """Sets an administrator's password.

    `begin` may return before the change ends, `settle` never does.
    """

    passing: frozenset[str] = frozenset()
    """Reasons of a failed change that a new try may not meet."""
    role: str

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._unseen: dict[str, float] = {}
        """Until when a change may still come that nobody may watch, by the monotonic clock."""

    @abstractmethod
    async def _request(self, place: P, user: str, password: Sensitive) -> AsyncHttpResponse:
        """Ask for the change, once, and return the answer."""

    @abstractmethod
    async def _get(self, place: P, url: str) -> AsyncHttpResponse:
        """Look at a change under way; raises azure-core's errors for what is no success."""

    def _explained(self, code: str, place: P) -> RekeyError | None:
        """Return what a code means that only this kind of server knows."""
        del code, place
        return None

    async def begin(
        self, place: P, user: str, password: Sensitive, *, patience: float = AFTERWARDS
    ) -> TransientError | None:
        """Ask for the change and follow it for a while. What still runs then is left to `settle`.

        `patience`: for how long the change may come if nobody may watch it, in seconds. Returns why nobody knows whether the server took it, where its answer was lost.
        """
        self._running.pop(place.server_id, None)
        self._unseen.pop(place.server_id, None)
        deadline = self._clock.monotonic() + WITHIN_CALL
        try:
            operation = await self._ask(place, user, password)
        except TransientError as error:
            # Whoever counts requests looks at none that it turns away.
            error.unsent = isinstance(error, Throttled) or error.code in self.passing - UNKNOWN
            if error.unsent:
                raise
            return error
        operation = operation and replace(operation, patience=patience)
        if operation and (rest := await self._follow(place, operation, deadline)):
            self._running[place.server_id] = rest
        return None

    async def settle(self, place: P) -> None:
        """Follow what `begin` left running to its end; TransientError if that does not come."""
        operation = self._running.pop(place.server_id, None)
        if operation and (
            rest := await self._follow(place, operation, self._clock.monotonic() + AFTERWARDS)
        ):
            what = "the server is still at changing its password"
            raise TransientError(what, where=place.server_id, retry_after=rest.pause)

    def may_come(self, place: P) -> bool:
        """Return whether a change that was accepted, and that nobody may watch, may still come."""
        return self._clock.monotonic() < self._unseen.get(place.server_id, 0.0)

    async def _ask(self, place: P, user: str, password: Sensitive) -> Running | None:
        request = self._request(place, user, password)
        try:
            response = await call(
                "setting the administrator's password",
                request,
                where=place.server_id,
                role=self.role,
            )
        except PermanentError as error:
            if problem := self._explained(error.code, place):
                raise problem from None
            raise
        return self._operation(response)

    def _operation(self, response: AsyncHttpResponse) -> Running | None:
        """Return where to follow the change.

        None where it is done, or where the app's token would go elsewhere.
        """
        telling = response.headers.get("Azure-AsyncOperation")
        url = at_usual_port(telling or response.headers.get("Location") or "")
        accepted = response.status_code == ACCEPTED
        return (
            Running(url, bool(telling), retry_after(response))
            if accepted and url.startswith(f"{self._endpoint}/")
            else None
        )

    async def _follow(self, place: P, operation: Running, deadline: float) -> Running | None:
        """Poll until the end, and return None.

        Return what still runs when the deadline has come.
        """
        pauses = _pauses()
        rest: Running | None = operation
        while rest:
            usual = next(pauses)
            # A server may ask for no pause at all, however long its change takes.
            pause = max(usual, rest.pause or 0.0)
            if self._clock.monotonic() + pause > deadline:
                break
            await self._clock.sleep(pause)
            rest = await self._poll(place, rest)
        return rest

    async def _poll(self, place: P, operation: Running) -> Running | None:
        """Look once; None at the end, or where only a sign-in can tell.

        Raises why the change failed.
        """
        try:
            request = self._get(place, operation.url)
            what, where = "following the change", place.server_id
            # No role of the template permits this look.
            response = await call(what, request, where=where, role=self.role, may_be_refused=True)
            body = decoded(response, what, where) if response.content else {}
        except TransientError as error:
            return replace(operation, pause=error.retry_after)
        except (AccessDenied, NotFound):
            # Whoever may not watch the change still sees by signing in whether it came.
            self._unseen[place.server_id] = self._clock.monotonic() + operation.patience
            return None
        status = str(body.get("status", "")).lower()
        if status in FAILED:
            why = body.get("error")
            raise self._failed(why if isinstance(why, dict) else {}, status, place)
        is_silent = not (status or operation.tells)
        ended = status == "succeeded" or (is_silent and response.status_code != ACCEPTED)
        return None if ended else replace(operation, pause=retry_after(response))

    def _failed(self, error: Mapping[str, Any], status: str, place: P) -> RekeyError:
        code = str(error.get("code") or status)
        if problem := self._explained(code, place):
            return problem
        what = (
            f"the server accepted the change of its password, and then ended it as {status}: {code}"
        )
        if code in self.passing:
            return TransientError(what, where=place.server_id, code=code)
        return PermanentError(
            what, where=place.server_id, fix="see why in the server's activity log", code=code
        )


def _pauses() -> Iterator[float]:
    return chain(PAUSES, repeat(PAUSES[-1]))
