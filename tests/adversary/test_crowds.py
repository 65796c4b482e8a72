"""Many other sources are due at once: the one that refuses the vault is looked at all the same."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from engine.state.record import Record
from engine.state.tags import Pending
from simulator.reach.strikes import alter
from tests.adversary.stage import Stage

FIVE = timedelta(minutes=5)


async def crowd(stage: Stage, size: int) -> None:
    """Have overlaps end at so many other sources, all before anything else is due."""
    leases, ended = stage.app.host.app.service.engine.leases, stage.clock.now()
    for number in range(size):
        secret = stage.storage(f"key-{number}", f"account{number}")
        source = stage.account(f"account{number}").resource_id.lower()
        superseded = Pending(ended, "0" * 32, "key2")
        record = Record(source, secret.url.lower(), "storage-key", to_retire=(superseded,))
        async with leases.hold(source, record.owner, source) as lease:
            await lease.write(record)


def lose_messages(stage: Stage, name: str) -> None:
    """Lose every message about a secret: the timer, which reads the records, is left."""
    queue = stage.app.host.queue("rotations")
    queue.messages[:] = [
        message
        for message in queue.messages
        if json.loads(base64.b64decode(message.body))["secret"] != name
    ]


@pytest.mark.parametrize(("others", "is_readable"), [(130, True), (61, False)])
async def test_a_password_that_nobody_knows_is_replaced_in_time_however_many_sources_are_due(
    stage: Stage, others: int, *, is_readable: bool
) -> None:
    """In a record that a newer version of the app has written, nothing can be noted any more."""
    await crowd(stage, others)
    if not is_readable:
        stage.record_from_the_future()
    secret = stage.sql("login")
    stage.kill(alter, what="instance")
    stage.post(secret, version=secret.current.version)
    await stage.run_for(seconds=1)
    lose_messages(stage, secret.name)
    await stage.run_for(minutes=10)
    assert stage.app.strikes.deaths == 1
    assert secret.works
    assert timedelta() < stage.longest_refusal(secret) <= FIVE
