"""Let in no more requests than this instance can hold; the others are told when to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.answers import TooMany

COME_BACK_SECONDS = 5.0


class ConcurrencyLimit:
    """Counts who is inside. One event loop serves an instance, so no lock is needed."""

    def __init__(self, most: int, of_one: int | None = None) -> None:
        self._most = most
        self._of_one = of_one or most
        self._inside: list[str] = []

    @contextmanager
    def let_in(self, caller: str = "") -> Iterator[None]:
        """Let one request in, or raise TooMany. A caller who is named may be inside `of_one` times."""
        is_most = caller and self._inside.count(caller) >= self._of_one
        if is_most or len(self._inside) >= self._most:
            many = (
                f"{self._of_one} such requests of this caller"
                if is_most
                else f"{self._most} such requests"
            )
            raise TooMany(
                f"this instance is already answering {many}",
                fix="wait as many seconds as Retry-After says, then send it again",
                retry_after=COME_BACK_SECONDS,
            )
        self._inside.append(caller)
        try:
            yield
        finally:
            self._inside.remove(caller)
