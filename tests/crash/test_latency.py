"""A rotation of every kind is quick where Azure is; `make bench` prints how quick."""

from __future__ import annotations

import pytest

from bench.latency import GOAL, LATENCY, rotations
from tests.proof.places import PLACES


@pytest.mark.parametrize("kind", PLACES)
async def test_a_rotation_ends_within_five_seconds_at_100_ms_a_call(kind: str) -> None:
    for seconds in await rotations(kind):
        assert 5 * LATENCY < seconds < GOAL
