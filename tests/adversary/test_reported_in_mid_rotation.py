"""A leak that is reported while its secret is being rotated is judged as the worker judges it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator.reach.strikes import PUBLISH, REGENERATE
from tests.adversary.stage import Stage


@pytest.mark.parametrize("died", [REGENERATE, PUBLISH], ids=["regenerated", "not yet published"])
async def test_a_leak_reported_in_the_middle_of_a_first_rotation_is_taken(
    stage: Stage, died: object
) -> None:
    secret = stage.storage()
    leaked = secret.current.value
    stage.clock.advance(600)
    stage.kill(died, what="instance", after=died is REGENERATE)  # type: ignore[arg-type]
    stage.post(secret, version=secret.current.version, trigger="event")
    await stage.run_for(minutes=1)
    assert stage.app.strikes.deaths == 1
    assert len(secret.versions) == 1
    body = {"compromised": True, "reason": "leaked"}
    dry = await stage.ask(secret, body, dry_run="true")
    assert (dry.status, dict(dry.body)["action"]) == (200, "rotate"), dry.body
    answer = await stage.ask(secret, body)
    assert answer.status == 202, answer.body
    await stage.run_for(minutes=15)
    assert not secret.accepts(leaked)
    assert secret.works
    assert stage.longest_refusal(secret) == timedelta()


async def test_a_key_that_somebody_else_made_still_stands_in_the_way_of_a_first_rotation(
    stage: Stage,
) -> None:
    secret = stage.storage()
    stage.clock.advance(3600)
    stage.account().regenerate("key2")
    answer = await stage.ask(secret, {"force": True, "reason": "asked for"})
    assert answer.status == 422
    assert "somebody else uses it" in str(answer.body)
