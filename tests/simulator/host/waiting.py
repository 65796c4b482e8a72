"""Waiting for what other processes do: for a condition, with a deadline, never for a fixed time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

_DEADLINE = 90.0
_BETWEEN_LOOKS = 0.02


def wait_for[T](look: Callable[[], T], what: Callable[[], str]) -> T:
    """Return what `look` finds as soon as it finds something; `what` tells in the end what was waited for in vain."""
    end = time.monotonic() + _DEADLINE
    while not (result := look()):
        assert time.monotonic() < end, f"waited {_DEADLINE:.0f} s for {what()}"
        time.sleep(_BETWEEN_LOOKS)
    return result


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
