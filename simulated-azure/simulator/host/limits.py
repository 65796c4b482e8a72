"""The host's times and limits, each with its source.

Tests and the command line can set smaller ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.host.settings import HostFile, parse_timespan

# The default on Flex Consumption; "-1" in host.json means no timeout.
_DEFAULT_FUNCTION_TIMEOUT = "00:30:00"
_UNBOUNDED = "-1"


@dataclass(frozen=True)
class Limits:
    """Times are in seconds."""

    function_timeout: float | None = 30 * 60
    """host.json's functionTimeout; None means unbounded."""
    start: float = 30
    """How long a worker may take to load the app (EnvironmentReloadTimeout)."""
    deaths: int = 3
    """How many deaths of one group's worker make the host recycle it (ErrorEventsThreshold)."""
    death_window: float = 30 * 60
    """A death this long after another counts as the first (WorkerRestartErrorIntervalThreshold)."""
    http_concurrency: int = 1
    """How many HTTP calls one instance runs at once: perInstanceConcurrency, 1 for Python on
    Flex."""
    http_timeout: float = 230
    """After this time the load balancer cuts off an HTTP caller; the function runs on."""
    extension_keys: float = 0
    """How long after its start a host has the keys of extensions: a moment (issue 11834)."""
    timer_lock: float | None = None
    """How long a host waits that did not get a timer's lock; None means host.json's interval."""
    stop_phase: float = 10
    """After SIGTERM: this long for the listeners, the same for the worker, then the kill."""

    @classmethod
    def function_timeout_of(cls, host_file: HostFile) -> float | None:
        """Read functionTimeout."""
        text = str(host_file.get("functionTimeout", default=_DEFAULT_FUNCTION_TIMEOUT))
        return None if text == _UNBOUNDED else parse_timespan(text).total_seconds()
