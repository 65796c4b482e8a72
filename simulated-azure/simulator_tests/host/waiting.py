"""Waiting for what other processes do: for a condition, with a deadline, never for a fixed time."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable

PORTS = range(15_000, 32_000)
_DEADLINE = 180.0
_BETWEEN_LOOKS = 0.02


def wait_for[T](look: Callable[[], T], what: Callable[[], str]) -> T:
    """Return what `look` finds as soon as it finds something.

    `what` tells in the end what was waited for in vain.
    """
    end = time.monotonic() + _DEADLINE
    while not (result := look()):
        assert time.monotonic() < end, f"waited {_DEADLINE:.0f} s for {what()}"
        time.sleep(_BETWEEN_LOOKS)
    return result


def free_port() -> int:
    """Return a port that nobody listens on.

    It is below those that Linux hands out (32768 and up), so no connection made in the meantime
    takes it. It is random, so that processes that look at the same time do not meet.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
