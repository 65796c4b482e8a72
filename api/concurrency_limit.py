"""Let in no more requests than this instance can hold; the others are told when to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.answers import TooMany

COME_BACK_SECONDS = 5.0


class ConcurrencyLimit:
    """Counts who is inside. One event loop serves an instance, so no lock is needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Let one request in, or raise TooMany."""
        if self._inside >= self._most:
            raise TooMany(
                f"this instance is already answering {self._most} such requests",
                fix="wait as many seconds as Retry-After says, then send it again",
                retry_after=COME_BACK_SECONDS,
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
