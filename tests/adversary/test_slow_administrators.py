"""A server accepts a change of its administrator's password, and the app may not watch it.

The template's role does not permit to: only a sign-in tells whether the change came.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.adversary.stage import Stage


@pytest.mark.parametrize("seconds", [60, 75, 110])
async def test_a_server_that_takes_a_minute_or_two_for_each_change_ends_up_with_a_known_password(
    stage: Stage, seconds: int
) -> None:
    """Each try was given up before its change came, and the next one set another password."""
    secret = stage.put("admin", days_left=60)
    await stage.run_a_day()
    stage.server.operation_time = timedelta(seconds=seconds)
    await stage.rotate(secret, force=True)
    await stage.run_for(hours=3)
    assert secret.works
    assert stage.longest_refusal(secret) <= timedelta(minutes=5)
