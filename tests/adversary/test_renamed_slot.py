"""A single slot whose worker died after its change, and whose secret is renamed before the next look."""

from __future__ import annotations

from datetime import timedelta

from simulator.reach.strikes import SINGLE
from tests.adversary.stage import Stage
from tests.adversary.test_handovers import renamed


async def test_a_password_that_nobody_knows_is_replaced_although_the_secret_is_renamed(
    stage: Stage,
) -> None:
    secret = stage.put("admin", days_left=60)
    await stage.run_a_day()
    stage.kill(SINGLE["admin"])
    stage.post(secret, force=True, version=secret.current.version)
    await stage.run_for(seconds=20)
    assert not secret.works
    new = renamed(stage, secret, "deleted")
    new.vault.amend(new.current, expires=int(stage.clock.now().timestamp()) + 80 * 86_400)
    stage._watched.append(new)
    stage.post(new, action="audit")
    since = stage.clock.now()
    await stage.run_for(hours=26)
    outcomes = [(it["result"], it["reason"]) for it in stage.of(new)]
    assert stage.longest_refusal(new, since) <= timedelta(minutes=5), outcomes
