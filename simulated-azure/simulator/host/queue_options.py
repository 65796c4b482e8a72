"""host.json's options for queue triggers, and the wait between polls of an empty queue."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

from simulator.host.settings import HostFile, parse_timespan

_SHORTEST_POLL = 0.1


@dataclass(frozen=True)
class QueueOptions:
    """extensions.queues of host.json, with Microsoft's defaults; times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0
    longest_poll: float = 60
    is_base64: bool = True

    @classmethod
    def read(cls, host_file: HostFile) -> QueueOptions:
        """Read the section; without it all options have defaults.

        The default for polling depends on the environment.
        """

        def option(name: str, default: Any) -> Any:
            return host_file.get("extensions", "queues", name, default=default)

        batch = int(option("batchSize", 16))
        development = os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
        return cls(
            batch_size=batch,
            new_batch_threshold=int(
                option("newBatchThreshold", batch // 2 * (os.cpu_count() or 1))
            ),
            max_dequeue_count=int(option("maxDequeueCount", 5)),
            visibility_timeout=parse_timespan(
                option("visibilityTimeout", "00:00:00")
            ).total_seconds(),
            longest_poll=_seconds(
                option("maxPollingInterval", "00:00:02" if development else "00:01:00")
            ),
            is_base64=str(option("messageEncoding", "base64")).lower() != "none",
        )


def _seconds(interval: str | int) -> float:
    # A bare number means milliseconds, as in version 1 of host.json.
    return (
        interval / 1000 if isinstance(interval, int) else parse_timespan(interval).total_seconds()
    )


class Backoff:
    """The wait between polls of an empty queue.

    It starts at 0.1 s and grows by doubled random steps up to the maximum.
    """

    def __init__(self, longest: float) -> None:
        self._longest = max(longest, _SHORTEST_POLL)
        self._step = 0.0

    def reset(self) -> None:
        """Start over after a message."""
        self._step = 0.0

    def next(self) -> float:
        """Return the seconds to wait now."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311
        wait = min(_SHORTEST_POLL + self._step * jitter, self._longest)
        if wait < self._longest:
            self._step = self._step * 2 or _SHORTEST_POLL
        return wait
