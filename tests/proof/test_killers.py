"""The share of the proof that `make test` plays: for each deliberate bug a schedule that tells it."""

from __future__ import annotations

import pytest

from tests.proof.killers import KILLERS
from tests.proof.run import play


@pytest.mark.parametrize("schedule", sorted(set(KILLERS.values())))
def test_every_promise_holds_in_a_schedule_that_tells_a_bug(schedule: str) -> None:
    assert play(schedule)[0] is None
