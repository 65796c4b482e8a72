"""A server accepts a change of its administrator's password, and the app may not watch it.

The template's role does not permit to: only a sign-in tells whether the change came.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import ADMIN
from simulator.sql.servers import Failure
from tests.adversary.stage import Stage

FAILS = Failure("OperationCancelled", "the operation was cancelled")


@pytest.mark.parametrize("seconds", [60, 75, 110, 160, 200, 230])
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


@pytest.mark.parametrize(
    ("seconds", "changes", "refused"),
    [*((it, 1, 30) for it in (160, 200, 230)), *((it, 2, 360) for it in (260, 300, 400, 600))],
)
async def test_a_server_whose_changes_spread_for_minutes_is_not_changed_again_and_again(
    stage: Stage, seconds: int, changes: int, refused: int
) -> None:
    """Four minutes are awaited. A way back comes as late: until then another one would follow."""
    secret = stage.put("admin", days_left=60)
    await stage.run_a_day()
    stage.server.propagation = timedelta(seconds=seconds)
    set_before = len(stage.account_of("admin").passwords)
    await stage.rotate(secret, force=True)
    await stage.run_for(hours=9)
    assert secret.works
    assert len(stage.of(secret, "rotated")) == (changes == 1)
    assert len(stage.account_of("admin").passwords) == set_before + changes
    assert stage.longest_refusal(secret) <= timedelta(seconds=refused)


@pytest.mark.parametrize("is_due", [True, False])
async def test_a_password_that_comes_after_its_proof_was_given_up_is_replaced_within_minutes(
    stage: Stage, *, is_due: bool
) -> None:
    """What the vault holds is set back, which is accepted and then fails. Nobody sees that."""
    secret = stage.put("admin", days_left=10 if is_due else 60)
    if not is_due:
        await stage.run_a_day()
    server, set_before = stage.server, len(stage.account_of("admin").passwords)

    def fail_next() -> None:
        server.next_failure, server.propagation = FAILS, timedelta()

    server.propagation = timedelta(seconds=280)
    stage.after(ADMIN, fail_next)
    await stage.rotate(secret, force=not is_due)
    await stage.run_for(hours=3)
    (parked,) = stage.of(secret, "parked")
    assert "what the vault holds was set back" in parked["reason"]
    assert len(stage.of(secret, "healed")) == 1
    assert secret.works
    assert stage.longest_refusal(secret) <= timedelta(minutes=11)
    assert len(stage.account_of("admin").passwords) == set_before + 2


async def test_what_was_set_back_is_proven_for_half_an_hour_and_keeps_its_mark(
    stage: Stage,
) -> None:
    """It is due, and each look at it would set another password."""
    secret = stage.put("admin")
    set_before = len(stage.account_of("admin").passwords)
    stage.server.next_failure = FAILS
    await stage.rotate(secret)
    mark = secret.tags["RekeyReason"]
    await stage.run_for(hours=3)
    assert "what the vault holds was set back" in mark
    assert secret.tags["RekeyReason"] == mark
    assert len(stage.account_of("admin").passwords) == set_before + 1
    assert 5 <= len(stage.of(secret, "confirmed")) <= 15
    assert stage.app.next_check() is None
