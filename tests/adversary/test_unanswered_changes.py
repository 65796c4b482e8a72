"""A service that applies a change of a password and answers 500, for hours."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import SINGLE, alter, to
from simulator.wire import json_response
from tests.adversary.stage import Stage

FIVE = timedelta(minutes=5)
ERROR = json_response(500, {"error": {"code": "InternalServerError", "message": "we are sorry"}})


@pytest.mark.parametrize("kind", [*SINGLE, "two logins"])
async def test_a_change_that_was_applied_and_answered_500_is_proven_and_not_made_again(
    stage: Stage, kind: str
) -> None:
    secret = stage.put(kind)
    where = SINGLE.get(kind, alter)
    stage.outage(where, timedelta(hours=4), ERROR, after=True)
    await stage.rotate(secret)
    await stage.run_for(hours=4)
    assert stage.calls(where) <= 2
    assert secret.works
    assert len(secret.versions) == 2
    assert stage.longest_refusal(secret) <= timedelta(seconds=5)


@pytest.mark.parametrize("kind", SINGLE)
async def test_a_password_that_can_be_set_and_never_proven_is_set_ever_less_often(
    stage: Stage, kind: str
) -> None:
    """Changes apply and are answered 500, and every sign-in is refused.

    Two minutes apart at most: the timer comes every three, and the password must work within five.
    """
    secret = await stage.rotated(kind)
    set_before = stage.calls(SINGLE[kind])
    stage.outage(SINGLE[kind], timedelta(hours=4), ERROR, after=True)
    refused = json_response(400, {"refused": {"number": 18456, "text": "Login failed for user."}})
    back = stage.outage(to("SIGN-IN"), timedelta(hours=4), refused).until
    stage.post(secret, version=secret.current.version, force=True)
    await stage.run_for(minutes=20)
    entry = await stage.attention(secret)
    assert entry, "nobody was told"
    assert "a password that nobody knows" in stage.reason(secret)
    await stage.run_for(hours=4)
    assert stage.calls(SINGLE[kind]) - set_before <= 90
    assert secret.works
    assert stage.longest_refusal(secret, since=back) <= FIVE
    assert await stage.attention(secret) is None
