"""Whether this machine can run what is deployed, and what of it a worker has loaded."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scripts.package import runs_wheels_of_the_image


def need_wheels_of_the_image() -> None:
    """Skip the test where the wheels that are deployed do not run; fail it where CI is set."""
    if runs_wheels_of_the_image():
        return
    reason = "this machine does not run the wheels of the image: that takes Linux on x86-64"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def mapped(log: Path) -> set[str]:
    """Return the compiled files that the workers which the log names have loaded."""
    started = re.findall(r"python process with Id=(\d+) started", log.read_text())
    maps = [Path(f"/proc/{pid}/maps") for pid in started]
    lines = [line for file in maps if file.exists() for line in file.read_text().splitlines()]
    return {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
