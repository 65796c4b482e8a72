"""Whole rotations of the examples under every fault at every call.

They take seconds each, so `make test` plays an incident in process alone (test_kit.py).
"""

from __future__ import annotations

from pathlib import Path

from conformance.stories import a_rotation_keeps_every_promise, an_incident_keeps_every_promise
from tests.conformance.served import server, serving
from tests.conformance.stands import broken, stand
from tests.conformance.test_over_https import found


async def test_a_rotation_of_the_worked_example_comes_through() -> None:
    assert await broken(stand(), (a_rotation_keeps_every_promise,)) == {}


async def test_an_incident_at_the_example_over_https_comes_through(tmp_path: Path) -> None:
    with serving(tmp_path, server.Tokens()) as plan:
        assert await found(plan, (an_incident_keeps_every_promise,)) == {}
