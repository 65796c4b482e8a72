"""The timer takes up what is due within minutes, however many vaults the deployment serves."""

from __future__ import annotations

from datetime import timedelta

from tests.shared.many_vaults import rig_of

MINUTE = timedelta(minutes=1)


async def test_the_number_of_vaults_does_not_slow_the_timer_down() -> None:
    """One timer looks after all vaults: a subscription's budget is not to be divided by them."""
    rig = rig_of(10)
    for number in range(20):
        name = f"key-{number}"
        rig.secret(name, rig.account(f"account{number}"))
        since = rig.clock.now() - 5 * MINUTE
        source = rig.tags(name)["ProviderAddress"].lower()
        await rig.note(source, name, changing=since, look_at=since + MINUTE)
    await rig.service().recheck()
    assert len(rig.messages("rotations")) == 20
