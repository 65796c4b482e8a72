"""Whether this machine can run what is deployed."""

from __future__ import annotations

import os

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
