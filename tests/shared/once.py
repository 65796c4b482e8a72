"""What is slow to make is made once in a run of the tests, by the process that needs it first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], str]) -> str:
    """Return a text that all workers of this run share.

    The others wait while the first one makes it.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    # The workers' own folders lie in one of the run.
    file = factory.getbasetemp().parent / name
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(make())
    return file.read_text()
