"""Blob leases: the documented state table as a pure value. Times are the world's.

https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from simulator.storage.wire import StorageError, header_refused

INFINITE = -1
DURATIONS = range(15, 61)
BREAK_PERIODS = range(61)


class State(StrEnum):
    """The five states of a lease, as the x-ms-lease-state header spells them."""

    AVAILABLE = "available"
    LEASED = "leased"
    BREAKING = "breaking"
    BROKEN = "broken"
    EXPIRED = "expired"


LOCKED = {State.LEASED, State.BREAKING}


@dataclass(frozen=True)
class Lease:
    """A blob's lease. Every operation returns the new lease or raises StorageError.

    `ends` is when a fixed lease expires or, while it is being broken, when the break period ends.
    """

    id: str = ""
    duration: int = INFINITE
    ends: datetime | None = None
    breaking: bool = False

    def state(self, now: datetime) -> State:
        """Return the state at `now`."""
        if not self.id:
            return State.AVAILABLE
        over = self.ends is not None and self.ends <= now
        if self.breaking:
            return State.BROKEN if over else State.BREAKING
        return State.EXPIRED if over else State.LEASED

    def locked(self, now: datetime) -> bool:
        """Return whether a write needs the lease's id."""
        return self.state(now) in LOCKED

    def seconds_left(self, now: datetime) -> int:
        """Return how long a breaking lease still holds."""
        return max(0, round((self.ends - now).total_seconds())) if self.ends else 0

    def acquire(self, lease_id: str, duration: int, now: datetime) -> Lease:
        """Acquire the lease; its holder may acquire it again, with a new duration."""
        state = self.state(now)
        if state is State.BREAKING and lease_id == self.id:
            raise _conflict(
                "LeaseIsBreakingAndCannotBeAcquired",
                "There is already a breaking lease, and can't be acquired.",
            )
        if state in LOCKED and (state is State.BREAKING or lease_id != self.id):
            raise _conflict("LeaseAlreadyPresent", "There is already a lease present.")
        if duration != INFINITE and duration not in DURATIONS:
            raise header_refused("x-ms-lease-duration", str(duration))
        return Lease(lease_id, duration, _end(now, duration))

    def renew(self, lease_id: str, now: datetime) -> Lease:
        """Restart the duration; an expired lease can be renewed if nobody wrote or leased since."""
        self._must_match(lease_id)
        if self.breaking:
            message = (
                "The lease ID matched, but the lease has been broken explicitly and cannot "
                "be renewed."
            )
            raise _conflict("LeaseIsBrokenAndCannotBeRenewed", message)
        return replace(self, ends=_end(now, self.duration))

    def change(self, lease_id: str, proposed: str, now: datetime) -> Lease:
        """Replace the id of an active lease; repeating a successful change succeeds."""
        state = self.state(now)
        if state in {State.AVAILABLE, State.BROKEN, State.EXPIRED}:
            raise _not_present()
        if state is State.LEASED and proposed == self.id:
            return self
        self._must_match(lease_id)
        if state is State.BREAKING:
            message = (
                "The lease ID matched, but the lease is currently in breaking state and cannot "
                "be changed."
            )
            raise _conflict("LeaseIsBreakingAndCannotBeChanged", message)
        return replace(self, id=proposed)

    def release(self, lease_id: str) -> Lease:
        """Free the lease, so that another client may acquire it at once."""
        self._must_match(lease_id)
        return Lease()

    def broken(self, period: int | None, now: datetime) -> Lease:
        """End the lease after `period` seconds at most.

        Without a period, a fixed lease runs out and an infinite one ends at once.
        """
        state = self.state(now)
        if state is State.AVAILABLE:
            raise _not_present()
        if period is not None and period not in BREAK_PERIODS:
            raise header_refused("x-ms-lease-break-period", str(period))
        if state not in LOCKED:
            return replace(self, breaking=True, ends=now)
        ends = [
            end
            for end in (self.ends, None if period is None else now + timedelta(seconds=period))
            if end
        ]
        return replace(self, breaking=True, ends=min(ends, default=now))

    def check_write(self, lease_id: str, now: datetime) -> None:
        """Refuse a write without the lease's id, or with an id that is no longer valid."""
        if self.locked(now) and not lease_id:
            raise _failed(
                "LeaseIdMissing",
                (
                    "There is currently a lease on the blob and no lease ID was specified in "
                    "the request."
                ),
            )
        self.check_read(lease_id, now)

    def check_read(self, lease_id: str, now: datetime) -> None:
        """Refuse a read with an invalid lease id; a read without one is always accepted."""
        if not lease_id:
            return
        if not self.id:
            raise _failed(
                "LeaseNotPresentWithBlobOperation", "There is currently no lease on the blob."
            )
        if lease_id != self.id:
            message = "The lease ID specified did not match the lease ID for the blob."
            raise _failed("LeaseIdMismatchWithBlobOperation", message)
        if not self.locked(now):
            raise _failed(
                "LeaseLost", "A lease ID was specified, but the lease for the blob has expired."
            )

    def after_write(self, now: datetime) -> Lease:
        """Return the lease after a write: an expired one is forgotten and cannot be renewed."""
        return self if self.locked(now) else Lease()

    def headers(self, now: datetime) -> dict[str, str]:
        """Return the headers that describe the lease."""
        state = self.state(now)
        headers = {
            "x-ms-lease-state": str(state),
            "x-ms-lease-status": "locked" if state in LOCKED else "unlocked",
        }
        if state is State.LEASED:
            headers["x-ms-lease-duration"] = "infinite" if self.duration == INFINITE else "fixed"
        return headers

    def _must_match(self, lease_id: str) -> None:
        if not self.id or lease_id != self.id:
            message = "The lease ID specified did not match the lease ID for the blob."
            raise _conflict("LeaseIdMismatchWithLeaseOperation", message)


def _end(now: datetime, duration: int) -> datetime | None:
    return None if duration == INFINITE else now + timedelta(seconds=duration)


def _conflict(code: str, message: str) -> StorageError:
    return StorageError(409, code, message)


def _failed(code: str, message: str) -> StorageError:
    return StorageError(412, code, message)


def _not_present() -> StorageError:
    return _conflict(
        "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the blob."
    )
